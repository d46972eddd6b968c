"""The one pace of all calls to Syncro, on SQLite: the Pace port of the embedded state.

The arithmetic is `shared/domain/pace.py`; here its record is kept in one row that all processes share, and who wants
to call waits in line. No file, no grant. A slot that is not spent within a second is given back and asked for anew,
so that a process that froze cannot call in the pace of long ago.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import astuple
from functools import partial

import structlog

from shared.adapters.sqlite import Database
from shared.adapters.state.line import Line, Turn
from shared.domain.errors import Transient
from shared.domain.messages import Lane
from shared.domain.pace import Granted, PaceRecord, PaceRule, Slots, Track, Wait, give_back, reserve, slow_down
from shared.ports import Allowance, Clock

SERVICE = "pace"
SECOND_ROW_FACTOR = 10  # who is not first looks that much more seldom: only the deadline can matter to him

log = structlog.get_logger(__name__)


class EmbeddedAllowance:
    """Satisfies `shared.ports.Allowance`."""

    def __init__(self, pace: EmbeddedPace, slots: Slots, lane: Lane, wait: float) -> None:
        self._pace = pace
        self._slots = slots
        self._left = slots.calls
        self._lane = lane
        self._wait = wait
        self._spent = 0

    @property
    def spent(self) -> int:
        return self._spent

    async def spend(self) -> None:
        while self._left == 0 or self._pace.is_void(self._slots):
            wanted = max(1, self._left)
            await self.return_unspent()
            self._slots = await self._pace.acquire(wanted, self._lane, self._wait)
            self._left = self._slots.calls
        self._left -= 1
        self._spent += 1

    async def return_unspent(self) -> None:
        unspent, self._left = self._left, 0
        if unspent:
            await self._pace.take_back(self._slots, unspent)


class EmbeddedPace:
    """Satisfies `shared.ports.Pace`."""

    def __init__(self, database: Database, clock: Clock, rule: PaceRule, *, poll: float) -> None:
        self._database = database
        self._clock = clock
        self._rule = rule
        self._poll = poll
        self._line = Line()

    @contextlib.asynccontextmanager
    async def reserve(self, calls: int, lane: Lane = Lane.LIVE, *, wait: float = 60.0) -> AsyncIterator[Allowance]:
        """See the port. More calls than fit the lane's share of the burst are granted later, at `spend`."""
        allowance = EmbeddedAllowance(self, await self.acquire(calls, lane, wait), lane, wait)
        try:
            yield allowance
        finally:
            await allowance.return_unspent()

    async def refused(self) -> None:
        await self._database.write(self._slow_down)
        log.warning("pace.halved")

    async def acquire(self, calls: int, lane: Lane, wait: float) -> Slots:
        """Wait in line for slots. Raises Transient (not counted) after `wait` seconds."""
        with self._line.place(lane) as turn:
            return await self._acquire(turn, calls, lane, self._clock.monotonic() + wait)

    async def take_back(self, slots: Slots, unspent: int) -> None:
        try:
            await self._database.write(lambda connection: self._give_back(connection, slots, unspent))
        except Transient as error:  # lost slots only make us slower
            log.warning("pace.give_back_failed", code=error.code)
        self._line.wake_first()

    def is_void(self, slots: Slots) -> bool:
        return slots.is_void(self._clock.monotonic())

    async def _acquire(self, turn: Turn, calls: int, lane: Lane, deadline: float) -> Slots:
        ask_at = float("-inf")
        while True:
            if turn.has_come() and self._clock.monotonic() >= ask_at:
                decision = await self._database.write(partial(self._decide, calls=calls, lane=lane))
                if isinstance(decision, Granted):
                    return decision.slots
                ask_at = self._clock.monotonic() + decision.seconds
            now = self._clock.monotonic()
            if now >= deadline:
                raise Transient(SERVICE, "pace_spent", "no call to Syncro was free in time", counted=False)
            pause = min(self._poll, ask_at - now) if turn.has_come() else self._poll * SECOND_ROW_FACTOR
            if await turn.nap(min(pause, deadline - now)):
                ask_at = now

    # --- run in the database's thread --------------------------------------------------------------------------

    def _decide(self, connection: sqlite3.Connection, *, calls: int, lane: Lane) -> Granted | Wait:
        known = _load(connection)
        decision = reserve(known, self._rule, calls, lane, self._clock.monotonic())
        if decision.record != known:
            _save(connection, decision.record)
        return decision

    def _give_back(self, connection: sqlite3.Connection, slots: Slots, unspent: int) -> None:
        _save(connection, give_back(_load(connection), self._rule, slots, unspent, self._clock.monotonic()))

    def _slow_down(self, connection: sqlite3.Connection) -> None:
        _save(connection, slow_down(_load(connection), self._rule, self._clock.monotonic()))


def _load(connection: sqlite3.Connection) -> PaceRecord | None:
    row = connection.execute(
        "SELECT shared_tat, shared_refunded, backfill_tat, backfill_refunded, born, slow_until FROM pace"
    ).fetchone()
    if row is None:
        return None
    return PaceRecord(Track(row[0], row[1]), Track(row[2], row[3]), born=row[4], slow_until=row[5])


def _save(connection: sqlite3.Connection, record: PaceRecord) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO pace"
        " (id, shared_tat, shared_refunded, backfill_tat, backfill_refunded, born, slow_until)"
        " VALUES (1, ?, ?, ?, ?, ?, ?)",
        (*astuple(record.shared), *astuple(record.backfill), record.born, record.slow_until),
    )
