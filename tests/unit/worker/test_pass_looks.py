"""Full passes and the looks that follow them: what is written in the end, what is held, and that it is written once."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from shared.domain.messages import Lane
from shared.domain.records import RunState
from tests.support.passes import CUSTOMER, TENANT, handed_over, make_pass, staff, unlicense
from tests.support.station import Station, person
from tests.support.virtual_time import run_virtual

LICENCE = "azure_license"


async def looks(station: Station, seconds: float = 120.0) -> None:
    async with station.working(Lane.LIVE, Lane.BACKFILL):
        await asyncio.sleep(seconds)


def licences(station: Station) -> list[str]:
    return [contact.properties[LICENCE] for contact in station.world.contacts.of(CUSTOMER)]


def test_facts_of_the_reading_reach_the_contacts_and_a_second_pass_writes_nothing() -> None:
    async def main() -> None:
        station = Station()
        staff(station, 3)
        told = {"mfa_status": "enabled", "mfa_methods": "Authenticator", "last_activity": "2026-11-20"}
        for number in range(3):
            station.world.reports.tell(TENANT, f"u{number}", **told)
        await make_pass(station, "run-1")
        await looks(station)
        said = station.world.contacts.held[101].properties
        assert (said["azure_mfa_status"], said["azure_mfa_methods"]) == ("enabled", "Authenticator")
        assert said["azure_last_activity"] == "2026-11-20"
        run = await station.world.ledger.runs.get("run-1")
        assert run is not None
        assert (run.state, run.outcomes, run.writes) == (RunState.DONE, {"update": 3}, 3 + 1)
        assert run.syncro_calls == 1 + 2 + 3 * 2
        second = await make_pass(station, "run-2")
        await looks(station)
        assert second.published == 0
        assert station.world.contacts.count("update", "create") == 3
        assert not station.world.ledger.owed.held

    run_virtual(main())


def test_licences_gone_overnight_stay_until_a_person_approves_and_are_cleared_once() -> None:
    async def main() -> None:
        station = Station()
        unlicense(station, *staff(station, 10))
        first = await make_pass(station, "run-1")
        await looks(station)
        assert all(licences(station))
        assert first.hold is not None
        await make_pass(station, "run-2", release=first.hold.code, by="ann")
        await looks(station)
        assert not any(licences(station))
        assert station.world.contacts.count("update") == 10
        third = await make_pass(station, "run-3")
        assert (third.published, third.hold) == (0, None)

    run_virtual(main())


def test_what_is_not_in_excess_is_written_though_the_same_users_wait_for_the_rest() -> None:
    async def main() -> None:
        station = Station()
        people = staff(station, 6)
        for user in people:
            station.hire(replace(user, sku_ids=(), city="Basel"))
        report = await make_pass(station)
        await looks(station)
        assert report.published == 6
        assert all(licences(station))
        assert {contact.city for contact in station.world.contacts.of(CUSTOMER)} == {"Basel"}
        again = await make_pass(station, "run-2")
        assert again.published == 0
        assert again.hold is not None
        assert report.hold is not None
        assert again.hold.code == report.hold.code

    run_virtual(main())


def test_a_hint_does_not_go_round_what_a_pass_holds() -> None:
    async def main() -> None:
        station = Station()
        unlicense(station, *staff(station, 10))
        await make_pass(station)
        async with station.working():
            await station.send(station.hint("u3"))
            await asyncio.sleep(120.0)
        assert all(licences(station))

    run_virtual(main())


def test_a_halted_customer_gets_nothing_by_hints_either_and_is_owed() -> None:
    async def main() -> None:
        station = Station()
        people = staff(station, 10)
        await make_pass(station, "run-1")
        station.world.reports.hidden = {f"u{number}" for number in range(5)}
        assert (await make_pass(station, "run-2")).halted
        station.hire(replace(people[9], city="Basel"))
        async with station.working():
            await station.send(station.hint("u9"))
            await asyncio.sleep(120.0)
        assert station.world.contacts.count("update") == 0
        assert CUSTOMER in station.world.ledger.owed.held

    run_virtual(main())


def test_so_many_contacts_first_and_the_others_after_the_approval() -> None:
    async def main() -> None:
        station = Station()
        for number in range(20):
            station.hire(person(f"u{number}"))
        first = await make_pass(station, "run-1", first=2)
        await looks(station)
        assert len(station.world.contacts.held) == 2
        assert first.hold is not None
        await make_pass(station, "run-2", release=first.hold.code, by="ann")
        await looks(station)
        assert len(station.world.contacts.held) == 20
        assert len(handed_over(station)) == 20

    run_virtual(main())


def test_a_rebuilt_memory_costs_reports_and_leaves_the_customer_owed() -> None:
    async def main() -> None:
        station = Station()
        staff(station, 1)
        station.hire(person("u0", city="Basel"))
        station.world.reports.tell(TENANT, "u0", mfa_status="enabled")
        await make_pass(station)
        station.world.memory.wipe()
        await looks(station)
        contact = station.world.contacts.held[100]
        assert contact.city == "Basel"
        assert "azure_mfa_status" not in contact.properties
        assert CUSTOMER in station.world.ledger.owed.held
        await make_pass(station, "run-2")
        await looks(station)
        assert station.world.contacts.held[100].properties["azure_mfa_status"] == "enabled"
        assert not station.world.ledger.owed.held

    run_virtual(main())
