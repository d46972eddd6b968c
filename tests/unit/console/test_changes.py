"""What was written, looked through; and taken back: a plan first, by its code alone, with who does what next."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from console.cli.run import WorkerUndos
from console.operations import (
    ChangeWish,
    OperationError,
    UndoWish,
    changes,
    plan_undo,
    undo,
)
from shared.domain.changes import FieldChange, Kind
from shared.domain.contact import Contact
from shared.domain.errors import Permanent, Scope, StopTheLine, SyncError, Transient
from shared.domain.messages import Reason
from shared.domain.records import ConnectionStatus, JournalEntry, Link, WriteState
from shared.domain.undo_steps import Why
from shared.domain.user import DirectoryUser
from tests.support.clock import START
from tests.support.desk import CUSTOMER, Desk
from tests.support.fakes import World, worker_ports
from tests.support.receiver import TENANT, guid
from tests.support.virtual_time import run_virtual
from tests.unit.console.conftest import Shell
from worker.parts import WorkerSettings
from worker.undoing import Undoing

RUN = "3f2a9c01b7de"


def wrote(desk: Desk, contact_id: int, field: str = "title", before: str = "A", after: str = "B", **facts: Any) -> int:
    """One entry of the journal; give its number."""
    journal = desk.world.ledger.journal.written
    entry = JournalEntry(
        customer_id=CUSTOMER,
        user_id=guid(1),
        contact_id=contact_id,
        action="update",
        changes=(FieldChange(field, before, after, Kind.PROFILE, "because"),),
        cause=Reason.RECONCILE,
        trace_id="t",
        run_id=RUN,
        intended_at=START + timedelta(hours=len(journal)),
        state=WriteState.WRITTEN,
        id=len(journal) + 1,
    )
    journal.append(replace(entry, **facts))
    return len(journal)


def has(desk: Desk, contact_id: int, **values: Any) -> None:
    desk.world.contacts.put(Contact(contact_id, CUSTOMER, **values))


def office(desk: Desk, status: ConnectionStatus = ConnectionStatus.APPROVED) -> None:
    """Two contacts that a run wrote; somebody touched the second one since."""
    desk.tie(status=status)
    has(desk, 101, name="Ann Lee", title="B")
    has(desk, 102, name="Ben Roth", title="X")
    wrote(desk, 101)
    wrote(desk, 102)


async def refused(desk: Desk, wish: UndoWish, code: str = "") -> OperationError:
    with pytest.raises(OperationError) as caught:
        await (undo(desk.ports, wish, code, by="ada") if code else plan_undo(desk.ports, wish))
    return caught.value


# --- list -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wish", "found"),
    [
        (ChangeWish(), [4, 3, 2, 1]),
        (ChangeWish(contact_id=102), [2]),
        (ChangeWish(user=guid(2).upper()), [3]),
        (ChangeWish(customer_id=8), [4]),
        (ChangeWish(field="phone"), [3]),
        (ChangeWish(run_id=RUN), [4, 2, 1]),
        (ChangeWish(since=START + timedelta(hours=2)), [4, 3]),
        (ChangeWish(until=START), [1]),
        (ChangeWish(cause="notification"), [3]),
        (ChangeWish(before=3), [2, 1]),
        (ChangeWish(contact_id=101, cause="poll"), []),
    ],
)
async def test_changes_are_found_by_every_filter(desk: Desk, wish: ChangeWish, found: list[int]) -> None:
    office(desk)
    wrote(desk, 103, "phone", user_id=guid(2), cause=Reason.NOTIFICATION, run_id=None)
    wrote(desk, 104, customer_id=8)
    page = await changes(desk.ports, wish)
    assert ([each.entry.id for each in page.changes], page.older) == (found, None)


async def test_pages_follow_one_another_without_a_gap(desk: Desk) -> None:
    desk.tie()
    for number in range(5):
        wrote(desk, number)
    seen: list[int | None] = []
    page = await changes(desk.ports, ChangeWish(), limit=2)
    while page.older is not None:
        seen += [each.entry.id for each in page.changes]
        page = await changes(desk.ports, ChangeWish(before=page.older), limit=2)
    assert [*seen, *(each.entry.id for each in page.changes)] == [5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    ("facts", "cause", "state"),
    [
        ({}, "full sync", "written"),
        ({"cause": Reason.NOTIFICATION}, "notification", "written"),
        ({"cause": Reason.MANUAL, "by": "ada"}, "by hand, ada", "written"),
        ({"undoes": 7, "by": "ada"}, "takes back 7, by ada", "written"),
        ({"unstuck": ("title",)}, "full sync", "written, but Syncro did not keep title"),
        ({"state": WriteState.REFUSED}, "full sync", "refused"),
        ({"state": WriteState.AMBIGUOUS}, "full sync", "no answer: what is there now tells whether it was written"),
    ],
)
async def test_cause_and_state_have_words(desk: Desk, facts: dict[str, Any], cause: str, state: str) -> None:
    desk.tie()
    wrote(desk, 101, **facts)
    (shown,) = (await changes(desk.ports, ChangeWish())).changes
    assert (shown.cause, shown.state, shown.customer_name) == (cause, state, f"Customer {CUSTOMER}")


@pytest.mark.parametrize("wish", [ChangeWish(cause="weather"), ChangeWish(user="ann@x.example")])
async def test_what_cannot_be_meant_is_wrong_use(desk: Desk, wish: ChangeWish) -> None:
    with pytest.raises(OperationError) as caught:
        await changes(desk.ports, wish)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("field", "near"),
    [
        ("phon", "phone"),
        ("azure_licence", "azure_license"),
        ("xyz", "azure_object_id"),
        ("mobile", ""),
        ("old one", ""),
    ],
)
async def test_a_field_that_is_nowhere_is_wrong_use_and_those_near_it_are_named(
    desk: Desk, field: str, near: str
) -> None:
    office(desk)
    wrote(desk, 103, "old one", customer_id=8)  # by rules of that time
    wish = ChangeWish(field=field, customer_id=CUSTOMER)
    if not near:
        assert not (await changes(desk.ports, wish)).changes
        return
    with pytest.raises(OperationError, match=near) as caught:
        await changes(desk.ports, wish)
    assert caught.value.exit_code == 2


def test_at_eighty_columns_no_name_of_a_field_is_folded(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shell.desk.tie(status=ConnectionStatus.APPROVED)
    long = "Microsoft 365 Business Premium, Power BI Pro, Visio Plan 2"
    has(
        shell.desk,
        101,
        name="Annabelle Lee-Rothenburg",
        properties={"azure_license": long, "azure_account_status": "X"},
    )
    wrote(shell.desk, 101, "azure_license", "Microsoft 365 E5, Teams Phone Standard", long)
    wrote(shell.desk, 101, "azure_account_status", "Active", "Blocked")
    out = shell("changes", "undo", "--run", RUN).out
    assert all(f"  {name} " in out for name in ("azure_license", "azure_account_status"))
    assert "101 Annabelle Lee-Rothenburg" in out


def test_the_list_reads_well_and_has_a_document(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    office(shell.desk)
    said = shell("changes", "list", "--limit", "1")
    assert said.code == 0
    assert all(part in said.out for part in ("title: A -> B", "full sync", RUN, "--before 2", "changes undo CHANGE"))
    document = shell("changes", "list", "--json", "--contact", "101").json
    assert document["older"] is None
    (only,) = document["changes"]
    assert (only["cause"], only["state"], only["entry"]["id"]) == ("full sync", "written", 1)
    assert "No such change" in shell("changes", "list", "--customer", "8").out
    unclear = shell("changes", "list", "--user", "ann")
    assert (unclear.code, "with --customer also a part of a name" in unclear.err) == (2, True)
    assert shell("changes", "list", "--cause", "weather").code == 2


# --- which user -------------------------------------------------------------------------------------------------------


def people(desk: Desk) -> None:
    """Two Anns and a Ben at one customer; the second Ann signs in with another address than her mail's."""
    office(desk)
    for number, name, mail in ((1, "Ann Lee", "ann@x.example"), (2, "Ann Roth", "roth@x.example"), (3, "Ben Roth", "")):
        user = DirectoryUser(guid(number), display_name=name, mail=mail, user_principal_name=f"u{number}@x.example")
        desk.world.directory.put(TENANT, user)
    wrote(desk, 103, user_id=guid(2))


@pytest.mark.parametrize(
    ("user", "customer", "entries"),
    [
        (guid(2), None, [3]),
        ("ANN@x.example", None, [2, 1]),
        ("u2@X.example", None, [3]),
        ("ann@x.example", CUSTOMER, [2, 1]),
        ("lee", CUSTOMER, [2, 1]),
        ("roth@", CUSTOMER, [3]),
        (guid(9), None, []),  # deleted in Entra, perhaps: an id is believed
    ],
)
async def test_a_user_is_meant_by_id_address_or_part_of_a_name(
    desk: Desk, user: str, customer: int | None, entries: list[int]
) -> None:
    people(desk)
    page = await changes(desk.ports, ChangeWish(user=user, customer_id=customer))
    assert [each.entry.id for each in page.changes] == entries
    if entries == [3]:
        has(desk, 103, title="B")
        shown = await plan_undo(desk.ports, UndoWish(user=user, customer_id=customer))
        assert [step.contact_id for step in shown.plan.steps] == [103]


@pytest.mark.parametrize(
    ("user", "customer", "words"),
    [
        ("ann", CUSTOMER, ("2 users are meant by ann", guid(1), "Ann Lee (ann@x.example)", guid(2), "by its id")),
        ("both@x.example", None, ("2 users are meant by both@x.example", guid(4), f"Customer {CUSTOMER}")),
        ("ann", None, ("with --customer also a part of a name",)),
        ("nobody@x.example", None, ("No connected tenant knows nobody@x.example", "--contact NUMBER")),
        ("nobody", CUSTOMER, ("No connected tenant knows nobody",)),
        ("101", None, ("--contact 101",)),
    ],
)
async def test_who_is_not_certain_is_listed_and_nothing_is_guessed(
    desk: Desk, user: str, customer: int | None, words: tuple[str, ...]
) -> None:
    people(desk)
    for number in (4, 5):
        desk.world.directory.put(TENANT, DirectoryUser(guid(number), display_name="Twin", mail="both@x.example"))
    error = await refused(desk, UndoWish(user=user, customer_id=customer))
    assert (error.exit_code, [word for word in words if word not in error.message]) == (2, [])
    with pytest.raises(OperationError) as caught:
        await changes(desk.ports, ChangeWish(user=user, customer_id=customer))
    assert caught.value.message == error.message


@pytest.mark.parametrize("user", ["lee", "ann@x.example"])
async def test_of_a_disconnected_customer_a_user_is_named_by_id(desk: Desk, user: str) -> None:
    people(desk)
    desk.tie(status=ConnectionStatus.DISCONNECTED)
    error = await refused(desk, UndoWish(user=user, customer_id=CUSTOMER))
    assert (error.exit_code, "Name the object id" in error.message) == (2, True)
    assert (await plan_undo(desk.ports, UndoWish(user=guid(1), customer_id=CUSTOMER))).entries == 2


async def test_what_is_taken_back_is_nobodys_whom_another_tenant_might_know_too(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    people(desk)
    desk.tie(8, tenant_id="tenant-b", status=ConnectionStatus.APPROVED)
    real = desk.world.directory.claimants

    async def claimants(tenant_id: str, address: str) -> Sequence[DirectoryUser]:
        if tenant_id == "tenant-b":
            raise StopTheLine("login", "consent_missing", scope=Scope.TENANT)
        return await real(tenant_id, address)

    monkeypatch.setattr(desk.world.directory, "claimants", claimants)
    error = await refused(desk, UndoWish(user="ann@x.example"))
    words = ("not asked: Customer 8", f"If {guid(1)} is meant, type that")
    assert (error.exit_code, [word for word in words if word not in error.message]) == (1, [])
    page = await changes(desk.ports, ChangeWish(user="ann@x.example"))
    assert len(page.changes) == 2, "who only reads is told what is known"


async def test_a_tenant_that_cannot_be_asked_is_not_taken_for_one_without_the_user(desk: Desk) -> None:
    people(desk)
    desk.world.directory.failures = [StopTheLine("login", "consent_missing", scope=Scope.TENANT)]
    error = await refused(desk, UndoWish(user="ann@x.example"))
    assert (error.exit_code, f"not asked: Customer {CUSTOMER}" in error.message) == (1, True)


# --- which changes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wish", "contacts"),
    [
        (UndoWish(entry=1), {101}),
        (UndoWish(contact_id=102), {102}),
        (UndoWish(run_id=RUN), {101, 102}),
        (UndoWish(customer_id=CUSTOMER, since=START + timedelta(hours=1)), {102}),
        (UndoWish(customer_id=CUSTOMER, since_connect=True), {101, 102}),
    ],
)
async def test_what_is_meant(desk: Desk, wish: UndoWish, contacts: set[int]) -> None:
    office(desk)
    has(desk, 102, title="B")
    shown = await plan_undo(desk.ports, wish)
    assert ({step.contact_id for step in shown.plan.steps}, shown.entries) == (contacts, len(contacts))


async def test_since_it_was_connected_is_not_since_it_was_paused_and_the_whole_journal_counts(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Disconnected and connected again to the same tenant it counts from the first time; what was before stays out."""
    monkeypatch.setattr(sys.modules["console.operations.undo"], "_PAGE", 1)  # by its name it is the function
    office(desk)
    tied = desk.world.ledger.connections.held[CUSTOMER]
    later = replace(tied, connected_at=START + timedelta(minutes=1), changed_at=START + timedelta(hours=9))
    desk.world.ledger.connections.held[CUSTOMER] = replace(later, status=ConnectionStatus.PAUSED)
    has(desk, 102, title="B")
    has(desk, 103, title="B")
    wrote(desk, 103)
    shown = await plan_undo(desk.ports, UndoWish(customer_id=CUSTOMER, since_connect=True))
    assert ({step.contact_id for step in shown.plan.steps}, shown.entries) == ({102, 103}, 2)
    assert shown.oldest == START + timedelta(hours=1)


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (UndoWish(), "in one way"),
        (UndoWish(entry=1, run_id=RUN), "in one way"),
        (UndoWish(user=guid(1), contact_id=101), "in one way"),
        (UndoWish(customer_id=CUSTOMER), "in one way"),
        (UndoWish(since=START), "--since goes with one customer"),
        (UndoWish(entry=99), "No such change"),
        (UndoWish(entry=1, customer_id=8), "No such change"),
        (UndoWish(contact_id=5), "No such change"),
        (UndoWish(customer_id=9, since_connect=True), "Customer 9 is not known here"),
    ],
)
async def test_what_is_not_meant_well_is_wrong_use(desk: Desk, wish: UndoWish, words: str) -> None:
    office(desk)
    error = await refused(desk, wish)
    assert (error.exit_code, words in error.message) == (2, True)


async def test_changes_of_several_customers_are_not_mixed(desk: Desk) -> None:
    office(desk)
    wrote(desk, 101, customer_id=8)
    assert "(7, 8)" in (await refused(desk, UndoWish(contact_id=101))).message
    assert (await plan_undo(desk.ports, UndoWish(contact_id=101, customer_id=CUSTOMER))).entries == 1


# --- taking back ------------------------------------------------------------------------------------------------------


async def test_a_plan_writes_nothing_and_says_what_it_will_do(desk: Desk) -> None:
    office(desk)
    shown = await plan_undo(desk.ports, UndoWish(run_id=RUN))
    assert [(left.contact_id, left.why) for left in shown.plan.left] == [(102, Why.TOUCHED)]
    assert shown.next[0].startswith("It pauses Customer 7 first")
    assert desk.status_of() is ConnectionStatus.APPROVED
    assert (desk.world.contacts.count("update"), desk.world.ledger.deeds.noted) == (0, [])


@pytest.mark.parametrize(
    ("status", "after", "words"),
    [
        (ConnectionStatus.APPROVED, ConnectionStatus.PAUSED, "entra-syncro customers resume 7"),
        (ConnectionStatus.PAUSED, ConnectionStatus.PAUSED, "entra-syncro customers resume 7"),
        (ConnectionStatus.PREVIEW, ConnectionStatus.PREVIEW, ""),
        (ConnectionStatus.DISCONNECTED, ConnectionStatus.DISCONNECTED, ""),
    ],
)
async def test_it_ends_with_nobody_writing_again_and_the_way_on(
    desk: Desk, status: ConnectionStatus, after: ConnectionStatus, words: str
) -> None:
    office(desk, status)
    wish = UndoWish(run_id=RUN)
    plan = (await plan_undo(desk.ports, wish)).plan
    shown = await undo(desk.ports, wish, plan.code, by="ada")
    assert (desk.status_of(), words in " ".join(shown.next), bool(shown.next)) == (after, True, bool(words))
    assert desk.world.contacts.held[101].title == "A"
    deed = desk.world.ledger.deeds.noted[-1]
    facts = {"undo": f"undo-{plan.code}", "contacts": 1, "left": 1}
    assert (deed.by, deed.what, deed.customer_id, deed.facts) == ("ada", "undo", CUSTOMER, facts)


@pytest.mark.parametrize(
    ("blind", "code", "words"),
    [
        (StopTheLine("syncro", "permission", scope=Scope.ACCOUNT), "permission", "Tickets - List/Search"),
        (StopTheLine("syncro", "forbidden", scope=Scope.ACCOUNT), "forbidden", "Tickets - List/Search"),
        (Transient("syncro", "unreadable_answer"), "unreadable_answer", "does not say whose a row is"),
    ],
)
async def test_what_cannot_be_seen_is_told_with_what_would_help(
    desk: Desk, blind: SyncError, code: str, words: str
) -> None:
    desk.tie()
    has(desk, 101)
    wrote(desk, 101, action="create", changes=())
    desk.world.contacts.failures["attached"] = [blind]
    shown = await plan_undo(desk.ports, UndoWish(entry=1))
    assert [(left.why, left.detail) for left in shown.plan.left] == [(Why.UNSEEN, code)]
    told = " ".join(shown.next)
    assert (words in told, "give it the permissions" in told) == (True, code != "unreadable_answer")


async def test_how_long_it_takes_is_said_when_it_is_long(desk: Desk) -> None:
    office(desk)
    desk.ports = replace(desk.ports, backfill_per_minute=1)
    assert "It takes about 2 minutes" in " ".join((await plan_undo(desk.ports, UndoWish(entry=1))).next)


def test_it_waits_for_a_full_sync_of_the_customer_and_then_says_so() -> None:
    async def main() -> None:
        world = World()
        undoing = Undoing(worker_ports(world), WorkerSettings(fingerprint_key=b"test"), world.ledger.journal_search)
        undos = WorkerUndos(world.leases, undoing)
        async with world.leases.hold(f"full-pass:{CUSTOMER}", ttl=600.0):
            with pytest.raises(Transient, match="somebody is taking its changes back"):
                await undos.undo(CUSTOMER, {1}, "0b9a8ac4", "ada")
            assert not (await undos.plan(CUSTOMER, {1})).steps

    run_virtual(main())


async def test_a_wrong_code_is_held_and_writes_nothing(desk: Desk) -> None:
    office(desk)
    error = await refused(desk, UndoWish(run_id=RUN), "ffffffff")
    assert (error.exit_code, "Nothing was taken back" in error.message) == (3, True)
    assert (desk.world.contacts.count("update"), desk.status_of()) == (0, ConnectionStatus.APPROVED)


async def test_any_other_trouble_is_told_as_it_is(desk: Desk) -> None:
    office(desk)
    desk.world.contacts.failures["get"] = [Permanent("syncro", "bad_request")]
    with pytest.raises(Permanent):
        await undo(desk.ports, UndoWish(run_id=RUN), "ffffffff", by="ada")


def test_the_whole_way_on_the_command_line(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    office(shell.desk)
    planned = shell("changes", "undo", "--run", RUN)
    assert planned.code == 0
    words = ("Ann Lee", "title", "changed since, not by us", "It pauses Customer 7 first", "Nothing was written")
    assert all(word in planned.out for word in words)
    document = shell("changes", "undo", "--run", RUN, "--json").json
    command = f"entra-syncro changes undo --run {RUN} --apply {document['code']}"
    assert command in planned.out
    done = shell(*command.split()[1:])
    assert done.code == 0
    assert all(word in done.out for word in ("Taken back", "customers resume 7", f"undo-{document['code']}"))
    assert shell.desk.world.ledger.journal.written[-1].by == "ada"
    told = shell(*command.split()[1:], "--json").out
    again = json.loads(told[told.index("{") :])  # behind the log, which is quiet outside of tests
    assert (again["steps"], again["stopped"], again["paused"]) == ([], None, True)
    assert {left["reason"] for left in again["left"]} == {"undone", "touched"}


def test_a_moment_ago_is_typed_again_as_the_moment_it_was(shell: Shell) -> None:
    office(shell.desk)
    said = shell("changes", "undo", "--customer", str(CUSTOMER), "--since", "1d")
    assert f'--customer {CUSTOMER} --since "2026-11-23T09:0' in said.out
    assert f"--customer {CUSTOMER} --since connect --apply" not in said.out
    assert '--since "connect" --apply' in shell("changes", "undo", "--customer", "7", "--since", "connect").out


def test_stopped_in_between_it_says_what_was_done_and_to_repeat(shell: Shell) -> None:
    office(shell.desk)
    has(shell.desk, 102, title="B")
    code = shell("changes", "undo", "--run", RUN, "--json").json["code"]
    contacts = shell.desk.world.contacts
    contacts.on_call["update"] = lambda: contacts.failures.update({"get": [Transient("syncro", "service_fault")]})
    said = shell("changes", "undo", "--run", RUN, "--apply", code)
    assert (said.code, "Taken back" in said.out, "Repeat the same command" in said.err) == (1, True, True)
    assert ("stays so until the rest is taken back" in said.out, "customers resume" in said.out) == (True, False)
    contacts.on_call.clear()
    assert shell("changes", "undo", "--run", RUN, "--apply", code).code == 0
    assert {each.title for each in contacts.held.values()} == {"A"}


def test_resumed_in_between_it_says_so(shell: Shell) -> None:
    office(shell.desk)
    has(shell.desk, 102, title="B")
    code = shell("changes", "undo", "--run", RUN, "--json").json["code"]

    def resume() -> None:
        shell.desk.tie(status=ConnectionStatus.APPROVED)

    shell.desk.world.contacts.on_call["update"] = resume
    said = shell("changes", "undo", "--run", RUN, "--apply", code)
    assert (said.code, "Taking changes back: somebody let the customer go on" in said.err) == (1, True)
    assert "is paused" not in said.out


def test_a_contact_that_goes_and_one_that_comes_back_are_said_before(shell: Shell) -> None:
    shell.desk.tie(status=ConnectionStatus.APPROVED)
    has(shell.desk, 101, name="Ann Lee", email="ann@x.example")
    made = (
        FieldChange("name", "", "Ann Lee", Kind.PROFILE, "because"),
        FieldChange("email", "", "ann@x.example", Kind.PROFILE, "because"),
    )
    wrote(shell.desk, 101, action="create", changes=made)
    shell.desk.world.ledger.links.held[CUSTOMER, guid(1)] = Link(CUSTOMER, guid(1), 101, "created", START)
    assert "deleted for good" in shell("changes", "undo", "1").out
    code = shell("changes", "undo", "1", "--json").json["code"]
    assert shell("changes", "undo", "1", "--apply", code).code == 0
    assert "contact deleted" in shell("changes", "list").out
    assert "back under a new number" in shell("changes", "undo", "2").out
    code = shell("changes", "undo", "2", "--json").json["code"]
    assert "back under number 9001" in shell("changes", "undo", "2", "--apply", code).out
