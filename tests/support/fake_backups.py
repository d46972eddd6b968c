"""Backups without a ledger behind them: what was asked, and what the next answer is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shared.domain.errors import Permanent, SyncError


@dataclass
class FakeBackups:
    """`failure` is raised by the next call, whatever it is; `is_empty`: of the ledger that is restored into."""

    saved: list[Path] = field(default_factory=list)
    loaded: list[tuple[Path, bool]] = field(default_factory=list)
    rows: Mapping[str, int] = field(default_factory=lambda: {"connections": 2, "journal": 40, "pins": 0})
    failure: SyncError | None = None
    is_empty: bool = True

    async def save(self, path: Path) -> Mapping[str, int]:
        self._fail()
        if path in self.saved:
            raise Permanent("ledger", "backup_exists", "a file of this name is there already")
        self.saved.append(path)
        return self.rows

    async def load(self, path: Path, *, replace: bool = False) -> Mapping[str, int]:
        self._fail()
        if not self.is_empty and not replace:
            raise Permanent("ledger", "ledger_not_empty", "the ledger holds something already")
        self.loaded.append((path, replace))
        return self.rows

    def _fail(self) -> None:
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure
