"""The SQL of the embedded broker: one table of messages. Everything here runs in the database's thread.

A message waits while `holder` is empty, from `due_at` on (wall time: it outlives a reboot); it is held until
`held_until` (monotonic time: a step of the wall clock must not end a hold). Next: `embedded.py` calls this.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from shared.adapters.brokers.consumer import Take, Taken
from shared.domain.messages import DeadLettered, Lane, encode
from shared.ports import Clock

DELIVERY_LIMIT = 20

SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    lane TEXT NOT NULL,
    body BLOB NOT NULL,
    published_at REAL NOT NULL,
    due_at REAL NOT NULL,
    deliveries INTEGER NOT NULL DEFAULT 0,
    holder TEXT,
    held_until REAL
);
CREATE INDEX IF NOT EXISTS message_waiting ON message (lane, due_at, id) WHERE holder IS NULL;
CREATE INDEX IF NOT EXISTS message_held ON message (holder, lane, held_until) WHERE holder IS NOT NULL
"""

# A hold given back in good order was no crash: it does not count towards the delivery limit.
GIVE_BACK = "UPDATE message SET holder = NULL, held_until = NULL, deliveries = deliveries - 1"
# Two questions, so that each is answered from its index and no body is read.
COUNT = """
SELECT lane, count(*) FROM message WHERE holder IS NULL GROUP BY lane
UNION ALL SELECT lane, count(*) FROM message WHERE holder IS NOT NULL GROUP BY lane
"""
_PUT = "INSERT INTO message (lane, body, published_at, due_at) VALUES (?, ?, ?, ?)"


def insert(connection: sqlite3.Connection, *, lane: Lane, body: bytes, now: float, due_at: float) -> None:
    connection.execute(_PUT, (lane.value, body, now, due_at))


@dataclass(frozen=True, slots=True)
class Claim:
    """`holder` wants `limit` more messages of `lane` and knows that it has `held` in hand."""

    lane: Lane
    holder: str
    limit: int
    held: frozenset[int]


def take(claim: Claim, connection: sqlite3.Connection, *, clock: Clock, hold_for: float) -> Take:
    _give_back_strays(connection, claim)
    rows = connection.execute(
        "SELECT id, body, deliveries, published_at FROM message"
        " WHERE lane = ? AND holder IS NULL AND due_at <= ? ORDER BY due_at, id LIMIT ?",
        (claim.lane.value, clock.now().timestamp(), claim.limit),
    ).fetchall()
    # The dead lane has no limit: burying what is buried would wrap it again and again.
    limit_of_deaths = DELIVERY_LIMIT if claim.lane is not Lane.DEAD else float("inf")
    worn = [row for row in rows if row[2] >= limit_of_deaths]
    for row in worn:
        _bury(connection, claim.lane, row, clock)
    taken = [Taken(row[0], row[1]) for row in rows if row[2] < limit_of_deaths]
    until = clock.monotonic() + hold_for
    connection.executemany(
        "UPDATE message SET holder = ?, held_until = ?, deliveries = deliveries + 1 WHERE id = ?",
        [(claim.holder, until, message.id) for message in taken],
    )
    return Take(taken, buried=len(worn), next_due=_next_due(connection, claim.lane))


def _give_back_strays(connection: sqlite3.Connection, claim: Claim) -> None:
    """An earlier take may have been committed after its answer was given up: its renewed hold would never end."""
    mine = connection.execute("SELECT id FROM message WHERE holder = ?", (claim.holder,)).fetchall()
    strays = [(message_id,) for (message_id,) in mine if message_id not in claim.held]
    connection.executemany(f"{GIVE_BACK} WHERE id = ?", strays)


def _bury(connection: sqlite3.Connection, lane: Lane, row: tuple[int, bytes, int, float], clock: Clock) -> None:
    message_id, body, deliveries, published_at = row
    now = clock.now()
    letter = DeadLettered(
        letter_id=uuid4().hex,
        body=body,
        lane=lane,
        error_class="delivery_limit",
        detail="every process that took this message died or hung with it in hand",
        attempts=deliveries,
        first_seen=now.fromtimestamp(published_at, tz=now.tzinfo),
        last_seen=now,
    )
    insert(connection, lane=Lane.DEAD, body=encode(letter), now=now.timestamp(), due_at=now.timestamp())
    connection.execute("DELETE FROM message WHERE id = ?", (message_id,))


def _next_due(connection: sqlite3.Connection, lane: Lane) -> float | None:
    row = connection.execute(
        "SELECT min(due_at) FROM message WHERE lane = ? AND holder IS NULL", (lane.value,)
    ).fetchone()
    due: float | None = row[0]
    return due


def data_version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA data_version").fetchone()[0]
    return version


def free(connection: sqlite3.Connection, lost: Sequence[tuple[str, bool]], now: float) -> int:
    # The time is asked again: a holder that renewed since we looked is not lost.
    return connection.executemany(
        "UPDATE message SET holder = NULL, held_until = NULL WHERE holder = ? AND (? OR held_until <= ?)",
        [(holder, dead, now) for holder, dead in lost],
    ).rowcount
