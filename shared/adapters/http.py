"""One HTTP request, bounded in time and size: everything that leaves for Microsoft Graph or Syncro passes here.

It never retries, follows no redirect, keeps no cookie and reads no proxy setting from the environment. An answer of
any status comes back as an `Answer`; only a lost connection is an error here, already in one of our families. What a
status means is each vendor's `errors.py`. A client costs nothing until its first call: most commands make none. Next:
`shared/adapters/http_session.py`, then `shared/adapters/graph/caller.py` and `shared/adapters/syncro/caller.py`.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from shared.adapters.lenient import document
from shared.adapters.skews import ClockSkews
from shared.domain.errors import Transient

MAX_BODY = 8 * 1024 * 1024  # bytes; a full page of 999 users is about 3 MiB
TOTAL_SECONDS = 30.0
LONGEST_WAIT = 86_400.0  # seconds; a larger Retry-After is nonsense


@dataclass(frozen=True, slots=True)
class Request:
    """One call. `template` is the path as logs may show it ("/users/{id}"); `url` is sent exactly as given.

    `repeatable`: sending it twice does no harm, so a lost answer is plainly Transient, else Ambiguous.
    """

    service: str
    method: str
    url: str
    template: str
    headers: Mapping[str, str] = field(default_factory=dict)
    json: object | None = None
    repeatable: bool = True
    total: float | None = None  # seconds for the whole exchange; None: as the client is set
    largest: int | None = None  # bytes of the longest body that is taken; None: MAX_BODY


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Header names are lower case. `document` is None when the body is no JSON."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def document(self) -> object | None:
        return document(self.body)


class HttpClient(Protocol):
    async def send(self, request: Request) -> Answer:
        """Raises Transient when nothing was sent or repeating does no harm, Ambiguous when a write's answer is lost."""


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from a Retry-After header (lower-case name), fractions kept; None when absent or unreadable."""
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        return None
    return min(seconds, LONGEST_WAIT) if math.isfinite(seconds) and seconds >= 0 else None


@asynccontextmanager
async def open_http(
    user_agent: str,
    ca_file: Path | str | None = None,
    *,
    total: float = TOTAL_SECONDS,
    skews: ClockSkews | None = None,
) -> AsyncIterator[HttpClient]:
    """A client for one vendor, closed on leaving.

    `ca_file`: trust this authority instead of the system's. `total`: seconds for an exchange that names no limit.
    `skews`: where the other side's time is noted, shared by every client of the process.
    """
    async with AsyncExitStack() as stack:
        yield _LateClient(stack, user_agent, ca_file, total, skews)


class _LateClient:
    """Opens its session, and loads what that needs, with the first call."""

    def __init__(
        self,
        stack: AsyncExitStack,
        user_agent: str,
        ca_file: Path | str | None,
        total: float,
        skews: ClockSkews | None,
    ) -> None:
        self._stack = stack
        self._given = (user_agent, ca_file, total, skews)
        self._client: HttpClient | None = None
        self._opening = asyncio.Lock()

    async def send(self, request: Request) -> Answer:
        client = self._client or await self._opened(request.service)
        return await client.send(request)

    async def _opened(self, service: str) -> HttpClient:
        from shared.adapters.http_session import open_session

        async with self._opening:
            if self._client is None:
                try:
                    self._client = await self._stack.enter_async_context(open_session(*self._given))
                except OSError:  # what the settings found when they were read is gone
                    raise Transient(service, "unreachable", "the file of trusted authorities cannot be read") from None
            return self._client
