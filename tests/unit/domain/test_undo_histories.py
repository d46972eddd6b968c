"""Random histories of a run, live changes and people: what a run undone gives back, and what it lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.changes import FieldChange
from shared.domain.contact import PLAIN_FIELDS, Contact
from shared.domain.plan import apply_to
from shared.domain.policy import SyncPolicy
from shared.domain.records import JournalEntry, WriteState
from shared.domain.undo import undo_plan
from shared.domain.undo_contact import Facts, comparing
from shared.domain.undo_steps import (
    Recreate,
    Remove,
    Restore,
    UndoPlan,
    Why,
)
from tests.unit.domain.test_undo import CUSTOMER, change, entry

FIELDS = (*PLAIN_FIELDS, "azure_license", "azure_account_status")
VALUES = ("", "Ann Lee", "Ben Roth", "+1 217 555 0111", "2175550122", "a@x.example")
SOME = st.dictionaries(st.sampled_from(FIELDS), st.sampled_from(VALUES), min_size=1, max_size=4)


@dataclass(frozen=True, slots=True)
class Event:
    """`who`: the run, a live change of ours, or people. `lucky`: an unanswered write arrived, a written one was kept.

    `number`: which of the contacts that are there.
    """

    who: str
    what: str
    state: WriteState
    lucky: bool
    number: int
    values: dict[str, str]


EVENT = st.builds(
    Event,
    st.sampled_from(["run", "run", "live", "people"]),
    st.sampled_from(["update", "update", "update", "create", "delete"]),
    st.sampled_from(
        [WriteState.WRITTEN, WriteState.WRITTEN, WriteState.AMBIGUOUS, WriteState.INTENDED, WriteState.REFUSED]
    ),
    st.booleans(),
    st.integers(0, 3),
    SOME,
)


Place = tuple[int, str]  # contact id, field


class History:
    """Contacts as they come out of events, and what stands in the journal, oldest first.

    Kept beside it, and unknown to the plan: `last`, who changed a field last; `base`, what stood there before the run's
    last uninterrupted changes.
    """

    def __init__(self, start: Sequence[dict[str, str]], events: Sequence[Event]) -> None:
        self.now = {
            number: apply_to(Contact(number, CUSTOMER), [change(f, "", v) for f, v in values.items()])
            for number, values in enumerate(start, 1)
        }
        self.before, self.journal = dict(self.now), list[JournalEntry]()
        self.chosen = set[int]()
        self._numbers = count(101)
        self.last, self.base = dict[Place, str](), dict[Place, str]()
        self.met_people = set[int]()  # contacts that people changed at any time
        self.ended = dict[int, Contact]()  # those that are gone, as they were at last
        self.unclear = set[int]()  # met by people after a deletion of ours that seems to have ended them, and had not
        self.back = dict[int, int]()  # those that came back: old number -> new
        for event in events:
            {"update": self._update, "create": self._create, "delete": self._delete}[event.what](event)

    def plan(self) -> UndoPlan:
        facts = Facts(self.now, SyncPolicy())
        return undo_plan(CUSTOMER, self.chosen, list(reversed(self.journal)), facts)

    def carry_out(self, plan: UndoPlan) -> dict[int, Contact]:
        """The contacts afterwards; the journal has what was done."""
        after, same = dict(self.now), comparing(SyncPolicy())
        assert not any(same(c.field, c.before, c.after) for step in plan.steps for c in step.changes)
        for step in plan.steps:
            number, action = step.contact_id, "update"
            match step:
                case Restore():
                    after[number] = apply_to(after[number], step.changes)
                case Remove():
                    del after[number]
                    action = "delete"
                case Recreate():
                    number, action = next(self._numbers), "create"
                    self.back[step.contact_id] = number
                    after[number] = apply_to(Contact(number, CUSTOMER), step.changes)
            self._note(number, step.changes, action=action, undoes=step.undoes)
        return after

    def there(self, number: int) -> Contact:
        """Now, or when it went."""
        return self.now.get(number) or self.ended[number]

    def _note(self, contact_id: int | None, changes: Sequence[FieldChange], **facts: object) -> int:
        number = len(self.journal) + 1
        made = entry(number, *changes, contact_id=contact_id, user_id=f"u{contact_id}", **facts)  # type: ignore[arg-type]  # the facts are the test's
        self.journal.append(made)
        return number

    def _mine(self, event: Event, contact_id: int | None, changes: Sequence[FieldChange], **facts: object) -> None:
        if event.who != "people":
            number = self._note(contact_id, changes, state=event.state, **facts)
            self.chosen |= {number} if event.who == "run" else set()

    def _update(self, event: Event) -> None:
        if not self.now:
            return
        fresh = list(self.now.values())[event.number % len(self.now)]
        changes = [change(f, fresh.value(f), v) for f, v in event.values.items() if fresh.value(f) != v]
        is_ours, is_sure = event.who != "people", event.state is WriteState.WRITTEN
        lost = tuple(c.field for c in changes[:1]) if is_ours and is_sure and not event.lucky else ()
        if not is_ours or is_sure or (event.state is not WriteState.REFUSED and event.lucky):
            self._arrive(event.who, fresh, [c for c in changes if c.field not in lost])
        if changes:
            self._mine(event, fresh.id, changes, unstuck=lost)

    def _arrive(self, who: str, fresh: Contact, changes: Sequence[FieldChange]) -> None:
        self.now[fresh.id] = apply_to(fresh, changes)
        for each in changes:
            place = (fresh.id, each.field)
            if who == "run" and self.last.get(place) != "run":
                self.base[place] = each.before
            self.last[place] = who
        if who == "people" and changes:
            self.met_people.add(fresh.id)
            self._meet(fresh.id)

    def _create(self, event: Event) -> None:
        """One that was not answered stands in the journal without a number, whether it is there or not."""
        number, changes = next(self._numbers), [change(f, "", v) for f, v in event.values.items() if v]
        is_sure = event.who == "people" or event.state is WriteState.WRITTEN
        if is_sure or (event.state is not WriteState.REFUSED and event.lucky):
            self._arrive(event.who if is_sure else "nobody knows", Contact(number, CUSTOMER), changes)
        self._mine(event, number if is_sure else None, changes, action="create")

    def _delete(self, event: Event) -> None:
        if not self.now:
            return
        fresh = list(self.now.values())[event.number % len(self.now)]
        is_sure = event.who == "people" or event.state is WriteState.WRITTEN
        if is_sure or (event.state is not WriteState.REFUSED and event.lucky):
            self.ended[fresh.id] = self.now.pop(fresh.id)
        changes = [change(f, fresh.value(f), "") for f in FIELDS if fresh.value(f)]
        self._mine(event, fresh.id, changes, action="delete")

    def _meet(self, number: int) -> None:
        if self.may_have_ended(number):
            self.unclear.add(number)

    @property
    def made(self) -> set[int]:
        """What the run made, as far as anybody knows."""
        mine = (e for e in self.journal if e.id in self.chosen and e.action == "create")
        return {e.contact_id for e in mine if e.contact_id is not None}

    def is_as_we_left_it(self, number: int, field: str) -> bool:
        """Not by people; or by people, to a value that we wrote as well."""
        ours = {c.after for e in self._written(number) for c in e.changes if c.field == field}
        return self.last.get((number, field)) != "people" or self.there(number).value(field) in ours

    def _written(self, number: int) -> list[JournalEntry]:
        """Without deletions that never arrived: all but the one that was the last write of a contact that is gone."""
        mine = [e for e in self.journal if e.contact_id == number]
        last = mine[-1] if mine and number not in self.now and self.may_have_ended(number) else None
        return [e for e in mine if e.action != "delete" or e is last]

    def may_have_ended(self, number: int) -> bool:
        last = [e for e in self.journal if e.contact_id == number][-1:]
        return any(e.action == "delete" and e.state is not WriteState.REFUSED for e in last)

    def first(self, contact_id: int) -> dict[str, str]:
        """Field -> what stood there before the run wrote it for the first time."""
        mine = [c for e in self._written(contact_id) if e.id in self.chosen for c in e.changes]
        return {c.field: c.before for c in reversed(mine)}


@given(st.lists(SOME, max_size=2), st.lists(EVENT, max_size=10))
def test_a_run_undone_gives_what_stood_before_it_save_what_is_listed(
    start: list[dict[str, str]], events: list[Event]
) -> None:
    history = History(start, events)
    plan = history.plan()
    after = history.carry_out(plan)
    listed: dict[int | None, dict[str, Why]] = {}
    for left in plan.left:
        listed.setdefault(left.contact_id, {})[left.field] = left.why
    assert history.now.keys() - after.keys() == history.made & history.now.keys() - listed.keys()
    assert after.keys() - history.now.keys() == set(history.back.values())
    for number in history.made & history.now.keys():
        is_ours = all(history.is_as_we_left_it(number, field) for field in FIELDS)
        assert is_ours or after[number] == history.now[number]  # listed, and left as a whole
        if number not in history.met_people:
            assert number not in after
    for number in (after.keys() & history.now.keys()) - history.made:
        _assert_as_before(history, number, after[number], listed.get(number, {}))
    for number, new in history.back.items():
        assert number not in history.made
        if number not in history.unclear:
            _assert_as_before(history, number, after[new], listed.get(number, {}))
    gone = {e.contact_id for e in history.journal if e.id in history.chosen and e.contact_id} - history.now.keys()
    for number in gone - history.back.keys():
        assert listed[number][""] is (Why.UNDONE if history.may_have_ended(number) else Why.GONE)


def _assert_as_before(history: History, number: int, after: Contact, listed: dict[str, Why]) -> None:
    same, now, first = comparing(SyncPolicy()), history.there(number), history.first(number)
    for field in FIELDS:
        is_back = field in first and same(field, after.value(field), first[field])
        if history.last.get((number, field)) == "run":  # it is still the run's: back, or to what was set in between
            base = history.base[number, field]
            assert is_back or same(field, after.value(field), base), field
            assert is_back or listed[field] is Why.IN_BETWEEN, field
            assert not same(field, base, first[field]) or field not in listed, field
        elif field not in first or not history.is_as_we_left_it(number, field):
            assert after.value(field) == now.value(field)
        assert field not in first or is_back or field in listed, field


@given(st.lists(SOME, max_size=2), st.lists(EVENT, max_size=10))
def test_undone_twice_writes_nothing_more(start: list[dict[str, str]], events: list[Event]) -> None:
    history = History(start, events)
    history.now = history.carry_out(history.plan())
    assert not history.plan().steps
    history.chosen |= {e.id for e in history.journal if e.id is not None and e.undoes}
    assert not history.plan().steps, "everything since a day, with what took it back"
