"""Clearing what is billed without a licence: only by the report's own code, one contact at a time, proved by a read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.domain.contact import Contact
from shared.domain.errors import Permanent, Transient
from shared.domain.nightly import BillingPolicy
from shared.domain.records import ConnectionStatus, RunState, WriteState
from tests.support.passes import CUSTOMER, make_pass, staff, unlicense
from tests.support.station import Station
from tests.support.virtual_time import run_virtual
from worker.billing import Billing

LICENCE = "azure_license"
BASIC = "Microsoft 365 Business Basic"


def nobodys(station: Station, contact_id: int, **custom: str) -> None:
    properties = {LICENCE: BASIC, "segment": "gold", **custom}
    station.world.contacts.put(Contact(contact_id, CUSTOMER, name=f"Old {contact_id}", properties=properties))


async def clear(station: Station, code: str | None = None) -> int:
    billing = Billing(station.ports, station.settings)
    return await billing.clear(CUSTOMER, code or (await billing.report(CUSTOMER)).code, "ann")


def test_the_report_writes_nothing() -> None:
    async def main() -> None:
        station = Station()
        unlicense(station, *staff(station, 2))
        nobodys(station, 1)
        report = await Billing(station.ports, station.settings).report(CUSTOMER)
        assert {row.contact_id for row in report.without_licence} == {1, 100, 101}
        assert station.world.contacts.count("update", "create") == 0
        assert not station.world.ledger.runs.held

    run_virtual(main())


def test_contacts_without_a_licence_are_cleared_and_nothing_else_of_them() -> None:
    async def main() -> None:
        station = Station()
        staff(station, 2)
        nobodys(station, 1)
        nobodys(station, 2)
        assert await clear(station) == 2
        for contact_id in (1, 2):
            said = station.world.contacts.held[contact_id].properties
            assert (said[LICENCE], said["segment"]) == ("", "gold")
        assert station.world.contacts.held[100].properties[LICENCE]
        entries = station.world.ledger.journal.written
        assert [entry.state for entry in entries] == [WriteState.WRITTEN] * 2
        assert {change.before for entry in entries for change in entry.changes} == {BASIC}
        (run,) = station.world.ledger.runs.held.values()
        assert (run.state, run.writes, run.full) == (RunState.DONE, 2, False)
        assert "ann" in run.notes[0]
        assert {entry.run_id for entry in entries} == {run.run_id}

    run_virtual(main())


def test_another_code_is_refused() -> None:
    async def main() -> None:
        station = Station()
        nobodys(station, 1)
        code = (await Billing(station.ports, station.settings).report(CUSTOMER)).code
        nobodys(station, 2)
        for wrong in (code, "12345678"):
            with pytest.raises(Permanent, match="report_changed"):
                await clear(station, wrong)
        assert station.world.contacts.count("update") == 0

    run_virtual(main())


def test_a_report_without_rows_has_no_code_to_clear_by() -> None:
    async def main() -> None:
        station = Station()
        staff(station, 1)
        billing = Billing(station.ports, station.settings)
        with pytest.raises(Permanent, match="report_changed"):
            await billing.clear(CUSTOMER, "", "ann")

    run_virtual(main())


def test_a_locked_contact_is_reported_and_left_alone() -> None:
    async def main() -> None:
        station = Station()
        nobodys(station, 1, azure_sync_off="yes")
        nobodys(station, 2)
        assert await clear(station) == 1
        assert station.world.contacts.held[1].properties[LICENCE] == BASIC

    run_virtual(main())


@pytest.mark.parametrize("now", [{LICENCE: "Microsoft 365 Business Premium"}, {LICENCE: BASIC, "azure_sync_off": "x"}])
def test_a_contact_that_changed_since_the_report_is_left_alone(now: dict[str, str]) -> None:
    async def main() -> None:
        station = Station()
        nobodys(station, 1)

        def changed() -> None:
            held = station.world.contacts.held
            held[1] = replace(held[1], properties=now)

        station.world.contacts.on_call["get"] = changed
        assert await clear(station) == 0
        assert station.world.contacts.count("update") == 0

    run_virtual(main())


def test_a_value_that_comes_back_is_not_counted_as_cleared() -> None:
    async def main() -> None:
        station = Station()
        nobodys(station, 1)
        station.world.contacts.swallow = frozenset({LICENCE})
        assert await clear(station) == 0
        assert station.world.contacts.count("get") == 2

    run_virtual(main())


@pytest.mark.parametrize("status", [ConnectionStatus.PREVIEW, ConnectionStatus.PAUSED, ConnectionStatus.DISCONNECTED])
def test_a_customer_that_is_not_approved_is_not_written(status: ConnectionStatus) -> None:
    async def main() -> None:
        station = Station()
        station.connect(status=status)
        nobodys(station, 1)
        with pytest.raises(Permanent, match="not_approved"):
            await clear(station)

    run_virtual(main())


def test_nothing_is_cleared_in_a_freeze_or_by_a_list_that_is_too_short() -> None:
    async def main() -> None:
        station = Station()
        staff(station, 10)
        await make_pass(station)
        station.world.reports.hidden = {f"u{number}" for number in range(5)}
        with pytest.raises(Permanent, match="halted"):
            await clear(station)
        station.settings = replace(station.settings, billing=BillingPolicy(freeze=("24",)))
        with pytest.raises(Permanent, match="frozen"):
            await clear(station)
        assert station.world.contacts.count("update") == 0

    run_virtual(main())


def test_a_failure_in_between_ends_the_run_as_failed_with_what_was_done() -> None:
    async def main() -> None:
        station = Station()
        for contact_id in (1, 2, 3):
            nobodys(station, contact_id)
        done: list[int] = []

        def second_fails() -> None:
            done.append(1)
            if len(done) == 2:
                station.world.contacts.failures["update"] = [Transient("syncro", "unavailable")]

        station.world.contacts.on_call["update"] = second_fails
        with pytest.raises(Transient):
            await clear(station)
        (run,) = station.world.ledger.runs.held.values()
        assert (run.state, run.writes) == (RunState.FAILED, 1)

    run_virtual(main())
