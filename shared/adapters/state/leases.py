"""One holder per key over all processes, on SQLite: the Leases port of the embedded state.

Asking, waiting and knowing one's end are `holding.py`. Those who wait stand in the file in order, live ones first; a
waiter that died stops counting `WAITER_TTL` seconds after its last sign.
"""

from __future__ import annotations

import sqlite3
from functools import partial

from shared.adapters.sqlite import Database
from shared.adapters.state.holding import WAITER_TTL, PolledLeases, Request
from shared.domain.messages import Lane
from shared.ports import Clock


class EmbeddedLeases(PolledLeases):
    """Satisfies `shared.ports.Leases`."""

    def __init__(self, database: Database, clock: Clock, *, poll: float) -> None:
        super().__init__(clock, poll=poll)
        self._database = database

    async def _take(self, request: Request, *, will_wait: bool) -> bool:
        return await self._database.write(partial(self._try, request=request, will_wait=will_wait))

    async def _forget(self, request: Request) -> None:
        # Also when a question of ours was cancelled: the thread works in order, so this comes after it.
        await self._database.write(lambda connection: _forget(connection, request.token))

    def _try(self, connection: sqlite3.Connection, *, request: Request, will_wait: bool) -> bool:
        now = self._clock.monotonic()
        _forget_expired(connection, request.key, now)
        taken = connection.execute("SELECT 1 FROM lease WHERE key = ?", (request.key,)).fetchone()
        if taken is None and not _is_outranked(connection, request):
            _forget(connection, request.token)
            connection.execute(
                "INSERT INTO lease (key, token, ttl, expires_at) VALUES (?, ?, ?, ?)",
                (request.key, request.token, request.ttl, now + request.ttl),
            )
            return True
        if will_wait:
            _stand_in_line(connection, request, now)
        return False


# --- the SQL, run in the database's thread ----------------------------------------------------------------------


def _forget(connection: sqlite3.Connection, token: str) -> None:
    connection.execute("DELETE FROM lease WHERE token = ?", (token,))
    connection.execute("DELETE FROM waiter WHERE token = ?", (token,))


def _forget_expired(connection: sqlite3.Connection, key: str, now: float) -> None:
    # More left than it was ever given: written by an earlier boot, whose monotonic clock is not ours.
    connection.execute("DELETE FROM lease WHERE key = ? AND (expires_at <= ? OR expires_at - ? > ttl)", (key, now, now))
    connection.execute(
        "DELETE FROM waiter WHERE key = ? AND (expires_at <= ? OR expires_at - ? > ?)", (key, now, now, WAITER_TTL)
    )


def _is_outranked(connection: sqlite3.Connection, request: Request) -> bool:
    """Does somebody wait for this key who goes first? Live before backfill, and within a lane who came first."""
    mine = connection.execute("SELECT seq FROM waiter WHERE token = ?", (request.token,)).fetchone()
    others = connection.execute(
        "SELECT lane, seq FROM waiter WHERE key = ? AND token <> ?", (request.key, request.token)
    ).fetchall()
    is_backfill = request.lane is Lane.BACKFILL
    for lane, seq in others:
        other_is_backfill = lane == Lane.BACKFILL.value
        if is_backfill and not other_is_backfill:
            return True
        if is_backfill == other_is_backfill and (mine is None or seq < mine[0]):
            return True
    return False


def _stand_in_line(connection: sqlite3.Connection, request: Request, now: float) -> None:
    connection.execute(
        "INSERT INTO waiter (key, token, lane, expires_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (token) DO UPDATE SET expires_at = excluded.expires_at"
        " WHERE waiter.expires_at < ?",  # a sign of life now and then is enough
        (request.key, request.token, request.lane.value, now + WAITER_TTL, now + WAITER_TTL / 2),
    )
