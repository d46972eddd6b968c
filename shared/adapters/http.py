"""One HTTP request, bounded in time and size: everything that leaves for Microsoft Graph or Syncro passes here.

It never retries, follows no redirect, keeps no cookie and reads no proxy setting from the environment. An answer of
any status comes back as an `Answer`; only a lost connection is an error here, already in one of our families. What a
status means is each vendor's `errors.py`. Every answer also tells the other side's time, which goes to
`shared/adapters/skews.py`. Next: `shared/adapters/graph/caller.py`, `shared/adapters/syncro/caller.py`.
"""

from __future__ import annotations

import asyncio
import math
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import aiohttp
import structlog
from yarl import URL

from shared.adapters.lenient import document
from shared.adapters.skews import ClockSkews
from shared.domain.errors import Ambiguous, Transient

MAX_BODY = 8 * 1024 * 1024  # bytes; a full page of 999 users is about 3 MiB
CONNECT_SECONDS = 10.0
TOTAL_SECONDS = 30.0
# Shorter than any gateway's, so that we close an idle connection before the other side does: a request sent into a
# connection that is just being closed is lost, and a lost POST is ambiguous.
KEEPALIVE_SECONDS = 8.0
LONGEST_WAIT = 86_400.0  # seconds; a larger Retry-After is nonsense

_log = structlog.get_logger(__name__)


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


class _OversizedError(Exception):
    """The body is longer than the request allows."""


def lost(request: Request, error: BaseException) -> Transient:
    """The family of a network failure. The exception's own text stays behind: it may quote addresses and queries."""
    if isinstance(error, _NOT_SENT):
        return Transient(request.service, "unreachable", f"no connection for {request.method} {request.template}")
    code = _after_sending(error)
    detail = f"{request.method} {request.template} got no usable answer"
    if request.repeatable:
        return Transient(request.service, code, detail)
    return Ambiguous(request.service, code, detail)


# Raised before the first byte of a request is written.
_NOT_SENT = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.NonHttpUrlClientError,
    ValueError,  # an address that is none, aiohttp's InvalidURL among them
)


def _after_sending(error: BaseException) -> str:
    if isinstance(error, _OversizedError):
        return "answer_too_large"
    return "timed_out" if isinstance(error, TimeoutError) else "connection_lost"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from a Retry-After header (lower-case name), fractions kept; None when absent or unreadable."""
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        return None
    return min(seconds, LONGEST_WAIT) if math.isfinite(seconds) and seconds >= 0 else None


class AiohttpClient:
    """`HttpClient` over one aiohttp session."""

    def __init__(
        self, session: aiohttp.ClientSession, total: float = TOTAL_SECONDS, skews: ClockSkews | None = None
    ) -> None:
        self._session = session
        self._total = total
        self._skews = skews

    async def send(self, request: Request) -> Answer:
        started = time.monotonic()
        try:
            answer = await self._exchange(request)
        except (aiohttp.ClientError, OSError, ValueError, _OversizedError) as error:
            failure = lost(request, error)
            _note(request, started, outcome=failure.code)
            raise failure from None  # the cause's text may hold an address with a query
        if self._skews is not None:
            self._skews.told(request.service, answer.headers, time.monotonic() - started)
        _note(request, started, status=answer.status, request_id=_request_id(answer.headers))
        return answer

    async def _exchange(self, request: Request) -> Answer:
        timeout = aiohttp.ClientTimeout(
            total=request.total or self._total, connect=CONNECT_SECONDS, sock_connect=CONNECT_SECONDS
        )
        async with self._session.request(
            request.method,
            URL(request.url, encoded=True),  # next links are opaque: not one byte is rewritten
            headers=request.headers,
            json=request.json,
            timeout=timeout,
            allow_redirects=False,
        ) as response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, headers, await _bounded(response, request.largest or MAX_BODY))


async def _bounded(response: aiohttp.ClientResponse, largest: int) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > largest:
            raise _OversizedError
    return bytes(body)


def _request_id(headers: Mapping[str, str]) -> str | None:
    return headers.get("request-id") or headers.get("x-request-id")


def _note(request: Request, started: float, **facts: object) -> None:
    _log.debug(
        "http_call",
        service=request.service,
        method=request.method,
        path=request.template,
        ms=round((time.monotonic() - started) * 1000),
        **facts,
    )


@asynccontextmanager
async def open_http(
    user_agent: str,
    ca_file: Path | str | None = None,
    *,
    total: float = TOTAL_SECONDS,
    skews: ClockSkews | None = None,
) -> AsyncIterator[AiohttpClient]:
    """A client for one vendor, closed on leaving.

    `ca_file`: trust this authority instead of the system's. `total`: seconds for an exchange that names no limit.
    `skews`: where the other side's time is noted, shared by every client of the process.
    """
    # Reading the authorities takes some 50 ms of disk and CPU: off the loop, which may have a handshake to answer.
    context = await asyncio.to_thread(ssl.create_default_context, cafile=None if ca_file is None else str(ca_file))
    connector = aiohttp.TCPConnector(ssl=context, limit=50, keepalive_timeout=KEEPALIVE_SECONDS)
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": user_agent, "Accept": "application/json"},
        trust_env=False,
    )
    # aiohttp silently repeats a GET, PUT or DELETE on a dropped keep-alive connection: a call that the pace never
    # granted and a write that the journal never saw. There is no public switch for it.
    session._retry_connection = False
    async with session:
        yield AiohttpClient(session, total, skews)
