"""The whole ledger as one SQLite file, and back: the same file for both engines, so that it also moves between them.

A backup is one snapshot, taken while services run, seen by nobody else (0600), and read again before it gets its name.
A restore happens in one transaction, of a backup that this release knows or can bring up to date; the backup itself is
only read. It refuses a ledger that anybody else has open, and one that holds something unless that may go. Next:
`copy.py`.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from sqlalchemy import Table, func, select, text

from shared.adapters.ledger.copy import copy_ledger
from shared.adapters.ledger.engines import APPLICATION, PATIENCE, open_engines, sqlite_arguments
from shared.adapters.ledger.failures import our_errors
from shared.adapters.ledger.migrations import HEAD
from shared.adapters.ledger.schema import metadata
from shared.adapters.ledger.target import PostgresTarget, SqliteTarget, target_of
from shared.adapters.ledger.upgrade import upgrade
from shared.domain.errors import Permanent, Transient

_IN_MEMORY = "a ledger in memory ends with its process: there is nothing to save or to restore"
_EXISTS = "a file of this name is there already: give another name, or move that file away"
_NO_FOLDER = "there is no folder for this file: make it first, or name another one"
_MISSING = "there is no such file: look at its path"
_NO_BACKUP = "this file is not a backup of a ledger: name another one"
_DAMAGED = "this backup is damaged: take an earlier one"
_IN_USE = "something else has the ledger open: stop every entra-syncro process first"


class LedgerBackups:
    """`url`: the address of the ledger that is saved and restored (`open_ledger`)."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._target = target_of(url)

    async def save(self, path: Path) -> Mapping[str, int]:
        """Raises Permanent "backup_exists", "backup_no_folder" or "ledger_memory", and Transient as a ledger does."""
        target = _durable(self._target)
        with our_errors(), _named_at_last(path) as unfinished:
            if isinstance(target, SqliteTarget):
                await asyncio.to_thread(_snapshot, target, unfinished)
            else:
                await copy_ledger(self._url, f"embedded:{unfinished}")
            return await asyncio.to_thread(_examined, unfinished, revision=HEAD)

    async def load(self, path: Path, *, replace: bool = False) -> Mapping[str, int]:
        """Raises Permanent "backup_missing", "backup_other", "backup_damaged", "ledger_newer" (of the backup),
        "ledger_not_empty" or "ledger_memory", and Transient "ledger_in_use" or as a ledger does."""
        target = _durable(self._target)
        if not await asyncio.to_thread(path.is_file):
            raise Permanent("ledger", "backup_missing", _MISSING)
        with our_errors(), TemporaryDirectory(prefix="entra-syncro-restore-") as folder:
            current = SqliteTarget(Path(folder) / "backup.db")
            await asyncio.to_thread(_take, path, current)
            await _require_alone(target)
            return await copy_ledger(f"embedded:{current.path}", self._url, replace=replace)


def _durable(target: SqliteTarget | PostgresTarget) -> SqliteTarget | PostgresTarget:
    if isinstance(target, SqliteTarget) and target.path is None:
        raise Permanent("ledger", "ledger_memory", _IN_MEMORY)
    return target


# --- saving -----------------------------------------------------------------------------------------------------


@contextmanager
def _named_at_last(path: Path) -> Iterator[Path]:
    """A file beside `path`, for our eyes only, that becomes `path` when all went well and vanishes otherwise."""
    if path.exists() or path.is_symlink():
        raise Permanent("ledger", "backup_exists", _EXISTS)
    if not path.parent.is_dir():
        raise Permanent("ledger", "backup_no_folder", _NO_FOLDER)
    unfinished = path.with_name(f".{path.name}.{uuid4().hex[:8]}.unfinished")
    os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        yield unfinished
        _give_name(unfinished, path)
    finally:
        for leftover in (unfinished, *(unfinished.with_name(unfinished.name + end) for end in ("-wal", "-shm"))):
            leftover.unlink(missing_ok=True)


def _give_name(unfinished: Path, path: Path) -> None:
    """Durable, and never over another file."""
    for place in (unfinished, path.parent):
        opened = os.open(place, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
    try:
        os.link(unfinished, path)
    except FileExistsError:
        raise Permanent("ledger", "backup_exists", _EXISTS) from None
    except OSError:  # a file system without links: somebody may be faster in between, by very little
        if path.exists():
            raise Permanent("ledger", "backup_exists", _EXISTS) from None
        unfinished.rename(path)


def _snapshot(target: SqliteTarget, goal: Path) -> None:
    """Whoever writes meanwhile goes on writing; the snapshot does not see it."""
    with closing(_connect(target.dsn)) as connection:
        connection.execute("VACUUM INTO ?", (str(goal),))


def _examined(path: Path, *, revision: str) -> Mapping[str, int]:
    """Rows by table, of a file that is whole and ends with the last connection to it."""
    with closing(_connect(str(path))) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        if _revision(connection) != revision or not _is_whole(connection):
            raise Transient("ledger", "backup_failed", "what was written cannot be read: look at the disk")
        return {table.name: _count(connection, table) for table in metadata.sorted_tables}


def _count(connection: sqlite3.Connection, table: Table) -> int:
    return int(connection.execute(str(select(func.count()).select_from(table))).fetchone()[0])


# --- restoring --------------------------------------------------------------------------------------------------


def _take(path: Path, goal: SqliteTarget) -> None:
    """A private copy of the backup, brought up to date: it may be older than this release."""
    source = f"{path.resolve().as_uri()}?mode=ro"
    with _unfit(), closing(_connect(source, uri=True)) as there, closing(_connect(goal.dsn)) as here:
        if _revision(there) is None:
            raise Permanent("ledger", "backup_other", _NO_BACKUP)
        there.backup(here)
        if not _is_whole(here):
            raise Permanent("ledger", "backup_damaged", _DAMAGED)
    upgrade(goal)


@contextmanager
def _unfit() -> Iterator[None]:
    """What is wrong is wrong with the backup, not with the ledger."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorname == "SQLITE_NOTADB":
            raise Permanent("ledger", "backup_other", _NO_BACKUP) from None
        if error.sqlite_errorname.startswith("SQLITE_CORRUPT"):
            raise Permanent("ledger", "backup_damaged", _DAMAGED) from None
        raise


async def _require_alone(target: SqliteTarget | PostgresTarget) -> None:
    if isinstance(target, SqliteTarget):
        is_alone = await asyncio.to_thread(_is_alone, target)
    else:
        async with open_engines(target, patience=PATIENCE) as engines, engines.single.connect() as connection:
            others = text(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name = :name AND pid <> pg_backend_pid()"
            )
            is_alone = not await connection.scalar(others, {"name": APPLICATION})
    if not is_alone:
        raise Transient("ledger", "ledger_in_use", _IN_USE)


def _is_alone(target: SqliteTarget) -> bool:
    """Every connection, idle ones too, shares a lock on the file as long as it is open."""
    with closing(sqlite3.connect(target.dsn, timeout=0.5, isolation_level=None)) as connection:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_BUSY"):
                raise
            return False
        connection.execute("ROLLBACK")
        return True


# --- both -------------------------------------------------------------------------------------------------------


def _connect(name: str, *, uri: bool = False) -> sqlite3.Connection:
    connection: sqlite3.Connection = sqlite3.connect(name, uri=uri, **sqlite_arguments(PATIENCE))
    return connection


def _revision(connection: sqlite3.Connection) -> str | None:
    known = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'")
    if known.fetchone() is None:
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])


def _is_whole(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",))
