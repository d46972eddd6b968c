"""The calls of one reading: counted, kept within the printed limits, and repeated when Graph says "later".

The one adapter that waits (docs/decisions/0013): a nightly listing of 200 pages cannot begin anew because one page
came too early. What it may wait in all is bounded; a failure that names no limit is not repeated. Next:
`shared/adapters/graph/reports/batch.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from shared.adapters.graph.auth import Tokens
from shared.adapters.graph.caller import Call, GraphCaller
from shared.adapters.graph.errors import PAGE_EXPIRED
from shared.adapters.graph.reports.limiter import Limiter
from shared.adapters.graph.wire import SERVICE
from shared.adapters.http import Answer, HttpClient, Request
from shared.adapters.lenient import Json
from shared.domain.errors import SyncError, Transient

PATIENCE = 900.0  # seconds that one reading waits for Graph in all, its own limiters apart
UNNAMED_WAIT = 10.0  # some limits come without a Retry-After
SHORTEST_WAIT = 1.0
LISTING_ATTEMPTS = 3
LOW = {"x-ms-throttle-priority": "Low"}  # Graph refuses such calls first, and live reads later
DOWNLOAD_BYTES = 128 * 1024 * 1024  # a usage report of 100,000 users is about 30 MiB
DOWNLOAD_SECONDS = 300.0

_LIMITS = frozenset({"throttled", "bandwidth_exceeded"})

T = TypeVar("T")


class _Counted:
    """An `HttpClient` that counts what leaves, a repeated call after a 401 included."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http
        self.requests = 0

    async def send(self, request: Request) -> Answer:
        self.requests += 1
        return await self._http.send(request)


class PatientCaller:
    """One tenant, one reading. `requests`: sent so far, tokens apart."""

    def __init__(self, http: HttpClient, tokens: Tokens, base_url: str, tenant_id: str) -> None:
        self.tenant_id = tenant_id
        self._http = _Counted(http)
        self._graph = GraphCaller(self._http, tokens, base_url)
        self._may_be_plain = base_url.startswith("http://")
        self._left = PATIENCE

    @property
    def requests(self) -> int:
        return self._http.requests

    async def call(self, call: Call, limiter: Limiter | None = None) -> Answer:
        """The answer, after as many repeats as there is patience for. Raises one of the three families."""
        while True:
            if limiter is not None:
                await limiter.turn()
            try:
                return await self._graph.call(self.tenant_id, call)
            except Transient as error:
                if not await self.waited(error):
                    raise

    def pages(self, first: Call, limiter: Limiter | None = None) -> AsyncIterator[list[Json]]:
        """The rows of every page. Raises Transient `PAGE_EXPIRED` when a next link died under way."""
        return self._graph.pages(self.tenant_id, first, lambda _, call: self.call(call, limiter))

    async def download(self, address: str) -> bytes:
        """A file behind an address that carries its own proof: our token must never reach that host."""
        if not address.startswith("https://") and not self._may_be_plain:
            raise Transient(SERVICE, "insecure_download", "a report's address is not https")
        request = Request(
            SERVICE,
            "GET",
            address,
            "(download)",
            headers={"Accept": "*/*"},
            total=DOWNLOAD_SECONDS,
            largest=DOWNLOAD_BYTES,
        )
        answer = await self._http.send(request)
        if answer.status != 200:
            raise Transient(SERVICE, "download_refused", f"status {answer.status}")
        return answer.body

    async def waited(self, error: SyncError) -> bool:
        """True after the wait that a limit asks for; False for any other failure, or without patience left."""
        if not isinstance(error, Transient) or error.code not in _LIMITS:
            return False
        seconds = UNNAMED_WAIT if error.retry_after is None else max(error.retry_after, SHORTEST_WAIT)
        if seconds > self._left:
            return False
        self._left -= seconds
        await asyncio.sleep(seconds)
        return True


async def restarting(listing: Callable[[], Awaitable[T]]) -> T:
    """The listing, begun anew when a next link died under way: page tokens live for minutes."""
    for attempt in range(1, LISTING_ATTEMPTS + 1):
        try:
            return await listing()
        except Transient as error:
            if error.code != PAGE_EXPIRED or attempt == LISTING_ATTEMPTS:
                raise
    raise AssertionError("the last attempt returns or raises")
