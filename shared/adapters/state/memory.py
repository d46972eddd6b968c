"""Small facts with an end, on SQLite: the Memory port of the embedded state.

Times are wall times here, for a fact should outlive a reboot; a wall clock that steps only forgets earlier or later,
and nothing here is a truth.
"""

from __future__ import annotations

import sqlite3

from shared.adapters.sqlite import Database
from shared.ports import Clock


class EmbeddedMemory:
    """Satisfies `shared.ports.Memory`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def recall(self, key: str) -> str | None:
        now = self._clock.now().timestamp()
        return await self._database.read(lambda connection: _recall(connection, key, now))

    async def remember(self, key: str, value: str, *, ttl: float) -> None:
        now = self._clock.now().timestamp()
        await self._database.write(lambda connection: _remember(connection, key, value, now, ttl))


def _recall(connection: sqlite3.Connection, key: str, now: float) -> str | None:
    row = connection.execute("SELECT value FROM memory WHERE key = ? AND expires_at > ?", (key, now)).fetchone()
    return None if row is None else str(row[0])


def _remember(connection: sqlite3.Connection, key: str, value: str, now: float, ttl: float) -> None:
    connection.execute("DELETE FROM memory WHERE expires_at <= ?", (now,))
    connection.execute(
        "INSERT INTO memory (key, value, expires_at) VALUES (?, ?, ?)"
        " ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at",
        (key, value, now + ttl),
    )
