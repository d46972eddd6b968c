"""What one consumer on RabbitMQ has in hand, and how each of it ends: acked, given back, or replaced by a fresh copy.

It refuses to wear a message out: every return counts towards the delivery limit, which is meant for crashes, so after
a few of them a fresh copy takes the message's place. While the broker takes none (an alarm) the message stays in hand.
An ack or a return that comes too late does nothing. Next: `outbox.py`, which makes the copies.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from aio_pika.abc import AbstractChannel

from shared.adapters.brokers.amqp_connection import translated
from shared.adapters.brokers.topology import DELIVERY_LIMIT, UNLIMITED
from shared.adapters.waiting import stop
from shared.domain.errors import SyncError, Transient
from shared.domain.messages import Lane

SETTLE_TIMEOUT = 3.0
REPLACE_PAUSE = 1.0  # seconds between two tries to put a fresh copy in the place of a delivery

Republish = Callable[[bytes, Lane, float], Awaitable[None]]
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Taken:
    """What the broker knows a delivery by, and how often it was returned before."""

    tag: int
    body: bytes
    returns: int


class Hand:
    """`republish(body, lane, delay)` returns when a copy is safe, and raises SyncError when that cannot be said."""

    def __init__(self, lane: Lane, channel: AbstractChannel, republish: Republish) -> None:
        self._lane = lane
        self._channel = channel
        self._republish = republish
        self._held: dict[int, Taken] = {}
        self._replacing: dict[int, asyncio.Task[None]] = {}  # still held, but no longer the reader's

    def __len__(self) -> int:
        return len(self._held)

    def take(self, taken: Taken) -> None:
        self._held[taken.tag] = taken

    async def ack(self, taken: Taken) -> None:
        """End it; harmless when it is ended, or when the broker took it back with a lost connection."""
        if taken.tag not in self._replacing:
            await self._end(taken, acked=True)

    async def release(self, taken: Taken) -> None:
        """Give it back, or see to it that a fresh copy takes its place."""
        if taken.tag in self._replacing:
            return
        if self._may_return(taken):
            await self._end(taken, acked=False)
        else:
            self.replace(taken, 0.0)

    def replace(self, taken: Taken, delay: float) -> None:
        """A copy that comes after `delay` seconds, however long it takes until one is safe; then the ack."""
        if taken.tag in self._held:
            task = asyncio.create_task(self._until_replaced(taken, delay), name=f"broker-replace-{self._lane.value}")
            self._replacing[taken.tag] = task

    async def stop(self) -> None:
        """Begin nothing more."""
        for replacing in list(self._replacing.values()):
            await stop(replacing)
        self._replacing.clear()

    async def give_back(self) -> None:
        """Everything, after `stop`. What cannot be given back goes back with the channel."""
        for taken in list(self._held.values()):
            if not self._may_return(taken):
                with contextlib.suppress(SyncError):
                    await self._republish(taken.body, self._lane, 0.0)
                    await self._end(taken, acked=True)
            await self._end(taken, acked=False)

    def forget(self) -> None:
        """The channel is gone, and with it our hold."""
        self._held.clear()

    def _may_return(self, taken: Taken) -> bool:
        limit = UNLIMITED if self._lane is Lane.DEAD else DELIVERY_LIMIT
        return taken.returns < limit // 2

    async def _until_replaced(self, taken: Taken, delay: float) -> None:
        while taken.tag in self._held:
            try:
                await self._republish(taken.body, self._lane, delay)
            except SyncError:
                await asyncio.sleep(REPLACE_PAUSE)
            else:
                await self._end(taken, acked=True)
        self._replacing.pop(taken.tag, None)

    async def _end(self, taken: Taken, *, acked: bool) -> None:
        if self._held.pop(taken.tag, None) is not None:
            await self._tell(taken, acked=acked)

    async def _tell(self, taken: Taken, *, acked: bool) -> None:
        try:
            with translated():
                async with asyncio.timeout(SETTLE_TIMEOUT):
                    raw = await self._channel.get_underlay_channel()
                    if acked:
                        await raw.basic_ack(taken.tag, wait=False)
                    else:
                        await raw.basic_nack(taken.tag, requeue=True, wait=False)
        except Transient as error:
            # The channel is gone, and with it our hold: the message is delivered again, to us or to another.
            log.info("broker.settled_too_late", lane=self._lane.value, code=error.code)
