"""Doubles for the vendor adapters: scripted answers without a socket, and a tiny HTTP server with the same script.

`ScriptedHttp` is an `HttpClient` for unit tests; `stub_server` gives real HTTP on loopback. Both keep what was asked.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from shared.adapters.http import Answer, Request
from shared.domain.errors import SyncError


def answer(status: int = 200, body: object = None, **headers: str) -> Answer:
    """`body`: bytes as they are, anything else as JSON, None as an empty body. `Retry_After` reads Retry-After."""
    raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, {name.lower().replace("_", "-"): value for name, value in headers.items()}, raw)


class ScriptedHttp:
    """Gives the scripted answers in order, or whatever a function makes of the request."""

    def __init__(self, *script: Answer | SyncError | Callable[[Request], Answer]) -> None:
        self._script: Iterator[Answer | SyncError | Callable[[Request], Answer]] = iter(script)
        self.requests: list[Request] = []

    async def send(self, request: Request) -> Answer:
        self.requests.append(request)
        step = next(self._script)
        if isinstance(step, SyncError):
            raise step
        return step if isinstance(step, Answer) else step(request)

    @property
    def bodies(self) -> list[Any]:
        return [request.json for request in self.requests]

    @property
    def lines(self) -> list[str]:
        """ "GET /path?query" of every request, the address's first three parts cut off."""
        return [f"{request.method} /{request.url.split('/', 3)[3]}" for request in self.requests]


@dataclass
class StaticTokens:
    """`first` until somebody asks for a fresh one, then `second`."""

    first: str = "first"
    second: str = "second"
    renewed: int = 0

    async def token(self, tenant_id: str) -> str:
        return self.second if self.renewed else self.first

    async def renew(self, tenant_id: str, stale: str | None = None) -> str:
        self.renewed += 1
        return self.second


class FreeAllowance:
    """Never waits; counts."""

    def __init__(self) -> None:
        self._spent = 0

    async def spend(self) -> None:
        self._spent += 1

    @property
    def spent(self) -> int:
        return self._spent


@dataclass
class TellTalePace:
    """Grants everything at once; counts refusals. `broken` is raised when told of one."""

    refusals: int = 0
    broken: SyncError | None = None
    allowances: list[FreeAllowance] = field(default_factory=list)

    @asynccontextmanager
    async def reserve(self, calls: int, lane: object = None, *, wait: float = 60.0) -> AsyncIterator[FreeAllowance]:
        self.allowances.append(FreeAllowance())
        yield self.allowances[-1]

    async def refused(self) -> None:
        self.refusals += 1
        if self.broken is not None:
            raise self.broken


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Stub:
    """A running stub: its address, and the requests it got as (method, path with query, headers, JSON body)."""

    base_url: str = ""
    seen: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)


@asynccontextmanager
async def stub_server(handler: Handler) -> AsyncIterator[Stub]:
    """Real HTTP on a free loopback port; every request goes to `handler` after it was noted."""
    stub = Stub()

    async def noting(request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        body = json.loads(raw) if raw else None
        stub.seen.append((request.method, request.raw_path, dict(request.headers), body))
        return await handler(request)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", noting)
    server = TestServer(app)
    await server.start_server()
    stub.base_url = str(server.make_url("")).rstrip("/")
    try:
        yield stub
    finally:
        await server.close()


def in_order(answers: Sequence[Callable[[], web.StreamResponse]]) -> Handler:
    """A handler that gives these answers one after the other."""
    steps = iter(answers)

    async def handle(_: web.Request) -> web.StreamResponse:
        return next(steps)()

    return handle
