"""What a look does with the facts that a full pass handed over, and what it says when they are not there."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shared.domain.changes import NoChange, UpdateContact
from shared.domain.errors import Transient
from shared.domain.facts import Facts
from shared.domain.messages import Lane, Reason, UsersTouched
from shared.domain.outcome import Held, Outcome, Synced
from shared.domain.records import Hold, Run, RunState
from tests.support.clock import START
from tests.support.station import CUSTOMER, TENANT, Station, person
from tests.support.virtual_time import run_virtual
from worker.handover import HandOver
from worker.look import cause_of
from worker.reported import LOST
from worker.sync import Sync

MFA, METHODS, ACTIVITY = "azure_mfa_status", "azure_mfa_methods", "azure_last_activity"


def of_pass(station: Station, facts_at: datetime | None, run_id: str | None = "run-1") -> UsersTouched:
    return station.hint("u1", reason=Reason.RECONCILE, run_id=run_id).model_copy(update={"facts_at": facts_at})


async def look(station: Station, facts_at: datetime | None = None) -> Outcome:
    sync = Sync(station.ports, station.settings, Lane.BACKFILL)
    outcomes = await station.sync_users(sync, of_pass(station, facts_at))
    return next(iter(outcomes.values()))


async def give(station: Station, read_at: datetime, **texts: str) -> None:
    await HandOver(station.world.memory).give(TENANT, CUSTOMER, "u1", Facts(read_at, **texts), [])


def says(station: Station, field: str) -> str:
    return station.world.contacts.held[1].value(field)


def test_facts_are_written_together_with_everything_else() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        await give(station, START, mfa_status="enabled", mfa_methods="Authenticator", last_activity="2026-11-20")
        outcome = await look(station, START)
        assert isinstance(outcome, Synced)
        assert (outcome.calls, outcome.writes, outcome.owed) == (2, 1, "")
        assert (says(station, MFA), says(station, METHODS)) == ("enabled", "Authenticator")
        assert (says(station, ACTIVITY), says(station, "name")) == ("2026-11-20", "Person u1")

    run_virtual(main())


@pytest.mark.parametrize(("hours", "known"), [(23.9, True), (24.1, False)])
def test_any_look_uses_them_for_a_day(hours: float, known: bool) -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        await give(station, START, mfa_status="enabled")
        station.world.clock.ahead += timedelta(hours=hours)
        outcome = await look(station)
        assert isinstance(outcome, Synced)
        assert not outcome.owed  # no pass asked for this look
        assert says(station, MFA) == ("enabled" if known else "")

    run_virtual(main())


@pytest.mark.parametrize(
    ("read_at", "facts_at", "lost"),
    [
        (None, START, True),
        (START - timedelta(hours=1), START, True),  # those of the night before
        (START, START, False),
        (START + timedelta(seconds=1), START, False),  # those of a newer pass
        (START - timedelta(hours=25), START - timedelta(hours=25), True),  # the look came too late
        (None, None, False),
    ],
)
def test_a_look_that_misses_its_facts_syncs_the_rest_and_the_customer_stays_owed(
    read_at: datetime | None, facts_at: datetime | None, lost: bool
) -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        if read_at is not None:
            await give(station, read_at, mfa_status="enabled")
        outcome = await look(station, facts_at)
        assert isinstance(outcome, Synced)
        assert isinstance(outcome.plan, UpdateContact)
        assert outcome.owed == (LOST if lost else "")
        assert says(station, "name") == "Person u1"

    run_virtual(main())


def test_facts_of_which_nothing_is_known_are_not_lost() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        await give(station, START)
        outcome = await look(station, START)
        assert isinstance(outcome, Synced)
        assert not outcome.owed
        assert MFA not in station.world.contacts.held[1].properties

    run_virtual(main())


def test_facts_older_than_those_written_last_are_unknown() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        later = START + timedelta(minutes=5)
        await give(station, later, mfa_status="enabled")
        await look(station, later)
        await give(station, START, mfa_status="disabled")
        outcome = await look(station, START)
        assert isinstance(outcome, Synced)
        assert isinstance(outcome.plan, NoChange)
        assert not outcome.owed
        assert says(station, MFA) == "enabled"

    run_virtual(main())


def test_facts_found_in_step_count_as_written_too() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        await give(station, START, mfa_status="enabled")
        await look(station, START)
        newer = START + timedelta(hours=1)
        await give(station, newer, mfa_status="enabled")
        await look(station, newer)
        assert await HandOver(station.world.memory).applied(CUSTOMER, "u1") == newer

    run_virtual(main())


@pytest.mark.parametrize(("activity", "written"), [("2026-11-20", False), ("2026-11-21", True)])
def test_an_activity_that_moved_a_day_is_worth_a_write_to_a_look(activity: str, written: bool) -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        await give(station, START, last_activity="2026-11-20")
        await look(station, START)
        station.world.contacts.calls.clear()
        await give(station, START, last_activity=activity)
        await look(station)
        assert station.world.contacts.count("update") == written
        assert says(station, ACTIVITY) == activity

    run_virtual(main())


def test_without_memory_after_the_write_the_look_is_done_all_the_same() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        await give(station, START, mfa_status="enabled")
        station.world.contacts.on_call["update"] = lambda: setattr(station.world.memory, "away", True)
        sync = Sync(station.ports, station.settings, Lane.BACKFILL)
        cause = cause_of("u1", [of_pass(station, START)], station.world.clock.now())
        looked = await sync.look(cause, await sync.read(TENANT, ["u1"]))
        assert isinstance(looked.outcomes[CUSTOMER], Synced)
        assert says(station, MFA) == "enabled"

    run_virtual(main())


def test_a_held_look_that_misses_its_facts_leaves_the_customer_owed() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        await look(station)
        hold = Hold(CUSTOMER, "0badc0de", None, {"identity": (9, 3)}, (), "", START, START)
        station.world.ledger.holds.held.append(hold)
        station.hire(person(given_name="Other"))
        outcome = await look(station, START)
        assert isinstance(outcome, Held)
        assert outcome.owed

    run_virtual(main())


def test_of_several_hints_the_newest_facts_are_asked_for() -> None:
    async def main() -> None:
        station = Station()
        newer = START + timedelta(hours=1)
        messages = [of_pass(station, None, None), of_pass(station, newer), of_pass(station, START)]
        assert cause_of("u1", messages, START).facts_at == newer
        assert cause_of("u1", messages[:1], START).facts_at is None

    run_virtual(main())


# --- the run that asked for the look ----------------------------------------------------------------------------


async def started(station: Station, state: RunState = RunState.WORKING, planned: int = 1) -> None:
    run = Run("run-1", CUSTOMER, Reason.RECONCILE, planned, station.world.clock.now(), state=state, full=True)
    await station.world.ledger.runs.start(run)


async def ended(station: Station) -> Run:
    run = await station.world.ledger.runs.get("run-1")
    assert run is not None
    return run


def test_lost_facts_reach_the_ledger_as_an_owed_customer_and_the_run_ends() -> None:
    async def main() -> None:
        station = Station()
        took: list[float] = []
        station.settings = replace(station.settings, on_run=took.append)
        station.linked(person(), 1)
        await started(station)
        await station.send(of_pass(station, START))
        async with station.working():
            await asyncio.sleep(10.0)
        assert station.world.ledger.owed.held[CUSTOMER].reason == LOST
        run = await ended(station)
        assert (run.state, run.outcomes) == (RunState.DONE, {"update": 1})
        assert len(took) == 1
        assert 2.0 <= took[0] <= 10.0

    run_virtual(main())


def test_a_run_counts_the_calls_of_all_attempts_and_ends_with_the_last() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        station.world.contacts.failures["update"] = [Transient("syncro", "busy")]
        await started(station)
        await station.send(of_pass(station, None))
        async with station.working():
            await asyncio.sleep(8.0)
            run = await ended(station)
            assert (run.finished_at, run.outcomes) == (None, {"retrying": 1})
            await asyncio.sleep(30.0)
        run = await ended(station)
        assert run.outcomes == {"update": 1}
        assert (run.syncro_calls, run.writes) == (4, 1)
        assert run.finished_at is not None

    run_virtual(main())


def test_a_run_that_is_still_reading_is_not_ended_by_an_outcome() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        await started(station, RunState.READING, planned=0)
        await station.send(of_pass(station, None))
        async with station.working():
            await asyncio.sleep(10.0)
        assert (await ended(station)).state is RunState.READING

    run_virtual(main())
