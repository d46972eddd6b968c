"""The validation handshake: one POST per URL that must be answered 200 with exactly the token, within ten seconds.

Every way to fail it has the vendor's own error. Redirects are not followed. Next: subscriptions.py.
"""

from __future__ import annotations

import asyncio
import uuid

import aiohttp

from sandbox.microsoft.cloud import Cloud
from sandbox.microsoft.errors import STATUS_NAMES, GraphError, bad_request
from sandbox.microsoft.wire import post

_FAILED = "Subscription validation request failed. "
_MUST_BE_OK = "Notification endpoint must respond with 200 OK to validation request."


class Handshakes:
    """Runs handshakes with the session of the delivery side."""

    def __init__(self, cloud: Cloud, session: aiohttp.ClientSession) -> None:
        self._cloud = cloud
        self._session = session

    async def validate(self, url: str) -> None:
        """Returns when the URL answered as it must; GraphError 400 otherwise."""
        token = f"Validation: Testing client application reachability for subscription Request-Id: {uuid.uuid4()}"
        try:
            async with asyncio.timeout(self._cloud.switches.handshake_timeout_s):
                status, kind, text = await self._ask(url, token)
        except TimeoutError as error:
            raise bad_request("Subscription validation request timed out.", "InvalidRequest") from error
        except aiohttp.ClientError as error:
            raise _unreachable(error) from error
        if status != 200:
            raise _not_ok(status)
        if kind != "text/plain" or text != token.encode():
            text_of_error = _FAILED + "Response must exactly match validationToken query parameter."
            raise bad_request(text_of_error, "InvalidRequest")

    async def _ask(self, url: str, token: str) -> tuple[int, str, bytes]:
        # the vendor's own encoding: lower-case hex for colons and plus signs for spaces
        encoded = token.replace(":", "%3a").replace(" ", "+")
        separator = "&" if "?" in url else "?"
        target = f"{url}{separator}validationToken={encoded}"
        headers = {
            "Accept": "text/plain",
            "Content-Type": "text/plain; charset=utf-8",
            "Accept-Encoding": "gzip",
            "Content-Length": "0",
        }
        return await post(self._session, target, headers)


def _not_ok(status: int) -> GraphError:
    name = STATUS_NAMES.get(status)
    known = f"HTTP status code is '{name}'. " if name else ""
    return bad_request(_FAILED + known + _MUST_BE_OK, "ValidationError")


def _unreachable(error: aiohttp.ClientError) -> GraphError:
    closed = "The underlying connection was closed: "
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        text = closed + "Could not establish trust relationship for the SSL/TLS secure channel."
        return bad_request(text, "InvalidRequest")
    if isinstance(error, aiohttp.ClientSSLError):
        return bad_request(closed + "An unexpected error occurred on a send.", "InvalidRequest")
    return bad_request(_FAILED + _MUST_BE_OK, "ValidationError")
