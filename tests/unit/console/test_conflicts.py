"""Questions about whose contact it is at the desk: how they are listed, and every answer with what it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from console.operations import (
    Act,
    OperationError,
    Question,
    ShownConflict,
    Standing,
    Supposed,
    ask_again,
    conflict,
    conflicts,
    create_for,
    leave_alone,
    link_user,
    plan_create,
    plan_link,
)
from shared.domain.changes import (
    Candidate,
    Conflict,
    ConflictReason,
    CreateContact,
    Excluded,
    ExclusionReason,
    FieldChange,
    Kind,
    NoChange,
    NotYet,
    Plan,
    UpdateContact,
)
from shared.domain.contact import Contact
from shared.domain.desk import Choice, Chosen
from shared.domain.errors import Transient
from shared.domain.messages import Lane, Reason
from shared.domain.records import ConnectionStatus, Link, OpenConflict
from shared.domain.user import DirectoryUser, SoftDeleted
from tests.support.clock import START
from tests.support.desk import CUSTOMER, Desk
from tests.support.receiver import TENANT, guid
from tests.unit.console.conftest import Shell

ANNA, BEN, GONE = guid(1), guid(2), guid(3)
CHANGE = FieldChange("phone", "", "+1 217 555 0111", Kind.PROFILE, "Empty in Syncro, filled from Entra.")
QUESTION = Conflict(ANNA, CUSTOMER, ConflictReason.SEVERAL_CONTACTS, (Candidate(11, ("mail",)), Candidate(12, ())))


def ready(desk: Desk, status: ConnectionStatus = ConnectionStatus.APPROVED) -> None:
    """Anna's question among the contacts 11 and 12; Ben is there, somebody else is gone."""
    desk.tie(status=status)
    people = desk.world.directory
    people.put(TENANT, DirectoryUser(ANNA, display_name="Anna Meier", mail="anna@contoso.example"))
    people.put(TENANT, DirectoryUser(BEN, display_name="Ben Ode", mail="ben@contoso.example"))
    people.put(TENANT, SoftDeleted(GONE, START))
    for number in (11, 12):
        desk.contact_probe.contacts[number] = Contact(number, CUSTOMER, name=f"Contact {number}", email="a@x.example")
    supposing(desk, UpdateContact(ANNA, CUSTOMER, 11, (CHANGE,), "link"))


def supposing(desk: Desk, then: Plan, now: Plan = QUESTION, contact_id: int | None = 11) -> None:
    contact = None if contact_id is None else Contact(contact_id, CUSTOMER)
    desk.passes.supposed = Supposed("Anna Meier", contact, now, then, "11 12")


def supposing_a_creation(desk: Desk, now: Plan = QUESTION) -> None:
    supposing(desk, CreateContact(ANNA, CUSTOMER, (CHANGE,), "ada chose.", "ada"), now, contact_id=None)


def ask(desk: Desk, user_id: str = ANNA, reason: ConflictReason = QUESTION.reason, *candidates: Candidate) -> None:
    kept = OpenConflict(CUSTOMER, user_id, reason, candidates or QUESTION.candidates, START, START)
    desk.world.ledger.conflicts.held[CUSTOMER, user_id] = kept


def give(desk: Desk, contact_id: int, user_id: str, customer_id: int = CUSTOMER) -> None:
    link = Link(customer_id, user_id, contact_id, "mail", START)
    desk.world.ledger.links.held[customer_id, user_id] = link


async def the_one(desk: Desk) -> ShownConflict:
    (found,) = await conflicts(desk.ports)
    return found


def deeds(desk: Desk) -> list[tuple[str, str]]:
    return [(deed.by, deed.what) for deed in desk.world.ledger.deeds.noted]


# --- what is asked ------------------------------------------------------------------------------------------------


async def test_a_question_is_listed_with_names_and_contacts_in_their_order(desk: Desk) -> None:
    ready(desk)
    ask(desk)
    found = await the_one(desk)
    assert (found.user_label, found.customer_name, found.question) == ("Anna Meier", "Customer 7", Question.AMBIGUOUS)
    assert [(each.contact_id, each.because) for each in found.candidates] == [(11, ("mail",)), (12, ())]
    assert (found.since, found.standing) == (START, Standing.OPEN)


async def test_a_tenant_that_does_not_answer_costs_the_names_alone(desk: Desk) -> None:
    ready(desk)
    ask(desk)
    desk.world.directory.failures.append(Transient("graph", "timeout"))
    assert (await the_one(desk)).user_label == ANNA


@pytest.mark.parametrize(
    ("holder", "because", "expected"),
    [
        ("ben@contoso.example", ("mail",), Question.MOVED),
        ("ANNA@contoso.example", ("mail",), Question.TWICE),
        ("ben@contoso.example", ("alias",), Question.AMBIGUOUS),
    ],
)
async def test_a_contact_that_another_user_holds(
    desk: Desk, holder: str, because: tuple[str, ...], expected: Question
) -> None:
    ready(desk)
    desk.world.directory.put(TENANT, DirectoryUser(BEN, display_name="Ben Ode", mail=holder))
    give(desk, 11, BEN)
    ask(desk, ANNA, ConflictReason.LINKED_ELSEWHERE, Candidate(11, because))
    found = await the_one(desk)
    assert found.question is expected
    assert [(each.held_by, each.holder, each.is_free) for each in found.candidates] == [(BEN, "Ben Ode", False)]


async def test_the_contact_of_a_deleted_user_is_free_to_be_linked(desk: Desk) -> None:
    ready(desk)
    give(desk, 11, GONE)
    ask(desk, ANNA, ConflictReason.LINKED_ELSEWHERE, Candidate(11, ("mail",)))
    found = await the_one(desk)
    assert [(each.held_by, each.holder, each.is_free) for each in found.candidates] == [(GONE, "a deleted user", True)]


async def test_users_that_claim_the_same_address_claim_it_twice(desk: Desk) -> None:
    ready(desk)
    ask(desk, ANNA, ConflictReason.SEVERAL_USERS, Candidate(11, ("mail",)))
    assert (await the_one(desk)).question is Question.TWICE


async def test_a_user_with_a_contact_at_two_customers_of_a_tenant_is_listed_at_both_and_may_be_left(
    desk: Desk,
) -> None:
    ready(desk)
    desk.tie(8, status=ConnectionStatus.APPROVED)
    give(desk, 11, ANNA)
    give(desk, 21, ANNA, customer_id=8)
    give(desk, 12, BEN)
    here, there = await conflicts(desk.ports)
    assert (here.customer_id, here.question, here.others) == (CUSTOMER, Question.SHARED, ("Customer 8 (8)",))
    assert (there.customer_id, [each.contact_id for each in there.candidates]) == (8, [21])
    await leave_alone(desk.ports, CUSTOMER, ANNA, by="ada", why="works for both")
    assert [each.customer_id for each in await conflicts(desk.ports)] == [8]
    assert not desk.passes.suppositions
    desk.tie(8, status=ConnectionStatus.DISCONNECTED)
    assert not await conflicts(desk.ports)


async def test_one_question_names_its_contacts(desk: Desk) -> None:
    ready(desk)
    ask(desk)
    del desk.contact_probe.contacts[12]
    found = await conflict(desk.ports, CUSTOMER, ANNA.upper())
    assert [(each.label, each.email) for each in found.candidates] == [
        ("Contact 11", "a@x.example"),
        ("no longer in Syncro", ""),
    ]


async def test_where_nothing_is_asked_nothing_is_shown(desk: Desk) -> None:
    ready(desk)
    supposing(desk, NoChange(ANNA, CUSTOMER, 11), NoChange(ANNA, CUSTOMER, 11))
    with pytest.raises(OperationError, match="entra-syncro explain") as caught:
        await conflict(desk.ports, CUSTOMER, ANNA)
    assert caught.value.exit_code == 2


async def test_before_the_approval_a_question_is_shown_as_of_now(desk: Desk) -> None:
    ready(desk, ConnectionStatus.PREVIEW)
    give(desk, 12, BEN)
    found = await conflict(desk.ports, CUSTOMER, ANNA)
    assert (found.user_label, found.since, found.reason) == ("Anna Meier", None, QUESTION.reason.value)
    assert [(each.contact_id, each.holder) for each in found.candidates] == [(11, ""), (12, "Ben Ode")]


# --- a link -------------------------------------------------------------------------------------------------------


async def test_a_link_is_shown_and_made_with_its_code(desk: Desk) -> None:
    ready(desk)
    ask(desk)
    shown = await plan_link(desk.ports, CUSTOMER, ANNA, 11)
    assert (shown.act, shown.contact_label, shown.changes) == (Act.LINK, "Contact 11", (CHANGE,))
    assert not desk.world.ledger.links.held
    assert not desk.world.broker.published
    done = await link_user(desk.ports, CUSTOMER, ANNA, 11, shown.code, by="ada")
    link = desk.world.ledger.links.held[CUSTOMER, ANNA]
    assert (link.contact_id, link.how) == (11, "person")
    (message,) = desk.world.broker.sent(Lane.LIVE)
    assert done.started is not None
    assert (message.user_ids, message.reason, message.run_id) == ((ANNA,), Reason.MANUAL, done.started.run_id)
    assert deeds(desk) == [("ada", "link")]


async def test_a_link_that_stands_is_made_once_however_often_it_is_ordered(desk: Desk) -> None:
    ready(desk)
    shown = await plan_link(desk.ports, CUSTOMER, ANNA, 11)
    await link_user(desk.ports, CUSTOMER, ANNA, 11, shown.code, by="ada")
    supposing(desk, NoChange(ANNA, CUSTOMER, 11, "link"), NoChange(ANNA, CUSTOMER, 11, "link"))
    again = await link_user(desk.ports, CUSTOMER, ANNA, 11, shown.code, by="ada")
    assert again.is_decided
    assert deeds(desk) == [("ada", "link")]


async def test_a_plan_that_changed_since_needs_another_look(desk: Desk) -> None:
    ready(desk)
    shown = await plan_link(desk.ports, CUSTOMER, ANNA, 11)
    other = replace(CHANGE, after="+1 425 555 0100")
    supposing(desk, UpdateContact(ANNA, CUSTOMER, 11, (other,), "link"))
    with pytest.raises(OperationError, match="something changed") as caught:
        await link_user(desk.ports, CUSTOMER, ANNA, 11, shown.code, by="ada")
    assert caught.value.exit_code == 3
    assert not desk.world.ledger.links.held


async def test_a_contact_of_another_customer_is_refused_by_name(desk: Desk) -> None:
    ready(desk)
    desk.tie(8)
    desk.contact_probe.contacts[11] = Contact(11, 8)
    with pytest.raises(OperationError, match=r"belongs to Customer 8 \(8\)") as caught:
        await plan_link(desk.ports, CUSTOMER, ANNA, 11)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("by_field", [True, False])
async def test_a_contact_of_another_user_is_refused_by_name(desk: Desk, by_field: bool) -> None:
    ready(desk)
    if by_field:
        desk.contact_probe.contacts[11] = Contact(11, CUSTOMER, properties={"azure_object_id": BEN.upper()})
    else:
        give(desk, 11, BEN)
    with pytest.raises(OperationError, match="belongs to Ben Ode") as caught:
        await plan_link(desk.ports, CUSTOMER, ANNA, 11)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("text", ["see ticket 4711", ANNA.upper(), GONE, "  "])
async def test_an_object_id_of_nobody_else_stands_in_nobodys_way(desk: Desk, text: str) -> None:
    ready(desk)
    desk.contact_probe.contacts[11] = Contact(11, CUSTOMER, properties={"azure_object_id": text})
    assert (await plan_link(desk.ports, CUSTOMER, ANNA, 11)).instead_of == ""


async def test_the_contact_of_a_deleted_user_moves_to_the_new_account(desk: Desk) -> None:
    ready(desk)
    give(desk, 11, GONE)
    shown = await plan_link(desk.ports, CUSTOMER, ANNA, 11)
    assert shown.instead_of == GONE
    assert (CUSTOMER, GONE) in desk.world.ledger.links.held
    await link_user(desk.ports, CUSTOMER, ANNA, 11, shown.code, by="ada")
    assert {key: link.contact_id for key, link in desk.world.ledger.links.held.items()} == {(CUSTOMER, ANNA): 11}


async def test_a_user_with_a_contact_gets_no_other_unless_that_is_gone(desk: Desk) -> None:
    ready(desk)
    give(desk, 12, ANNA)
    with pytest.raises(OperationError, match="has contact 12"):
        await plan_link(desk.ports, CUSTOMER, ANNA, 11)
    del desk.contact_probe.contacts[12]
    shown = await plan_link(desk.ports, CUSTOMER, ANNA, 11)
    assert (shown.contact_id, shown.is_decided) == (11, False)
    await link_user(desk.ports, CUSTOMER, ANNA, 11, shown.code, by="ada")
    assert {key: link.contact_id for key, link in desk.world.ledger.links.held.items()} == {(CUSTOMER, ANNA): 11}


@pytest.mark.parametrize(
    ("arrange", "words"),
    [
        (lambda desk: desk.contact_probe.contacts.clear(), "Syncro has no contact 11"),
        (lambda desk: supposing(desk, NotYet(ANNA, CUSTOMER), NotYet(ANNA, CUSTOMER)), "knows no user"),
        (lambda desk: supposing(desk, QUESTION, contact_id=None), "not among the contacts"),
    ],
)
async def test_nothing_is_linked_that_is_not_there(desk: Desk, arrange: object, words: str) -> None:
    ready(desk)
    assert callable(arrange)
    arrange(desk)
    with pytest.raises(OperationError, match=words):
        await plan_link(desk.ports, CUSTOMER, ANNA, 11)


async def test_a_link_forgets_what_was_chosen_before(desk: Desk) -> None:
    ready(desk)
    ask(desk)
    await leave_alone(desk.ports, CUSTOMER, ANNA, by="ada", why="later")
    shown = await plan_link(desk.ports, CUSTOMER, ANNA, 11)
    await link_user(desk.ports, CUSTOMER, ANNA, 11, shown.code, by="ada")
    assert not desk.world.ledger.choices.held


@pytest.mark.parametrize("is_creation", [True, False])
async def test_a_contact_that_the_user_got_meanwhile_is_not_decided_over(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, *, is_creation: bool
) -> None:
    """A look made or found one for the user after the person saw the plan: nothing is decided, and nothing kept."""
    ready(desk)
    if is_creation:
        supposing_a_creation(desk)
        code = (await plan_create(desk.ports, CUSTOMER, ANNA, by="ada", why="")).code
        deciding = create_for(desk.ports, CUSTOMER, ANNA, code, by="ada", why="")
    else:
        code = (await plan_link(desk.ports, CUSTOMER, ANNA, 11)).code
        deciding = link_user(desk.ports, CUSTOMER, ANNA, 11, code, by="ada")
    real = desk.passes.suppose

    async def supposed(*arguments: Any, **options: Any) -> Supposed:
        told = await real(*arguments, **options)
        give(desk, 12, ANNA)
        return told

    monkeypatch.setattr(desk.passes, "suppose", supposed)
    with pytest.raises(OperationError, match="got contact 12 just now") as caught:
        await deciding
    assert caught.value.exit_code == 3
    assert desk.world.ledger.links.held[CUSTOMER, ANNA].contact_id == 12
    assert (desk.world.ledger.choices.held, deeds(desk)) == ({}, [])


async def test_a_link_waits_for_the_look_that_may_be_making_a_contact(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.operations.resolving_links._WAIT", 0.0)
    ready(desk)
    code = (await plan_link(desk.ports, CUSTOMER, ANNA, 11)).code
    async with desk.world.leases.hold(f"customer:{CUSTOMER}", ttl=600.0):
        with pytest.raises(OperationError, match="Nothing was decided"):
            await link_user(desk.ports, CUSTOMER, ANNA, 11, code, by="ada")
    assert not desk.world.ledger.links.held
    assert (await link_user(desk.ports, CUSTOMER, ANNA, 11, code, by="ada")).is_decided


# --- a contact of its own -----------------------------------------------------------------------------------------


async def test_a_creation_is_shown_and_chosen_with_its_code(desk: Desk) -> None:
    ready(desk)
    supposing_a_creation(desk)
    shown = await plan_create(desk.ports, CUSTOMER, ANNA, by="ada", why="")
    assert (shown.act, shown.contact_id, shown.seen, shown.changes) == (Act.CREATE, None, (11, 12), (CHANGE,))
    assert not desk.world.ledger.choices.held
    done = await create_for(desk.ports, CUSTOMER, ANNA, shown.code, by="ada", why="asked her")
    chosen = desk.world.ledger.choices.held[CUSTOMER, ANNA]
    assert (chosen.choice, chosen.candidates, chosen.why, chosen.by) == (Choice.CREATE, "11 12", "asked her", "ada")
    assert done.started is not None
    assert deeds(desk) == [("ada", "create")]


async def test_a_creation_that_is_chosen_already_only_asks_for_a_look(desk: Desk) -> None:
    ready(desk)
    supposing_a_creation(desk, now=CreateContact(ANNA, CUSTOMER, (CHANGE,), "ada chose.", "ada"))
    done = await create_for(desk.ports, CUSTOMER, ANNA, "whatever", by="ben", why="")
    assert (done.is_decided, done.started is not None, deeds(desk)) == (True, True, [])


@pytest.mark.parametrize(
    ("now", "then", "words"),
    [
        (NoChange(ANNA, CUSTOMER, 11), NoChange(ANNA, CUSTOMER, 11), "Nothing is to be chosen"),
        (QUESTION, Excluded(ANNA, CUSTOMER, ExclusionReason.DISABLED), "account is disabled"),
        (QUESTION, QUESTION, "own object id"),
    ],
)
async def test_no_contact_is_made_where_none_may_be(desk: Desk, now: Plan, then: Plan, words: str) -> None:
    ready(desk)
    supposing(desk, then, now, contact_id=None)
    with pytest.raises(OperationError, match=words) as caught:
        await plan_create(desk.ports, CUSTOMER, ANNA, by="ada", why="")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("status", [ConnectionStatus.PREVIEW, ConnectionStatus.PAUSED])
async def test_what_is_decided_while_nothing_may_be_written_waits(desk: Desk, status: ConnectionStatus) -> None:
    ready(desk, status)
    supposing_a_creation(desk)
    shown = await plan_create(desk.ports, CUSTOMER, ANNA, by="ada", why="")
    done = await create_for(desk.ports, CUSTOMER, ANNA, shown.code, by="ada", why="")
    assert (done.is_decided, done.started) == (True, None)
    assert not desk.world.broker.published


# --- left alone ---------------------------------------------------------------------------------------------------


async def test_a_question_left_alone_leaves_the_list_and_costs_no_call(desk: Desk) -> None:
    ready(desk)
    ask(desk)
    await leave_alone(desk.ports, CUSTOMER, ANNA, by="ada", why=" leaves in May ")
    assert not desk.passes.suppositions
    assert not await conflicts(desk.ports)
    (left,) = await conflicts(desk.ports, include_left=True)
    assert (left.standing, left.left_by, left.why) == (Standing.LEFT, "ada", "leaves in May")
    assert [each.contact_id for each in left.candidates] == [11, 12]
    await leave_alone(desk.ports, CUSTOMER, ANNA, by="ben", why="he left")
    assert desk.world.ledger.choices.held[CUSTOMER, ANNA].candidates == "11 12"
    assert deeds(desk) == [("ada", "dismiss"), ("ben", "dismiss")]


async def test_a_question_of_a_preview_is_left_alone_as_it_is_now(desk: Desk) -> None:
    ready(desk, ConnectionStatus.PREVIEW)
    await leave_alone(desk.ports, CUSTOMER, ANNA, by="ada", why="later")
    assert desk.world.ledger.choices.held[CUSTOMER, ANNA].candidates == "11 12"


async def test_leaving_alone_needs_a_question_and_a_reason(desk: Desk) -> None:
    ready(desk)
    with pytest.raises(OperationError, match="Say why"):
        await leave_alone(desk.ports, CUSTOMER, ANNA, by="ada", why=" ")
    supposing(desk, NoChange(ANNA, CUSTOMER, 11), NoChange(ANNA, CUSTOMER, 11))
    with pytest.raises(OperationError, match="Nothing is to be chosen"):
        await leave_alone(desk.ports, CUSTOMER, ANNA, by="ada", why="x")
    assert not desk.world.ledger.choices.held


async def test_what_was_chosen_is_taken_back_and_looked_at_again(desk: Desk) -> None:
    ready(desk)
    chosen = Chosen(CUSTOMER, ANNA, Choice.DISMISS, "11 12", "later", "ben", START)
    desk.world.ledger.choices.held[CUSTOMER, ANNA] = chosen
    asked = await ask_again(desk.ports, CUSTOMER, ANNA, by="ada")
    assert asked.started is not None
    assert not desk.world.ledger.choices.held
    with pytest.raises(OperationError, match="Nobody chose anything"):
        await ask_again(desk.ports, CUSTOMER, ANNA, by="ada")
    assert deeds(desk) == [("ada", "reopen")]


# --- the commands -------------------------------------------------------------------------------------------------


def test_the_list_and_one_question_say_what_to_do_next(shell: Shell) -> None:
    ready(shell.desk)
    ask(shell.desk)
    give(shell.desk, 12, BEN)
    listed = shell("conflicts", "list")
    assert "Anna Meier" in listed.out
    assert f"entra-syncro conflicts show {CUSTOMER} {ANNA}" in listed.out
    shown = shell("conflicts", "show", str(CUSTOMER), ANNA)
    order = f"entra-syncro conflicts resolve {CUSTOMER} {ANNA}"
    assert f"{order} --contact 11" in shown.out
    assert f"{order} --create" in shown.out
    assert "Contact 12 is Ben Ode's" in shown.out
    assert shell("conflicts", "list", "--json").json[0]["candidates"][0]["contact_id"] == 11


def test_an_answer_is_shown_first_and_given_with_the_code_that_was_printed(shell: Shell) -> None:
    ready(shell.desk)
    ask(shell.desk)
    order = ("conflicts", "resolve", str(CUSTOMER), ANNA, "--contact", "11")
    shown = shell(*order)
    assert "+1 217 555 0111" in shown.out
    code = shell(*order, "--json").json["code"]
    assert f"entra-syncro {' '.join(order)} --apply {code}" in shown.out
    assert not shell.desk.world.ledger.links.held
    done = shell(*order, "--apply", code, "--no-watch")
    assert (done.code, "Decided." in done.out) == (0, True)
    assert shell.desk.world.ledger.deeds.noted[0].by == "ada"
    assert shell(*order, "--apply", "0badc0de", "--no-watch").code == 0, "it is decided already"


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--create", "--dismiss"),
        ("--contact", "11", "--create"),
        ("--dismiss",),
        ("--dismiss", "--why", "x", "--apply", "0badc0de"),
    ],
)
def test_an_unclear_answer_is_wrong_use(shell: Shell, options: tuple[str, ...]) -> None:
    ready(shell.desk)
    ask(shell.desk)
    said = shell("conflicts", "resolve", str(CUSTOMER), ANNA, *options)
    assert said.code == 2
    assert said.err
    assert not shell.desk.world.ledger.choices.held


def test_leaving_alone_and_asking_again_on_the_command_line(shell: Shell) -> None:
    ready(shell.desk)
    ask(shell.desk)
    left = shell("conflicts", "resolve", str(CUSTOMER), ANNA, "--dismiss", "--why", "leaves in May")
    assert f"entra-syncro conflicts reopen {CUSTOMER} {ANNA}" in left.out
    assert "left alone by ada: leaves in May" in shell("conflicts", "list", "--all").out
    asked = shell("conflicts", "reopen", str(CUSTOMER), ANNA, "--json")
    assert asked.json["started"]["planned"] == 1
    assert shell("conflicts", "list").out.startswith("No user waits for a person's choice.")
