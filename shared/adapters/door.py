"""Microsoft's handshake, played by ourselves against our own public address: what a stranger would find there.

Satisfies `shared.ports.DoorProbe`. It follows no redirect, sends no credential, reads no proxy from the environment
and never raises: every end is one of `DoorFault`. It is a hint only, for we may stand where nobody else does. Who asks:
`receiver/doorstep.py` and `entra-syncro check`.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote_plus

import aiohttp
import structlog
from yarl import URL

from shared.domain.door import DoorAnswer, DoorFault

TIMEOUT = 10.0  # seconds; Microsoft waits as long
LARGEST = 8 * 1024  # bytes of an answer that are looked at; a token has some 120
# As captured: form-encoded, so that an answer shows whether plus signs and escapes were read as they must be.
TOKEN = "Validation: Testing client application reachability for subscription Request-Id: {id}"  # noqa: S105
HEADERS = {"Accept": "text/plain", "Content-Type": "text/plain; charset=utf-8", "Accept-Encoding": "gzip"}

log = structlog.get_logger("door")


class HttpDoorProbe:
    """`ca_file`: a PEM file of authorities to trust instead of the system's (for a private network or a test)."""

    def __init__(self, ca_file: Path | str | None = None, *, timeout: float = TIMEOUT) -> None:
        self._ca_file = None if ca_file is None else str(ca_file)
        self._timeout = min(timeout, TIMEOUT)

    async def knock(self, url: str) -> DoorAnswer:
        """Play the handshake against `url`. Never raises; ends within 12 s."""
        began = time.monotonic()
        token = TOKEN.format(id=uuid.uuid4())
        status, fault = None, DoorFault.TIMEOUT
        try:
            async with asyncio.timeout(self._timeout):  # over everything: a slow name service has no limit of its own
                status, body = await self._ask(url, token)
                fault = _judged(status, body, token)
        except TimeoutError:
            pass
        except (aiohttp.ClientError, OSError, ValueError) as error:
            fault = fault_of(error)
            log.info("door_not_reached", fault=fault.value, error_class=type(error).__name__)
        return DoorAnswer(fault, status, round(time.monotonic() - began, 3))

    async def _ask(self, url: str, token: str) -> tuple[int, bytes]:
        # Reading the authorities takes some 50 ms of disk and CPU: off the loop, which has this handshake to answer.
        context = await asyncio.to_thread(ssl.create_default_context, cafile=self._ca_file)
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context, force_close=True),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                timeout=aiohttp.ClientTimeout(total=None),
            ) as session,
            session.post(_with(url, token), headers=HEADERS, data=b"", allow_redirects=False) as response,
        ):
            return response.status, await _beginning(response) if response.status == 200 else b""


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > LARGEST:
            break
    return bytes(body)


def _with(url: str, token: str) -> URL:
    joint = "&" if "?" in url else "?"
    return URL(f"{url}{joint}validationToken={quote_plus(token)}", encoded=True)


def _judged(status: int, body: bytes, token: str) -> DoorFault:
    if status != 200:
        return DoorFault.NOT_200
    return DoorFault.NONE if body == token.encode() else DoorFault.WRONG_BODY


def fault_of(error: BaseException) -> DoorFault:
    """Which fault an exception stands for; the first of its chain that says something decides."""
    for each in _chain(error):
        if isinstance(each, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
            return DoorFault.TLS_CHAIN
        if isinstance(each, aiohttp.ClientConnectorSSLError | ssl.SSLError) or _hung_up(error, each):
            return DoorFault.TLS
        if isinstance(each, socket.gaierror | aiohttp.InvalidURL):
            return DoorFault.DNS
        if isinstance(each, TimeoutError):
            return DoorFault.TIMEOUT
    return DoorFault.REFUSED if isinstance(error, aiohttp.ClientConnectorError) else DoorFault.NOT_200


def _hung_up(error: BaseException, cause: BaseException) -> bool:
    """Closed while the connection was being made: a TLS server that dislikes the offer often just hangs up."""
    return isinstance(error, aiohttp.ClientConnectorError) and isinstance(
        cause, ConnectionResetError | ConnectionAbortedError | BrokenPipeError
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = getattr(following, "os_error", None) or following.__cause__
