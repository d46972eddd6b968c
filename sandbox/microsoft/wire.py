"""One POST to a notification URL, for handshakes and deliveries alike.

A kept-alive connection that the receiver closed in the meantime is no failure of the receiver: one fresh connection is
tried at once. Redirects are not followed.
"""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp
from yarl import URL

_MOST_BYTES = 64 * 1024


async def post(
    session: aiohttp.ClientSession, url: str, headers: Mapping[str, str], body: bytes | None = None
) -> tuple[int, str, bytes]:
    """Status, content type and first 64 KiB of the answer; the URL is sent as encoded; aiohttp's errors pass."""
    try:
        return await _once(session, url, headers, body)
    except (aiohttp.ServerDisconnectedError, ConnectionResetError):
        return await _once(session, url, headers, body)


async def _once(
    session: aiohttp.ClientSession, url: str, headers: Mapping[str, str], body: bytes | None
) -> tuple[int, str, bytes]:
    target = URL(url, encoded=True)
    async with session.post(target, data=body, headers=headers, allow_redirects=False) as response:
        return response.status, response.content_type, await response.content.read(_MOST_BYTES)
