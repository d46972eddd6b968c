"""docs/json.md: every reading command is in it, and its keys are those of a real answer, no more and no fewer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from console.cli import app
from console.operations import Explanation, Step, invite, set_apart
from shared.domain.billing import BillingReport, NotBilled, SameEmail, WithoutLicence
from shared.domain.changes import Candidate, Conflict, ConflictReason, FieldChange, Kind
from shared.domain.contact import Contact, Customer
from shared.domain.desk import Notice, Pin, Replay
from shared.domain.errors import Transient
from shared.domain.messages import Reason
from shared.domain.records import ConnectionStatus, HeldRow, Hold, JournalEntry, Link, Run, WriteState
from shared.domain.ruling import Rule, Ruling
from shared.domain.user import DirectoryUser
from tests.support.clock import START
from tests.support.desk import CUSTOMER, Desk, a_body, a_creation, a_hold, an_update
from tests.support.receiver import OTHER, TENANT, guid
from tests.unit.console.conftest import Shell

PAGE = Path(__file__).parents[3] / "docs" / "json.md"
N, ANNA = str(CUSTOMER), guid(1)

# Everything else with --json reads and must be on the page.
ACTING = {
    "demo", "sandbox", "sync", "reconcile", "full-sync", "backup", "restore",
    "runs approve", "runs reject",
    "customers connect", "customers pause", "customers resume", "customers disconnect", "customers without-entra",
    "customers pin", "customers unpin", "customers approve", "customers import", "customers consent",
    "customers policy set",
    "conflicts resolve", "conflicts reopen", "changes undo",
    "dead-letters export", "dead-letters discard", "dead-letters replay", "dead-letters cancel",
    "notices test",
}  # fmt: skip

# How each reading command is asked for the answer that the page is compared with; several answers are one.
ASKED: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "status": (("status",),),
    "explain": (("explain", ANNA),),
    "check": (("check",),),
    "billing-check": (("billing-check",), ("billing-check", "--customer", N)),
    "preview": (("preview", "--customer", N), ("preview", "--all")),
    "runs list": (("runs", "list"),),
    "runs show": (("runs", "show", "run1"),),
    "customers list": (("customers", "list"),),
    "customers pins": (("customers", "pins"),),
    "customers discover": (("customers", "discover"),),
    "customers policy show": (("customers", "policy", "show", N),),
    "conflicts list": (("conflicts", "list"),),
    "conflicts show": (("conflicts", "show", N, ANNA),),
    "changes list": (("changes", "list"),),
    "deeds list": (("deeds", "list"),),
    "notices list": (("notices", "list"),),
    "dead-letters list": (("dead-letters", "list"), ("dead-letters", "list", "--flat")),
    "dead-letters show": (("dead-letters", "show", "l1"),),
    "dead-letters replays": (("dead-letters", "replays"), ("dead-letters", "replays", "r1")),
}


async def furnish(desk: Desk) -> None:
    """Something of everything that a reading command may tell of."""
    ports, change = desk.ports, FieldChange("city", "", "Ulm", Kind.PROFILE, "Empty in Syncro.")
    desk.tie(status=ConnectionStatus.APPROVED)
    desk.customers.put(Customer(9, "Fabrikam", email="info@fabrikam.example"))
    desk.customers.put(Customer(11, "Northwind"))
    desk.world.directory.put(TENANT, DirectoryUser(ANNA, display_name="Anna", mail="anna@contoso.example"))
    await invite(ports, 8, OTHER)
    await set_apart(ports, 11)
    desk.tie(12, guid(12))
    desk.tie(13, guid(13))
    desk.passes.broken, desk.passes.broken_for = Transient("graph", "timeout"), frozenset({13})
    desk.letter("l1", a_body())
    await ports.replays.begin(Replay("r1", "ada", "c0de", 1, START), ["l1"])
    desk.letter("l1", a_body())
    await ports.links.link(Link(CUSTOMER, ANNA, 101, "mail", START))
    await ports.conflicts.open(
        Conflict(ANNA, CUSTOMER, ConflictReason.SEVERAL_CONTACTS, (Candidate(1, ("name",)),)), START
    )
    await ports.pins.pin(Pin(CUSTOMER, 101, "VIP", "ada", START))
    await ports.holds.open(_held(change))
    await ports.notices.open(Notice("held:7", "held", CUSTOMER, "A full sync is held.", START))
    entry = JournalEntry(CUSTOMER, ANNA, 101, "update", (change,), Reason.RECONCILE, "t", START, run_id="run1")
    await desk.world.ledger.journal.settle(await desk.world.ledger.journal.intend(entry), WriteState.WRITTEN, at=START)
    await ports.runs.start(Run("run1", CUSTOMER, Reason.RECONCILE, 1, START, full=True))
    await ports.owed.mark(CUSTOMER, "resumed after a pause", START)
    desk.passes.plans = [an_update(ANNA), a_creation()]
    desk.passes.contacts = (Contact(101, CUSTOMER, name="Anna"), Contact(1, CUSTOMER, name="A. Meier"))
    ruling = Ruling("city", "", "Ulm", Rule.OVERWRITE, True, "Empty in Syncro.")
    desk.passes.explanation = Explanation("Anna", (Step("read", "Entra has this user now."),), (ruling,))
    desk.passes.report = _report()


def _held(change: FieldChange) -> Hold:
    return replace(a_hold(), rows=(HeldRow(ANNA, "Anna", 101, "d", (change,)),))


def _report() -> BillingReport:
    return BillingReport(
        CUSTOMER,
        (WithoutLicence(5, "Ben", "Basic", "", "", "No user belongs to this contact.", True),),
        (NotBilled(guid(3), "Dora", None, "", "ENTERPRISEPACK", "No label is set for it."),),
        (SameEmail("e@contoso.example", {7: "Emil"}, "2 contacts share this address."),),
        "0b9a8ac4",
    )


def reading() -> list[str]:
    """Every command that has --json and acts on nothing."""
    return [path for path in _json_commands(get_command(app)) if path not in ACTING and not path.startswith("failed ")]


def _json_commands(command: Any, path: str = "") -> Iterator[str]:
    for name, inner in getattr(command, "commands", {}).items():
        yield from _json_commands(inner, f"{path}{name} ")
    if not hasattr(command, "commands") and any("--json" in each.opts for each in command.params):
        yield path.strip()


def documented() -> dict[str, set[str]]:
    """Command -> the paths that stand between backticks at the beginning of a bullet under its heading."""
    found: dict[str, set[str]] = {}
    for section in PAGE.read_text("utf-8").split("\n## ")[1:]:
        heading, _, body = section.partition("\n")
        command = re.fullmatch(r"`entra-syncro ([a-z -]+)`", heading)
        if command:
            bullets = re.findall(r"^- ((?:`[^`]+`(?:, )?)+)", body, re.MULTILINE)
            found[command[1]] = {path for bullet in bullets for path in re.findall(r"`([^`]+)`", bullet)}
    return found


def told(value: object, path: str = "") -> Iterator[str]:
    """Every path of an answer: "holds", "holds[].code"; of a map from ids, "last_full{}.begun_at"."""
    if isinstance(value, list):
        for item in value:
            yield from told(item, f"{path}[]")
    if isinstance(value, dict):
        for key, item in value.items():
            here = f"{path}{{}}" if _is_id(key) else f"{path}.{key}".removeprefix(".")
            if not _is_id(key):
                yield here
            yield from told(item, here)


def _is_id(key: str) -> bool:
    return not key.isidentifier() or key != key.lower()


def is_left_out(path: str, page: set[str]) -> bool:
    """Does the page say nothing about this whole level? The first level of an answer is never left out."""
    parent = path.rpartition(".")[0]
    return parent not in ("", "[]") and all(each.rpartition(".")[0] != parent for each in page)


@pytest.fixture
def furnished(shell: Shell) -> Shell:
    shell.run(furnish(shell.desk))
    return shell


def test_every_reading_command_is_on_the_page_and_nothing_else_is() -> None:
    assert set(documented()) == set(reading()) == set(ASKED)


@pytest.mark.parametrize("command", ASKED)
def test_the_keys_on_the_page_are_those_of_an_answer(furnished: Shell, command: str) -> None:
    """A level of which the page names one key, it names whole; deeper ones it may leave out."""
    answers = [furnished(*arguments, "--json") for arguments in ASKED[command]]
    assert all(answer.code in (0, 1, 3) for answer in answers), answers
    real, page = {path for answer in answers for path in told(answer.json)}, documented()[command]
    assert page - real == set(), "on the page, and no answer has it"
    assert {path for path in real - page if not is_left_out(path, page)} == set(), "in an answer, and not on the page"
