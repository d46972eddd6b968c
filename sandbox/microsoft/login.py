"""The simulated login.microsoftonline.com: discovery and tokens; every call is recorded and may meet a fault.

Tokens of the application are made in app_tokens.py, those of people in delegated.py; consent.py has its own routes.
TLS is put around all of it by facade.py. Next: app_tokens.py.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from sandbox.microsoft.aadsts import LoginError, login_error
from sandbox.microsoft.app_tokens import SHARED_AUTHORITIES, AppTokens, check_fields
from sandbox.microsoft.calls import Call
from sandbox.microsoft.cloud import Cloud
from sandbox.microsoft.consent import Consent
from sandbox.microsoft.delegated import DEVICE_GRANT, Delegated
from sandbox.microsoft.device_page import DevicePage
from sandbox.microsoft.switches import Fault
from sandbox.microsoft.tokens import TokenMint

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_NEVER_CACHED = {"Cache-Control": "no-store, no-cache", "Pragma": "no-cache"}


class Login:
    """The routes of the login host."""

    def __init__(self, cloud: Cloud, mint: TokenMint) -> None:
        self._cloud = cloud
        self._mint = mint
        self._app_tokens = AppTokens(cloud, mint)
        self._delegated = Delegated(cloud, mint, self._app_tokens)
        self._consent = Consent(cloud)

    def application(self) -> web.Application:
        """The aiohttp application of the host; every call is recorded and may meet a fault."""
        app = web.Application(middlewares=[self._recorded])
        app.add_routes(self._routes() + self._consent.routes() + DevicePage(self._delegated).routes())
        return app

    def _routes(self) -> list[web.RouteDef]:
        return [
            web.get("/{tenant}/v2.0/.well-known/openid-configuration", self._discovery),
            web.get("/{tenant}/.well-known/openid-configuration", self._discovery),
            web.get("/common/discovery/instance", self._instances),
            web.get("/{tenant}/discovery/v2.0/keys", self._keys),
            web.post("/{tenant}/oauth2/v2.0/token", self._token),
            web.post("/{tenant}/oauth2/token", self._token_v1),
            web.post("/{tenant}/oauth2/v2.0/devicecode", self._device_code),
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
        if tenant is None and name not in SHARED_AUTHORITIES:
            return self._refusal(_no_such_tenant(name))
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
                # a shared authority names no tenant: the vendor leaves this placeholder
                "issuer": f"{root}/v2.0" if tenant else f"{self._cloud.login_url}/{{tenantid}}/v2.0",
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
        form = await _form(request)
        try:
            answer = self._granted(request.match_info["tenant"], form)
        except LoginError as error:
            return self._refusal(error)
        return web.json_response(answer, headers=_NEVER_CACHED)

    def _granted(self, name: str, form: Mapping[str, str]) -> dict[str, Any]:
        check_fields(form, "grant_type", "client_id")
        grant = form["grant_type"]
        if grant == "client_credentials":
            token, life = self._app_tokens.issue(name, form), self._cloud.switches.token_life_s
            return {"token_type": "Bearer", "expires_in": life, "ext_expires_in": life, "access_token": token}
        if grant == "refresh_token":
            return self._delegated.by_refresh_token(name, form)
        if grant in (DEVICE_GRANT, "device_code"):
            return self._delegated.by_device_code(name, form)
        raise login_error(70003)

    async def _token_v1(self, request: web.Request) -> web.Response:
        """The older endpoint: a `resource` instead of a scope, and every number of the answer as text."""
        form = await _form(request)
        resource = form.get("resource", "")
        try:
            check_fields(form, "resource", "grant_type", "client_id")
            if form["grant_type"] != "client_credentials":
                raise login_error(70003)
            scope = resource.rstrip("/") + "/.default"
            token = self._app_tokens.issue(request.match_info["tenant"], form | {"scope": scope})
        except LoginError as error:
            return self._refusal(error)
        life, now = self._cloud.switches.token_life_s, int(self._cloud.clock.timestamp())
        head = {"token_type": "Bearer", "expires_in": str(life), "ext_expires_in": str(life)}
        head |= {"expires_on": str(now + life), "not_before": str(now), "resource": resource}
        return web.json_response(head | {"access_token": token}, headers=_NEVER_CACHED)

    async def _device_code(self, request: web.Request) -> web.Response:
        try:
            answer = self._delegated.begin(request.match_info["tenant"], await _form(request))
        except LoginError as error:
            return self._refusal(error)
        return web.json_response(answer, headers=_NEVER_CACHED)

    def _refusal(self, error: LoginError) -> web.Response:
        trace = str(uuid.uuid4())
        body = error.body(self._cloud.clock.now(), trace, str(uuid.uuid4()))
        return web.json_response(body, status=error.status, headers={"x-ms-request-id": trace})


async def _form(request: web.Request) -> dict[str, str]:
    return {key: str(value) for key, value in (await request.post()).items()}


def _no_such_tenant(name: str) -> LoginError:
    """Discovery has an error name of its own, and another code for what cannot be a domain."""
    is_guid = re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", name) is not None
    error = login_error(90002 if is_guid or "." in name else 900023, tenant=name)
    return LoginError(error.code, error.status, "invalid_tenant", error.text)
