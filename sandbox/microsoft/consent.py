"""Admin consent: an administrator's browser comes with a link, says yes or no, and is sent back to the application.

Both forms: v2 (`scope` is a must) and v1 (everything the app asks for). Whoever signs in decides the tenant at the
shared authorities. The answer in the redirect is nothing the application may believe. Next: tenant.py (`grant`).
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from aiohttp import web

from sandbox.microsoft.aadsts import LoginError, login_error
from sandbox.microsoft.app_tokens import SHARED_AUTHORITIES
from sandbox.microsoft.cloud import Cloud
from sandbox.microsoft.pages import choice, error_page, form, page
from sandbox.microsoft.subscription_rules import is_loopback
from sandbox.microsoft.tenant import Tenant

_DECLINED = {
    "consent_required": "AADSTS65004: User declined to consent to access the app.",
    "permission_denied": "The admin canceled the request",
    "access_denied": "AADSTS65004: User declined to consent to access the app.",
}


class Consent:
    """The consent routes of the login host."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def routes(self) -> list[web.RouteDef]:
        paths = ("/{tenant}/v2.0/adminconsent", "/{tenant}/adminconsent")
        return [web.get(path, self._asked) for path in paths] + [web.post(path, self._answered) for path in paths]

    async def _asked(self, request: web.Request) -> web.StreamResponse:
        try:
            self._check(request)
            tenant = self._tenant(request)
        except LoginError as error:
            return error_page(error.code, error.text)
        if tenant is None or self._cloud.switches.consent_page == "page":
            return self._page(tenant)
        declines = tenant.declines or self._cloud.switches.consent_declined
        return self._redirect(request, tenant, is_accepted=not declines)

    async def _answered(self, request: web.Request) -> web.StreamResponse:
        """The form of the page: `answer` accept or decline, `tenant` where the address did not say which."""
        given = await request.post()
        try:
            self._check(request)
            tenant = self._tenant(request) or self._cloud.tenant(str(given.get("tenant", "")))
        except LoginError as error:
            return error_page(error.code, error.text)
        if tenant is None:
            return self._page(None)
        return self._redirect(request, tenant, is_accepted=given.get("answer") == "accept")

    # -- the request --------------------------------------------------------------------------------------------

    def _check(self, request: web.Request) -> None:
        query, name = request.query, request.match_info["tenant"]
        for field in ("client_id", "redirect_uri"):
            if not query.get(field):
                raise login_error(900144, app=field)
        if query["client_id"] != self._cloud.app_id:
            raise login_error(700016, tenant=name, app=query["client_id"])
        if not self._is_registered(query["redirect_uri"]):
            raise login_error(50011, tenant=query["redirect_uri"], app=self._cloud.app_id)
        if "/v2.0/" in request.path and not query.get("scope"):
            raise login_error(900144, app="scope")

    def _is_registered(self, uri: str) -> bool:
        wanted = _parts(uri)
        if wanted is None:
            return False
        known = self._cloud.switches.redirect_uris
        return not known or wanted in [_parts(entry) for entry in known]

    def _tenant(self, request: web.Request) -> Tenant | None:
        """The named one; at a shared authority that of the person who signs in, None if nobody knows yet."""
        name = request.match_info["tenant"]
        if name not in SHARED_AUTHORITIES:
            tenant = self._cloud.tenant(name)
            if tenant is None:
                raise login_error(90002, tenant=name)
            return tenant
        hint = request.query.get("domain_hint") or request.query.get("login_hint", "").rpartition("@")[2]
        return self._cloud.tenant(hint) if hint else self._cloud.tenant(self._cloud.switches.consent_as)

    # -- the answer ---------------------------------------------------------------------------------------------

    def _page(self, tenant: Tenant | None) -> web.Response:
        roles = "".join(f"<li>{role}</li>" for role in self._cloud.required_roles)
        everyone = [(one.tenant_id, f"{one.name} ({one.default_domain})") for one in self._cloud.tenants.values()]
        chooser = "" if tenant is not None else choice("tenant", everyone)
        who = "your organization" if tenant is None else tenant.name
        body = f"<p>entra-syncro asks for:</p><ul>{roles}</ul>"
        buttons = (("accept", "Accept"), ("decline", "Cancel"))
        return page(f"Permissions requested: review for {who}", body + form({}, buttons, chooser))

    def _redirect(self, request: web.Request, tenant: Tenant, *, is_accepted: bool) -> web.StreamResponse:
        query = request.query
        answer = self._accepted(request, tenant) if is_accepted else self._declined(tenant)
        if "state" in query:
            answer["state"] = query["state"]
        separator = "&" if "?" in query["redirect_uri"] else "?"
        return web.Response(status=302, headers={"Location": query["redirect_uri"] + separator + urlencode(answer)})

    def _accepted(self, request: web.Request, tenant: Tenant) -> dict[str, str]:
        scope = request.query.get("scope")
        # application permissions come with .default only; other scopes are a person's
        is_default = "/v2.0/" not in request.path or any(word.endswith("/.default") for word in (scope or "").split())
        switches, was_known = self._cloud.switches, tenant.consented
        wanted = switches.consent_roles or self._cloud.required_roles
        kept = tenant.roles if was_known else ()
        tenant.grant(wanted if is_default else kept, self._cloud.clock.timestamp() + switches.token_lag_s)
        if not was_known:
            tenant.unauthorized_creations = switches.unauthorized_after_consent
        answer = {"admin_consent": "True", "tenant": tenant.tenant_id}
        return answer | ({"scope": scope} if scope else {})

    def _declined(self, tenant: Tenant) -> dict[str, str]:
        # admin_consent=True is there on a refusal too: the vendor's trap for careless callbacks
        switches = self._cloud.switches
        error = switches.decline_error
        answer = {"error": error, "error_description": _DECLINED[error], "admin_consent": "True"}
        return answer | ({"tenant": tenant.tenant_id} if switches.decline_names_tenant else {})


def _parts(uri: str) -> Mapping[str, object] | None:
    """What must be equal of two redirect addresses; None for one that nobody may register. Loopback ports are free."""
    try:
        parts = urlsplit(uri)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return None
    is_local = is_loopback(host)
    if not host or parts.fragment or not (parts.scheme == "https" or (parts.scheme == "http" and is_local)):
        return None
    port = None if is_local and parts.scheme == "http" else port
    return {"scheme": parts.scheme, "host": host, "port": port, "path": parts.path, "query": parts.query}
