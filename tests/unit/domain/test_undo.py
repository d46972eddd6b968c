"""Taking writes back: a value returns only where it is still ours, a contact goes only as we made it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.changes import FieldChange, Kind
from shared.domain.contact import Contact
from shared.domain.messages import Reason
from shared.domain.policy import SyncPolicy
from shared.domain.records import JournalEntry, WriteState
from shared.domain.undo import creations, undo_plan
from shared.domain.undo_contact import Facts, comparing
from shared.domain.undo_steps import (
    Left,
    Recreate,
    Remove,
    Restore,
    UndoPlan,
    Why,
    code_of,
    part_of,
    row_code,
    rows_of,
)
from tests.support.clock import START

CUSTOMER, CONTACT, USER = 7, 101, "u1"


def change(field: str, before: str, after: str) -> FieldChange:
    return FieldChange(field, before, after, Kind.PROFILE, "because")


def entry(number: int, *changes: FieldChange, action: str = "update", **facts: object) -> JournalEntry:
    made = JournalEntry(
        customer_id=CUSTOMER,
        user_id=USER,
        contact_id=CONTACT,
        action=action,
        changes=changes,
        cause=Reason.RECONCILE,
        trace_id="t",
        intended_at=START + timedelta(minutes=number),
        state=WriteState.WRITTEN,
        id=number,
    )
    return replace(made, **facts)  # type: ignore[arg-type]  # the facts are the test's


def planned(
    chosen: Collection[int], history: Sequence[JournalEntry], fresh: Contact | None, **facts: object
) -> UndoPlan:
    """`history` oldest first, as it is told."""
    contacts = {} if fresh is None else {fresh.id: fresh}
    known = replace(Facts(contacts, SyncPolicy()), **facts)  # type: ignore[arg-type]  # the facts are the test's
    return undo_plan(CUSTOMER, chosen, list(reversed(history)), known)


def returned(plan: UndoPlan) -> dict[str, str]:
    return {c.field: c.after for step in plan.steps if isinstance(step, Restore) for c in step.changes}


def why(plan: UndoPlan) -> dict[str, Why]:
    return {left.field: left.why for left in plan.left}


def contact(**facts: object) -> Contact:
    return Contact(CONTACT, CUSTOMER, **facts)  # type: ignore[arg-type]  # the facts are the test's


# --- one field --------------------------------------------------------------------------------------------------------

B = entry(1, change("title", "A", "B"))
C = entry(2, change("title", "B", "C"))


@pytest.mark.parametrize(
    ("chosen", "history", "now", "back", "left"),
    [
        ({1}, [B], "B", "A", None),
        ({1}, [B], "X", None, Why.TOUCHED),
        ({1, 2}, [B, C], "C", "A", None),
        ({2}, [B, C], "C", "B", None),
        ({1}, [B, C], "C", None, Why.OURS_SINCE),
        ({1, 2}, [B, C], "B", None, Why.TOUCHED),  # somebody put it back: not what we wrote last
        ({1}, [replace(B, state=WriteState.REFUSED)], "A", None, Why.NOT_WRITTEN),
        ({1}, [replace(B, unstuck=("title",))], "A", None, Why.NOT_KEPT),
        ({1, 2}, [B, replace(C, unstuck=("title",))], "B", "A", None),
        ({1}, [replace(B, state=WriteState.AMBIGUOUS)], "B", "A", None),
        ({1}, [replace(B, state=WriteState.INTENDED)], "B", "A", None),
        ({1}, [replace(B, state=WriteState.AMBIGUOUS)], "A", None, Why.NOT_WRITTEN),
        ({1}, [replace(B, state=WriteState.AMBIGUOUS)], "X", None, Why.TOUCHED),
        (
            {1, 2},
            [replace(B, state=WriteState.AMBIGUOUS), replace(C, changes=(change("title", "A", "C"),))],
            "C",
            "A",
            None,
        ),
        ({1, 2}, [B, replace(C, changes=(change("title", "X", "Y"),))], "Y", "X", Why.IN_BETWEEN),
        ({1, 3}, [B, C, entry(3, change("title", "C", "D"))], "D", "C", Why.IN_BETWEEN),
        ({1}, [B, entry(2, change("title", "B", "A"), undoes=1)], "A", None, Why.UNDONE),
        ({1}, [B, entry(2, change("title", "B", "A"), undoes=1, state=WriteState.INTENDED)], "B", "A", None),
        ({1}, [entry(1, change("title", "", "B"))], "B", "", None),
        (
            {1, 2},  # the first was not kept, and somebody wrote before the second
            [entry(1, change("title", "", "A"), unstuck=("title",)), entry(2, change("title", "X", "B"))],
            "B",
            "X",
            Why.IN_BETWEEN,
        ),
    ],
)
def test_a_field(chosen: set[int], history: list[JournalEntry], now: str, back: str | None, left: Why | None) -> None:
    plan = planned(chosen, history, contact(title=now))
    assert returned(plan) == ({} if back is None else {"title": back})
    assert why(plan) == ({} if left is None else {"title": left})
    assert bool(plan.code) is (back is not None)


def test_the_answer_names_what_it_takes_back_and_by_what_it_was_overtaken() -> None:
    (step,) = planned({1, 2}, [B, C], contact(title="C")).steps
    assert (step.undoes, step.changes[0].before) == (2, "C")
    (left,) = planned({1}, [B, C], contact(title="C")).left
    assert left == Left(CONTACT, USER, "title", Why.OURS_SINCE, "C", "change 2")


def test_values_are_compared_as_plans_compare() -> None:
    history = [entry(1, change("phone", "", "+1 217 555 0111"), change("name", "", "Ann Lee"))]
    plan = planned({1}, history, contact(phone="2175550111", name="Lee, Ann"))
    assert returned(plan) == {"phone": "", "name": ""}


def test_neither_a_blank_nor_a_text_is_the_same_as_another() -> None:
    same = comparing(SyncPolicy())
    assert not same("phone", "", "n/a")
    assert not same("phone", "ask Ann", "ask Ben")  # neither is a number
    assert same("phone", "ask  Ann", "ask Ann")
    assert same("phone", "", "  ")
    assert same("azure_license", "Basic", "Basic ")


@pytest.mark.parametrize(
    ("fresh", "facts", "reason"),
    [
        (None, {}, Why.GONE),
        (Contact(CONTACT, 8, title="B"), {}, Why.MOVED),
        (contact(title="B"), {"pinned": {CONTACT}}, Why.LOCKED),
        (contact(title="B", properties={"azure_sync_off": "Ben"}), {}, Why.LOCKED),
    ],
)
def test_a_contact_that_nobody_may_write(fresh: Contact | None, facts: dict[str, object], reason: Why) -> None:
    plan = planned({1}, [B], fresh, **facts)
    assert (plan.steps, why(plan)) == ((), {"": reason})


def test_figures_of_the_customer_are_named_and_left() -> None:
    plan = planned({1}, [replace(B, action="customer", contact_id=None, user_id="")], None)
    assert (plan.steps, why(plan)) == ((), {"": Why.CUSTOMER})


# --- a contact that we made -------------------------------------------------------------------------------------------

MADE = entry(
    1, change("name", "", "Ann Lee"), change("title", "", "CFO"), change("azure_license", "", "Basic"), action="create"
)
AS_MADE = contact(name="Ann Lee", title="CFO", properties={"title": "CFO", "azure_license": "Basic"})


def test_it_is_deleted_when_it_is_as_we_made_it() -> None:
    plan = planned({1}, [MADE], AS_MADE)
    (step,) = plan.steps
    assert isinstance(step, Remove)
    assert {c.field: c.before for c in step.changes} == {"name": "Ann Lee", "title": "CFO", "azure_license": "Basic"}
    assert not plan.left


def test_our_own_later_writes_do_not_protect_it() -> None:
    later = entry(2, change("title", "CFO", "CEO"), change("azure_license", "Basic", ""))
    fresh = contact(name="Ann Lee", title="CEO", properties={"title": "CEO", "azure_license": ""})
    assert isinstance(planned({1}, [MADE, later], fresh).steps[0], Remove)


@pytest.mark.parametrize(
    ("fresh", "field"),
    [
        (replace(AS_MADE, name="Ann Lee-Meier"), "name"),
        (replace(AS_MADE, phone="1"), "phone"),
        (replace(AS_MADE, title="", properties={"azure_license": "Basic"}), "title"),  # cleared by somebody
        (replace(AS_MADE, properties={**AS_MADE.properties, "Badge No.": "7"}), "Badge No."),
        (replace(AS_MADE, properties={**AS_MADE.properties, "notification_billing": "1"}), "notification_billing"),
        (replace(AS_MADE, updated_at=START + timedelta(hours=1)), ""),  # something that is not read
        (replace(AS_MADE, has_more=True), ""),  # its notes, whoever wrote to the contact last
    ],
)
def test_it_stays_when_somebody_touched_it(fresh: Contact, field: str) -> None:
    plan = planned({1}, [MADE], fresh)
    assert (plan.steps, why(plan)) == ((), {field: Why.TOUCHED})


@pytest.mark.parametrize(
    "fresh",
    [
        replace(AS_MADE, properties={**AS_MADE.properties, "notification_billing": "0", "VIP": ""}),
        replace(AS_MADE, updated_at=START + timedelta(minutes=2)),
    ],
)
def test_what_syncro_itself_adds_is_no_touch(fresh: Contact) -> None:
    assert isinstance(planned({1}, [MADE], fresh).steps[0], Remove)


@pytest.mark.parametrize(
    ("attached", "reason", "detail"),
    [
        ({CONTACT: frozenset({"ticket", "asset"})}, Why.ATTACHED, "asset, ticket"),
        ({102: frozenset({"ticket"})}, None, ""),
        ("permission", Why.UNSEEN, "permission"),
    ],
)
def test_it_stays_when_something_hangs_on_it_or_nobody_can_tell(
    attached: dict[int, frozenset[str]] | str, reason: Why | None, detail: str
) -> None:
    plan = planned({1}, [MADE], AS_MADE, attached=attached)
    assert [(left.why, left.detail) for left in plan.left] == ([] if reason is None else [(reason, detail)])
    assert bool(plan.steps) is (reason is None)


def test_only_creations_that_are_chosen_are_asked_about() -> None:
    other = replace(MADE, id=2, contact_id=102)
    assert creations({1}, [other, MADE]) == {CONTACT}


@pytest.mark.parametrize(
    ("state", "reason"), [(WriteState.AMBIGUOUS, Why.UNKNOWN), (WriteState.REFUSED, Why.NOT_WRITTEN)]
)
def test_a_creation_without_a_contact(state: WriteState, reason: Why) -> None:
    plan = planned({1}, [replace(MADE, contact_id=None, state=state)], None)
    assert (plan.steps, why(plan)) == ((), {"": reason})


# --- a contact that we deleted ----------------------------------------------------------------------------------------

ENDED = entry(2, change("name", "Ann Lee", ""), change("title", "CFO", ""), action="delete", undoes=1)


def test_it_comes_back_under_a_new_number() -> None:
    plan = planned({2}, [MADE, ENDED], None)
    (step,) = plan.steps
    assert isinstance(step, Recreate)
    assert {c.field: c.after for c in step.changes} == {"name": "Ann Lee", "title": "CFO"}


@pytest.mark.parametrize(
    ("chosen", "history", "facts", "reason"),
    [
        ({1}, [MADE, ENDED], {}, Why.UNDONE),
        ({1, 2}, [MADE, ENDED], {}, Why.UNDONE),  # it was not there before
        ({2}, [MADE, replace(ENDED, state=WriteState.REFUSED)], {}, Why.GONE),
        (
            {2},
            [MADE, replace(ENDED, state=WriteState.AMBIGUOUS), entry(3, change("title", "CFO", "CEO"))],
            {},
            Why.GONE,
        ),
        ({2}, [MADE, ENDED], {"links": {USER: 555}}, Why.REPLACED),
        ({2}, [MADE, ENDED], {"links": {USER: CONTACT}}, None),  # a kill came before the unlinking
        ({2}, [MADE, ENDED], {"links": {"u2": 555}}, None),
        ({2}, [MADE, ENDED, replace(MADE, id=3, contact_id=102, undoes=2)], {}, Why.UNDONE),
        (
            {2},
            [MADE, ENDED, replace(MADE, id=3, contact_id=None, undoes=2, state=WriteState.AMBIGUOUS)],
            {},
            Why.UNKNOWN,
        ),
    ],
)
def test_it_comes_back_once_and_only_if_it_was_there(
    chosen: set[int], history: list[JournalEntry], facts: dict[str, object], reason: Why | None
) -> None:
    plan = planned(chosen, history, None, **facts)
    assert [left.why for left in plan.left] == ([reason] if reason is not None else [])
    assert bool(plan.steps) is (reason is None)


FIRST = entry(1, change("title", "CEO", "CFO"), change("city", "Bern", ""), change("phone", "1", "2"))
GOES = entry(2, change("name", "Ann Lee", ""), change("title", "CFO", ""), change("phone", "3", ""), action="delete")


@pytest.mark.parametrize(
    ("chosen", "back", "left"),
    [
        ({2}, {"name": "Ann Lee", "title": "CFO", "phone": "3"}, {}),
        ({1, 2}, {"name": "Ann Lee", "title": "CEO", "city": "Bern", "phone": "3"}, {"phone": Why.TOUCHED}),
    ],
)
def test_it_comes_back_without_the_older_changes_that_are_chosen_too(
    chosen: set[int], back: dict[str, str], left: dict[str, Why]
) -> None:
    plan = planned(chosen, [FIRST, GOES], None)
    (step,) = plan.steps
    assert isinstance(step, Recreate)
    assert ({c.field: c.after for c in step.changes}, why(plan)) == (back, left)


BACK = entry(3, change("name", "", "Ann Lee"), change("title", "", "CFO"), action="create", contact_id=102, undoes=2)
SINCE = entry(4, change("title", "CFO", "CEO"), contact_id=102)


@pytest.mark.parametrize(
    ("chosen", "history", "title", "kinds", "left"),
    [
        ({3}, [ENDED, BACK], "CFO", [Remove], []),
        ({2, 3}, [ENDED, BACK], "CFO", [], [Why.UNDONE]),
        ({2, 3}, [ENDED, BACK], "Boss", [], [Why.UNDONE]),
        ({2, 3, 4}, [ENDED, BACK, SINCE], "CEO", [Restore], [Why.UNDONE]),
        ({2, 3, 4}, [ENDED, BACK, SINCE], "Boss", [], [Why.UNDONE, Why.TOUCHED]),
        ({2, 3}, [ENDED, BACK, SINCE], "CEO", [], [Why.UNDONE]),
    ],
)
def test_a_deletion_and_its_taking_back_cancel_out(
    chosen: set[int], history: list[JournalEntry], title: str, kinds: list[type], left: list[Why]
) -> None:
    fresh = Contact(102, CUSTOMER, name="Ann Lee", title=title)
    plan = planned(chosen, [MADE, *history], fresh)
    assert [type(step) for step in plan.steps] == kinds
    assert sorted(each.why for each in plan.left) == sorted(left)
    assert returned(plan) == ({"title": "CFO"} if Restore in kinds else {})


def test_a_deletion_that_never_arrived_blanked_no_field() -> None:
    """Somebody else did: the contact is there."""
    lost = replace(ENDED, state=WriteState.AMBIGUOUS)
    plan = planned({2}, [lost], contact(name="Ann Lee"))
    assert (plan.steps, why(plan)) == ((), {"": Why.NOT_WRITTEN})
    by_hand = planned({2}, [ENDED], contact(name="Ann Lee"))  # people brought it back under its number
    assert (by_hand.steps, why(by_hand)) == ((), {"": Why.UNDONE})
    blank = contact(name="Ann Lee", properties={"azure_license": "Basic"})
    assert why(planned({1}, [MADE, lost], blank)) == {"title": Why.TOUCHED}


# --- the code ---------------------------------------------------------------------------------------------------------


def test_the_code_is_over_contacts_fields_and_values_whatever_their_order() -> None:
    one, two = (Restore(n, USER, (change("title", "B", "A"), change("city", "X", "Y")), 1) for n in (1, 2))
    code = code_of(CUSTOMER, [one, two])
    assert code == code_of(CUSTOMER, [two, replace(one, changes=one.changes[::-1])])
    assert len({code, code_of(CUSTOMER, [one]), code_of(8, [one, two])}) == 3
    assert code != code_of(CUSTOMER, [one, replace(two, changes=(change("title", "B", "Z"), change("city", "X", "Y")))])


def test_only_rows_that_were_approved_are_done() -> None:
    step = Restore(1, USER, (change("title", "B", "A"), change("city", "X", "Y")), 1)
    approved = {row_code(rows_of(step)[0])}
    kept, rest = part_of(step, approved)
    assert kept == replace(step, changes=step.changes[:1])
    assert [(left.field, left.why) for left in rest] == [("city", Why.CHANGED)]
    assert part_of(Remove(1, USER, step.changes, 1), approved)[0] is None
