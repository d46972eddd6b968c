"""Saving the ledger into a file, and putting such a file in its place.

What people decided (connections, approvals, pins, choices, rules) and what was written go into it; settings, secrets
and waiting changes do not. After a restore every approved customer is owed a full sync: what happened since the backup
was made is found again in Entra and in Syncro. And nothing is written that was not written right before it: locks,
pauses and whatever else stops writes are carried over, unless somebody asks for the backup as it was. Next:
`protecting.py`, `shared/adapters/ledger/backup.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from console.operations.actor import actor, note
from console.operations.errors import OperationError, wrong_use
from console.operations.ports import OperatorPorts
from console.operations.protecting import ShownProtection, shown
from shared.domain.desk import Deed
from shared.domain.errors import Permanent, SyncError
from shared.domain.protections import Protects
from shared.ports import Loaded

_EXISTS = "backup_exists"
_WRONG_USE = {
    "backup_exists": "{path} is there already, so nothing was saved. Give another name, or move that file away.",
    "backup_no_folder": "There is no folder {folder}, so nothing was saved. Make it first, or name another one.",
    "backup_missing": "There is no file {path}, so nothing was restored. Look at its path.",
    "backup_other": "{path} is not a backup of a ledger, so nothing was restored. Name another file.",
    "ledger_memory": "The ledger is in memory and ends with its process. Name a file or a server in ledger.url.",
    "ledger_not_empty": (
        "The ledger holds something already, so nothing was restored. To put the backup in its place (the present "
        "ledger is saved first): entra-syncro restore {path} --replace"
    ),
}
_FAILED = {
    "backup_damaged": "The backup {path} is damaged, so nothing was restored. Take an earlier one.",
    "backup_newer": "A newer release of entra-syncro made {path}, so nothing was restored. Install that release first.",
    "ledger_newer": (
        "A newer release of entra-syncro made the present ledger, so nothing was restored, and nothing can be carried "
        "over from it. To go back to this release, move that ledger's file away (or name an empty database in "
        "ledger.url), then repeat: entra-syncro restore {path}"
    ),
    "ledger_in_use": (
        "Something has the ledger open, so nothing was restored. Stop every entra-syncro process that uses it "
        "(services on all machines, too), then repeat this command."
    ),
    "ledger_restoring": "A restore of this ledger is under way, so nothing was restored. Wait for its end and look.",
}

# Of a customer that is not connected any more nothing else can be brought back.
_LAST = {Protects.DISCONNECTED: 1, Protects.APART: 2}


@dataclass(frozen=True, slots=True)
class Saved:
    """`rows`: by table. `size`: bytes."""

    path: Path
    size: int
    rows: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Restored:
    """`rows`: by table. `before`: where the ledger that had to go was saved, None when it was empty.

    `full_syncs`: customers that get a full sync as soon as a worker runs. `protections`: what stopped or limited
    writes right before, and is not in the backup; it was carried over, or is gone where the ledger is `as_it_was`. An
    empty ledger has none: then nobody knows what was decided since the backup.
    """

    path: Path
    rows: Mapping[str, int]
    before: Path | None
    full_syncs: int
    protections: tuple[ShownProtection, ...] = ()
    as_it_was: bool = False


async def backup(ports: OperatorPorts, path: Path, *, by: str = "") -> Saved:
    """Services may run meanwhile."""
    with _in_words(path):
        rows = await ports.backups.save(path)
    await note(ports, by, "backup", file=path.name, rows=sum(rows.values()))
    return Saved(path, await asyncio.to_thread(_size, path), rows)


async def restore(
    ports: OperatorPorts, path: Path, *, replace: bool = False, as_it_was: bool = False, by: str = ""
) -> Restored:
    """Into an empty ledger; into any other with `replace`, which saves that one first.

    `as_it_was`: what people said since the backup against writes is dropped, too. Nothing else of these ports may have
    used the ledger before: an open connection of our own is in the way, too.
    """
    with _in_words(path):
        done = await _load(ports, path, by or actor(), replace=replace, as_it_was=as_it_was)
    told = sorted(done.protections, key=lambda each: _LAST.get(each.what, 0)) if as_it_was else done.protections
    zone = ports.nightly.zone
    protections = tuple(shown(each, zone, ports.rules, carried=not as_it_was) for each in told)
    return Restored(path, done.rows, done.before, done.full_syncs, protections, as_it_was)


async def _load(ports: OperatorPorts, path: Path, by: str, *, replace: bool, as_it_was: bool) -> Loaded:
    """The deed goes with the restore, in one step: the ledger that could keep it otherwise is the one that goes."""
    now = ports.clock.now()
    facts: dict[str, str | int] = {"file": path.name}
    if as_it_was:
        facts["as it was"] = "yes"
    if not replace:
        return await ports.backups.load(path, Deed(by, "restore", now, None, facts), as_it_was=as_it_was)
    folder, name = ports.data_dir / "backups", f"before-restore-{now:%Y%m%d-%H%M%S}"
    await asyncio.to_thread(folder.mkdir, mode=0o700, parents=True, exist_ok=True)
    number = 1
    while True:
        before = folder / (f"{name}.db" if number == 1 else f"{name}-{number}.db")
        deed = Deed(by, "restore", now, None, facts | {"before": before.name})
        try:
            return await ports.backups.load(path, deed, before=before, as_it_was=as_it_was)
        except Permanent as error:
            if error.code != _EXISTS:
                raise
        number += 1  # an earlier restore of the same second has that name


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
