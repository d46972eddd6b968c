"""`backup` and `restore`: what is told, what is noted, and what must be saved before it may go."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from console.cli import app
from console.cli.backup import WORDS
from console.operations import OperationError, Supposed, backup, restore
from console.operations.protecting import shown
from shared.adapters.ledger.schema import metadata
from shared.domain.changes import Candidate, Conflict, ConflictReason, UpdateContact
from shared.domain.contact import Contact
from shared.domain.desk import Choice, Chosen
from shared.domain.errors import Permanent, Transient
from shared.domain.policy import SyncPolicy
from shared.domain.protections import Protection, Protects
from shared.domain.records import ConnectionStatus, OpenConflict
from shared.domain.user import DirectoryUser
from tests.support.clock import START
from tests.support.desk import CUSTOMER, Desk
from tests.support.receiver import TENANT, guid
from tests.unit.console.conftest import Shell

PREVIEW, APPROVED, ON_HOLD, GONE = (
    ConnectionStatus.PREVIEW,
    ConnectionStatus.APPROVED,
    ConnectionStatus.PAUSED,
    ConnectionStatus.DISCONNECTED,
)
PAUSED = Protection(Protects.PAUSED, CUSTOMER, "Contoso", was=APPROVED, stands=ON_HOLD)
LOCKED = Protection(Protects.LOCK, CUSTOMER, "Contoso", 101, why="legal hold", by="kim", was=APPROVED, stands=APPROVED)
RULES = ({"domains": ["a.example"]}, {"domains": ["b.example", "c.example"], "blocked": "nothing"})


def flat(text: str) -> str:
    return " ".join(text.split())


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


async def test_restore_into_an_empty_ledger_says_so_and_goes_with_its_deed(desk: Desk, tmp_path: Path) -> None:
    desk.backups.protections = (PAUSED,)
    done = await restore(desk.ports, tmp_path / "ledger.db", by="kim")
    assert (done.before, done.full_syncs, done.protections, desk.backups.saved) == (None, 1, (), [])
    (deed,) = desk.backups.deeds
    assert (deed.by, deed.what, deed.facts) == ("kim", "restore", {"file": "ledger.db"})
    assert desk.world.ledger.deeds.noted == []  # that ledger is gone


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
    first = await restore(desk.ports, path, replace=True)
    desk.backups.failure = Permanent("ledger", "backup_exists")  # by a restore in the same second
    again = await restore(desk.ports, path, replace=True, as_it_was=True)
    assert first.before is not None
    assert again.before is not None
    assert desk.backups.saved == [first.before, again.before]
    assert [each.parent for each in desk.backups.saved] == [tmp_path / "backups"] * 2
    assert again.before.stem.endswith("-2")
    assert desk.backups.loaded == [(path, first.before, False), (path, again.before, True)]
    assert desk.backups.deeds[1].facts == {"file": "ledger.db", "before": again.before.name, "as it was": "yes"}


@pytest.mark.parametrize("status", [*ConnectionStatus, None])
@pytest.mark.parametrize("what", Protects)
def test_each_protection_has_a_command_that_this_program_knows(what: Protects, status: ConnectionStatus | None) -> None:
    """One where it was carried over, another where it is gone."""
    one = Protection(
        what,
        CUSTOMER,
        "Contoso",
        contact_id=101,
        user_id=guid(1),
        until=START,
        why="Ann's own wish",
        by="kim",
        was=status,
        stands=status,
        rules=RULES,
    )
    for carried in (True, False):
        told = shown(one, "Europe/Berlin", SyncPolicy(), carried=carried)
        assert told.last_day == START.date()
        program, *words = shlex.split(told.command)
        assert program == "entra-syncro"
        command: Any = get_command(app)
        while hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        command.make_context("", words).close()  # wrong use raises


def as_in_the_backup(desk: Desk, status: ConnectionStatus) -> None:
    """What every command here needs: a customer, a contact, a user whose contact is a question, a used-up choice."""
    desk.tie(status=status)
    desk.contact_probe.contacts[101] = Contact(101, CUSTOMER, name="Anna Meier")
    candidate = Candidate(101, ("mail",))
    desk.world.ledger.conflicts.held[CUSTOMER, guid(1)] = OpenConflict(
        CUSTOMER, guid(1), ConflictReason.SEVERAL_CONTACTS, (candidate,), START, START
    )
    desk.world.ledger.choices.held[CUSTOMER, guid(2)] = Chosen(
        CUSTOMER, guid(2), Choice.CREATE, "101", "new here", "kim", START
    )
    desk.world.ledger.policies.held[CUSTOMER] = SyncPolicy.model_validate(RULES[0])
    desk.world.directory.put(TENANT, DirectoryUser(guid(1), display_name="Anna Meier", mail="anna@contoso.example"))
    desk.world.directory.put(TENANT, DirectoryUser(guid(2), display_name="Ben Ode", mail="ben@contoso.example"))
    now = Conflict(guid(1), CUSTOMER, ConflictReason.SEVERAL_CONTACTS, (candidate,))
    then = UpdateContact(guid(1), CUSTOMER, 101, (), "link")
    desk.passes.supposed = Supposed("Anna Meier", Contact(101, CUSTOMER), now, then, "101")


@pytest.mark.parametrize(
    ("what", "was", "code", "back"),
    [
        (Protects.DISCONNECTED, APPROVED, 0, GONE),
        (Protects.PREVIEW, APPROVED, 0, ON_HOLD),
        (Protects.PREVIEW, ON_HOLD, 0, ON_HOLD),
        (Protects.PAUSED, APPROVED, 0, ON_HOLD),
        (Protects.PAUSE_OVER, PREVIEW, 0, PREVIEW),
        (Protects.APART, GONE, 0, "apart"),
        (Protects.LOCK, APPROVED, 0, "locked"),
        (Protects.LEFT_ALONE, ON_HOLD, 0, "left"),
        (Protects.CREATED, APPROVED, 0, "asked"),
        (Protects.HELD, APPROVED, 0, ON_HOLD),
        (Protects.HELD, PREVIEW, 0, PREVIEW),
        (Protects.HELD, ON_HOLD, 0, ON_HOLD),
        (Protects.RULES, APPROVED, 0, "rules"),
        (Protects.LINK, APPROVED, 0, "shown"),
        (Protects.INVITE, GONE, 0, "link"),
        (Protects.LOCK, GONE, 0, "link"),  # nothing is written for it; once it is connected, it can be locked
    ],
)
def test_each_command_brings_its_own_back(
    shell: Shell, what: Protects, was: ConnectionStatus, code: int, back: object
) -> None:
    desk = shell.desk
    as_in_the_backup(desk, was)
    user = guid(2) if what is Protects.CREATED else guid(1)
    one = Protection(what, CUSTOMER, contact_id=101, user_id=user, why="Ann's own wish", was=was, rules=RULES)
    words = shlex.split(shown(one, "Europe/Berlin", SyncPolicy(), carried=False).command)[1:]
    said = shell(*words, *(["--yes"] if what is Protects.RULES else []))
    assert said.code == code, said
    ledger = desk.world.ledger
    found = {
        "apart": CUSTOMER in ledger.apart.held,
        "locked": [each.why for each in ledger.pins.held.values()] == ["Ann's own wish"],
        "left": [each.choice for (_, whose), each in ledger.choices.held.items() if whose == guid(1)]
        == [Choice.DISMISS],
        "asked": not ledger.choices.held,
        "rules": ledger.policies.held[CUSTOMER] == SyncPolicy.model_validate(RULES[1]),
        "shown": "--apply" in said.out,
        "link": bool(ledger.invites.held),
    }
    assert desk.status_of() is back if isinstance(back, ConnectionStatus) else found[str(back)]


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
        (Permanent("ledger", "backup_newer"), 1, "Install that release first."),
        (Permanent("ledger", "ledger_newer"), 1, "then repeat: entra-syncro restore"),
        (Permanent("ledger", "ledger_memory"), 2, "ledger.url"),
        (Transient("ledger", "ledger_in_use"), 1, "Stop every entra-syncro process"),
        (Transient("ledger", "ledger_restoring"), 1, "A restore of this ledger is under way"),
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
    assert "Nothing could be carried over, for the ledger was empty" in flat(shell("restore", str(path)).out)
    shell.desk.backups.is_empty = False
    restored = shell("restore", str(path), "--replace")
    assert restored.code == 0
    assert "before-restore-" in restored.out
    assert "entra-syncro run" in restored.out
    assert "had no pause, lock or rule" in restored.out
    assert [deed.by for deed in (*shell.desk.world.ledger.deeds.noted, *shell.desk.backups.deeds)] == ["ada"] * 3


def test_what_was_carried_over_or_is_gone_is_listed_with_its_command(shell: Shell, tmp_path: Path) -> None:
    path = a_file(tmp_path)
    shell.desk.backups.is_empty = False
    shell.desk.backups.protections = (PAUSED, LOCKED)
    carried = shell("restore", str(path), "--replace").out
    assert "- Contoso (7): paused\n  entra-syncro customers resume 7\n" in carried
    assert "(7): locked contact, contact 101 (legal hold)\n  entra-syncro customers unpin 101\n" in carried
    gone = shell("restore", str(path), "--replace", "--as-it-was").out
    assert "- Contoso (7): paused\n  entra-syncro customers pause 7\n" in gone
    assert "entra-syncro customers pin 101 --customer 7 --why 'legal hold'" in gone
    answer = shell("restore", str(path), "--replace", "--json").json
    assert [(each["what"], each["command"]) for each in answer["protections"]] == [
        ("paused", "entra-syncro customers resume 7"),
        ("locked contact", "entra-syncro customers unpin 101"),
    ]


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
        "full_syncs": 1,
        "protections": [],
        "as_it_was": False,
    }


def test_every_table_has_a_word() -> None:
    assert set(WORDS) == set(metadata.tables)
