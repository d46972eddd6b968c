"""The simulated Partner Center: the customers of the managed service provider, and consent in their name.

`POST applicationconsents` makes the application known in the customer's tenant and grants it delegated permissions
only; application roles still have to be assigned through Graph. Wants a person's token of the partner's own tenant.
Shapes as documented; the byte order mark and the continuation header are what trips careless clients.
Next: applications.py.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from sandbox.microsoft.calls import Call
from sandbox.microsoft.cloud import Cloud
from sandbox.microsoft.tenant import Tenant
from sandbox.microsoft.tokens import GRAPH_APP_ID, PARTNER_AUDIENCE, BadTokenError, Identity, TokenMint

_DEFAULT_PAGE, _BOM = 50, b"\xef\xbb\xbf"
Json = dict[str, Any]


class PartnerError(Exception):
    """An answer that is not a success."""

    def __init__(self, status: int, code: str, description: str) -> None:
        super().__init__(code)
        self.status = status
        self.body: Json = {"code": code, "description": description, "data": [], "source": "PartnerFD"}


class PartnerCenter:
    """The host behind `api.partnercenter.microsoft.com`."""

    def __init__(self, cloud: Cloud, mint: TokenMint) -> None:
        self._cloud = cloud
        self._mint = mint
        self._pages: dict[str, Sequence[Tenant]] = {}

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._serve)
        return app

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        began = time.monotonic()
        headers: dict[str, str] = {}
        try:
            fault = self._cloud.switches.take_fault("partner", "", request.method, request.path)
            if fault is not None:
                await asyncio.sleep(fault.delay_s)
                if fault.drop and request.transport is not None:
                    request.transport.abort()
                if fault.status or fault.drop:
                    headers = {"Retry-After": fault.retry_after} if fault.retry_after is not None else {}
                    raise PartnerError(fault.status or 500, fault.code, fault.message or "The service is busy.")
            status, body = await self._answer(request)
        except PartnerError as error:
            status, body = error.status, error.body
        took = time.monotonic() - began
        call = Call(self._cloud.clock.now(), "partner", "", request.method, request.path_qs, status, took)
        self._cloud.calls.append(call)
        raw = json.dumps(body).encode()
        mark = _BOM if self._cloud.switches.partner_byte_order_mark else b""
        return web.Response(status=status, body=mark + raw, content_type="application/json", headers=headers)

    async def _answer(self, request: web.Request) -> tuple[int, Json]:
        partner = self._authenticated(request)
        if request.method == "GET" and request.path == "/v1/customers":
            return 200, self._customers(request, partner)
        match = re.fullmatch(r"/v1/customers/([^/]+)/applicationconsents", request.path)
        if request.method == "POST" and match is not None:
            return 201, self._consent(match[1], partner, await _body(request))
        raise PartnerError(404, "NotFound", "No HTTP resource was found that matches the request URI.")

    def _authenticated(self, request: web.Request) -> Tenant:
        """The partner's tenant; refuses tokens of the application itself, of other audiences and other tenants."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        try:
            identity = self._mint.read(token.strip() if scheme.lower() == "bearer" else "")
        except BadTokenError as error:
            raise PartnerError(401, "InvalidToken", "The access token is missing, invalid or expired.") from error
        partner = self._cloud.partner()
        if not _is_a_persons(identity):
            raise PartnerError(401, "InvalidToken", "A token with user_impersonation is required.")
        if partner is None or identity.tenant_id != partner.tenant_id:
            raise PartnerError(403, "Forbidden", "The account is not enrolled as a partner.")
        return partner

    # -- customers ----------------------------------------------------------------------------------------------

    def _customers(self, request: web.Request, partner: Tenant) -> Json:
        if request.query.get("seekOperation", "").lower() == "next":
            rest = self._pages.get(request.headers.get("MS-ContinuationToken", ""))
            if rest is None:
                raise PartnerError(400, "InvalidRequest", "The continuation token is missing or invalid.")
        else:
            rest = [one for one in self._cloud.tenants.values() if one is not partner and one.relationship != "none"]
        size = min(_size(request), self._cloud.switches.partner_page_max)
        links: Json = {"self": _link("/customers" + (f"?{request.query_string}" if request.query_string else ""))}
        if len(rest) > size:
            token = secrets.token_urlsafe(18)
            self._pages[token] = rest[size:]
            header = {"key": "MS-ContinuationToken", "value": token}
            links["next"] = _link(f"/customers?size={size}&seekOperation=Next") | {"headers": [header]}
        items = [_customer(one) for one in rest[:size]]
        return {"totalCount": len(items), "items": items, "links": links, "attributes": {"objectType": "Collection"}}

    # -- consent ------------------------------------------------------------------------------------------------

    def _consent(self, customer_id: str, partner: Tenant, body: Json) -> Json:
        tenant = self._cloud.tenants.get(customer_id.lower())
        if tenant is None or tenant is partner or tenant.relationship == "none":
            raise PartnerError(404, "CustomerNotFound", f"Customer {customer_id} was not found.")
        if tenant.relationship != "administrator":
            raise PartnerError(403, "AccessDenied", "The user has no role in this customer that may consent.")
        if str(body.get("applicationId", "")).lower() != self._cloud.app_id:
            raise PartnerError(400, "InvalidRequest", "The application id is not that of a multi-tenant application.")
        scopes = _scopes(body)
        if tenant.scopes:
            raise PartnerError(409, "Conflict", "Permission entry already exists.")
        if not tenant.consented:
            tenant.grant((), self._cloud.clock.timestamp())
            tenant.unauthorized_creations = self._cloud.switches.unauthorized_after_consent
        tenant.scopes = scopes
        tenant.scopes_seen_at = self._cloud.clock.timestamp() + self._cloud.switches.introduction_lag_s
        return {
            "applicationId": self._cloud.app_id,
            "displayName": body.get("displayName"),
            "applicationGrants": body["applicationGrants"],
        }


def _is_a_persons(identity: Identity) -> bool:
    return identity.audience == PARTNER_AUDIENCE and "user_impersonation" in identity.scopes


def _scopes(body: Json) -> tuple[str, ...]:
    """The delegated permissions for Graph; the documented form parts them by commas."""
    grants = body.get("applicationGrants")
    if not isinstance(grants, list) or not all(isinstance(entry, dict) for entry in grants) or not grants:
        raise PartnerError(400, "InvalidRequest", "applicationGrants is missing.")
    ours = [entry for entry in grants if str(entry.get("enterpriseApplicationId", "")).lower() == GRAPH_APP_ID]
    words = [word for entry in ours for word in re.split(r"[,\s]+", str(entry.get("scope", ""))) if word]
    if not words:
        raise PartnerError(400, "InvalidRequest", "An application grant without a scope.")
    return tuple(dict.fromkeys(words))


def _customer(tenant: Tenant) -> Json:
    own = f"/customers/{tenant.tenant_id}"
    return {
        "id": tenant.tenant_id,
        "companyProfile": {
            "tenantId": tenant.tenant_id,
            "domain": tenant.default_domain,
            "companyName": tenant.name,
            "links": {"self": _link(own + "/profiles/company")},
            "attributes": {"objectType": "CustomerCompanyProfile"},
        },
        "relationshipToPartner": "none",
        "allowDelegatedAccess": True,
        "links": {"self": _link(own)},
        "attributes": {"objectType": "Customer"},
    }


def _link(uri: str) -> Json:
    return {"uri": uri, "method": "GET", "headers": []}


def _size(request: web.Request) -> int:
    text = request.query.get("size", str(_DEFAULT_PAGE))
    if not text.isdecimal() or int(text) < 1:
        raise PartnerError(400, "InvalidRequest", "The page size is not valid.")
    return int(text)


async def _body(request: web.Request) -> Json:
    try:
        body = json.loads(await request.read() or b"{}")
    except ValueError as error:
        raise PartnerError(400, "InvalidRequest", "The body is not JSON.") from error
    if not isinstance(body, dict):
        raise PartnerError(400, "InvalidRequest", "The body is not an object.")
    return body
