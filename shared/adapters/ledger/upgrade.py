"""Brings the schema up to date when a ledger is opened, whoever comes first, and refuses one that is newer.

Blocking by nature: called in a thread. Processes that open one new ledger at the same time take turns under the
database's own lock (SQLite: BEGIN IMMEDIATE, PostgreSQL: an advisory lock); a failed migration leaves nothing behind.
Next: `migrations/env.py`, `migrations/versions/`.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import assert_never

from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.pool import NullPool

from shared.adapters.ledger.engines import ATOMIC, PATIENCE, prepare_sqlite, sqlite_arguments
from shared.adapters.ledger.migrations import HEAD
from shared.adapters.ledger.restoring import refuse_meanwhile
from shared.adapters.ledger.target import PostgresTarget, SqliteTarget, Target
from shared.domain.errors import Permanent

_PATIENCE = 60.0  # seconds for another process to finish its migration
_ADVISORY_LOCK = 0x656E7472  # any number that all versions of this program share ("entr")
_NEWER = (
    "a newer release of entra-syncro made this ledger: install that release; or, to go back, move its file away (or"
    " name an empty database in ledger.url), then put the backup made before it there: entra-syncro restore BACKUP"
)

# Alembic keeps the migration that runs in a global of its module, so one process runs one at a time. Each runs in
# a thread of its own, never in an event loop that this could block.
_one_alembic = threading.Lock()


def upgrade(target: Target) -> None:
    """Raises Permanent "ledger_newer", Transient "ledger_restoring", and what the driver does, for `our_errors`."""
    match target:
        case SqliteTarget():
            _upgrade_sqlite(target)
        case PostgresTarget():
            asyncio.run(_upgrade_postgres(target))
        case _:
            assert_never(target)


def revision(connection: Connection) -> str | None:
    """The revision that the database says it has, None for a new one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def migrate(connection: Connection) -> None:
    """Runs what is missing, inside the caller's transaction and under its lock."""
    # imported here: a ledger that is up to date (nearly every start) does not pay for Alembic
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", "shared.adapters.ledger:migrations")
    # up to our own, and no further: whoever replaces the package under a running process may bring newer files
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions("base", HEAD)}
    present = revision(connection)
    if present is not None and present not in known:
        raise Permanent("ledger", "ledger_newer", _NEWER)
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)


def _upgrade_sqlite(target: SqliteTarget) -> None:
    if target.path is not None:
        refuse_meanwhile(target.path)
        _prepare_file(target.path)
    engine = create_engine(
        target.url("pysqlite"),
        poolclass=NullPool,
        connect_args=sqlite_arguments(_PATIENCE),
        hide_parameters=True,
    )
    prepare_sqlite(engine)
    with engine.connect() as connection:
        if revision(connection) == HEAD:
            return
    with _one_alembic, engine.execution_options(**{ATOMIC: True}).begin() as connection:
        migrate(connection)


def _prepare_file(path: Path) -> None:
    """Creates what is missing, for our eyes only (the journal holds names and addresses), and switches WAL on."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600, exist_ok=True)
    deadline = time.monotonic() + _PATIENCE
    with closing(sqlite3.connect(path, **sqlite_arguments(_PATIENCE))) as connection:
        while not _has_wal(connection, last=time.monotonic() > deadline):
            time.sleep(0.01)


def _has_wal(connection: sqlite3.Connection, *, last: bool) -> bool:
    try:
        connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        # Whoever switches needs the file for a moment alone, and SQLite does not wait for that by itself.
        if last or not error.sqlite_errorname.startswith("SQLITE_BUSY"):
            raise
        return False
    return True


async def _upgrade_postgres(target: PostgresTarget) -> None:
    from shared.adapters.ledger.postgres import postgres_engine

    engine = postgres_engine(target, patience=PATIENCE, lock_patience=_PATIENCE)
    try:
        async with engine.connect() as connection:
            if await connection.run_sync(revision) == HEAD:
                return
        with _one_alembic:
            async with engine.begin() as connection:
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
                await connection.run_sync(migrate)
    finally:
        await engine.dispose()
