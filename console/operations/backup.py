"""Saving the ledger into a file, and putting such a file in its place.

What people decided (connections, approvals, pins, choices, rules) and what was written go into it; settings, secrets
and waiting changes do not. After a restore every approved customer is owed a full sync: what happened since the backup
was made is found again in Entra and in Syncro. Next: `shared/adapters/ledger/backup.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from console.operations.actor import note
from console.operations.errors import OperationError, wrong_use
from console.operations.ports import OperatorPorts
from shared.domain.errors import Permanent, SyncError
from shared.domain.records import ConnectionStatus

RESTORED = "restored from a backup"  # why a customer is owed a full sync
_NOT_EMPTY = "ledger_not_empty"
_WRONG_USE = {
    "backup_exists": "{path} is there already, so nothing was saved. Give another name, or move that file away.",
    "backup_no_folder": "There is no folder {folder}, so nothing was saved. Make it first, or name another one.",
    "backup_missing": "There is no file {path}, so nothing was restored. Look at its path.",
    "backup_other": "{path} is not a backup of a ledger, so nothing was restored. Name another file.",
    "ledger_memory": "The ledger is in memory and ends with its process. Name a file or a server in ledger.url.",
    _NOT_EMPTY: (
        "The ledger holds something already, so nothing was restored. To put the backup in its place (the present "
        "ledger is saved first): entra-syncro restore {path} --replace"
    ),
}
_FAILED = {
    "backup_damaged": "The backup {path} is damaged, so nothing was restored. Take an earlier one.",
    "ledger_newer": "A newer release of entra-syncro made {path}, so nothing was restored. Install that release first.",
    "ledger_in_use": (
        "Something has the ledger open, so nothing was restored. Stop every entra-syncro process that uses it "
        "(services on all machines, too), then repeat this command."
    ),
}


@dataclass(frozen=True, slots=True)
class Saved:
    """`rows`: by table. `size`: bytes."""

    path: Path
    size: int
    rows: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Restored:
    """`rows`: by table. `before`: where the ledger that had to go was saved, None when it was empty.

    `full_syncs`: customers that get a full sync as soon as a worker runs.
    """

    path: Path
    rows: Mapping[str, int]
    before: Path | None
    full_syncs: int


async def backup(ports: OperatorPorts, path: Path, *, by: str = "") -> Saved:
    """Services may run meanwhile."""
    with _in_words(path):
        rows = await ports.backups.save(path)
    await note(ports, by, "backup", file=path.name, rows=sum(rows.values()))
    return Saved(path, await asyncio.to_thread(_size, path), rows)


async def restore(ports: OperatorPorts, path: Path, *, replace: bool = False, by: str = "") -> Restored:
    """Into an empty ledger; into any other with `replace`, which saves that one first.

    Nothing else of these ports may have used the ledger before: an open connection of our own is in the way, too.
    """
    with _in_words(path):
        rows, before = await _load(ports, path, replace=replace)
    approved = await ports.connections.list(ConnectionStatus.APPROVED)
    for connection in approved:
        await ports.owed.mark(connection.customer_id, RESTORED, ports.clock.now())
    facts: dict[str, str | int] = {"file": path.name, "rows": sum(rows.values())}
    if before is not None:
        facts["before"] = before.name
    await note(ports, by, "restore", None, **facts)
    return Restored(path, rows, before, len(approved))


async def _load(ports: OperatorPorts, path: Path, *, replace: bool) -> tuple[Mapping[str, int], Path | None]:
    try:
        return await ports.backups.load(path), None
    except Permanent as error:
        if error.code != _NOT_EMPTY or not replace:
            raise
    before = ports.data_dir / "backups" / f"before-restore-{ports.clock.now():%Y%m%d-%H%M%S}.db"
    await asyncio.to_thread(before.parent.mkdir, mode=0o700, parents=True, exist_ok=True)
    await ports.backups.save(before)
    return await ports.backups.load(path, replace=True), before


def _size(path: Path) -> int:
    return path.stat().st_size


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    try:
        yield
    except SyncError as error:
        words = {"path": path, "folder": path.parent}
        if error.code in _WRONG_USE:
            raise wrong_use(_WRONG_USE[error.code].format_map(words)) from None
        if error.code in _FAILED:
            raise OperationError(_FAILED[error.code].format_map(words)) from None
        raise
