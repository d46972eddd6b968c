"""An in-memory broker with real envelopes and virtual delays, which can be cut, lose acks and outlive its consumers."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

from shared.domain.errors import SyncError, Transient
from shared.domain.messages import Lane, Unreadable, UsersTouched, decode, encode
from shared.ports import AnyMessage, Clock


@dataclass(slots=True)
class _Stored:
    """One message that nobody has acked. `holder` is the consumer that has it in hand, None when it waits."""

    id: int
    body: bytes
    lane: Lane
    due: float  # monotonic seconds
    holder: int | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """What was handed over, for tests: at which time, onto which lane, with which delay."""

    at: float
    message: AnyMessage
    lane: Lane
    delay: float


class FakeDelivery:
    def __init__(self, broker: FakeBroker, stored: _Stored, holder: int) -> None:
        self._broker = broker
        self._stored = stored
        self._holder = holder
        self.message: AnyMessage | Unreadable = decode(stored.body)
        self.lane = stored.lane

    async def ack(self) -> None:
        await self._broker._end(self._stored, self._holder, keep=False)

    async def release(self) -> None:
        await self._broker._end(self._stored, self._holder, keep=True)


@dataclass
class FakeBroker:
    """Publisher, Inbox and Depths in one.

    `down` refuses publishes; `out_of_reach` refuses consumers; `lost_acks` acks never arrive; `broken` are raised by
    the next takes; `failing_releases` releases fail, and what they spoke of stays held by a consumer that lives.
    """

    clock: Clock
    down: bool = False
    out_of_reach: bool = False
    lost_acks: int = 0
    failing_releases: int = 0
    broken: list[SyncError] = field(default_factory=list)
    published: list[Published] = field(default_factory=list)
    acked: int = 0

    def __post_init__(self) -> None:
        self._stored: dict[int, _Stored] = {}
        self._ids = count(1)
        self._holders = count(1)
        self._changed = asyncio.Event()

    async def publish(self, message: AnyMessage, lane: Lane, *, delay: float = 0.0) -> None:
        await asyncio.sleep(0)
        if self.down:
            raise Transient("broker", "unreachable")
        self.published.append(Published(self.clock.monotonic(), message, lane, delay))
        self.put(encode(message), lane, delay=delay)

    def put(self, body: bytes, lane: Lane, *, delay: float = 0.0) -> None:
        """Any bytes, also such as are no message of ours."""
        stored = _Stored(next(self._ids), body, lane, self.clock.monotonic() + delay)
        self._stored[stored.id] = stored
        self._stir()

    @asynccontextmanager
    async def deliveries(self, lane: Lane, *, prefetch: int) -> AsyncIterator[AsyncIterator[FakeDelivery]]:
        if self.out_of_reach:
            await asyncio.sleep(10.0)  # as long as a real one is waited for
            raise Transient("broker", "not_connected")
        holder = next(self._holders)
        try:
            yield self._take(lane, prefetch, holder)
        finally:
            self.bury(holder)

    def bury(self, holder: int) -> None:
        """The consumer is dead: everything it held is free again, its late acks mean nothing."""
        for stored in self._stored.values():
            if stored.holder == holder:
                stored.holder = None
        self._stir()

    def bury_all(self) -> None:
        for stored in list(self._stored.values()):
            stored.holder = None
        self._stir()

    async def depths(self) -> Mapping[Lane, int]:
        return Counter(stored.lane for stored in self._stored.values())

    def waiting(self, lane: Lane) -> int:
        return sum(stored.lane is lane for stored in self._stored.values())

    def held(self, lane: Lane) -> int:
        return sum(stored.lane is lane and stored.holder is not None for stored in self._stored.values())

    def sent(self, lane: Lane) -> list[UsersTouched]:
        """What was published onto a lane and names users."""
        return [p.message for p in self.published if p.lane is lane and isinstance(p.message, UsersTouched)]

    async def _take(self, lane: Lane, prefetch: int, holder: int) -> AsyncIterator[FakeDelivery]:
        while True:
            if self.broken:
                raise self.broken.pop(0)
            stored = self._next(lane, prefetch, holder)
            if stored is None:
                await self._wait(lane)
                continue
            stored.holder = holder
            yield FakeDelivery(self, stored, holder)

    def _next(self, lane: Lane, prefetch: int, holder: int) -> _Stored | None:
        """One look over everything: days of virtual time ask for it a hundred thousand times."""
        now, held, first = self.clock.monotonic() + 1e-9, 0, None
        for stored in self._stored.values():
            if stored.holder is not None:
                held += stored.holder == holder
            elif stored.lane is lane and stored.due <= now and (first is None or stored.due < first.due):
                first = stored  # of those due at one moment the one with the lowest id, for ids are in order
        return first if held < prefetch else None

    async def _wait(self, lane: Lane) -> None:
        now = self.clock.monotonic()
        later = [s.due - now for s in self._stored.values() if s.lane is lane and s.holder is None and s.due > now]
        try:
            async with asyncio.timeout(min(later, default=3600.0)):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _end(self, stored: _Stored, holder: int, *, keep: bool) -> None:
        await asyncio.sleep(0)
        if stored.holder != holder:
            return
        if keep and self.failing_releases > 0:
            self.failing_releases -= 1
            raise Transient("broker", "timeout")
        if keep:
            stored.holder = None
        elif self.lost_acks > 0:
            self.lost_acks -= 1
        else:
            self.acked += 1
            self._stored.pop(stored.id, None)
        self._stir()

    def _stir(self) -> None:
        """Wake everybody who waits; the next wait uses a fresh event, so no wake-up is lost."""
        self._changed.set()
        self._changed = asyncio.Event()
