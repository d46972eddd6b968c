"""Which tenant holds a domain, asked of the sign-in service: no token, no consent, one small public document.

Satisfies `shared.ports.TenantFinder`. The document names the tenant in its `issuer`. Only Microsoft's own "no such
tenant" is a no; whatever else goes wrong is an error, because a no sends people away.
"""

from __future__ import annotations

import re

from shared.adapters.graph.login_errors import LOGIN
from shared.adapters.http import Answer, HttpClient, Request, retry_after
from shared.adapters.lenient import mapping, text
from shared.domain.errors import Permanent, Transient
from shared.domain.guid import GUID

NO_SUCH_TENANT = 90002
NO_DOMAIN = 900023  # "neither a valid DNS name, nor a valid external domain"
_TEMPLATE = "/{domain}/v2.0/.well-known/openid-configuration"
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})+")
_TENANT = re.compile(rf"https://[^/]+/({GUID})/", re.IGNORECASE)


class OpenIdFinder:
    """`login_base_url` has no path; `http` must trust its authority."""

    def __init__(self, http: HttpClient, login_base_url: str) -> None:
        self._http = http
        self._root = login_base_url.rstrip("/")

    async def tenant_of(self, domain: str) -> str | None:
        """The tenant's id in lower case. Raises Permanent "not_a_domain" for what can be none, else Transient."""
        url = f"{self._root}/{_ascii(domain)}/v2.0/.well-known/openid-configuration"
        answer = await self._http.send(Request(LOGIN, "GET", url, _TEMPLATE))
        if answer.status == 200:
            return _tenant(answer)
        codes = _codes(answer)
        if answer.status == 400 and NO_SUCH_TENANT in codes:
            return None
        if answer.status == 400 and NO_DOMAIN in codes:
            raise _not_a_domain()
        raise Transient(LOGIN, "login_unavailable", f"status {answer.status}", retry_after=retry_after(answer.headers))


def _ascii(domain: str) -> str:
    """As DNS spells it ("xn--..."), so that nothing but a domain can ever get into the path."""
    try:
        spelt = domain.strip().rstrip(".").lower().encode("idna").decode("ascii")
    except UnicodeError:
        raise _not_a_domain() from None
    if len(spelt) > 253 or _DOMAIN.fullmatch(spelt) is None:
        raise _not_a_domain()
    return spelt


def _tenant(answer: Answer) -> str:
    body = mapping(answer.document)
    for name in ("issuer", "token_endpoint"):
        found = _TENANT.match(text(body.get(name)) or "")
        if found is not None:
            return found.group(1).lower()
    raise Transient(LOGIN, "unreadable_answer", "no tenant in its answer")


def _codes(answer: Answer) -> list[object]:
    listed = mapping(answer.document).get("error_codes")
    return listed if isinstance(listed, list) else []


def _not_a_domain() -> Permanent:
    return Permanent(LOGIN, "not_a_domain", "this is no domain name")
