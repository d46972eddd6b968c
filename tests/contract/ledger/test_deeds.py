"""OwedMarks, Journal, DeadLetters, Conflicts and Runs: what we did, owe and found (`shared/ports.py`)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.adapters.ledger import Ledger
from shared.domain.changes import Candidate, Conflict, ConflictReason, FieldChange, Kind
from shared.domain.errors import Permanent
from shared.domain.messages import (
    Lane,
    LifecycleEvent,
    Reason,
    SubscriptionTouched,
    encode,
)
from shared.domain.records import LastFull, OpenConflict, Owed, RunState, WriteState
from tests.support.clock import START
from tests.support.ledger import CUSTOMER, TENANT, a_letter, a_run, an_entry

OTHER = CUSTOMER + 1
LATER = START + timedelta(minutes=5)


# --- OwedMarks ------------------------------------------------------------------------------------------------


async def test_must_raise_the_generation_by_one_and_give_it(ledger: Ledger) -> None:
    """must: raise the customer's generation by one and give it"""
    marks = [await ledger.owed.mark(CUSTOMER, "paused", START) for _ in range(3)]
    assert marks == [1, 2, 3]
    assert await ledger.owed.mark(OTHER, "paused", START) == 1


async def test_must_raise_the_generation_after_a_clear_as_well(ledger: Ledger) -> None:
    """must: raise the customer's generation by one and give it"""
    await ledger.owed.mark(CUSTOMER, "paused", START)
    await ledger.owed.clear(CUSTOMER, 1)
    assert await ledger.owed.mark(CUSTOMER, "paused again", LATER) == 2
    assert await ledger.owed.owed() == [Owed(CUSTOMER, 2, "paused again", LATER)]


async def test_marks_at_once_are_all_counted(ledger: Ledger) -> None:
    marks = await asyncio.gather(*(ledger.owed.mark(CUSTOMER, "paused", START) for _ in range(20)))
    assert sorted(marks) == list(range(1, 21))


async def test_owed_says_since_when_and_why(ledger: Ledger) -> None:
    await ledger.owed.mark(OTHER, "consent revoked", LATER)
    await ledger.owed.mark(CUSTOMER, "paused", START)
    await ledger.owed.mark(CUSTOMER, "shrunken listing", LATER + timedelta(hours=1))
    assert await ledger.owed.owed() == [
        Owed(CUSTOMER, 2, "shrunken listing", START),
        Owed(OTHER, 1, "consent revoked", LATER),
    ]


async def test_must_clear_only_if_no_mark_came_after(ledger: Ledger) -> None:
    """must: clear only if no mark came after `generation`"""
    await ledger.owed.mark(CUSTOMER, "paused", START)
    await ledger.owed.mark(CUSTOMER, "paused", START)
    assert not await ledger.owed.clear(CUSTOMER, 1)
    assert [owed.generation for owed in await ledger.owed.owed()] == [2]
    assert await ledger.owed.clear(CUSTOMER, 2)
    assert await ledger.owed.owed() == []
    assert await ledger.owed.clear(CUSTOMER, 2)


async def test_customer_that_was_never_marked_owes_nothing(ledger: Ledger) -> None:
    assert await ledger.owed.clear(CUSTOMER, 0)
    assert await ledger.owed.owed() == []


# --- Journal --------------------------------------------------------------------------------------------------


async def test_entry_comes_back_as_it_was_meant(ledger: Ledger) -> None:
    changes = (
        FieldChange("name", "", "Zoë O'Neil — 山田", Kind.PROFILE, "new"),
        FieldChange("azure_license", "x", "", Kind.OWNED, "no licence any more"),
    )
    entry = replace(an_entry(), changes=changes, run_id="run-1")
    entry_id = await ledger.journal.intend(entry)
    assert await ledger.journal.entries() == [replace(entry, id=entry_id)]


async def test_settled_entry_says_how_it_ended(ledger: Ledger) -> None:
    entry_id = await ledger.journal.intend(an_entry(action="create"))
    await ledger.journal.settle(entry_id, WriteState.WRITTEN, at=LATER, contact_id=99, unstuck=("phone",))
    (found,) = await ledger.journal.entries()
    assert (found.state, found.settled_at, found.contact_id, found.unstuck) == (
        WriteState.WRITTEN,
        LATER,
        99,
        ("phone",),
    )


async def test_settling_without_a_contact_keeps_the_known_one(ledger: Ledger) -> None:
    entry_id = await ledger.journal.intend(an_entry())
    await ledger.journal.settle(entry_id, WriteState.REFUSED, at=LATER)
    (found,) = await ledger.journal.entries()
    assert (found.state, found.contact_id) == (WriteState.REFUSED, 7)


async def test_settling_an_unknown_entry_is_refused(ledger: Ledger) -> None:
    with pytest.raises(Permanent) as refusal:
        await ledger.journal.settle(12345, WriteState.WRITTEN, at=LATER)
    assert refusal.value.code == "unknown_entry"


async def test_open_creation_is_the_newest_whose_end_is_not_known(ledger: Ledger) -> None:
    """The newest creation for this user whose end is not known (intended or ambiguous)."""
    journal = ledger.journal
    assert await journal.open_creation(CUSTOMER, "anna") is None
    await journal.intend(an_entry())
    assert await journal.open_creation(CUSTOMER, "anna") is None
    first = await journal.intend(an_entry(action="create"))
    second = await journal.intend(an_entry(action="create"))
    await journal.settle(first, WriteState.AMBIGUOUS, at=LATER)
    assert _id(await journal.open_creation(CUSTOMER, "anna")) == second
    await journal.settle(second, WriteState.WRITTEN, at=LATER, contact_id=5)
    assert _id(await journal.open_creation(CUSTOMER, "anna")) == first
    await journal.settle(first, WriteState.REFUSED, at=LATER)
    assert await journal.open_creation(CUSTOMER, "anna") is None


async def test_open_creation_of_another_user_or_customer_is_not_ours(ledger: Ledger) -> None:
    await ledger.journal.intend(an_entry("bert", action="create"))
    await ledger.journal.intend(an_entry("anna", action="create", customer_id=OTHER))
    assert await ledger.journal.open_creation(CUSTOMER, "anna") is None


async def test_must_give_every_contact_that_we_made(ledger: Ledger) -> None:
    """must: give every contact that we made for the customer, contact id -> user id; those of one user alone"""
    for user_id, contact_id, customer_id in (("anna", 5, CUSTOMER), ("bert", 6, CUSTOMER), ("anna", 8, OTHER)):
        made = await ledger.journal.intend(an_entry(user_id, action="create", customer_id=customer_id))
        await ledger.journal.settle(made, WriteState.WRITTEN, at=LATER, contact_id=contact_id)
    await ledger.journal.intend(an_entry("carl", action="create"))
    await ledger.journal.intend(an_entry("anna"))
    assert await ledger.journal.created(CUSTOMER) == {5: "anna", 6: "bert"}
    assert await ledger.journal.created(CUSTOMER, user_id="bert") == {6: "bert"}
    assert await ledger.journal.created(CUSTOMER, user_id="carl") == {}


async def test_entries_newest_first(ledger: Ledger) -> None:
    """Newest first."""
    ids = [await ledger.journal.intend(an_entry(f"user-{number}")) for number in range(5)]
    assert [entry.id for entry in await ledger.journal.entries()] == sorted(ids, reverse=True)
    assert [entry.id for entry in await ledger.journal.entries(limit=2)] == [ids[4], ids[3]]


async def test_entries_of_a_customer_and_of_a_user(ledger: Ledger) -> None:
    ours = await ledger.journal.intend(an_entry("anna"))
    other = await ledger.journal.intend(an_entry("anna", customer_id=OTHER))
    bert = await ledger.journal.intend(an_entry("bert"))
    assert [e.id for e in await ledger.journal.entries(customer_id=CUSTOMER)] == [bert, ours]
    assert [e.id for e in await ledger.journal.entries(user_id="anna")] == [other, ours]
    assert [e.id for e in await ledger.journal.entries(customer_id=CUSTOMER, user_id="anna")] == [ours]


async def test_must_give_all_entries_outside_full_passes(ledger: Ledger) -> None:
    """must: give all entries intended at `since` or later that no full pass asked for, or that the run `or_in` did
    must: leave out what takes a write back"""

    async def intend(run_id: str | None, trace_id: str, intended_at: datetime = LATER, **more: Any) -> int:
        entry = replace(an_entry(), run_id=run_id, trace_id=trace_id, intended_at=intended_at, **more)
        return await ledger.journal.intend(entry)

    before = START - timedelta(microseconds=1)
    await intend(None, "hint", before)
    await intend("mine", "mine", before)
    at_once, ours, later = await intend(None, "hint", START), await intend("mine", "mine"), await intend(None, "hint")
    await intend("another", "another")
    by_hand = await intend("for-one-user", "its own", cause=Reason.MANUAL)
    again = await intend("replay", "replay:letter", cause=Reason.REPLAY)
    await intend("undo", "undo", cause=Reason.MANUAL, undoes=at_once)
    await intend("undo", "its own", cause=Reason.MANUAL, undoes=at_once)
    await intend(None, "hint", customer_id=OTHER)
    assert await _outside(ledger, or_in="mine") == [again, by_hand, later, ours, at_once]
    assert await _outside(ledger, or_in=None) == [again, by_hand, later, at_once]
    assert await _outside(ledger, or_in="unknown") == [again, by_hand, later, at_once]


async def test_entries_outside_full_passes_are_not_cut_off(ledger: Ledger) -> None:
    """must: give all entries intended at `since` or later that no full pass asked for, or that the run `or_in` did"""
    for number in range(130):
        await ledger.journal.intend(an_entry(f"user-{number}"))
    assert len(await _outside(ledger, or_in=None)) == 130


async def _outside(ledger: Ledger, or_in: str | None) -> list[int | None]:
    return [entry.id for entry in await ledger.journal.outside_passes(CUSTOMER, START, or_in=or_in)]


async def test_write_to_the_customer_itself_has_no_user_and_no_contact(ledger: Ledger) -> None:
    entry = replace(an_entry("", action="customer"), contact_id=None, cause=Reason.RECONCILE, run_id="run-1")
    entry_id = await ledger.journal.intend(entry)
    await ledger.journal.settle(entry_id, WriteState.AMBIGUOUS, at=LATER)
    (found,) = await ledger.journal.entries(customer_id=CUSTOMER)
    assert (found.action, found.user_id, found.contact_id, found.state) == ("customer", "", None, WriteState.AMBIGUOUS)
    assert await ledger.journal.entries(user_id="") == [found]
    assert await ledger.journal.open_creation(CUSTOMER, "") is None
    assert await ledger.journal.created(CUSTOMER) == {}


def _id(entry: object) -> object:
    return getattr(entry, "id", None)


# --- DeadLetters ----------------------------------------------------------------------------------------------


async def test_letter_comes_back_with_what_it_speaks_of(ledger: Ledger) -> None:
    letter = a_letter(last_seen=LATER)
    await ledger.dead_letters.record(letter)
    found = await ledger.dead_letters.get("letter-1")
    assert found is not None
    assert (found.body, found.lane, found.tenant_id, found.user_ids) == (
        letter.body,
        Lane.LIVE,
        TENANT,
        ("anna", "bert"),
    )
    assert (found.error_class, found.detail, found.attempts) == ("Permanent", "contact was refused", 15)
    assert (found.first_seen, found.last_seen, found.status, found.settled_at) == (START, LATER, "open", None)
    assert await ledger.dead_letters.get("unknown") is None


async def test_letter_of_a_subscription_names_its_tenant(ledger: Ledger) -> None:
    event = SubscriptionTouched(
        tenant_id=TENANT, noticed_at=START, trace_id="t", subscription_id="s", event=LifecycleEvent.MISSED
    )
    await ledger.dead_letters.record(a_letter(body=encode(event)))
    found = await ledger.dead_letters.get("letter-1")
    assert found is not None
    assert (found.tenant_id, found.user_ids) == (TENANT, ())


async def test_unreadable_bytes_are_kept_whole(ledger: Ledger) -> None:
    body = bytes(range(256))
    await ledger.dead_letters.record(a_letter(body=body))
    found = await ledger.dead_letters.get("letter-1")
    assert found is not None
    assert (found.body, found.tenant_id, found.user_ids) == (body, None, ())


async def test_must_be_harmless_when_the_same_letter_id_comes_twice(ledger: Ledger) -> None:
    """must: be harmless when the same letter_id comes twice"""
    await ledger.dead_letters.record(a_letter())
    await ledger.dead_letters.settle("letter-1", "replayed", LATER)
    await ledger.dead_letters.record(a_letter())
    (found,) = await ledger.dead_letters.list(status=None)
    assert (found.status, found.settled_at) == ("replayed", LATER)


async def test_must_give_false_when_it_was_settled_already(ledger: Ledger) -> None:
    """must: give False when it was settled already (two operators, one replay)"""
    await ledger.dead_letters.record(a_letter())
    answers = await asyncio.gather(*(ledger.dead_letters.settle("letter-1", "replayed", LATER) for _ in range(5)))
    assert sorted(answers) == [False, False, False, False, True]
    assert not await ledger.dead_letters.settle("letter-1", "discarded", LATER)
    assert not await ledger.dead_letters.settle("unknown", "discarded", LATER)


async def test_letters_by_status_latest_first(ledger: Ledger) -> None:
    for number in range(4):
        await ledger.dead_letters.record(a_letter(f"letter-{number}", last_seen=START + timedelta(minutes=number)))
    await ledger.dead_letters.settle("letter-2", "discarded", LATER)
    letters = ledger.dead_letters
    assert [found.letter_id for found in await letters.list()] == ["letter-3", "letter-1", "letter-0"]
    assert [found.letter_id for found in await letters.list(limit=1)] == ["letter-3"]
    assert [found.letter_id for found in await letters.list(status="discarded")] == ["letter-2"]
    assert len(await letters.list(status=None)) == 4


# --- Conflicts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ConflictReason)
async def test_conflict_comes_back(ledger: Ledger, reason: ConflictReason) -> None:
    candidates = (Candidate(7, ("name", "phone")), Candidate(8, ()))
    await ledger.conflicts.open(Conflict("anna", CUSTOMER, reason, candidates), START)
    assert await ledger.conflicts.list() == [OpenConflict(CUSTOMER, "anna", reason, candidates, START, START)]


async def test_must_keep_first_seen_when_the_conflict_is_known(ledger: Ledger) -> None:
    """must: keep first_seen when the conflict is known"""
    await ledger.conflicts.open(Conflict("anna", CUSTOMER, ConflictReason.ALIAS_ONLY, ()), START)
    renewed = Conflict("anna", CUSTOMER, ConflictReason.SEVERAL_CONTACTS, (Candidate(7, ("name",)),))
    await ledger.conflicts.open(renewed, LATER)
    assert await ledger.conflicts.list(CUSTOMER) == [
        OpenConflict(CUSTOMER, "anna", renewed.reason, renewed.candidates, START, LATER)
    ]


async def test_closed_conflict_is_gone_and_a_new_one_is_new(ledger: Ledger) -> None:
    conflict = Conflict("anna", CUSTOMER, ConflictReason.ALIAS_ONLY, ())
    await ledger.conflicts.open(conflict, START)
    await ledger.conflicts.close(CUSTOMER, "anna")
    await ledger.conflicts.close(CUSTOMER, "anna")
    assert await ledger.conflicts.list() == []
    await ledger.conflicts.open(conflict, LATER)
    assert [found.first_seen for found in await ledger.conflicts.list()] == [LATER]


async def test_conflicts_of_one_customer(ledger: Ledger) -> None:
    for customer_id, user_id in ((OTHER, "anna"), (CUSTOMER, "bert"), (CUSTOMER, "anna")):
        await ledger.conflicts.open(Conflict(user_id, customer_id, ConflictReason.ALIAS_ONLY, ()), START)
    assert [found.user_id for found in await ledger.conflicts.list(CUSTOMER)] == ["anna", "bert"]
    assert len(await ledger.conflicts.list()) == 3


# --- Runs -----------------------------------------------------------------------------------------------------


async def test_run_comes_back(ledger: Ledger) -> None:
    await ledger.runs.start(a_run())
    assert await ledger.runs.get("run-1") == a_run()
    assert await ledger.runs.get("unknown") is None


async def test_run_comes_back_with_all_it_knows(ledger: Ledger) -> None:
    run = replace(
        a_run(),
        finished_at=LATER,
        state=RunState.HALTED,
        full=True,
        considered=40,
        held=2,
        graph_calls=6,
        syncro_calls=3,
        writes=1,
        notes=("The users' last activity is unknown: “P1” is missing.", "2 guests"),
    )
    await ledger.runs.start(run)
    assert await ledger.runs.get("run-1") == run
    assert await ledger.runs.recent(CUSTOMER) == [run]


async def test_must_take_over_everything_but_the_start_and_the_outcomes(ledger: Ledger) -> None:
    """must: started again, take over everything but the time it started and its outcomes"""
    await ledger.runs.start(replace(a_run(), state=RunState.READING, full=True, notes=("first",)))
    await ledger.runs.outcome("run-1", "anna", "Synced", START, calls=2, writes=1)
    again = replace(
        a_run(started_at=LATER), planned=9, considered=12, held=1, graph_calls=5, syncro_calls=4, notes=("second",)
    )
    await ledger.runs.start(replace(again, outcomes={"Ignored": 7}))
    assert await ledger.runs.get("run-1") == replace(
        again, started_at=START, outcomes={"Synced": 1}, syncro_calls=4 + 2, writes=1
    )


async def test_must_keep_one_outcome_per_user_the_newest(ledger: Ledger) -> None:
    """must: keep one outcome per user, the newest, and add up calls and writes of all of them"""
    await ledger.runs.start(a_run())
    await ledger.runs.outcome("run-1", "anna", "Failed", START)
    await ledger.runs.outcome("run-1", "anna", "Synced", LATER)
    await ledger.runs.outcome("run-1", "anna", "Held", START + timedelta(minutes=1))
    await ledger.runs.outcome("run-1", "bert", "Synced", LATER)
    await ledger.runs.outcome("run-1", "carl", "Held", LATER)
    await ledger.runs.outcome("run-2", "carl", "Held", LATER)
    run = await ledger.runs.get("run-1")
    assert run is not None
    assert run.outcomes == {"Synced": 2, "Held": 1}


async def test_must_add_up_calls_and_writes_of_all_outcomes(ledger: Ledger) -> None:
    """must: keep one outcome per user, the newest, and add up calls and writes of all of them"""
    await ledger.runs.start(replace(a_run(), syncro_calls=3, writes=1))
    await ledger.runs.outcome("run-1", "anna", "Synced", LATER, calls=2, writes=1)
    await ledger.runs.outcome("run-1", "anna", "Failed", START, calls=4)  # an earlier try, noted later
    await ledger.runs.outcome("run-1", "bert", "Synced", LATER, calls=2, writes=1)
    await ledger.runs.outcome("run-1", "carl", "Excluded", LATER)
    await ledger.runs.outcome("run-2", "carl", "Synced", LATER, calls=50, writes=50)
    run = await ledger.runs.get("run-1")
    assert run is not None
    assert (dict(run.outcomes), run.syncro_calls, run.writes) == ({"Synced": 2, "Excluded": 1}, 3 + 8, 1 + 2)
    assert await ledger.runs.recent() == [run]


async def test_outcomes_at_once_all_count(ledger: Ledger) -> None:
    await ledger.runs.start(a_run())
    noted = (ledger.runs.outcome("run-1", "anna", "Synced", LATER, calls=2, writes=1) for _ in range(20))
    await asyncio.gather(*noted)
    run = await ledger.runs.get("run-1")
    assert run is not None
    assert (dict(run.outcomes), run.syncro_calls, run.writes) == ({"Synced": 1}, 40, 20)


@pytest.mark.parametrize("state", [RunState.DONE, RunState.HALTED, RunState.FAILED])
async def test_finished_run_says_when_and_how(ledger: Ledger, state: RunState) -> None:
    await ledger.runs.start(a_run())
    await ledger.runs.finish("run-1", LATER, state)
    await ledger.runs.finish("unknown", LATER, state)
    assert await ledger.runs.get("run-1") == replace(a_run(), finished_at=LATER, state=state)


@pytest.mark.parametrize("state", [RunState.HALTED, RunState.FAILED])
async def test_must_never_turn_a_halted_or_failed_run_into_one_that_is_done(ledger: Ledger, state: RunState) -> None:
    """must: never turn a run that was halted or failed into one that is done"""
    await ledger.runs.start(a_run())
    await ledger.runs.finish("run-1", START, state)
    await ledger.runs.finish("run-1", LATER)
    assert await ledger.runs.get("run-1") == replace(a_run(), finished_at=START, state=state)


async def test_must_leave_out_runs_that_are_still_reading_or_that_failed(ledger: Ledger) -> None:
    """Customer id -> its newest full runs. must: leave out runs that are still reading or that failed"""
    hours = [START + timedelta(hours=hour) for hour in range(6)]
    for hour, state in enumerate(
        (RunState.DONE, RunState.DONE, RunState.HALTED, RunState.WORKING, RunState.READING, RunState.FAILED)
    ):
        await _run(ledger, f"run-{hour}", hours[hour], state)
    await _run(ledger, "one-user", hours[5], RunState.DONE, full=False)
    await _run(ledger, "halted", hours[2], RunState.HALTED, customer_id=OTHER)
    await _run(ledger, "reading", hours[0], RunState.READING, customer_id=OTHER + 1)
    assert await ledger.runs.full() == {CUSTOMER: LastFull(hours[3], hours[1]), OTHER: LastFull(hours[2], None)}


async def test_no_customer_ran_yet(ledger: Ledger) -> None:
    assert await ledger.runs.full() == {}


async def _run(
    ledger: Ledger,
    run_id: str,
    started_at: datetime,
    state: RunState,
    *,
    full: bool = True,
    customer_id: int = CUSTOMER,
) -> None:
    run = a_run(run_id, started_at=started_at, customer_id=customer_id)
    await ledger.runs.start(replace(run, state=state, full=full))


async def test_recent_runs_newest_first(ledger: Ledger) -> None:
    """Newest first; those of every customer with None."""
    for number in range(4):
        await ledger.runs.start(
            a_run(f"run-{number}", started_at=START + timedelta(hours=number), customer_id=CUSTOMER + number % 2)
        )
    await ledger.runs.outcome("run-2", "anna", "Synced", LATER)
    recent = await ledger.runs.recent()
    assert [run.run_id for run in recent] == ["run-3", "run-2", "run-1", "run-0"]
    assert [dict(run.outcomes) for run in recent] == [{}, {"Synced": 1}, {}, {}]
    assert [run.run_id for run in await ledger.runs.recent(CUSTOMER)] == ["run-2", "run-0"]
    assert [run.run_id for run in await ledger.runs.recent(limit=1)] == ["run-3"]
    assert await ledger.runs.recent(customer_id=0) == []
