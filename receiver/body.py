"""The body of one POST, read within bounds: its own size, a deadline, and all bodies in hand together.

A slow or endless sender costs at most its bytes for the deadline; the bound over all bodies keeps a flood from
filling the memory. One that hangs up in the middle is refused like any other bad input. Next: `receiver/webhook.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

from receiver.notifications import Refused
from shared.runtime.metrics import ReceiverMetrics


class BodyReader:
    """`limit`: bytes of one body; `in_flight`: bytes of all; `timeout`: seconds until a body must have arrived."""

    def __init__(self, *, metrics: ReceiverMetrics, limit: int, in_flight: int, timeout: float) -> None:
        self._metrics = metrics
        self._limit = limit
        self._most = in_flight
        self._timeout = timeout
        self._held = 0

    @asynccontextmanager
    async def body(self, request: web.Request) -> AsyncIterator[bytes | Refused]:
        """The whole body, counted as in flight until the context is left; or why not."""
        taken = bytearray()
        try:
            yield await self._whole(request, taken)
        finally:
            self._count(-len(taken))

    async def _whole(self, request: web.Request, taken: bytearray) -> bytes | Refused:
        if (request.content_length or 0) > self._limit:
            return self._too_large()
        try:
            async with asyncio.timeout(self._timeout):
                async for chunk in request.content.iter_any():
                    taken += chunk
                    self._count(len(chunk))
                    if len(taken) > self._limit:
                        return self._too_large()
                    if self._held > self._most:
                        return Refused(503, "Too much is in hand at the moment; send it again.")
        except TimeoutError:
            return Refused(408, f"The body did not arrive within {self._timeout:g} seconds.")
        except (OSError, aiohttp.ClientPayloadError):  # the sender hung up; it hears no answer, and sends it again
            return Refused(400, "The body ended before it was whole.")
        return bytes(taken)

    def _too_large(self) -> Refused:
        return Refused(413, f"The body is larger than {self._limit} bytes.")

    def _count(self, change: int) -> None:
        self._held += change
        self._metrics.bytes_in_flight.set(self._held)
