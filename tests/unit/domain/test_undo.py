"""Taking writes back: a value returns only where it is still ours, a contact goes only as we made it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.changes import FieldChange, Kind
from shared.domain.contact import PLAIN_FIELDS, Contact
from shared.domain.messages import Reason
from shared.domain.plan import apply_to
from shared.domain.policy import SyncPolicy
from shared.domain.records import JournalEntry, WriteState
from shared.domain.undo import Facts, comparing, creations, undo_plan
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


def test_a_blank_is_never_the_same_as_something() -> None:
    same = comparing(SyncPolicy())
    assert not same("phone", "", "n/a")
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
        (None, Why.UNSEEN, ""),
    ],
)
def test_it_stays_when_something_hangs_on_it_or_nobody_can_tell(
    attached: dict[int, frozenset[str]] | None, reason: Why | None, detail: str
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
        ({2}, [MADE, ENDED], {"links": {USER: 555}}, Why.REPLACED),
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
    chosen: set[int], history: list[JournalEntry], facts: dict[str, object], reason: Why
) -> None:
    plan = planned(chosen, history, None, **facts)
    assert (plan.steps, [left.why for left in plan.left]) == ((), [reason])


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


# --- random histories -------------------------------------------------------------------------------------------------

FIELDS = (*PLAIN_FIELDS, "azure_license", "azure_account_status")
VALUES = ("", "Ann Lee", "Ben Roth", "+1 217 555 0111", "2175550122", "a@x.example")
EVENT = st.tuples(
    st.sampled_from(["run", "run", "live", "other"]),
    st.sampled_from(
        [WriteState.WRITTEN, WriteState.WRITTEN, WriteState.AMBIGUOUS, WriteState.INTENDED, WriteState.REFUSED]
    ),
    st.booleans(),  # an unanswered write arrived; a written one was kept
    st.dictionaries(st.sampled_from(FIELDS), st.sampled_from(VALUES), min_size=1, max_size=4),
)


def play(
    start: Contact, events: list[tuple[str, WriteState, bool, dict[str, str]]]
) -> tuple[Contact, list[JournalEntry]]:
    """What a contact is at the end, and what stands in the journal, oldest first. Entries of the run are even."""
    fresh, journal = start, list[JournalEntry]()
    for number, (who, state, lucky, values) in enumerate(events, 1):
        changes = tuple(change(f, fresh.value(f), v) for f, v in values.items() if fresh.value(f) != v)
        if who == "other":
            fresh = apply_to(fresh, changes)
        elif changes:
            arrives = state is WriteState.WRITTEN or (state is not WriteState.REFUSED and lucky)
            lost = tuple(c.field for c in changes[:1]) if state is WriteState.WRITTEN and not lucky else ()
            fresh = apply_to(fresh, [c for c in changes if arrives and c.field not in lost])
            number = 2 * number + (who != "run")
            journal.append(entry(number, *changes, state=state, unstuck=lost))
    return fresh, journal


@given(st.dictionaries(st.sampled_from(FIELDS), st.sampled_from(VALUES)), st.lists(EVENT, max_size=8))
def test_a_run_undone_gives_what_stood_before_it_save_what_is_listed(
    start: dict[str, str], events: list[tuple[str, WriteState, bool, dict[str, str]]]
) -> None:
    before = apply_to(contact(), [change(field, "", value) for field, value in start.items()])
    now, journal = play(before, events)
    chosen = {e.id for e in journal if e.id is not None and e.id % 2 == 0}
    plan = planned(chosen, journal, now)
    after = apply_to(now, [c for step in plan.steps for c in step.changes])
    written = {c.field for e in journal if e.id in chosen for c in e.changes}
    first = {f: next(c.before for e in journal if e.id in chosen for c in e.changes if c.field == f) for f in written}
    listed = set(why(plan))
    same = comparing(SyncPolicy())
    for field in FIELDS:
        if field not in written:
            assert after.value(field) == now.value(field)  # nothing but what the run wrote
        elif field not in listed:
            assert same(field, after.value(field), first[field]), field
    for field, reason in why(plan).items():
        if reason in (Why.TOUCHED, Why.NOT_KEPT, Why.NOT_WRITTEN, Why.OURS_SINCE):
            assert after.value(field) == now.value(field)  # what is listed is left


@given(st.lists(EVENT, max_size=8))
def test_undone_twice_writes_nothing_more(events: list[tuple[str, WriteState, bool, dict[str, str]]]) -> None:
    now, journal = play(contact(), events)
    chosen = {e.id for e in journal if e.id is not None and e.id % 2 == 0}
    plan = planned(chosen, journal, now)
    done = [entry(1_000, *step.changes, undoes=step.undoes) for step in plan.steps]
    after = apply_to(now, [c for step in plan.steps for c in step.changes])
    again = planned(chosen, [*journal, *done], after)
    assert not again.steps
