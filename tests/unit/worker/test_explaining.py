"""One user in five steps: what they say for every kind of user and whatever is in the way. Nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.changes import FieldChange, Kind
from shared.domain.contact import Contact
from shared.domain.errors import Permanent
from shared.domain.facts import Facts
from shared.domain.nightly import BillingPolicy
from shared.domain.records import ConnectionStatus, Hold
from shared.domain.user import SoftDeleted
from tests.support.clock import START
from tests.support.passes import CUSTOMER, TENANT, in_step, unlicense
from tests.support.station import Station, person
from tests.support.virtual_time import run_virtual
from worker.explaining import Explaining
from worker.handover import HandOver
from worker.marks import Marks


async def steps(station: Station, user_id: str = "u1") -> dict[str, str]:
    explanation = await Explaining(station.ports, station.settings).explain(CUSTOMER, user_id)
    assert [step.name for step in explanation.steps] == ["read", "scope", "match", "plan", "write"]
    assert station.world.contacts.count("update", "create") == 0
    assert not station.world.ledger.journal.written
    assert not station.world.broker.published
    return {step.name: step.sentence for step in explanation.steps}


def ready(station: Station) -> None:
    in_step(station, person(), 1)


def differing(station: Station) -> None:
    station.linked(person(), 1)


def new(station: Station) -> None:
    station.hire(person())


def guest(station: Station) -> None:
    station.hire(person(user_type="Guest"))


def double(station: Station) -> None:
    station.hire(person())
    for contact_id in (2, 3):
        station.world.contacts.put(Contact(contact_id, CUSTOMER, email="u1@contoso.example"))


def locked(station: Station) -> None:
    station.linked(person(), 1)
    station.world.contacts.put(Contact(1, CUSTOMER, email="u1@contoso.example", properties={"azure_sync_off": "x"}))


def gone(station: Station) -> None:
    station.linked(person(), 1)
    station.world.directory.put(TENANT, SoftDeleted("u1", START))


def unheard_of(_: Station) -> None:
    """Nobody by this id."""


@pytest.mark.parametrize(
    ("arrange", "expected"),
    [
        (ready, {"match": "remembered", "plan": "in step", "write": "Nothing is written"}),
        (differing, {"match": "Contact 1", "plan": "Update contact 1", "write": "with the next look"}),
        (new, {"scope": "In scope", "match": "No contact", "plan": "Create a contact"}),
        (guest, {"scope": "is a guest", "plan": "No contact is made", "write": "Nothing"}),
        (double, {"match": "A person has to choose", "plan": "conflicts show", "write": "Nothing"}),
        (locked, {"plan": "locked", "write": "Nothing"}),
        (gone, {"read": "recycle bin since 2026-11-24", "scope": "gone", "plan": "Deleted since 2026-11-24"}),
        (unheard_of, {"read": "Entra knows no such user", "plan": "Read again later", "write": "Nothing"}),
    ],
)
def test_every_kind_of_user(arrange: Callable[[Station], None], expected: dict[str, str]) -> None:
    async def main() -> None:
        station = Station()
        arrange(station)
        told = await steps(station)
        for name, text in expected.items():
            assert text in told[name]

    run_virtual(main())


def test_what_reports_say_is_told_while_it_is_fresh() -> None:
    async def main() -> None:
        station = Station()
        ready(station)
        handover = HandOver(station.world.memory)
        await handover.give(TENANT, CUSTOMER, "u1", Facts(station.world.clock.now(), mfa_status="enabled"), ())
        told = await steps(station)
        assert "MFA enabled" in told["read"]
        assert "azure_mfa_status" in told["plan"]
        station.world.clock.ahead += timedelta(hours=25)
        late = await steps(station)
        assert "left alone until the next full sync" in late["read"]
        assert "in step" in late["plan"]

    run_virtual(main())


@pytest.mark.parametrize(("brake", "words"), [("listing", "Nothing is written"), ("clears", "Waiting for approval")])
def test_a_hold_in_the_way_is_told_with_its_code(brake: str, words: str) -> None:
    async def main() -> None:
        station = Station()
        ready(station)
        unlicense(station, person())
        later = START + timedelta(hours=72)
        await station.world.ledger.holds.open(
            Hold(CUSTOMER, "0badc0de", "run-1", {brake: (9, 3)}, (), "Nine.", START, later)
        )
        told = await steps(station)
        assert words in told["write"]
        assert "entra-syncro runs show 0badc0de" in told["write"]

    run_virtual(main())


@pytest.mark.parametrize("status", [ConnectionStatus.PREVIEW, ConnectionStatus.PAUSED, ConnectionStatus.DISCONNECTED])
def test_a_customer_that_is_not_approved_is_told(status: ConnectionStatus) -> None:
    async def main() -> None:
        station = Station()
        station.connect(status=status)
        differing(station)
        assert "Nothing is written" in (await steps(station))["write"]

    run_virtual(main())


def test_a_row_that_changed_since_its_approval_is_told() -> None:
    async def main() -> None:
        station = Station()
        differing(station)
        station.world.ledger.approvals.rows[CUSTOMER, "u1"] = "another-row"
        assert "Changed since it was approved" in (await steps(station))["write"]

    run_virtual(main())


def test_a_licence_that_waits_for_the_end_of_a_freeze_is_told() -> None:
    async def main() -> None:
        station = Station()
        station.settings = replace(station.settings, billing=BillingPolicy(freeze=("24",)))
        ready(station)
        unlicense(station, person())
        assert "until the freeze is over" in (await steps(station))["write"]

    run_virtual(main())


def test_a_customer_without_a_tenant_is_refused() -> None:
    async def main() -> None:
        station = Station()
        with pytest.raises(Permanent, match="unknown_customer"):
            await Explaining(station.ports, station.settings).explain(99, "u1")

    run_virtual(main())


async def fields(station: Station) -> dict[str, tuple[str, bool]]:
    told = await Explaining(station.ports, station.settings).explain(CUSTOMER, "u1")
    return {field.field: (field.rule.value, field.changes) for field in told.fields}


@pytest.mark.parametrize(
    ("arrange", "expected"),
    [
        (ready, {"city": ("blank in Entra", False), "azure_account_status": ("owned", False)}),
        (differing, {"name": ("overwrite", True), "azure_mfa_status": ("unknown", False)}),
        (new, {"email": ("overwrite", True), "azure_object_id": ("owned", True)}),
        (locked, {"name": ("locked contact", False), "azure_license": ("locked contact", False)}),
        (gone, {"name": ("user is gone", False), "azure_account_status": ("owned", True)}),
    ],
)
def test_every_field_names_its_rule(arrange: Callable[[Station], None], expected: dict[str, tuple[str, bool]]) -> None:
    async def main() -> None:
        station = Station()
        arrange(station)
        told = await fields(station)
        assert {name: told[name] for name in expected} == expected

    run_virtual(main())


@pytest.mark.parametrize("arrange", [guest, double, unheard_of])
def test_without_a_contact_there_are_no_fields_to_tell(arrange: Callable[[Station], None]) -> None:
    async def main() -> None:
        station = Station()
        arrange(station)
        assert await fields(station) == {}

    run_virtual(main())


def test_fields_tell_what_syncro_lacks_and_what_it_does_not_keep() -> None:
    async def main() -> None:
        station = Station()
        differing(station)
        marks = Marks(station.world.memory, station.world.clock, station.settings.fingerprint_key)
        await marks.lacks(CUSTOMER, ["azure_license"])
        planned = await Explaining(station.ports, station.settings).explain(CUSTOMER, "u1")
        name = next(field for field in planned.fields if field.field == "name")
        change = FieldChange("name", name.before, name.after, Kind.PROFILE, "")
        await marks.written(CUSTOMER, 1, [change], ["name"])
        told = await fields(station)
        assert (told["azure_license"], told["name"]) == (("missing field", False), ("not kept by Syncro", False))

    run_virtual(main())


def test_a_field_that_a_brake_holds_says_so() -> None:
    async def main() -> None:
        station = Station()
        ready(station)
        unlicense(station, person())
        hold = Hold(CUSTOMER, "0badc0de", "run-1", {"clears": (9, 3)}, (), "Nine.", START, START + timedelta(hours=72))
        await station.world.ledger.holds.open(hold)
        assert (await fields(station))["azure_license"] == ("held by a brake", False)

    run_virtual(main())
