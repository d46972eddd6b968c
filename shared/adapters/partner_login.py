"""A technician's own sign-in, for what only a person under a partner relationship may do: device code, then tokens.

By MSAL in threads, as `shared/adapters/graph/auth.py`, but as a public client: the person proves who he is elsewhere,
in his browser, and the app's own secret takes no part in it. The refresh token stays in memory and dies with the
process; nothing is written to disk. Documented by Microsoft: the device code flow, and that the refresh token of a
partner's user is redeemed at the customer tenant's own address ("secure application model"). Next:
`shared/adapters/partner.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from shared.adapters.graph.late_session import LateSession
from shared.adapters.graph.login_errors import LOGIN, login_family
from shared.adapters.lenient import integer, mapping, text
from shared.domain.clouds import LOGIN_HOSTS
from shared.domain.errors import Permanent, SyncError, Transient

PARTNER = "partner"
LONGEST = 900.0  # seconds that a person has for signing in, whatever the service would allow
SHORTEST_PAUSE = 1  # seconds between two questions; MSAL would loop without end on 0

_WAITING = frozenset({"authorization_pending", "slow_down"})
_SIGN_IN_ENDS: Mapping[str, str] = {
    "authorization_declined": "sign_in_declined",
    "access_denied": "sign_in_declined",
    "expired_token": "sign_in_expired",
    "code_expired": "sign_in_expired",
}
# Refusals of a person's token, by AADSTS number (Microsoft's list of error codes). The others are `login_family`'s.
_PERSON_CODES: Mapping[int, str] = {
    7000218: "public_client_off",  # the app may not be used without a secret: "Allow public client flows" is off
    50020: "no_relationship",  # "user account from identity provider does not exist in tenant"
    90072: "no_relationship",
    50034: "no_relationship",
    50076: "mfa_wanted",
    50079: "mfa_wanted",
    53003: "blocked_by_policy",
    50173: "sign_in_expired",
    70043: "sign_in_expired",
    700082: "sign_in_expired",
}

Answered = Mapping[str, Any] | SyncError


class PersonTokens:
    """`login_base_url` has no path. `tenant_id`: the partner's own tenant, where the person signs in."""

    def __init__(self, app_id: str, tenant_id: str, login_base_url: str, ca_file: Path | str | None = None) -> None:
        self._app_id = app_id
        self._tenant_id = tenant_id
        self._login = login_base_url.rstrip("/")
        self._session = LateSession(ca_file)
        self._signing_in: Any = None
        self._refresh = ""

    async def sign_in(self, scope: str, tell: Callable[[str, str], None]) -> str:
        """The person's name. Raises Permanent: `sign_in_declined`, `sign_in_expired`, `partner_not_set`."""
        if not self._tenant_id:
            raise Permanent(PARTNER, "partner_not_set", "partner.tenant_id is not set")
        flow = dict(await self._thread(lambda: self._begin(scope)))
        tell(text(flow.get("verification_uri")) or "", text(flow.get("user_code")) or "")
        try:
            async with asyncio.timeout(min(LONGEST, float(integer(flow.get("expires_in")) or LONGEST))):
                result = await self._until_answered(flow)
        except TimeoutError:
            raise Permanent(PARTNER, "sign_in_expired", "nobody signed in in time") from None
        self._refresh = text(result.get("refresh_token")) or ""
        claims = mapping(result.get("id_token_claims"))
        return text(claims.get("name")) or text(claims.get("preferred_username")) or ""

    async def token(self, tenant_id: str, scope: str) -> str:
        """A fresh token of the person who signed in, for a tenant and one resource's scope."""
        if not self._refresh:
            raise Permanent(PARTNER, "sign_in_expired", "nobody has signed in")
        result = await self._thread(lambda: self._redeem(tenant_id, scope))
        return text(result.get("access_token")) or ""

    @property
    def tenant_id(self) -> str:
        return self._tenant_id

    async def aclose(self) -> None:
        self._refresh = ""
        self._session.close()

    async def _until_answered(self, flow: dict[str, Any]) -> Mapping[str, Any]:
        while True:
            await asyncio.sleep(flow["interval"])  # MSAL makes it longer when the service says "slow down"
            result = await self._thread(lambda: self._poll(flow))
            if result:
                return result

    async def _thread(self, ask: Callable[[], Answered]) -> Mapping[str, Any]:
        answer = await asyncio.to_thread(_as_value, ask, self._tenant_id)
        if isinstance(answer, SyncError):
            raise answer
        return answer

    # --- in a thread ---------------------------------------------------------------------------------------------

    def _app(self, tenant_id: str) -> Any:
        """Made anew for every use: MSAL would replay a refusal for a minute, and a consent may have come meanwhile."""
        import msal  # here, in a thread: it and what it needs take a tenth of a second

        return msal.PublicClientApplication(
            self._app_id,
            authority=f"{self._login}/{tenant_id}",
            http_client=self._session.get(),
            http_cache={},
            instance_discovery=urlsplit(self._login).hostname in LOGIN_HOSTS,
        )

    def _begin(self, scope: str) -> Answered:
        self._signing_in = self._app(self._tenant_id)
        flow: dict[str, Any] = self._signing_in.initiate_device_flow(scopes=[scope])
        if "user_code" not in flow:
            return person_family(flow, self._tenant_id)
        flow["interval"] = max(SHORTEST_PAUSE, flow["interval"])
        return flow

    def _poll(self, flow: dict[str, Any]) -> Answered:
        """One question; nothing while the person has not answered."""
        result = mapping(self._signing_in.acquire_token_by_device_flow(flow, exit_condition=lambda _: True))
        if result.get("error") in _WAITING:
            return {}
        return result if "access_token" in result else person_family(result, self._tenant_id)

    def _redeem(self, tenant_id: str, scope: str) -> Answered:
        result = mapping(self._app(tenant_id).acquire_token_by_refresh_token(self._refresh, [scope]))
        return result if "access_token" in result else person_family(result, tenant_id)


def person_family(body: object, tenant: str) -> SyncError:
    """The error behind a refused token of a person. Pure."""
    ended = _SIGN_IN_ENDS.get(text(mapping(body).get("error")) or "")
    if ended is not None:
        return Permanent(PARTNER, ended, "")
    listed = mapping(body).get("error_codes")
    for code in listed if isinstance(listed, list) else []:
        if code in _PERSON_CODES:
            return Permanent(PARTNER, _PERSON_CODES[code], f"AADSTS{code}, tenant {tenant}")
    return login_family(body, tenant)


def _as_value(ask: Callable[[], Answered], tenant: str) -> Answered:
    """Errors come back as values: a traceback out of here would hold MSAL's frames, and with them the tokens."""
    try:
        return ask()
    except Exception:  # MSAL names no exceptions: ValueError for odd answers, and those of requests
        return Transient(LOGIN, "login_unavailable", f"tenant {tenant}")
