"""Days on which invoices are made: licences of known contacts wait, everything else goes on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.changes import (
    CreateContact,
    Excluded,
    ExclusionReason,
    FieldChange,
    Kind,
    NoChange,
    Plan,
    UpdateContact,
    row_digest,
)
from shared.domain.freeze import without_frozen
from shared.domain.messages import Lane
from shared.domain.nightly import BillingPolicy
from shared.domain.outcome import Outcome, Synced
from shared.domain.user import SoftDeleted
from tests.support.clock import START
from tests.support.station import CUSTOMER, TENANT, Station, person
from tests.support.virtual_time import run_virtual
from worker.sync import Sync

LICENCE = "azure_license"
PREMIUM, BASIC = "Microsoft 365 Business Premium", "Microsoft 365 Business Basic"
BASIC_SKU = "3b555118-da6a-4418-894f-7df1e2096870"


def change(field: str, after: str = "x") -> FieldChange:
    return FieldChange(field, "", after, Kind.OWNED, "")


def update(*fields: str) -> UpdateContact:
    return UpdateContact("u1", CUSTOMER, 1, tuple(map(change, fields)), "mail")


@pytest.mark.parametrize(
    ("given", "left"),
    [
        (update(LICENCE, "city"), update("city")),
        (update("city"), update("city")),
        (update(LICENCE), NoChange("u1", CUSTOMER, 1, "mail")),
        (CreateContact("u1", CUSTOMER, (change(LICENCE),), ""), CreateContact("u1", CUSTOMER, (change(LICENCE),), "")),
        (NoChange("u1", CUSTOMER, 1), NoChange("u1", CUSTOMER, 1)),
        (Excluded("u1", CUSTOMER, ExclusionReason.GUEST), Excluded("u1", CUSTOMER, ExclusionReason.GUEST)),
    ],
)
def test_a_freeze_leaves_everything_but_the_licence_of_a_known_contact(given: Plan, left: Plan) -> None:
    assert without_frozen(given, LICENCE) == left


async def look(station: Station) -> Outcome:
    sync = Sync(station.ports, station.settings, Lane.LIVE)
    return next(iter((await station.sync_users(sync, station.hint("u1"))).values()))


def freeze(station: Station, *days: str) -> None:
    station.settings = replace(station.settings, billing=BillingPolicy(freeze=days))


async def in_step(station: Station) -> None:
    """A linked user on the day before the freeze, with a licence."""
    station.linked(person(), 1)
    await look(station)
    assert says(station) == PREMIUM
    station.world.contacts.calls.clear()
    freeze(station, f"{START.day}")


def says(station: Station, field: str = LICENCE) -> str:
    return station.world.contacts.held[1].value(field)


def test_a_licence_that_changes_waits_and_the_rest_is_written() -> None:
    async def main() -> None:
        station = Station()
        await in_step(station)
        station.hire(person(sku_ids=(BASIC_SKU,), city="Basel"))
        assert isinstance(await look(station), Synced)
        assert (says(station), says(station, "city")) == (PREMIUM, "Basel")

    run_virtual(main())


def test_the_day_after_the_freeze_the_licence_is_written() -> None:
    async def main() -> None:
        station = Station()
        await in_step(station)
        station.hire(person(sku_ids=(BASIC_SKU,)))
        outcome = await look(station)
        assert isinstance(outcome, Synced)
        assert isinstance(outcome.plan, NoChange)
        assert station.world.contacts.count("update") == 0
        station.world.clock.ahead += timedelta(days=1)
        await look(station)
        assert says(station) == BASIC

    run_virtual(main())


def test_the_freeze_is_a_day_in_the_zone_of_the_schedule() -> None:
    async def main() -> None:
        station = Station()
        await in_step(station)  # 09:00 UTC, which is 01:00 in Los Angeles: its day has just begun
        station.hire(person(sku_ids=(BASIC_SKU,)))
        station.world.clock.ahead -= timedelta(hours=2)
        await look(station)
        assert says(station) == BASIC

    run_virtual(main())


def test_a_new_contact_has_its_licence_at_once() -> None:
    async def main() -> None:
        station = Station()
        freeze(station, f"{START.day}")
        station.hire(person())
        assert isinstance(await look(station), Synced)
        (contact,) = station.world.contacts.held.values()
        assert contact.value(LICENCE) == PREMIUM

    run_virtual(main())


def test_a_deleted_user_says_so_at_once_and_costs_no_licence_after_the_freeze() -> None:
    async def main() -> None:
        station = Station()
        await in_step(station)
        station.world.directory.put(TENANT, SoftDeleted("u1", START))
        await look(station)
        assert says(station, "azure_account_status").startswith("Deleted since")
        assert says(station) == PREMIUM
        station.world.clock.ahead += timedelta(days=1)
        await look(station)
        assert says(station) == ""

    run_virtual(main())


def test_a_row_that_was_approved_with_its_licence_is_still_what_was_approved() -> None:
    async def main() -> None:
        shown = Station()
        shown.linked(person(), 1)
        outcome = await look(shown)
        assert isinstance(outcome, Synced)
        station = Station()
        freeze(station, f"{START.day}")
        station.linked(person(), 1)
        station.world.ledger.approvals.rows[CUSTOMER, "u1"] = row_digest(outcome.plan)
        assert isinstance(await look(station), Synced)
        assert (says(station), says(station, "name")) == ("", "Person u1")

    run_virtual(main())


def test_a_row_that_is_nothing_but_a_licence_stays_approved_over_the_freeze() -> None:
    async def main() -> None:
        station = Station()
        await in_step(station)
        station.hire(person(sku_ids=(BASIC_SKU,)))
        station.world.ledger.approvals.rows[CUSTOMER, "u1"] = "shown"
        await look(station)
        assert station.world.ledger.approvals.rows == {(CUSTOMER, "u1"): "shown"}

    run_virtual(main())
