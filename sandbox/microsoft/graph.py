"""The simulated graph.microsoft.com: one HTTP entry, the token check, faults, limits, the route table, the headers.

Every call, a `$batch` item too, goes through `answer()`. What a path means is in users.py, delta.py, subscriptions.py
and the others; this file only decides whether it is reached. Next: request.py, then users.py.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from sandbox.microsoft.calls import Call
from sandbox.microsoft.cloud import Cloud
from sandbox.microsoft.errors import GraphError, bad_request, denied, unauthenticated
from sandbox.microsoft.request import GraphRequest, GraphResponse, Route, split_path, split_query
from sandbox.microsoft.switches import Fault
from sandbox.microsoft.tenant import Tenant
from sandbox.microsoft.throttle import Throttle, units_of
from sandbox.microsoft.tokens import GRAPH_AUDIENCE, BadTokenError, Identity, TokenMint

JSON_TYPE = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
_DIAGNOSTIC = json.dumps(
    {
        "ServerInfo": {
            "DataCenter": "North Europe",
            "Slice": "SliceA",
            "Ring": "2",
            "ScaleUnit": "000",
            "Host": "AGSFE_IN_33",
        }
    },
    separators=(",", ":"),
)

_VERSIONS = ("v1.0", "beta")


class DroppedError(Exception):
    """A fault that closes the connection instead of answering."""


class Graph:
    """The Graph host. `add_routes` before the first call."""

    def __init__(self, cloud: Cloud, mint: TokenMint) -> None:
        self._cloud = cloud
        self._mint = mint
        self.throttle = Throttle(cloud)
        self._routes: list[Route] = []

    def add_routes(self, routes: list[Route]) -> None:
        self._routes += routes

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """The aiohttp handler of the whole host."""
        began = time.monotonic()
        request_id = str(uuid.uuid4())
        client_id = request.headers.get("client-request-id") or request_id
        tenant_id = ""
        try:
            identity, tenant = self._authenticated(request)
            tenant_id = tenant.tenant_id
            response = await self._enter(request, identity, tenant)
        except GraphError as error:
            body = error.body(self._cloud.clock.now(), request_id, client_id)
            response = GraphResponse(error.status, body, error.headers)
        except DroppedError:
            response = GraphResponse(0)
        self._record(tenant_id, request.method, request.path_qs, response.status, began)
        if response.status == 0:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        return _to_http(response, request_id, client_id)

    async def answer(self, request: GraphRequest) -> GraphResponse:
        """Faults, permission, limits, then the route's own handler; raises GraphError."""
        await self._delay_or_fail(request)
        route, params = self._route(request)
        if route.needs and not (route.needs & request.identity.granted):
            raise denied()
        top = request.option("$top")
        units = units_of(
            route.cost,
            select=request.option("$select") is not None,
            expand=request.option("$expand") is not None,
            top=int(top) if top is not None and top.isdecimal() else None,
        )
        headers = self.throttle.charge(route.cost, units, request.tenant)
        request.params = params
        response = await route.handler(request)
        response.headers = headers | response.headers
        return response

    async def answer_item(self, request: GraphRequest, raw_path: str, client_id: str) -> GraphResponse:
        """The same for one item of a batch: errors become an answer, the call is recorded."""
        began = time.monotonic()
        try:
            response = await self.answer(request)
        except GraphError as error:
            body = error.body(self._cloud.clock.now(), str(uuid.uuid4()), client_id)
            response = GraphResponse(error.status, body, error.headers)
        path = f"/{request.version}/{raw_path.lstrip('/')}"
        self._record(request.tenant.tenant_id, request.method, path, response.status, began, batched=True)
        return response

    def _authenticated(self, request: web.Request) -> tuple[Identity, Tenant]:
        login_url = self._cloud.login_url
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise unauthenticated("Access token is empty.", login_url)
        try:
            identity = self._mint.read(token.strip())
        except BadTokenError as error:
            raise unauthenticated(str(error), login_url) from error
        if identity.audience != GRAPH_AUDIENCE:
            raise unauthenticated("Access token validation failure. Invalid audience.", login_url)
        tenant = self._cloud.tenants.get(identity.tenant_id)
        if tenant is None or not tenant.consented:
            raise GraphError(
                401,
                "Authorization_IdentityNotFound",
                "The identity of the calling application could not be established.",
            )
        return identity, tenant

    async def _enter(self, request: web.Request, identity: Identity, tenant: Tenant) -> GraphResponse:
        version, _, tail = request.rel_url.raw_path.strip("/").partition("/")
        graph_request = GraphRequest(
            method=request.method,
            segments=split_path(tail),
            query=split_query(request.rel_url.raw_query_string),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=await _body(request),
            tenant=tenant,
            identity=identity,
            version=unquote(version),
            base=self._cloud.graph_tls_url if request.secure else self._cloud.graph_url,
        )
        if graph_request.version not in _VERSIONS:
            raise bad_request(f"Invalid version: {graph_request.version}", "BadRequest")
        return await self.answer(graph_request)

    async def _delay_or_fail(self, request: GraphRequest) -> None:
        fault = self._cloud.switches.take_fault("graph", request.tenant.tenant_id, request.method, request.path)
        wait = self._cloud.switches.graph_latency_s + (fault.delay_s if fault else 0.0)
        if wait:
            await asyncio.sleep(wait)
        if fault is not None and fault.drop:
            raise DroppedError
        if fault is not None and fault.status:
            raise _injected(fault)

    def _route(self, request: GraphRequest) -> tuple[Route, dict[str, str]]:
        reachable = False
        for route in self._routes:
            params = route.match(request.segments)
            if params is not None:
                if route.method == request.method:
                    return route, params
                reachable = True
        if reachable:
            raise GraphError(405, "Request_BadRequest", "Specified HTTP method is not allowed for the request target.")
        if request.segments[:1] == ("me",):
            raise bad_request("/me request is only valid with delegated authentication flow.", "BadRequest")
        raise bad_request(f"Resource not found for the segment '{self._unknown(request.segments)}'.", "BadRequest")

    def _unknown(self, segments: tuple[str, ...]) -> str:
        """The first segment that leads nowhere; the last one of a path that only goes on further."""
        for length in range(1, len(segments)):
            if not any(route.begins_with(segments[:length]) for route in self._routes):
                return segments[length - 1]
        return segments[-1]

    def _record(self, tenant: str, method: str, path: str, status: int, began: float, *, batched: bool = False) -> None:
        duration = time.monotonic() - began
        now = self._cloud.clock.now()
        self._cloud.calls.append(Call(now, "graph", tenant, method, path, status, duration, batched))


async def _body(request: web.Request) -> Any:
    raw = await request.read()
    if not raw:
        return None
    if "json" not in request.headers.get("Content-Type", ""):
        raise bad_request(
            "Write requests (excluding DELETE) must contain the Content-Type header declaration.", "BadRequest"
        )
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise bad_request(
            "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid "
            "JSON format.",
            "BadRequest",
        ) from error


def _injected(fault: Fault) -> GraphError:
    headers = {"Retry-After": fault.retry_after} if fault.retry_after is not None else {}
    default = "Please retry again later." if fault.status == 429 else "The service is temporarily unavailable."
    code = "TooManyRequests" if fault.status == 429 and fault.code == "UnknownError" else fault.code
    return GraphError(fault.status, code, fault.message or default, headers=headers)


def _to_http(response: GraphResponse, request_id: str, client_id: str) -> web.Response:
    headers = {
        "Cache-Control": "no-cache",
        "request-id": request_id,
        "client-request-id": client_id,
        "x-ms-ags-diagnostic": _DIAGNOSTIC,
        "OData-Version": "4.0",
    } | response.headers
    if response.body is None:
        return web.Response(status=response.status, headers=headers)
    if isinstance(response.body, str):
        return web.Response(status=response.status, text=response.body, headers=headers)
    kind = JSON_TYPE if response.status < 400 else "application/json"
    return web.Response(
        status=response.status, body=json.dumps(response.body).encode(), headers={**headers, "Content-Type": kind}
    )
