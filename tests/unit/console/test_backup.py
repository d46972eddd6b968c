"""`backup` and `restore`: what is told, what is noted, and what must be saved before it may go."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from console.cli.backup import WORDS
from console.operations import OperationError, backup, restore
from shared.adapters.ledger.schema import metadata
from shared.domain.errors import Permanent, Transient
from shared.domain.records import ConnectionStatus
from tests.support.desk import CUSTOMER, Desk
from tests.unit.console.conftest import Shell


def a_file(folder: Path) -> Path:
    path = folder / "ledger.db"
    path.write_bytes(b"x" * 2048)
    return path


async def test_backup_is_noted_with_counts_and_no_more(desk: Desk, tmp_path: Path) -> None:
    path = await asyncio.to_thread(a_file, tmp_path)
    saved = await backup(desk.ports, path, by="kim")
    assert (saved.size, saved.rows["journal"], desk.backups.saved) == (2048, 40, [path])
    (deed,) = desk.world.ledger.deeds.noted
    assert (deed.by, deed.what, deed.facts) == ("kim", "backup", {"file": "ledger.db", "rows": 42})


async def test_restore_into_an_empty_ledger_owes_every_approved_customer_a_full_sync(
    desk: Desk, tmp_path: Path
) -> None:
    desk.tie(status=ConnectionStatus.APPROVED)
    desk.tie(8, status=ConnectionStatus.PAUSED)
    done = await restore(desk.ports, tmp_path / "ledger.db", by="kim")
    assert (done.before, done.full_syncs, desk.backups.saved) == (None, 1, [])
    assert [mark.customer_id for mark in await desk.ports.owed.owed()] == [CUSTOMER]
    (deed,) = desk.world.ledger.deeds.noted
    assert (deed.what, deed.facts) == ("restore", {"file": "ledger.db", "rows": 42})


async def test_what_the_ledger_holds_goes_only_when_that_was_asked_and_is_saved_first(
    desk: Desk, tmp_path: Path
) -> None:
    desk.backups.is_empty = False
    path = tmp_path / "ledger.db"
    with pytest.raises(OperationError) as refusal:
        await restore(desk.ports, path)
    assert refusal.value.exit_code == 2
    assert f"entra-syncro restore {path} --replace" in refusal.value.message
    assert (desk.backups.saved, desk.backups.loaded) == ([], [])
    done = await restore(desk.ports, path, replace=True)
    assert desk.backups.saved == [done.before]
    assert done.before is not None
    assert done.before.parent == tmp_path / "backups"
    assert desk.backups.loaded == [(path, True)]


async def test_ledger_that_cannot_be_saved_first_stays(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.backups.is_empty = False

    async def full(_path: Path) -> dict[str, int]:
        raise Transient("ledger", "disk_full")

    monkeypatch.setattr(desk.backups, "save", full)
    with pytest.raises(Transient):
        await restore(desk.ports, tmp_path / "ledger.db", replace=True)
    assert desk.backups.loaded == []
    assert desk.world.ledger.deeds.noted == []


@pytest.mark.parametrize(
    ("failure", "code", "said"),
    [
        (Permanent("ledger", "backup_missing"), 2, "There is no file"),
        (Permanent("ledger", "backup_other"), 2, "is not a backup"),
        (Permanent("ledger", "backup_damaged"), 1, "is damaged"),
        (Permanent("ledger", "ledger_newer"), 1, "Install that release first."),
        (Permanent("ledger", "ledger_memory"), 2, "ledger.url"),
        (Transient("ledger", "ledger_in_use"), 1, "Stop every entra-syncro process"),
        (Transient("ledger", "unavailable", "the ledger cannot be reached"), 1, "The ledger"),
    ],
)
def test_refusals_of_restore_say_who_does_what_next(
    shell: Shell, tmp_path: Path, failure: Exception, code: int, said: str
) -> None:
    shell.desk.backups.failure = failure  # type: ignore[assignment]  # all of them are ours
    answer = shell("restore", str(tmp_path / "ledger.db"))
    assert (answer.code, answer.out) == (code, "")
    assert said in answer.err
    assert answer.err.count("\n") == 1


@pytest.mark.parametrize(
    ("failure", "said"),
    [("backup_exists", "Give another name"), ("backup_no_folder", "Make it first")],
)
def test_refusals_of_backup_say_who_does_what_next(shell: Shell, tmp_path: Path, failure: str, said: str) -> None:
    shell.desk.backups.failure = Permanent("ledger", failure)
    answer = shell("backup", str(tmp_path / "ledger.db"))
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err


def test_commands_say_what_was_saved_and_what_to_do_next(shell: Shell, tmp_path: Path) -> None:
    path = a_file(tmp_path)
    saved = shell("backup", str(path))
    assert saved.code == 0
    assert "changes written" in saved.out
    assert "locked contacts" not in saved.out  # there is none
    assert f"entra-syncro restore {path}" in saved.out
    shell.desk.backups.is_empty = False
    restored = shell("restore", str(path), "--replace")
    assert restored.code == 0
    assert "before-restore-" in restored.out
    assert "entra-syncro run" in restored.out
    assert [deed.by for deed in shell.desk.world.ledger.deeds.noted] == ["ada", "ada"]


def test_json_tells_the_same(shell: Shell, tmp_path: Path) -> None:
    path = a_file(tmp_path)
    assert shell("backup", str(path), "--json").json == {
        "path": str(path),
        "size": 2048,
        "rows": {"connections": 2, "journal": 40, "pins": 0},
    }
    assert shell("restore", str(path), "--json").json == {
        "path": str(path),
        "rows": {"connections": 2, "journal": 40, "pins": 0},
        "before": None,
        "full_syncs": 0,
    }


def test_every_table_has_a_word() -> None:
    assert set(WORDS) == set(metadata.tables)
