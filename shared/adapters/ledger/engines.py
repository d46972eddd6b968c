"""The engines over one target, and everything in which SQLite and PostgreSQL differ at run time.

Nothing here knows a table. `single` runs one statement that is durable when it returns, without a transaction
around it; `atomic` runs several as one. Next: `postgres.py`, `database.py`.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, assert_never

from sqlalchemy import Connection, Engine, Table, event
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry

from shared.adapters.ledger.failures import our_errors
from shared.adapters.ledger.target import PostgresTarget, SqliteTarget, Target

PATIENCE = 5.0  # seconds for a lock or a connection; our own transactions hold one for milliseconds
APPLICATION = "entra-syncro"  # by this name PostgreSQL tells our connections from others
RESTORE_LOCK = 0x656E7473  # an advisory lock: each connection shares it, and a restore takes it whole
ATOMIC = "ledger_atomic"  # execution option: this transaction writes, take SQLite's write lock at its beginning

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

    Insert = sqlite.Insert | postgresql.Insert


@dataclass(frozen=True, slots=True)
class Engines:
    """`insert` makes an INSERT that knows `on_conflict_do_update`; `gate` is entered before every write."""

    single: AsyncEngine
    atomic: AsyncEngine
    insert: Callable[[Table], Insert]
    gate: AbstractAsyncContextManager[Any]


@asynccontextmanager
async def open_engines(target: Target, *, patience: float) -> AsyncIterator[Engines]:
    """Lazy: connects with the first statement. All connections and their threads end with the context."""
    match target:
        case SqliteTarget():
            # A database in memory lives as long as a connection to it, and the pool may drop one at any time.
            anchor = None if target.path else sqlite3.connect(target.dsn, uri=True)
            with nullcontext() if anchor is None else closing(anchor):
                async with _disposed(_sqlite_engine(target, patience)) as engine:
                    # Writers of one process queue up here, fairly; SQLite's own waiting is polling with growing naps.
                    gate = asyncio.Lock()
                    yield Engines(engine, engine.execution_options(**{ATOMIC: True}), sqlite.insert, gate)
        case PostgresTarget():
            from shared.adapters.ledger.postgres import insert, postgres_engine  # one machine needs no such driver

            async with _disposed(postgres_engine(target, patience=patience)) as engine:
                single = engine.execution_options(isolation_level="AUTOCOMMIT")
                yield Engines(single, engine, insert, nullcontext())
        case _:
            assert_never(target)


@asynccontextmanager
async def _disposed(engine: AsyncEngine) -> AsyncIterator[AsyncEngine]:
    try:
        yield engine
    finally:
        with our_errors():
            await engine.dispose()


def _sqlite_engine(target: SqliteTarget, patience: float) -> AsyncEngine:
    engine = create_async_engine(
        target.url("aiosqlite"),
        poolclass=AsyncAdaptedQueuePool,
        pool_size=4 if target.path else 1,  # memdb has no WAL, so that a reader would be in a writer's way
        max_overflow=0,
        pool_timeout=patience,
        connect_args=sqlite_arguments(patience),
        hide_parameters=True,  # parameters are personal data, and errors are logged
    )
    prepare_sqlite(engine.sync_engine)
    return engine


def sqlite_arguments(patience: float) -> dict[str, Any]:
    """Arguments of `sqlite3.connect`: no BEGIN by the driver (it would come too late and never be IMMEDIATE)."""
    return {"timeout": patience, "isolation_level": None}


def prepare_sqlite(engine: Engine) -> None:
    """Durable commits on every connection, and BEGIN IMMEDIATE for what is marked as atomic."""
    event.listen(engine, "connect", _pragmas)
    event.listen(engine, "begin", _begin)


def _pragmas(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin(connection: Connection) -> None:
    # A deferred transaction that reads first and writes later fails at once when somebody wrote in between,
    # busy_timeout or not; a single statement needs no transaction at all.
    if connection.get_execution_options().get(ATOMIC):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
