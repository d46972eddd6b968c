"""The aiohttp session behind a client: one exchange, and what a lost connection means.

Every answer also tells the other side's time, which goes to `shared/adapters/skews.py`. Loaded with the first call
(`shared/adapters/http.py`). Next: each vendor's `errors.py`.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import structlog
from yarl import URL

from shared.adapters.http import MAX_BODY, TOTAL_SECONDS, Answer, Request
from shared.adapters.skews import ClockSkews
from shared.domain.errors import Ambiguous, Transient

CONNECT_SECONDS = 10.0
# Shorter than any gateway's, so that we close an idle connection before the other side does: a request sent into a
# connection that is just being closed is lost, and a lost POST is ambiguous.
KEEPALIVE_SECONDS = 8.0

_log = structlog.get_logger(__name__)


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
async def open_session(
    user_agent: str, ca_file: Path | str | None, total: float, skews: ClockSkews | None
) -> AsyncIterator[AiohttpClient]:
    """As `open_http` says. Raises OSError for a `ca_file` that cannot be read."""
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
