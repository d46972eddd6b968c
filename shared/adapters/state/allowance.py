"""What every pace does on this side of its record: who is next, whether a slot is still good, what goes back.

In: requests for calls, per lane. Out: allowances whose slots are spent one by one, right before each request. A slot
that is not spent within a second is given back and asked for anew, so that a process that froze cannot call in the
pace of long ago. Where the record lies is the business of the heirs: `pace.py` (SQLite), `redis_pace.py` (Redis).
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass

import structlog

from shared.adapters.state.line import Line, Turn
from shared.domain.errors import Transient
from shared.domain.messages import Lane
from shared.domain.pace import MAX_SLOT_AGE, Slots
from shared.ports import Allowance, Clock

SERVICE = "pace"
SECOND_ROW_FACTOR = 10  # who is not first looks that much more seldom: only the deadline can matter to him

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Held:
    """Granted slots, and since when at the latest: a moment of this machine's monotonic clock."""

    slots: Slots
    since: float


class LinedAllowance:
    """Satisfies `shared.ports.Allowance`."""

    def __init__(self, pace: LinedPace, held: Held, lane: Lane, wait: float) -> None:
        self._pace = pace
        self._held = held
        self._left = held.slots.calls
        self._lane = lane
        self._wait = wait
        self._spent = 0

    @property
    def spent(self) -> int:
        return self._spent

    async def spend(self) -> None:
        while self._left == 0 or self._pace.is_void(self._held):
            wanted = max(1, self._left)
            await self.return_unspent()
            self._held = await self._pace.acquire(wanted, self._lane, self._wait)
            self._left = self._held.slots.calls
        self._left -= 1
        self._spent += 1

    async def return_unspent(self) -> None:
        unspent, self._left = self._left, 0
        if unspent:
            await self._pace.take_back(self._held.slots, unspent)


class LinedPace(ABC):
    """Satisfies `shared.ports.Pace`, given a record that can be asked."""

    def __init__(self, clock: Clock, *, poll: float) -> None:
        self._clock = clock
        self._poll = poll
        self._line = Line()

    @abstractmethod
    async def _ask(self, calls: int, lane: Lane) -> Held | float:
        """Ask the shared record once: slots, or the seconds to wait.

        Raises Transient when it cannot be asked; what it granted then counts as spent.
        """

    @abstractmethod
    async def _give_back(self, slots: Slots, unspent: int) -> None: ...

    @abstractmethod
    async def _slow_down(self) -> None: ...

    @contextlib.asynccontextmanager
    async def reserve(self, calls: int, lane: Lane = Lane.LIVE, *, wait: float = 60.0) -> AsyncIterator[Allowance]:
        """See the port. More calls than fit the lane's share of the burst are granted later, at `spend`."""
        allowance = LinedAllowance(self, await self.acquire(calls, lane, wait), lane, wait)
        try:
            yield allowance
        finally:
            await allowance.return_unspent()

    async def refused(self) -> None:
        await self._slow_down()
        log.warning("pace.halved")

    async def acquire(self, calls: int, lane: Lane, wait: float) -> Held:
        """Wait in line for slots. Raises Transient (not counted) after `wait` seconds."""
        with self._line.place(lane) as turn:
            return await self._acquire(turn, calls, lane, self._clock.monotonic() + wait)

    async def take_back(self, slots: Slots, unspent: int) -> None:
        try:
            await self._give_back(slots, unspent)
        except Transient as error:  # lost slots only make us slower
            log.warning("pace.give_back_failed", code=error.code)
        self._line.wake_first()

    def is_void(self, held: Held) -> bool:
        return self._clock.monotonic() - held.since > MAX_SLOT_AGE

    async def _acquire(self, turn: Turn, calls: int, lane: Lane, deadline: float) -> Held:
        ask_at = float("-inf")
        while True:
            if turn.has_come() and self._clock.monotonic() >= ask_at:
                decision = await self._ask(calls, lane)
                if isinstance(decision, Held):
                    return decision
                ask_at = self._clock.monotonic() + decision
            now = self._clock.monotonic()
            if now >= deadline:
                raise Transient(SERVICE, "pace_spent", "no call to Syncro was free in time", counted=False)
            pause = min(self._poll, ask_at - now) if turn.has_come() else self._poll * SECOND_ROW_FACTOR
            if await turn.nap(min(pause, deadline - now)):
                ask_at = now
