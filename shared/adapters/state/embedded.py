"""The shared state on one SQLite file, for all processes of one machine: leases, pace, memory.

In: a path and the pace's rule. Out: an `EmbeddedState` with the three ports. Deadlines are kept on the machine's
monotonic clock, which all processes share, so a step of the wall clock neither frees a lease nor fills the pace; what
an earlier boot wrote on its own monotonic clock is dropped on opening.
Next: `leases.py`, `pace.py`, `memory.py`.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from shared.adapters.sqlite import Plan, open_database
from shared.adapters.state.leases import EmbeddedLeases
from shared.adapters.state.memory import EmbeddedMemory
from shared.adapters.state.pace import EmbeddedPace
from shared.domain.pace import BACKFILL_PER_MINUTE, BURST, CEILING_PER_MINUTE, PACE_PER_MINUTE, PaceRule
from shared.ports import Clock

SERVICE = "state"
POLL = 0.05  # seconds between two looks of somebody who waits

_SCHEMA = """
CREATE TABLE IF NOT EXISTS boot (id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS lease (
    key TEXT PRIMARY KEY, token TEXT NOT NULL, ttl REAL NOT NULL, expires_at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS waiter (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL, token TEXT NOT NULL UNIQUE, lane TEXT NOT NULL, expires_at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS waiter_key ON waiter (key);
CREATE TABLE IF NOT EXISTS pace (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    shared_tat REAL NOT NULL, shared_refunded REAL NOT NULL,
    backfill_tat REAL NOT NULL, backfill_refunded REAL NOT NULL,
    born REAL NOT NULL, slow_until REAL
);
CREATE TABLE IF NOT EXISTS memory (key TEXT PRIMARY KEY, value TEXT NOT NULL, expires_at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS memory_expires ON memory (expires_at)
"""
_PLAN = Plan(SERVICE, _SCHEMA, version=1, synchronous="NORMAL")


@dataclass(frozen=True, slots=True)
class EmbeddedState:
    leases: EmbeddedLeases
    pace: EmbeddedPace
    memory: EmbeddedMemory


@contextlib.asynccontextmanager
async def open_embedded_state(
    path: str,
    clock: Clock,
    *,
    pace_per_minute: float = PACE_PER_MINUTE,
    backfill_per_minute: float = BACKFILL_PER_MINUTE,
    burst: int = BURST,
    ceiling_per_minute: float = CEILING_PER_MINUTE,
    poll: float = POLL,
    boot: str | None = None,
) -> AsyncIterator[EmbeddedState]:
    """Open or create the state's file. Raises Transient when it cannot be opened.

    A pace above `ceiling_per_minute` is lowered to it (only a simulated Syncro may be driven faster). `poll`: seconds
    between two looks of somebody who waits. `boot` names the run of the machine (default: ask the machine).
    """
    rule = PaceRule(pace_per_minute, backfill_per_minute, burst).capped(ceiling_per_minute)
    async with open_database(path, _PLAN) as database:
        await database.write(lambda connection: _forget_other_boots(connection, boot or _this_boot()))
        yield EmbeddedState(
            leases=EmbeddedLeases(database, clock, poll=poll),
            pace=EmbeddedPace(database, clock, rule, poll=poll),
            memory=EmbeddedMemory(database, clock),
        )


def _this_boot() -> str:
    """Empty where the system does not name its boots; then only implausible times give an earlier boot away."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def _forget_other_boots(connection: sqlite3.Connection, boot: str) -> None:
    row = connection.execute("SELECT id FROM boot").fetchone()
    if row is not None and row[0] == boot:
        return
    for table in ("boot", "lease", "waiter", "pace"):
        connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names from the line above
    connection.execute("INSERT INTO boot (id) VALUES (?)", (boot,))
