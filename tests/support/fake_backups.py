"""Backups without a ledger behind them: what was asked, and what the next answer is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shared.domain.desk import Deed
from shared.domain.errors import Permanent, SyncError
from shared.domain.protections import Protection
from shared.ports import Loaded


@dataclass
class FakeBackups:
    """`failure` is raised by the next call, whatever it is; `is_empty`: of the ledger that is restored into.

    `loaded`: each backup with the name under which the ledger was saved before, and whether it is `as_it_was`.
    """

    saved: list[Path] = field(default_factory=list)
    loaded: list[tuple[Path, Path | None, bool]] = field(default_factory=list)
    deeds: list[Deed] = field(default_factory=list)
    rows: Mapping[str, int] = field(default_factory=lambda: {"connections": 2, "journal": 40, "pins": 0})
    protections: tuple[Protection, ...] = ()
    full_syncs: int = 1
    failure: SyncError | None = None
    is_empty: bool = True

    async def save(self, path: Path) -> Mapping[str, int]:
        self._fail()
        if path in self.saved:
            raise Permanent("ledger", "backup_exists", "a file of this name is there already")
        self.saved.append(path)
        return self.rows

    async def load(self, path: Path, deed: Deed, *, before: Path | None = None, as_it_was: bool = False) -> Loaded:
        self._fail()
        if self.is_empty:
            before = None
        elif before is None:
            raise Permanent("ledger", "ledger_not_empty", "the ledger holds something already")
        else:
            await self.save(before)
        self.loaded.append((path, before, as_it_was))
        self.deeds.append(deed)
        return Loaded(self.rows, before, self.full_syncs, () if self.is_empty else self.protections)

    def _fail(self) -> None:
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure
