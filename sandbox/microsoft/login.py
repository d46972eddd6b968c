"""The simulated login.microsoftonline.com: discovery, the token endpoint with its AADSTS errors, admin consent.

Speaks client credentials only (secret or client assertion); there are no people to sign in. TLS is put around it by
facade.py. Next: tokens.py.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import jwt
from aiohttp import web

from sandbox.microsoft.aadsts import LoginError, login_error
from sandbox.microsoft.calls import Call
from sandbox.microsoft.cloud import Cloud
from sandbox.microsoft.switches import Fault
from sandbox.microsoft.tenant import Tenant
from sandbox.microsoft.tokens import TokenMint

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_NEVER_CACHED = {"Cache-Control": "no-store, no-cache", "Pragma": "no-cache"}
_SHARED_AUTHORITIES = ("common", "organizations", "consumers")


class Login:
    """The routes of the login host."""

    def __init__(self, cloud: Cloud, mint: TokenMint) -> None:
        self._cloud = cloud
        self._mint = mint

    def application(self) -> web.Application:
        """The aiohttp application of the host; every call is recorded and may meet a fault."""
        app = web.Application(middlewares=[self._recorded])
        app.add_routes(self._routes())
        return app

    def _routes(self) -> list[web.RouteDef]:
        return [
            web.get("/{tenant}/v2.0/.well-known/openid-configuration", self._discovery),
            web.get("/{tenant}/.well-known/openid-configuration", self._discovery),
            web.get("/common/discovery/instance", self._instances),
            web.get("/{tenant}/discovery/v2.0/keys", self._keys),
            web.post("/{tenant}/oauth2/v2.0/token", self._token),
            web.post("/{tenant}/oauth2/token", self._token_v1),
            web.get("/{tenant}/v2.0/adminconsent", self._admin_consent),
            web.get("/{tenant}/adminconsent", self._admin_consent),
        ]

    @web.middleware
    async def _recorded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        began = time.monotonic()
        found = self._cloud.tenant(request.match_info.get("tenant", ""))
        tenant_id = found.tenant_id if found else ""
        status = 500
        try:
            fault = self._cloud.switches.take_fault("login", tenant_id, request.method, request.path)
            response = await self._failed(request, fault) if fault else None
            response = response or await handler(request)
            status = response.status
        except web.HTTPException as answer:
            status = answer.status
            raise
        finally:
            call = Call(
                self._cloud.clock.now(),
                "login",
                tenant_id,
                request.method,
                request.path_qs,
                status,
                time.monotonic() - began,
            )
            self._cloud.calls.append(call)
        return response

    @staticmethod
    async def _failed(request: web.Request, fault: Fault) -> web.StreamResponse | None:
        await asyncio.sleep(fault.delay_s)
        if fault.drop and request.transport is not None:
            request.transport.abort()
        if not fault.status and not fault.drop:
            return None
        headers = {"Retry-After": fault.retry_after} if fault.retry_after is not None else {}
        body = {"error": "temporarily_unavailable", "error_description": fault.message or "Service is busy."}
        return web.json_response(body, status=fault.status or 500, headers=headers)

    async def _discovery(self, request: web.Request) -> web.Response:
        name = request.match_info["tenant"]
        tenant = self._cloud.tenant(name)
        if tenant is None and name not in _SHARED_AUTHORITIES:
            return self._refusal(login_error(90002, tenant=name))
        root = f"{self._cloud.login_url}/{tenant.tenant_id if tenant else name}"
        return web.json_response(
            {
                "token_endpoint": f"{root}/oauth2/v2.0/token",
                "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
                "jwks_uri": f"{root}/discovery/v2.0/keys",
                "response_modes_supported": ["query", "fragment", "form_post"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
                "scopes_supported": ["openid", "profile", "email", "offline_access"],
                "issuer": f"{root}/v2.0",
                "authorization_endpoint": f"{root}/oauth2/v2.0/authorize",
                "device_authorization_endpoint": f"{root}/oauth2/v2.0/devicecode",
                "tenant_region_scope": "EU",
                "cloud_instance_name": "microsoftonline.com",
                "msgraph_host": self._cloud.graph_url.removeprefix("http://"),
            }
        )

    async def _instances(self, request: web.Request) -> web.Response:
        host = self._cloud.login_url.removeprefix("https://")
        return web.json_response(
            {
                "tenant_discovery_endpoint": f"{self._cloud.login_url}/common/v2.0/.well-known/openid-configuration",
                "api-version": "1.1",
                "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
            }
        )

    async def _keys(self, request: web.Request) -> web.Response:
        return web.json_response(self._mint.public_keys())

    async def _token(self, request: web.Request) -> web.Response:
        form = {key: str(value) for key, value in (await request.post()).items()}
        try:
            tenant = self._entitled(request.match_info["tenant"], form)
        except LoginError as error:
            return self._refusal(error)
        life = self._cloud.switches.token_life_s
        head = {"token_type": "Bearer", "expires_in": life, "ext_expires_in": life}
        return web.json_response(head | {"access_token": self._issue(tenant)}, headers=_NEVER_CACHED)

    async def _token_v1(self, request: web.Request) -> web.Response:
        """The older endpoint: a `resource` instead of a scope, and every number of the answer as text."""
        form = {key: str(value) for key, value in (await request.post()).items()}
        resource = form.get("resource", "")
        try:
            if not resource:
                raise login_error(900144, app="resource")
            tenant = self._entitled(request.match_info["tenant"], form | {"scope": resource.rstrip("/") + "/.default"})
        except LoginError as error:
            return self._refusal(error)
        life, now = self._cloud.switches.token_life_s, int(self._cloud.clock.timestamp())
        head = {"token_type": "Bearer", "expires_in": str(life), "ext_expires_in": str(life)}
        head |= {"expires_on": str(now + life), "not_before": str(now), "resource": resource}
        return web.json_response(head | {"access_token": self._issue(tenant)}, headers=_NEVER_CACHED)

    def _issue(self, tenant: Tenant) -> str:
        switches = self._cloud.switches
        issuer = f"https://sts.windows.net/{tenant.tenant_id}/"
        return self._mint.issue(
            tenant, self._cloud.app_id, issuer, switches.token_life_s, roleless=switches.roleless_tokens
        )

    def _entitled(self, name: str, form: Mapping[str, str]) -> Tenant:
        """The tenant a token may be issued for, after every check in the vendor's order."""
        self._check_grant(form)
        if name in _SHARED_AUTHORITIES:
            raise login_error(50059)
        tenant = self._cloud.tenant(name)
        if tenant is None:
            raise login_error(90002, tenant=name)
        errors = self._cloud.switches.login_errors
        switched = errors.get(tenant.tenant_id, errors.get("*", 0))
        if switched:
            raise login_error(switched, tenant=tenant.name, app=form["client_id"])
        if not tenant.consented or form["client_id"] != self._cloud.app_id:
            raise login_error(700016, tenant=tenant.name, app=form["client_id"])
        self._check_credential(form)
        self._check_scope(form["scope"])
        return tenant

    @staticmethod
    def _check_grant(form: Mapping[str, str]) -> None:
        for field in ("grant_type", "client_id", "scope"):
            if not form.get(field):
                raise login_error(900144, app=field)
        if form["grant_type"] != "client_credentials":
            raise login_error(70003)

    def _check_credential(self, form: Mapping[str, str]) -> None:
        if "client_secret" in form:
            if form["client_secret"] != self._cloud.app_secret:
                raise login_error(7000215, app=form["client_id"])
        elif form.get("client_assertion_type") == _ASSERTION_TYPE:
            self._check_assertion(form.get("client_assertion", ""))
        else:
            raise login_error(7000218)

    def _check_assertion(self, assertion: str) -> None:
        # no certificate is registered in the sandbox: any well-formed, current assertion of the app is accepted
        try:
            options: Any = {"verify_signature": False}
            claims = jwt.decode(assertion, options=options)
        except jwt.InvalidTokenError as error:
            raise login_error(50027) from error
        if claims.get("sub") != self._cloud.app_id or claims.get("exp", 0) < self._cloud.clock.timestamp():
            raise login_error(700027)

    def _check_scope(self, scope: str) -> None:
        resource, slash, default = scope.strip().rpartition("/")
        if not slash or default != ".default":
            raise login_error(1002012, app=scope)
        if resource.rstrip("/") not in (
            "https://graph.microsoft.com",
            self._cloud.graph_url,
            self._cloud.graph_tls_url,
        ):
            raise login_error(500011, app=resource)

    async def _admin_consent(self, request: web.Request) -> web.Response:
        query = request.query
        if query.get("client_id") != self._cloud.app_id or "redirect_uri" not in query:
            return self._refusal(
                login_error(700016, tenant=request.match_info["tenant"], app=query.get("client_id", ""))
            )
        answer = self._consent_answer(request.match_info["tenant"], query.get("scope"))
        if "state" in query:
            answer["state"] = query["state"]
        separator = "&" if "?" in query["redirect_uri"] else "?"
        raise web.HTTPFound(query["redirect_uri"] + separator + urlencode(answer))

    def _consent_answer(self, name: str, scope: str | None) -> dict[str, str]:
        tenant = self._cloud.tenant(name)
        # admin_consent=True is there on a refusal too: the vendor's trap for careless callbacks
        if tenant is None or self._cloud.switches.consent_declined:
            text = "AADSTS65004: User declined to consent to access the app."
            return {"error": "consent_required", "error_description": text, "admin_consent": "True"}
        tenant.consented = True
        answer = {"admin_consent": "True", "tenant": tenant.tenant_id}
        return answer | ({"scope": scope} if scope else {})

    def _refusal(self, error: LoginError) -> web.Response:
        trace = str(uuid.uuid4())
        body = error.body(self._cloud.clock.now(), trace, str(uuid.uuid4()))
        return web.json_response(body, status=error.status, headers={"x-ms-request-id": trace})
