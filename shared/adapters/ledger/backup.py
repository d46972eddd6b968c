"""The whole ledger as one SQLite file, and back: the same file for both engines, so that it also moves between them.

A backup is one snapshot, taken while services run, seen by nobody else (0600), and read again before it gets its name.
A restore happens in one transaction, of a backup that this release knows or can bring up to date; the backup itself is
only read. What protects (locks, pauses, ...) and the full syncs that are owed are laid over a private copy of it first,
so that they come with the rest or not at all. It refuses a ledger that anybody else has open, and one that holds
something unless it is told where to save that first. Next: `workroom.py`, `alone.py`, `carrying.py`, `copy.py`.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from sqlalchemy import Table, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.adapters.ledger.alone import alone
from shared.adapters.ledger.carrying import lay_over, standing
from shared.adapters.ledger.copy import copy_ledger, copy_rows, empty, holds_anything
from shared.adapters.ledger.engines import PATIENCE, open_engines, sqlite_arguments
from shared.adapters.ledger.failures import our_errors
from shared.adapters.ledger.migrations import HEAD
from shared.adapters.ledger.schema import metadata
from shared.adapters.ledger.target import PostgresTarget, SqliteTarget, Target, target_of
from shared.adapters.ledger.upgrade import upgrade
from shared.adapters.ledger.workroom import workroom
from shared.domain.desk import Deed
from shared.domain.errors import Permanent, Transient
from shared.domain.protections import Protection, protections
from shared.domain.restoring import Carried, carried
from shared.ports import Loaded

_IN_MEMORY = "a ledger in memory ends with its process: there is nothing to save or to restore"
_EXISTS = "a file of this name is there already: give another name, or move that file away"
_NO_FOLDER = "there is no folder for this file: make it first, or name another one"
_MISSING = "there is no such file: look at its path"
_NO_BACKUP = "this file is not a backup of a ledger: name another one"
_NEWER = "a newer release of entra-syncro made this backup: install that release first"
_DAMAGED = "this backup is damaged: take an earlier one"
_NOT_EMPTY = "the ledger holds something already: say where to save it first"


class LedgerBackups:
    """`url`: the address of the ledger that is saved and restored (`open_ledger`).

    `folder`: where a restore may put its private copies; None: beside the backup.
    """

    def __init__(self, url: str, folder: Path | None = None) -> None:
        self._url = url
        self._folder = folder
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

    async def load(self, path: Path, deed: Deed, *, before: Path | None = None, as_it_was: bool = False) -> Loaded:
        """Raises Permanent "backup_missing", "backup_other", "backup_damaged", "backup_newer", "ledger_newer",
        "ledger_not_empty" or "ledger_memory", those of `save` for `before`, and Transient "ledger_in_use",
        "ledger_restoring" or as a ledger does."""
        target = _durable(self._target)
        if not await asyncio.to_thread(path.is_file):
            raise Permanent("ledger", "backup_missing", _MISSING)
        with our_errors(), workroom(self._folder or path.parent) as folder:
            await asyncio.to_thread(_take, path, SqliteTarget(folder / "backup.db"))
            await asyncio.to_thread(upgrade, target)
            return await _replaced(target, before, folder / "backup.db", deed, as_it_was=as_it_was)


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
    try:
        upgrade(goal)
    except Permanent as error:
        if error.code != "ledger_newer":
            raise
        raise Permanent("ledger", "backup_newer", _NEWER) from None


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


async def _replaced(target: Target, before: Path | None, current: Path, deed: Deed, *, as_it_was: bool) -> Loaded:
    """Under one lock: what the ledger holds is saved, then what must not be lost of it, then it goes."""
    async with alone(target) as here:
        carry: Carried | None = None
        told: Sequence[Protection] = ()
        was_empty = not await holds_anything(here)
        if not was_empty:
            if before is None:
                raise Permanent("ledger", "ledger_not_empty", _NOT_EMPTY)
            carry, told = await _saved(here, before, current, deed.at)
        full_syncs = await lay_over(current, None if as_it_was else carry, deed)
        if not was_empty:
            await empty(here, target)
        source = SqliteTarget(current)
        async with open_engines(source, patience=PATIENCE) as there, there.single.connect() as reading:
            rows = await copy_rows(reading, here, target)
    return Loaded(rows, None if was_empty else before, full_syncs, tuple(told))


async def _saved(
    here: AsyncConnection, before: Path, backup: Path, now: datetime
) -> tuple[Carried, Sequence[Protection]]:
    """The present ledger as a backup of its own, and what of it the other one lacks; for the ledger and for people."""
    with _named_at_last(before) as unfinished:
        goal = SqliteTarget(unfinished)
        await asyncio.to_thread(upgrade, goal)
        async with open_engines(goal, patience=PATIENCE) as there, there.atomic.begin() as writing:
            # PostgreSQL keeps what was read from open until its transaction is undone, and empties no such table.
            reading = await here.begin_nested()
            await copy_rows(here, writing, goal)
            await reading.rollback()
        present, then = await standing(unfinished, now), await standing(backup, now)
        carry = carried(present, then, now)
        await asyncio.to_thread(_examined, unfinished, revision=HEAD)
        return carry, protections(carry, present, then)


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
