"""Traces of another tool that writes the same contacts: what counts, and what looks like it and does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.changes import FieldChange, Kind, NoChange, UpdateContact
from shared.domain.contact import Contact
from shared.domain.messages import Reason
from shared.domain.preview import Preview, PreviewRow
from shared.domain.records import JournalEntry, WriteState
from shared.domain.second_writer import Evidence, Known, Trace, created, evidence, in_bulk, put_back, touched
from tests.support.clock import START as NOW

CUSTOMER = 7
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
BEFORE = NOW - 400 * DAY  # when the contacts were made
CONNECTED = NOW - 60 * DAY
USERS = frozenset(range(1, 9))  # contacts 1 to 8 belong to users


def a_contact(contact_id: int, changed: datetime | None, made: datetime = BEFORE) -> Contact:
    return Contact(contact_id, CUSTOMER, f"Contact {contact_id}", created_at=made, updated_at=changed or made)


def an_entry(at: datetime, before: str, after: str, contact_id: int = 1, **facts: Any) -> JournalEntry:
    change = FieldChange("title", before, after, Kind.PROFILE, "why")
    entry = JournalEntry(
        CUSTOMER, f"u{contact_id}", contact_id, "update", (change,), Reason.DELTA, "t", at, state=WriteState.WRITTEN
    )
    return replace(entry, **facts)


def a_fight(times: int, every: timedelta = HOUR) -> list[JournalEntry]:
    """We write CFO, somebody writes Boss, we come back; newest first as the journal has it."""
    return [an_entry(NOW - n * every, "Boss", "CFO") for n in range(times + 1)]


def known(entries: Sequence[JournalEntry] = (), made: frozenset[int] = frozenset()) -> Known:
    return Known(entries, made, CONNECTED)


class TestPutBack:
    def test_three_times_within_seven_days(self) -> None:
        found = put_back(a_fight(3), NOW)
        assert found == Evidence(Trace.PUT_BACK, (1,), NOW, 3, ("title",))
        assert "title" in found.sentence

    def test_once_or_twice_is_a_technician(self) -> None:
        assert put_back(a_fight(2), NOW) is None

    def test_more_slowly_than_that_it_is_forgotten(self) -> None:
        assert put_back(a_fight(5, every=4 * DAY), NOW) is None

    def test_what_would_be_written_now_counts_too(self) -> None:
        again = FieldChange("title", "Boss", "CFO", Kind.PROFILE, "why")
        assert put_back(a_fight(2), NOW, {1: [again]}) is not None

    def test_over_several_contacts_it_adds_up(self) -> None:
        entries = [an_entry(NOW - n * HOUR, "Boss", "CFO", contact_id=1 + n % 3) for n in range(6)]
        found = put_back(entries, NOW)
        assert found is not None
        assert found.contacts == (1, 2, 3)

    @pytest.mark.parametrize(
        "entries",
        [
            # Entra itself moved to and fro: what we found was what we had written
            [an_entry(NOW - n * HOUR, *(("A", "B") if n % 2 else ("B", "A"))) for n in range(8)],
            # Syncro did not keep it: nobody changed anything
            [an_entry(NOW - n * HOUR, "", "CFO", unstuck=("title",)) for n in range(8)],
            # nothing was written
            [an_entry(NOW - n * HOUR, "Boss", "CFO", state=WriteState.REFUSED) for n in range(8)],
            # a last activity moves on every day
            [an_entry(NOW - n * HOUR, f"2026-01-0{8 - n}", f"2026-01-0{9 - n}") for n in range(8)],
            # we wrote what stood there
            [an_entry(NOW - n * HOUR, "CFO", " CFO") for n in range(8)],
        ],
        ids=["moved", "unstuck", "refused", "moving", "again"],
    )
    def test_nobody_put_anything_back(self, entries: list[JournalEntry]) -> None:
        assert put_back(entries, NOW) is None


class TestInBulk:
    def at(self, when: datetime, count: int = 5, apart: timedelta = timedelta(seconds=20)) -> list[Contact]:
        return [a_contact(n, when + (n - 1) * apart) for n in range(1, count + 1)]

    def test_five_users_and_nobody_else_within_two_minutes(self) -> None:
        found = in_bulk([*self.at(NOW - DAY), a_contact(50, None)], USERS, known(), NOW)
        assert found is not None
        assert (found.contacts, found.times) == ((1, 2, 3, 4, 5), 5)

    def test_four_are_a_person_at_work(self) -> None:
        assert in_bulk(self.at(NOW - DAY, count=4), USERS, known(), NOW) is None

    def test_five_over_ten_minutes_are_too(self) -> None:
        assert in_bulk(self.at(NOW - DAY, apart=2 * MINUTE), USERS, known(), NOW) is None

    def test_an_import_does_not_stop_at_those_who_have_a_user(self) -> None:
        assert in_bulk([*self.at(NOW - DAY), a_contact(50, NOW - DAY)], USERS, known(), NOW) is None

    def test_contacts_that_never_changed_since_they_were_made_say_nothing(self) -> None:
        made = NOW - DAY
        assert in_bulk([a_contact(n, made, made) for n in USERS], USERS, known(), NOW) is None

    def test_old_traces_say_nothing_about_today(self) -> None:
        assert in_bulk(self.at(NOW - 8 * DAY), USERS, known(), NOW) is None

    def test_our_own_full_sync_is_no_trace(self) -> None:
        ours = [an_entry(NOW - DAY + MINUTE, "", "CFO", contact_id=n, settled_at=NOW - DAY + MINUTE) for n in USERS]
        assert in_bulk(self.at(NOW - DAY), USERS, known(ours), NOW) is None

    def test_a_write_of_ours_at_another_time_explains_nothing(self) -> None:
        ours = [an_entry(NOW - 3 * DAY, "", "CFO", contact_id=n) for n in USERS]
        assert in_bulk(self.at(NOW - DAY), USERS, known(ours), NOW) is not None

    def test_what_the_journal_does_not_reach_back_to_is_not_judged(self) -> None:
        short = Known((), frozenset(), CONNECTED, since=NOW - HOUR)
        assert in_bulk(self.at(NOW - DAY), USERS, short, NOW) is None

    def test_an_older_run_is_found_behind_a_person_s_single_edits(self) -> None:
        found = in_bulk([*self.at(NOW - 2 * DAY), a_contact(6, NOW - HOUR), a_contact(50, NOW)], USERS, known(), NOW)
        assert found is not None


class TestCreated:
    def made(self, when: datetime, count: int = 3) -> list[Contact]:
        return [a_contact(n, when, when + timedelta(seconds=n)) for n in range(1, count + 1)]

    def test_three_users_within_a_minute_after_the_connection(self) -> None:
        found = created(self.made(NOW - DAY), USERS, known(), NOW)
        assert found is not None
        assert (found.trace, found.contacts) == (Trace.CREATED, (1, 2, 3))

    def test_two_are_a_technician(self) -> None:
        assert created(self.made(NOW - DAY, count=2), USERS, known(), NOW) is None

    def test_before_the_connection_anybody_may_have_filled_syncro(self) -> None:
        assert created(self.made(CONNECTED - DAY), USERS, known(), NOW) is None

    def test_what_was_made_long_ago_says_nothing_about_today(self) -> None:
        assert created(self.made(NOW - 8 * DAY), USERS, known(), NOW) is None

    def test_ours_are_ours(self) -> None:
        assert created(self.made(NOW - DAY), USERS, known(made=frozenset({1})), NOW) is None

    def test_a_creation_whose_answer_was_lost_may_be_ours(self) -> None:
        lost = an_entry(NOW - DAY, "", "x", action="create", state=WriteState.AMBIGUOUS)
        assert created(self.made(NOW - DAY), USERS, known([replace(lost, contact_id=None)]), NOW) is None

    def test_contacts_without_a_user_are_no_trace_of_a_user_sync(self) -> None:
        assert created([a_contact(50 + n, NOW - DAY, NOW - DAY) for n in range(5)], USERS, known(), NOW) is None


MOMENTS = st.integers(0, 40).map(lambda minutes: NOW - minutes * MINUTE)


@given(st.lists(st.tuples(st.integers(1, 8), MOMENTS), max_size=60))
def test_whatever_we_write_ourselves_is_never_a_trace(writes: list[tuple[int, datetime]]) -> None:
    """Each contact was last changed by the last of our writes, and each write found what the one before had left."""
    left: dict[int, int] = {}
    entries, changed = [], {}
    for number, (contact_id, at) in enumerate(sorted(writes, key=lambda write: write[1])):
        before = left.get(contact_id, -1)
        entries.append(an_entry(at, f"value {before}", f"value {number}", contact_id, settled_at=at))
        left[contact_id], changed[contact_id] = number, at
    contacts = tuple(a_contact(n, changed.get(n)) for n in USERS)
    rows = tuple(PreviewRow("", "", NoChange(f"u{n}", CUSTOMER, n, "mail")) for n in USERS)
    assert evidence(Preview(CUSTOMER, rows, contacts), known(entries[::-1]), NOW) == ()


@given(st.lists(st.tuples(st.integers(1, 8), MOMENTS), max_size=60), st.integers(0, 4))
def test_fewer_than_five_contacts_are_never_a_bulk(edits: list[tuple[int, datetime]], people: int) -> None:
    contacts = [a_contact(n, at) for n, at in edits if n <= people]
    assert in_bulk({one.id: one for one in contacts}.values(), USERS, known(), NOW) is None


def test_a_preview_gives_every_trace_and_each_contact_counts_once() -> None:
    changed = [a_contact(n, NOW - DAY) for n in range(1, 6)]
    change = FieldChange("title", "Boss", "CFO", Kind.PROFILE, "why")
    rows = [PreviewRow("", "", UpdateContact("u1", CUSTOMER, 1, (change,), "mail"))]
    rows += [PreviewRow("", "", NoChange(f"u{n}", CUSTOMER, n, "mail")) for n in range(2, 6)]
    found = evidence(Preview(CUSTOMER, tuple(rows), tuple(changed)), known(a_fight(2, every=HOUR)), NOW)
    assert [one.trace for one in found] == [Trace.PUT_BACK, Trace.IN_BULK]
    assert touched(found) == 5


def test_a_quiet_customer_has_none() -> None:
    rows = tuple(PreviewRow("", "", NoChange(f"u{n}", CUSTOMER, n, "mail")) for n in range(1, 6))
    assert evidence(Preview(CUSTOMER, rows, tuple(a_contact(n, None) for n in range(1, 9))), known(), NOW) == ()
