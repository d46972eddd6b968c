"""Having a ledger alone, from the first look to the last row: nobody else has it open, and nobody opens it meanwhile.

SQLite: a connection in EXCLUSIVE locking mode, which excludes every other connection, idle ones too. PostgreSQL: each
connection of ours shares an advisory lock as long as it lives (`engines.py`), and a restore takes it whole. Whoever
comes meanwhile is refused at once (Transient "ledger_restoring"); a restore that is killed leaves no lock behind. Next:
`copy.py`.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path

from sqlalchemy import event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.pool import ConnectionPoolEntry

from shared.adapters.ledger.engines import APPLICATION, PATIENCE, RESTORE_LOCK, open_engines
from shared.adapters.ledger.restoring import refused, sign_of
from shared.adapters.ledger.target import PostgresTarget, SqliteTarget
from shared.domain.errors import Transient

_PATIENCE = 1.0  # seconds for the last connection of a process that ends; services stay longer than that
_IN_USE = "something else has the ledger open: stop every entra-syncro process first"


@asynccontextmanager
async def alone(target: SqliteTarget | PostgresTarget) -> AsyncIterator[AsyncConnection]:
    """One transaction on the only connection; what was done in it is there when the context ends without an error.

    The schema must be up to date. Raises Transient "ledger_in_use" while anybody else has the ledger open.
    """
    sign = _sign(target.path) if isinstance(target, SqliteTarget) and target.path else nullcontext()
    patience = _PATIENCE if isinstance(target, SqliteTarget) else PATIENCE
    async with sign, open_engines(target, patience=patience) as engines:
        if isinstance(target, SqliteTarget):
            event.listen(engines.atomic.sync_engine, "connect", _exclusive)
        async with engines.atomic.connect() as connection:
            await _begin(connection, target)
            yield connection
            await connection.commit()


async def _begin(connection: AsyncConnection, target: SqliteTarget | PostgresTarget) -> None:
    try:
        if isinstance(target, SqliteTarget):
            await connection.execute(text("SELECT 1"))  # begins, and that takes the lock
            return
        # between its statements this transaction waits for files, and the copy may take any time
        await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        await connection.execute(text(f"SET LOCAL lock_timeout = {int(_PATIENCE * 1000)}"))
        await connection.execute(text(f"SELECT pg_advisory_xact_lock({RESTORE_LOCK})"))
        # a stranger (pg_dump, say) may hold a table for longer than a process of ours takes to end
        await connection.execute(text(f"SET LOCAL lock_timeout = {int(PATIENCE * 1000)}"))
    except DBAPIError as error:
        if not _is_taken(error):
            raise
        raise Transient("ledger", "ledger_in_use", _IN_USE) from None
    await _refuse_strangers(connection)


def _is_taken(error: DBAPIError) -> bool:
    name = getattr(error.orig, "sqlite_errorname", "")
    return str(name).startswith("SQLITE_BUSY") or getattr(error.orig, "sqlstate", "") == "55P03"


async def _refuse_strangers(connection: AsyncConnection) -> None:
    """A process of a release before this one shares no lock, but it has our name."""
    others = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = :name AND pid <> pg_backend_pid()"
    )
    if await connection.scalar(others, {"name": APPLICATION}):
        raise Transient("ledger", "ledger_in_use", _IN_USE)


def _exclusive(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA locking_mode = EXCLUSIVE")
    cursor.close()


@asynccontextmanager
async def _sign(path: Path) -> AsyncIterator[None]:
    """A locked file beside the ledger: it only says why, the lock itself is SQLite's."""
    sign = sign_of(path)
    descriptor = await _locked(sign)
    try:
        yield
    finally:
        sign.unlink(missing_ok=True)
        os.close(descriptor)


async def _locked(sign: Path) -> int:
    deadline = time.monotonic() + _PATIENCE
    while True:
        descriptor = os.open(sign, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # another restore, or somebody who looks whether there is one
            os.close(descriptor)
            if time.monotonic() > deadline:
                raise refused() from None
            await asyncio.sleep(0.01)
            continue
        if _is_still(sign, descriptor):
            return descriptor
        os.close(descriptor)


def _is_still(sign: Path, descriptor: int) -> bool:
    """Between opening and locking, the restore before may have taken its file away."""
    try:
        return sign.stat().st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False
