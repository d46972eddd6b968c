"""The receiving side of the embedded broker: one consumer of one lane, with its prefetch.

A pump task takes messages while there are free places and puts them where `async for` finds them; it, not the reader,
owns every take in flight, so a reader that is cancelled in mid-wait loses nothing. It refuses to die of a file that
cannot be read for a while. Next: `worker/consumer.py` reads from here through `shared.ports.Inbox`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from shared.adapters.waiting import nap, stop
from shared.domain.errors import Transient
from shared.domain.messages import Lane, Unreadable, decode
from shared.ports import AnyMessage, Clock, Delivery

LOOK_AGAIN = 1.0  # seconds, should a wake-up ever be missed

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Taken:
    id: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Take:
    """What one take brought, how many worn-out messages it buried, and when the lane's next one is due (wall time)."""

    messages: Sequence[Taken]
    buried: int
    next_due: float | None


@dataclass(frozen=True, slots=True)
class Hand:
    """What one consumer may do to the broker's file. `take`: how many more, and the ids that are held already."""

    take: Callable[[int, frozenset[int]], Awaitable[Take]]
    ack: Callable[[int], Awaitable[None]]
    release: Callable[[int], Awaitable[None]]


class EmbeddedDelivery:
    """Satisfies `shared.ports.Delivery`."""

    def __init__(self, consumer: Consumer, taken: Taken) -> None:
        self._consumer = consumer
        self._id = taken.id
        self._message = decode(taken.body)

    @property
    def message(self) -> AnyMessage | Unreadable:
        return self._message

    @property
    def lane(self) -> Lane:
        return self._consumer.lane

    async def ack(self) -> None:
        await self._consumer.settle(self._id, self._consumer.hand.ack)

    async def release(self) -> None:
        await self._consumer.settle(self._id, self._consumer.hand.release)


class Consumer:
    """An async iterator of deliveries; holds at most `prefetch` that are not settled."""

    def __init__(self, lane: Lane, prefetch: int, hand: Hand, clock: Clock) -> None:
        self.lane = lane
        self.hand = hand
        self._prefetch = prefetch
        self._clock = clock
        self._held: set[int] = set()
        self._ready: deque[EmbeddedDelivery] = deque()
        self._arrived = asyncio.Event()
        self._signal = asyncio.Event()
        self._next_due: float | None = None
        self._open = True

    def __aiter__(self) -> AsyncIterator[Delivery]:
        return self

    async def __anext__(self) -> Delivery:
        while self._open and not self._ready:
            self._arrived.clear()
            await self._arrived.wait()
        if not self._open:
            raise StopAsyncIteration
        return self._ready.popleft()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        pump = asyncio.create_task(self._pump(), name=f"broker-consumer-{self.lane.value}")
        try:
            yield
        finally:
            await stop(pump)

    def wake(self) -> None:
        """Something may have come: look."""
        self._signal.set()

    def is_due(self) -> bool:
        return self._next_due is not None and self._next_due <= self._clock.now().timestamp()

    async def settle(self, message_id: int, how: Callable[[int], Awaitable[None]]) -> None:
        """End one delivery; harmless when it is ended already. Raises Transient, and the delivery stays held."""
        if message_id not in self._held:
            return
        await how(message_id)
        self._held.discard(message_id)
        self.wake()

    async def _pump(self) -> None:
        try:
            while True:
                try:
                    found = await self._fill()
                except Transient as error:
                    log.warning("broker.take_failed", lane=self.lane.value, code=error.code)
                    found = False
                if not found:
                    await nap(self._signal, LOOK_AGAIN)
        finally:
            self._open = False
            self._arrived.set()

    async def _fill(self) -> bool:
        free = self._prefetch - len(self._held)
        if free <= 0:
            self._next_due = None
            return False
        take = await self.hand.take(free, frozenset(self._held))
        self._next_due = take.next_due
        for taken in take.messages:
            self._held.add(taken.id)
            self._ready.append(EmbeddedDelivery(self, taken))
        self._arrived.set()
        return bool(take.messages or take.buried)
