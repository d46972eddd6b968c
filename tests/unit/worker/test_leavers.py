"""Linked users whom a reading does not have: who of them becomes a row of the pass, and who is left to a look."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from shared.domain.changes import UpdateContact
from shared.domain.messages import Lane
from shared.domain.records import HoldState
from shared.domain.user import DirectoryUser, Missing, SoftDeleted
from tests.support.clock import START
from tests.support.passes import make_pass
from tests.support.station import CUSTOMER, TENANT, Station, person
from tests.support.virtual_time import run_virtual
from worker.fullpass import FullPass
from worker.leavers import Leavers
from worker.survey import Survey


async def survey_without(station: Station, *user_ids: str) -> Survey:
    """Linked users of whom the reading knows nothing; what a read of each says is up to the test."""
    for number, user_id in enumerate(user_ids, 1):
        station.linked(person(user_id), number)
    station.world.reports.hidden.update(user_ids)
    return await FullPass(station.ports, station.settings).preview(CUSTOMER)


async def joined(station: Station, survey: Survey) -> Survey:
    return await Leavers(station.ports, station.settings).joined(survey)


def test_a_deleted_user_becomes_a_row_with_the_contacts_name_for_a_label() -> None:
    async def main() -> None:
        station = Station()
        survey = await survey_without(station, "u1")
        station.world.directory.put(TENANT, SoftDeleted("u1", START))
        known = await joined(station, survey)
        (row,) = known.preview.rows
        assert isinstance(row.plan, UpdateContact)
        assert {change.after for change in row.plan.changes} >= {"Deleted since 2026-11-24"}
        assert row.user_label == "u1@contoso.example"
        assert known.unseen == ()

    run_virtual(main())


def test_who_is_there_after_all_is_left_to_a_look() -> None:
    async def main() -> None:
        station = Station()
        survey = await survey_without(station, "u1")
        assert isinstance(station.world.directory.people[TENANT]["u1"], DirectoryUser)
        known = await joined(station, survey)
        assert (known.preview.rows, known.unseen) == ((), ("u1",))

    run_virtual(main())


def test_one_miss_says_nothing_and_a_second_an_hour_later_does() -> None:
    async def main() -> None:
        station = Station()
        survey = await survey_without(station, "u1")
        station.world.directory.put(TENANT, Missing("u1"))
        assert (await joined(station, survey)).unseen == ("u1",)
        station.world.clock.ahead += timedelta(minutes=61)
        known = await joined(station, survey)
        assert (len(known.preview.rows), known.unseen) == (1, ())

    run_virtual(main())


def test_twenty_are_read_with_one_call_and_nobody_costs_none() -> None:
    async def main() -> None:
        station = Station()
        survey = await survey_without(station, *[f"u{number}" for number in range(41)])
        before = len(station.world.directory.reads)
        known = await joined(station, survey)
        assert len(station.world.directory.reads) - before == 3
        assert known.reading.requests - survey.reading.requests == 3
        station.world.reports.hidden.clear()
        complete = await FullPass(station.ports, station.settings).preview(CUSTOMER)
        assert await joined(station, complete) is complete

    run_virtual(main())


def test_many_deleted_in_a_night_are_one_question_however_many_passes_follow() -> None:
    """Unless a pass plans those whom the reading lacks, each pass after it lets another few of them through."""

    async def main() -> None:
        station = Station()
        for number in range(1, 41):
            station.linked(person(f"u{number}"), number)
        async with station.working(Lane.LIVE, Lane.BACKFILL):
            await make_pass(station)
            await asyncio.sleep(10.0)
            for number in range(1, 8):
                station.world.directory.put(TENANT, SoftDeleted(f"u{number}", START))
            for run in ("run-2", "run-3", "run-4"):
                await make_pass(station, run)
                await asyncio.sleep(10.0)
        deleted = [
            one
            for one in station.world.contacts.held.values()
            if one.value("azure_account_status").startswith("Deleted since")
        ]
        assert not deleted
        (hold,) = await station.ports.holds.list(state=HoldState.OPEN)
        assert hold.brakes == {"clears": (7, 4)}
        assert {row.user_id for row in hold.rows} == {f"u{number}" for number in range(1, 8)}

    run_virtual(main())
