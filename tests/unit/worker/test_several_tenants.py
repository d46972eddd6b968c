"""One customer, two tenants: everybody of both is kept in step, and nobody of one is a leaver for the other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.changes import Conflict, CreateContact, Excluded, ExclusionReason
from shared.domain.contact import Contact
from shared.domain.errors import Scope, StopTheLine
from shared.domain.messages import Lane
from shared.domain.tenant import SecureScore
from shared.domain.user import DirectoryUser, SoftDeleted
from tests.support.clock import START
from tests.support.passes import in_step, make_pass
from tests.support.station import CUSTOMER, TENANT, Station, person
from tests.support.virtual_time import run_virtual
from worker.billing import Billing
from worker.explaining import Explaining
from worker.fullpass import FullPass

SECOND = "tenant-b"


def station_of_two() -> Station:
    station = Station()
    held = station.world.ledger.connections.held
    held[CUSTOMER] = replace(held[CUSTOMER], more_tenants=(SECOND,))
    return station


async def settle(station: Station, seconds: float = 30.0) -> None:
    async with station.working(Lane.LIVE, Lane.BACKFILL):
        await asyncio.sleep(seconds)


def email_of(station: Station, user_id: str) -> str:
    link = station.world.ledger.links.held[CUSTOMER, user_id]
    return station.world.contacts.held[link.contact_id].email


# --- the pass ---------------------------------------------------------------------------------------------------


def test_a_pass_brings_both_tenants_in_step_and_the_next_one_writes_nothing() -> None:
    async def main() -> None:
        station = station_of_two()
        station.linked(person("a1"), 1)
        station.hire(person("b1"), SECOND)
        station.linked(person("b2"), 2, tenant_id=SECOND)
        report = await make_pass(station)
        assert (report.considered, report.published) == (3, 3)
        sent = {message.tenant_id: set(message.user_ids) for message in station.world.broker.sent(Lane.BACKFILL)}
        assert sent == {TENANT: {"a1"}, SECOND: {"b1", "b2"}}
        await settle(station)
        run = await station.world.ledger.runs.get("run-1")
        assert run is not None
        assert (run.outcomes, run.graph_calls) == ({"update": 2, "create": 1}, 2 * station.world.reports.requests)
        written = station.world.contacts.count("update", "create")
        assert (await make_pass(station, "run-2")).published == 0
        assert station.world.contacts.count("update", "create") == written == 3

    run_virtual(main())


@pytest.mark.parametrize("unreadable", [0, 1])
def test_with_one_tenant_unreadable_nothing_is_written_and_the_customer_stays_owed(unreadable: int) -> None:
    async def main() -> None:
        station = station_of_two()
        station.linked(person("a1"), 1)
        station.linked(person("b1"), 2, tenant_id=SECOND)
        refused = StopTheLine("login", "consent_missing", scope=Scope.TENANT)
        read, reports = station.world.reports.read, station.world.reports

        async def read_but_one(tenant_id: str, also: Sequence[str]) -> object:
            if tenant_id == (TENANT, SECOND)[unreadable]:
                raise refused
            return await read(tenant_id, also)

        reports.read = read_but_one  # type: ignore[assignment,method-assign]  # a tenant that takes its consent back
        with pytest.raises(StopTheLine):
            await make_pass(station)
        assert not station.world.broker.published
        assert station.world.contacts.count("update", "create") == 0
        assert [each.customer_id for each in await station.world.ledger.owed.owed()] == [CUSTOMER]

    run_virtual(main())


def test_facts_from_reports_reach_the_looks_of_both_tenants() -> None:
    async def main() -> None:
        station = station_of_two()
        station.linked(person("a1"), 1)
        station.linked(person("b1"), 2, tenant_id=SECOND)
        station.world.reports.tell(TENANT, "a1", mfa_status="enabled")
        station.world.reports.tell(SECOND, "b1", mfa_status="disabled")
        station.world.reports.unknown = ("Something is unknown.",)
        await make_pass(station)
        await settle(station)
        told = {each.id: each.value("azure_mfa_status") for each in station.world.contacts.of(CUSTOMER)}
        assert told == {1: "enabled", 2: "disabled"}
        run = await station.world.ledger.runs.get("run-1")
        assert run is not None
        assert f"Tenant {SECOND}: Something is unknown." in run.notes
        assert not await station.world.ledger.owed.owed()  # no look missed its facts

    run_virtual(main())


def test_totals_are_summed_and_the_score_is_the_first_tenants() -> None:
    async def main() -> None:
        station = station_of_two()
        for user_id, tenant_id in (("a1", TENANT), ("b1", SECOND), ("b2", SECOND)):
            station.hire(person(user_id), tenant_id)
        station.hire(person("b3", sku_ids=(), account_enabled=False), SECOND)
        today = station.world.clock.now().date()
        station.world.reports.scores = {
            TENANT: SecureScore(50.0, 100.0, today),
            SECOND: SecureScore(90.0, 100.0, today),
        }
        await make_pass(station)
        told = station.world.customers.held[CUSTOMER].properties
        assert told == {
            "microsoft_secure_score": "50.0 % (50 of 100 points)",
            "azure_licensed_user_count": "3",
            "azure_active_user_count": "3",
            "azure_tenant_id": TENANT,
        }

    run_virtual(main())


# --- leavers ----------------------------------------------------------------------------------------------------


def test_a_leaver_of_the_second_tenant_is_found_there() -> None:
    async def main() -> None:
        station = station_of_two()
        station.hire(person("a1"))
        station.linked(person("b1"), 2, tenant_id=SECOND)
        await make_pass(station)
        await settle(station)
        station.world.directory.put(SECOND, SoftDeleted("b1", station.world.clock.now()))
        report = await make_pass(station, "run-2")
        assert [row.plan.user_id for row in report.survey.preview.rows] == ["b1"]
        assert {message.tenant_id for message in station.world.broker.sent(Lane.BACKFILL)[2:]} == {SECOND}
        await settle(station)
        contact = station.world.contacts.held[2]
        assert contact.value("azure_account_status").startswith("Deleted since ")
        assert contact.value("azure_license") == ""

    run_virtual(main())


@pytest.mark.parametrize("by", ["pass", "look"])
def test_a_user_of_the_second_tenant_whom_the_first_never_had_is_no_leaver(by: str) -> None:
    """Missing in the first tenant for hours; the second shows the user again after a moment of not knowing it."""

    async def main() -> None:
        station = station_of_two()
        station.hire(person("a1"))
        station.linked(person("b1"), 2, tenant_id=SECOND)
        await make_pass(station)
        await settle(station)
        user = station.world.directory.people[SECOND].pop("b1")
        if by == "pass":
            await make_pass(station, "run-2")
        else:
            await station.send(station.hint("b1", tenant_id=TENANT))
        await settle(station, 5.0)
        station.world.directory.put(SECOND, user)
        await settle(station, 4 * 3_600.0)
        assert station.world.contacts.held[2].value("azure_account_status") == "Active"
        assert station.world.contacts.held[2].value("azure_license") != ""

    run_virtual(main())


def test_that_one_tenant_never_knew_a_user_does_not_shorten_the_hour_of_the_other() -> None:
    async def main() -> None:
        station = station_of_two()
        station.linked(person("b1"), 2, tenant_id=SECOND)
        await station.send(station.hint("b1", tenant_id=TENANT))
        await settle(station, 2 * 3_600.0)
        assert station.world.contacts.held[2].value("azure_account_status") == "Active"
        user = station.world.directory.people[SECOND].pop("b1")
        await station.send(station.hint("b1", tenant_id=SECOND))
        await settle(station, 5.0)
        assert station.world.contacts.held[2].value("azure_account_status") == "Active"
        station.world.directory.put(SECOND, user)

    run_virtual(main())


def test_a_user_whom_no_tenant_knows_for_an_hour_is_deleted() -> None:
    async def main() -> None:
        station = station_of_two()
        station.hire(person("a1"))
        station.linked(person("b1"), 2, tenant_id=SECOND)
        await make_pass(station)
        await settle(station)
        del station.world.directory.people[SECOND]["b1"]
        await make_pass(station, "run-2")
        await settle(station, 3_000.0)
        assert station.world.contacts.held[2].value("azure_account_status") == "Active"
        await settle(station, 4 * 3_600.0)
        assert station.world.contacts.held[2].value("azure_account_status").startswith("Deleted since ")

    run_virtual(main())


@pytest.mark.parametrize("tenants", [(), (SECOND,)])
@pytest.mark.parametrize("binned", [False, True])
def test_users_of_a_tenant_that_is_no_longer_the_customers_are_no_leavers(
    tenants: tuple[str, ...], binned: bool
) -> None:
    """Connected anew to another tenant: only a recycle bin proves that somebody is gone."""

    async def main() -> None:
        station = Station()
        in_step(station, person("old"), 1)
        del station.world.directory.people[TENANT]["old"]
        if binned:
            station.hire(person("a1"))
            station.world.directory.put(tenants[0] if tenants else TENANT, SoftDeleted("old", START))
        held = station.world.ledger.connections.held
        later = START + timedelta(days=1)
        held[CUSTOMER] = replace(held[CUSTOMER], more_tenants=tenants, connected_at=later)
        for number in range(3):
            report = await make_pass(station, f"run-{number}")
            assert binned or report.survey.plans == ()  # a hold would ask a person about nobody
            await settle(station, 2 * 3_600.0)
        status = station.world.contacts.held[1].value("azure_account_status")
        assert status.startswith("Deleted since ") is binned

    run_virtual(main())


# --- live changes -----------------------------------------------------------------------------------------------


def test_a_change_in_the_second_tenant_is_written() -> None:
    async def main() -> None:
        station = station_of_two()
        station.linked(person("b1"), 2, tenant_id=SECOND)
        station.hire(person("b1", mail="new@contoso.example"), SECOND)
        station.hire(person("b2"), SECOND)
        async with station.working():
            await station.send(station.hint("b1", "b2", tenant_id=SECOND))
            await asyncio.sleep(20.0)
        assert email_of(station, "b1") == "new@contoso.example"
        assert email_of(station, "b2") == "b2@contoso.example"

    run_virtual(main())


def test_a_third_tenant_writes_nothing() -> None:
    async def main() -> None:
        station = station_of_two()
        station.linked(person("c1"), 3, tenant_id="tenant-c")
        async with station.working():
            await station.send(station.hint("c1", tenant_id="tenant-c"))
            await asyncio.sleep(20.0)
        assert station.world.contacts.count("update") == 0

    run_virtual(main())


# --- one address in both ----------------------------------------------------------------------------------------

SHARED = "same@contoso.example"


def twins(station: Station, **facts: object) -> tuple[DirectoryUser, DirectoryUser]:
    return (
        station.hire(person("a1", mail=SHARED)),
        station.hire(person("b1", **({"mail": SHARED} | facts)), SECOND),
    )


@pytest.mark.parametrize("order", [("a1", "b1"), ("b1", "a1")])
@pytest.mark.parametrize("there", [False, True])
def test_two_people_with_one_address_are_a_question_whoever_comes_first(order: tuple[str, str], there: bool) -> None:
    async def main() -> None:
        station = station_of_two()
        twins(station)
        if there:
            station.world.contacts.put(Contact(1, CUSTOMER, email=SHARED))
        async with station.working():
            for user_id in order:
                await station.send(station.hint(user_id, tenant_id=TENANT if user_id == "a1" else SECOND))
                await asyncio.sleep(10.0)
        assert station.world.contacts.count("update", "create") == 0
        assert {user for _, user in station.world.ledger.conflicts.held} == {"a1", "b1"}
        survey = await FullPass(station.ports, station.settings).preview(CUSTOMER)
        assert [type(plan) for plan in survey.plans] == [Conflict, Conflict]

    run_virtual(main())


@pytest.mark.parametrize("order", [("a1", "b1"), ("b1", "a1")])
@pytest.mark.parametrize("there", [False, True])
def test_a_member_who_is_a_guest_in_the_other_tenant_is_one_contact(order: tuple[str, str], there: bool) -> None:
    async def main() -> None:
        station = station_of_two()
        twins(station, user_type="Guest", user_principal_name="same_contoso.example#EXT#@b.example")
        if there:
            station.world.contacts.put(Contact(1, CUSTOMER, email=SHARED))
        survey = await FullPass(station.ports, station.settings).preview(CUSTOMER)
        member, guest = sorted(survey.plans, key=lambda plan: plan.user_id)
        assert isinstance(member, CreateContact) is not there
        assert guest == Excluded("b1", CUSTOMER, ExclusionReason.GUEST)
        async with station.working():
            for user_id in order * 2:
                await station.send(station.hint(user_id, tenant_id=TENANT if user_id == "a1" else SECOND))
                await asyncio.sleep(100.0)
        assert [each.value("azure_object_id") for each in station.world.contacts.of(CUSTOMER)] == ["a1"]
        assert not station.world.ledger.conflicts.held
        assert (await make_pass(station)).published == 0

    run_virtual(main())


# --- what reads alone -------------------------------------------------------------------------------------------


def test_explain_finds_a_user_in_any_tenant() -> None:
    async def main() -> None:
        station = station_of_two()
        station.linked(person("b1"), 2, tenant_id=SECOND)
        told = await Explaining(station.ports, station.settings).explain(CUSTOMER, "b1")
        assert [step.sentence for step in told.steps][-1] == "It is written with the next look at this user."
        assert told.user_label == "Person b1"

    run_virtual(main())


def test_billing_knows_the_licences_of_both_tenants() -> None:
    async def main() -> None:
        station = station_of_two()
        for contact_id, (user_id, tenant_id) in enumerate((("a1", TENANT), ("b1", SECOND)), 1):
            station.linked(person(user_id), contact_id, tenant_id=tenant_id)
        await make_pass(station)
        await settle(station)
        books = Billing(station.ports, station.settings)
        assert (await books.report(CUSTOMER)).without_licence == ()
        station.hire(replace(person("b1"), sku_ids=()), SECOND)
        report = await books.report(CUSTOMER)
        assert [row.user_id for row in report.without_licence] == ["b1"]
        assert await books.clear(CUSTOMER, report.code, "ada") == 1

    run_virtual(main())


def test_a_tenant_that_comes_later_is_a_longer_list_and_one_that_goes_missing_halts() -> None:
    """The list is the whole customer's: half of it missing is not believed."""

    async def main() -> None:
        station = Station()
        for number in range(10):
            station.hire(person(f"a{number}"))
            station.hire(person(f"b{number}"), SECOND)
        assert not (await make_pass(station)).halted
        held = station.world.ledger.connections.held
        held[CUSTOMER] = replace(held[CUSTOMER], more_tenants=(SECOND,))
        assert not (await make_pass(station, "run-2")).halted
        held[CUSTOMER] = replace(held[CUSTOMER], more_tenants=())
        assert (await make_pass(station, "run-3")).halted

    run_virtual(main())
