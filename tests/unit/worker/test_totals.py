"""The customer's own fields: read afresh, journaled, written once, and left alone while nothing changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from shared.domain.contact import Customer
from shared.domain.errors import Ambiguous, SyncError, Transient
from shared.domain.messages import Reason
from shared.domain.nightly import BillingPolicy
from shared.domain.records import WriteState
from shared.domain.tenant import SecureScore
from tests.support.passes import CUSTOMER, TENANT, make_pass, staff, unlicense
from tests.support.station import Station, person
from tests.support.virtual_time import run_virtual
from worker.fullpass import FullPass
from worker.totals import COUNTS_WAIT, Totals, TotalsReport

SCORE = "microsoft_secure_score"
LICENSED = "azure_licensed_user_count"
ACTIVE = "azure_active_user_count"


def company(station: Station) -> None:
    staff(station, 3)
    station.hire(person("blocked", account_enabled=False))
    station.hire(person("free", sku_ids=()))
    station.world.reports.scores[TENANT] = SecureScore(30.0, 60.0, date(2026, 11, 23))


async def write(station: Station, run_id: str = "run-1") -> TotalsReport:
    survey = await FullPass(station.ports, station.settings).preview(CUSTOMER)
    return await Totals(station.ports, station.settings).write(survey, reason=Reason.RECONCILE, run_id=run_id)


def customer(station: Station) -> Customer:
    return station.world.customers.held[CUSTOMER]


def test_score_and_counts_are_written_beside_what_was_there() -> None:
    async def main() -> None:
        station = Station()
        company(station)
        station.world.customers.put(Customer(CUSTOMER, "Contoso", properties={"segment": "gold", LICENSED: "99"}))
        report = await write(station)
        assert (report.calls, report.writes, report.notes) == (2, 1, ())
        said = customer(station).properties
        assert said["segment"] == "gold"
        assert said[SCORE].startswith("50")
        assert (said[LICENSED], said[ACTIVE]) == ("4", "4")
        assert said["azure_tenant_id"] == TENANT
        (entry,) = station.world.ledger.journal.written
        assert (entry.action, entry.user_id, entry.contact_id, entry.run_id) == ("customer", "", None, "run-1")
        assert entry.state is WriteState.WRITTEN
        before = {change.field: change.before for change in entry.changes}
        assert before[LICENSED] == "99"

    run_virtual(main())


def test_what_agreed_is_not_even_read_again_until_something_else_is_wanted() -> None:
    async def main() -> None:
        station = Station()
        company(station)
        await write(station)
        assert await write(station) == TotalsReport()
        station.hire(person("one-more"))
        report = await write(station)
        assert (report.calls, report.writes) == (2, 1)
        assert customer(station).properties[LICENSED] == "5"

    run_virtual(main())


def test_a_week_later_it_is_read_again_and_a_lost_memory_costs_one_read() -> None:
    async def main() -> None:
        station = Station()
        company(station)
        await write(station)
        station.world.memory.wipe()
        assert await write(station) == TotalsReport(calls=1)
        assert await write(station) == TotalsReport()

    run_virtual(main())


def test_what_is_unknown_stays_as_it_is() -> None:
    async def main() -> None:
        station = Station()
        staff(station, 1)
        station.world.customers.put(Customer(CUSTOMER, "Contoso", properties={SCORE: "12 %"}))
        await write(station)
        assert customer(station).properties[SCORE] == "12 %"

    run_virtual(main())


def test_counts_wait_while_billing_is_frozen_and_are_written_afterwards() -> None:
    async def main() -> None:
        station = Station()
        station.settings = replace(station.settings, billing=BillingPolicy(freeze=("24",)))
        company(station)
        await write(station)
        assert SCORE in customer(station).properties
        assert LICENSED not in customer(station).properties
        station.world.clock.ahead += timedelta(days=1)
        await write(station)
        assert customer(station).properties[LICENSED] == "4"

    run_virtual(main())


def test_a_field_that_syncro_does_not_keep_is_said_once_and_not_sent_again() -> None:
    async def main() -> None:
        station = Station()
        company(station)
        station.world.customers.swallow = frozenset({SCORE})
        report = await write(station)
        assert SCORE in report.notes[0]
        assert await write(station) == TotalsReport()
        station.hire(person("one-more"))
        again = await write(station)
        assert (again.writes, again.notes) == (1, ())
        newest = station.world.ledger.journal.written[-1]
        assert SCORE not in {change.field for change in newest.changes}

    run_virtual(main())


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (Ambiguous("syncro", "no_answer"), WriteState.AMBIGUOUS),
        (Transient("syncro", "unavailable"), WriteState.REFUSED),
    ],
)
def test_a_write_that_fails_is_journaled_as_such_and_tried_again(error: SyncError, state: WriteState) -> None:
    async def main() -> None:
        station = Station()
        company(station)
        station.world.customers.failures["update"] = [error]
        with pytest.raises(Transient):
            await write(station)
        assert station.world.ledger.journal.written[0].state is state
        assert (await write(station)).writes == 1

    run_virtual(main())


def test_nothing_is_written_without_the_customers_lease() -> None:
    async def main() -> None:
        station = Station()
        company(station)
        station.world.customers.on_call["get"] = lambda: station.world.leases.steal(f"customer:{CUSTOMER}")
        with pytest.raises(Transient):
            await write(station)
        assert station.world.customers.count("update") == 0
        assert not station.world.ledger.journal.written

    run_virtual(main())


def test_a_customer_that_is_gone_from_syncro_is_a_note() -> None:
    async def main() -> None:
        station = Station()
        company(station)
        del station.world.customers.held[CUSTOMER]
        report = await write(station)
        assert report.writes == 0
        assert "does not know this customer" in report.notes[0]

    run_virtual(main())


def test_a_halted_customers_fields_stay_as_they_are() -> None:
    async def main() -> None:
        station = Station()
        people = staff(station, 10)
        await make_pass(station, "run-1")
        written = dict(customer(station).properties)
        station.world.reports.hidden = {f"u{number}" for number in range(5)}
        unlicense(station, people[9])
        assert (await make_pass(station, "run-2")).halted
        assert customer(station).properties == written

    run_virtual(main())


def test_the_counts_wait_with_the_licences_that_a_brake_holds() -> None:
    async def main() -> None:
        station = Station()
        people = staff(station, 5)
        station.world.customers.put(Customer(CUSTOMER, "Contoso", properties={LICENSED: "5", ACTIVE: "5"}))
        await make_pass(station, "run-1")
        unlicense(station, *people)
        held = await make_pass(station, "run-2")
        assert held.hold is not None
        assert (customer(station).properties[LICENSED], customer(station).properties[ACTIVE]) == ("5", "5")
        run = await station.ports.runs.get("run-2")
        assert run is not None
        assert COUNTS_WAIT in run.notes
        await make_pass(station, "run-3", release=held.hold.code, by="anna")
        assert customer(station).properties[LICENSED] == "0"

    run_virtual(main())
