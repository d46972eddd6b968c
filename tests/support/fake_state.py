"""In-memory leases, pace and memory, on the loop's time: exact, and switchable to "away"."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

from shared.domain.errors import Transient
from shared.domain.messages import Lane
from shared.ports import LEASE_TAKEN, Clock

_STEP = 0.05  # seconds between two looks at something that is held elsewhere


class FakeLease:
    def __init__(self, clock: Clock, ends: float) -> None:
        self._clock = clock
        self.ends = ends

    def ensure(self, seconds: float = 0.0) -> None:
        if self._clock.monotonic() + seconds > self.ends:
            raise Transient("state", "lease_lost", counted=False)


@dataclass
class FakeLeases:
    """`steal(key)` makes the present holder lose; `taken` records every grant as (key, lane)."""

    clock: Clock
    away: bool = False
    taken: list[tuple[str, Lane]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._held: dict[str, FakeLease] = {}
        self._live_waiting: dict[str, int] = {}

    @asynccontextmanager
    async def hold(
        self, key: str, *, ttl: float, wait: float = 0.0, lane: Lane = Lane.LIVE
    ) -> AsyncIterator[FakeLease]:
        lease = await self._acquire(key, ttl, wait, lane)
        try:
            yield lease
        finally:
            if self._held.get(key) is lease:
                del self._held[key]

    def steal(self, key: str) -> None:
        lease = self._held.pop(key, None)
        if lease is not None:
            lease.ends = float("-inf")

    async def _acquire(self, key: str, ttl: float, wait: float, lane: Lane) -> FakeLease:
        if self.away:
            raise Transient("state", "unreachable", counted=False)
        patience = self.clock.monotonic() + wait
        self._live_waiting[key] = self._live_waiting.get(key, 0) + (lane is Lane.LIVE)
        try:
            while not self._free(key, lane):
                if self.clock.monotonic() >= patience:
                    raise Transient("state", LEASE_TAKEN, counted=False)
                await asyncio.sleep(_STEP)
        finally:
            self._live_waiting[key] -= lane is Lane.LIVE
        self._held[key] = FakeLease(self.clock, self.clock.monotonic() + ttl)
        self.taken.append((key, lane))
        return self._held[key]

    def _free(self, key: str, lane: Lane) -> bool:
        held = self._held.get(key)
        taken = held is not None and held.ends > self.clock.monotonic()
        return not taken and (lane is Lane.LIVE or not self._live_waiting.get(key))


class FakeAllowance:
    def __init__(self, pace: FakePace, lane: Lane, slots: int) -> None:
        self._pace = pace
        self._lane = lane
        self.slots = slots
        self.spent = 0

    async def spend(self) -> None:
        if self.slots == 0:
            await self._pace._slot(self._lane, float("inf"))
            self.slots = 1
        if self._pace.spend_takes:
            await asyncio.sleep(self._pace.spend_takes.pop(0))
        self.slots -= 1
        self.spent += 1
        self._pace.calls.append(self._pace.clock.monotonic())


@dataclass
class FakePace:
    """`per_minute` calls with a burst of 10, live before backfill; None means no limit. `calls`: when each was made."""

    clock: Clock
    per_minute: float | None = None
    away: bool = False
    refusals: int = 0
    calls: list[float] = field(default_factory=list)
    spend_takes: list[float] = field(default_factory=list)  # seconds that the next spends wait

    def __post_init__(self) -> None:
        self._free_at = 0.0
        self._tickets = count()
        self._queue: list[tuple[int, int]] = []

    @asynccontextmanager
    async def reserve(self, calls: int, lane: Lane = Lane.LIVE, *, wait: float = 60.0) -> AsyncIterator[FakeAllowance]:
        if self.away:
            raise Transient("state", "unreachable", counted=False)
        allowance = FakeAllowance(self, lane, 0)
        for _ in range(calls):
            await self._slot(lane, wait)
            allowance.slots += 1
        try:
            yield allowance
        finally:
            self._free_at -= allowance.slots * self._gap

    async def refused(self) -> None:
        self.refusals += 1

    @property
    def _gap(self) -> float:
        return 60.0 / self.per_minute if self.per_minute else 0.0

    async def _slot(self, lane: Lane, wait: float) -> None:
        """Wait in a line (live first, then first come) until the rate allows one more call."""
        me = (0 if lane is Lane.LIVE else 1, next(self._tickets))
        self._queue.append(me)
        patience = self.clock.monotonic() + wait
        try:
            while min(self._queue) != me or not self._grant():
                if self.clock.monotonic() >= patience:
                    raise Transient("state", "pace_spent", counted=False)
                await asyncio.sleep(_STEP)
        finally:
            self._queue.remove(me)

    def _grant(self) -> bool:
        now = self.clock.monotonic()
        free_at = max(self._free_at, now)
        if free_at - now > 9 * self._gap + 1e-9:
            return False
        self._free_at = free_at + self._gap
        return True


@dataclass
class FakeMemory:
    """`wipe` forgets everything, as a restarted Redis does; `away` refuses; `on_recall` happens meanwhile."""

    clock: Clock
    away: bool = False
    values: dict[str, tuple[str, float]] = field(default_factory=dict)
    on_recall: Callable[[], None] | None = None

    async def recall(self, key: str) -> str | None:
        self._reach()
        if self.on_recall is not None:
            self.on_recall()
        value, until = self.values.get(key, ("", 0.0))
        return value if until > self.clock.monotonic() else None

    async def remember(self, key: str, value: str, *, ttl: float) -> None:
        self._reach()
        self.values[key] = (value, self.clock.monotonic() + ttl)

    def wipe(self) -> None:
        self.values.clear()

    def _reach(self) -> None:
        if self.away:
            raise Transient("state", "unreachable", counted=False)
