"""The service that drains the dead lane into the ledger at once: operators browse the ledger, never a queue.

Recorded, then acked; the same letter twice is harmless. Whatever else lies there is kept as a letter of its own.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from hashlib import sha256

import structlog

from shared.domain.errors import SyncError
from shared.domain.messages import DeadLettered, Lane, Unreadable, encode
from shared.ports import AnyMessage, Delivery
from worker.parts import WorkerPorts

log = structlog.get_logger("worker")
_HELD = 4  # deliveries in hand
_PAUSE = 5.0  # seconds before the ledger or the broker is tried again


class Burial:
    """Waits for the ledger as long as it takes: an unrecorded letter stays in the broker."""

    name = "burial"

    def __init__(self, ports: WorkerPorts) -> None:
        self._ports = ports
        self._draining = False

    def ready(self) -> bool:
        return self._draining

    async def run(self, stop: asyncio.Event) -> None:
        stopped = asyncio.create_task(stop.wait(), name="burial:stop")
        try:
            while not stop.is_set():
                drain = asyncio.create_task(self._drain(), name="burial:drain")
                try:
                    await asyncio.wait([drain, stopped], return_when=asyncio.FIRST_COMPLETED)
                finally:
                    drain.cancel()
                    await asyncio.wait([drain])
        finally:
            self._draining = False
            stopped.cancel()

    async def _drain(self) -> None:
        try:
            async with self._ports.inbox.deliveries(Lane.DEAD, prefetch=_HELD) as deliveries:
                self._draining = True
                async for delivery in deliveries:
                    await self._bury(delivery)
        except SyncError as error:
            self._draining = False
            log.warning("burial_interrupted", code=error.code)
            await asyncio.sleep(_PAUSE)

    async def _bury(self, delivery: Delivery) -> None:
        letter = self._letter(delivery.message)
        try:
            await self._ports.dead_letters.record(letter)
        except SyncError:
            with suppress(SyncError):  # the broker gives it again either way
                await delivery.release()
            raise
        await delivery.ack()
        log.warning("dead_letter_recorded", letter_id=letter.letter_id, code=letter.error_class)

    def _letter(self, message: AnyMessage | Unreadable) -> DeadLettered:
        if isinstance(message, DeadLettered):
            return message
        unreadable = isinstance(message, Unreadable)
        body = message.body if isinstance(message, Unreadable) else encode(message)
        now = self._ports.clock.now()
        return DeadLettered(
            letter_id=sha256(body).hexdigest()[:32],
            body=body,
            lane=Lane.DEAD,
            error_class="unreadable" if unreadable else "wrong_lane",
            detail=message.reason if isinstance(message, Unreadable) else message.kind,
            attempts=0,
            first_seen=now,
            last_seen=now,
        )
