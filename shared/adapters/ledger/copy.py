"""Copies a ledger into an empty one elsewhere: `python -m shared.adapters.ledger.copy SOURCE TARGET`.

For moving between one machine (`embedded:PATH`) and servers (`postgresql://...`), either way. Everything goes in one
transaction from one snapshot, or nothing does; a target that holds anything is refused. A password need not stand on
the command line: asyncpg reads PGPASSWORD and ~/.pgpass. Stop every process first: what is written meanwhile is not
copied. Next: `schema.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, Table, delete, exists, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.adapters.ledger.engines import PATIENCE, open_engines
from shared.adapters.ledger.failures import our_errors
from shared.adapters.ledger.migrations import HEAD
from shared.adapters.ledger.schema import metadata
from shared.adapters.ledger.target import PostgresTarget, SqliteTarget, Target, target_of
from shared.adapters.ledger.upgrade import revision, upgrade
from shared.domain.errors import Permanent, SyncError

BATCH = 500  # rows; one row of `approvals` may hold a whole customer

_NOT_THERE = "there is no ledger at the source address: look at its path or its database name"
_OTHER_RELEASE = "the source was made by another release: start this release on it once, then copy"
_NOT_EMPTY = "the target holds something already: give a new file or an empty database"


async def copy_ledger(source: str, target: str) -> Mapping[str, int]:
    """Rows copied, by table. Raises Permanent for a source that is none and for a target that is not empty."""
    origin, goal = target_of(source), target_of(target)
    if isinstance(origin, SqliteTarget) and not (origin.path and origin.path.is_file()):
        raise Permanent("ledger", "ledger_missing", _NOT_THERE)
    with our_errors():
        async with open_engines(origin, patience=PATIENCE) as there, there.atomic.connect() as reading:
            await reading.run_sync(_require_current)
            await _hold_still(reading, origin)
            await asyncio.to_thread(upgrade, goal)
            async with open_engines(goal, patience=PATIENCE) as here, here.atomic.begin() as writing:
                return await copy_rows(reading, writing, goal)


async def copy_rows(reading: AsyncConnection, writing: AsyncConnection, goal: Target) -> Mapping[str, int]:
    """The same inside two transactions of the caller's, both at the schema of this release."""
    return {table.name: await _copy(table, reading, writing, goal) for table in metadata.sorted_tables}


async def holds_anything(connection: AsyncConnection) -> bool:
    for table in metadata.sorted_tables:
        if await connection.scalar(select(exists().select_from(table))):
            return True
    return False


async def empty(writing: AsyncConnection, goal: Target) -> None:
    """Inside the caller's transaction."""
    if isinstance(goal, PostgresTarget):  # at once, however many rows there are
        await writing.execute(text("TRUNCATE " + ", ".join(f'"{name}"' for name in sorted(metadata.tables))))
        return
    for table in metadata.sorted_tables:
        await writing.execute(delete(table))


def _require_current(connection: Connection) -> None:
    found = revision(connection)
    if found != HEAD:
        raise Permanent("ledger", "ledger_other", _NOT_THERE if found is None else _OTHER_RELEASE)


async def _hold_still(reading: AsyncConnection, origin: Target) -> None:
    """One snapshot for all tables. SQLite's transaction has its write lock, so nothing can change meanwhile."""
    if isinstance(origin, PostgresTarget):
        await reading.rollback()  # the isolation level is chosen before the first question
        await reading.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))


async def _copy(table: Table, reading: AsyncConnection, writing: AsyncConnection, goal: Target) -> int:
    if await writing.scalar(select(func.count()).select_from(table)):
        raise Permanent("ledger", "ledger_not_empty", _NOT_EMPTY)
    copied = 0
    async with reading.stream(select(table).order_by(*table.primary_key.columns)) as rows:
        async for batch in rows.mappings().partitions(BATCH):
            await writing.execute(insert(table), [dict(row) for row in batch])
            copied += len(batch)
    if copied and isinstance(goal, PostgresTarget) and "id" in table.c:
        # Explicit ids do not move PostgreSQL's own count; SQLite's follows them.
        sequence = func.pg_get_serial_sequence(table.name, "id")
        await writing.execute(select(func.setval(sequence, select(func.max(table.c.id)).scalar_subquery())))
    return copied


def main(arguments: Sequence[str] | None = None) -> int:
    """0 copied, 1 failed, 2 wrong use."""
    parser = argparse.ArgumentParser(prog="python -m shared.adapters.ledger.copy", description="Copy a ledger.")
    parser.add_argument("source", help="embedded:PATH or postgresql://USER@HOST/DATABASE")
    parser.add_argument("target", help="the same, empty")
    given = parser.parse_args(arguments)
    try:
        copied = asyncio.run(copy_ledger(given.source, given.target))
    except SyncError as error:
        sys.stderr.write(f"Nothing was copied: {error.detail or error.code}.\n")
        return 2 if isinstance(error, Permanent) else 1
    for name, count in copied.items():
        sys.stdout.write(f"{count:>9}  {name}\n")
    sys.stdout.write("The ledger is copied.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
