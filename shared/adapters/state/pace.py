"""The one pace of all calls to Syncro, on SQLite: the Pace port of the embedded state.

The arithmetic is `shared/domain/pace.py`, waiting and spending are `allowance.py`; here the record is kept in one row
that all processes share. No file, no grant.
"""

from __future__ import annotations

import sqlite3
from dataclasses import astuple
from functools import partial

from shared.adapters.sqlite import Database
from shared.adapters.state.allowance import Held, LinedPace
from shared.domain.messages import Lane
from shared.domain.pace import Granted, PaceRecord, PaceRule, Slots, Track, Wait, give_back, reserve, slow_down
from shared.ports import Clock


class EmbeddedPace(LinedPace):
    """Satisfies `shared.ports.Pace`."""

    def __init__(self, database: Database, clock: Clock, rule: PaceRule, *, poll: float) -> None:
        super().__init__(clock, poll=poll)
        self._database = database
        self._rule = rule

    async def _ask(self, calls: int, lane: Lane) -> Held | float:
        decision = await self._database.write(partial(self._decide, calls=calls, lane=lane))
        if isinstance(decision, Granted):
            return Held(decision.slots, since=decision.slots.granted_at)
        return decision.seconds

    async def _give_back(self, slots: Slots, unspent: int) -> None:
        await self._database.write(lambda connection: self._refund(connection, slots, unspent))

    async def _slow_down(self) -> None:
        await self._database.write(self._halve)

    # --- run in the database's thread --------------------------------------------------------------------------

    def _decide(self, connection: sqlite3.Connection, *, calls: int, lane: Lane) -> Granted | Wait:
        known = _load(connection)
        decision = reserve(known, self._rule, calls, lane, self._clock.monotonic())
        if decision.record != known:
            _save(connection, decision.record)
        return decision

    def _refund(self, connection: sqlite3.Connection, slots: Slots, unspent: int) -> None:
        _save(connection, give_back(_load(connection), self._rule, slots, unspent, self._clock.monotonic()))

    def _halve(self, connection: sqlite3.Connection) -> None:
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
