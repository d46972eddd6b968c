"""Rules that name Entra groups: a pass and a look decide alike, and what cannot be read creates and removes nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.changes import CreateContact, Excluded, ExclusionReason, Plan
from shared.domain.contact import Contact
from shared.domain.errors import Scope, StopTheLine, Transient
from shared.domain.messages import Lane
from shared.domain.outcome import Synced
from shared.domain.policy import CreateScope, CustomMapping, SyncPolicy
from shared.domain.ruling import changes_of
from tests.support.passes import in_step, make_pass
from tests.support.station import CUSTOMER, TENANT, Station, person
from tests.support.virtual_time import run_virtual
from worker.billing import Billing
from worker.explaining import Explaining
from worker.fullpass import FullPass
from worker.sync import Sync

SALES, NESTED, OTHER = (f"0000000{number}-0000-4000-8000-000000000000" for number in (1, 2, 3))
OTHER_CUSTOMER = 8


def station_of_groups(**policy: object) -> Station:
    station = Station()
    rules = SyncPolicy(groups=(SALES,), **policy)
    station.world.ledger.policies.held[CUSTOMER] = rules
    return station


async def looked_at(station: Station, *user_ids: str) -> dict[str, Plan]:
    """Plans as looks make them, written where they write."""
    sync = Sync(station.ports, station.settings, Lane.LIVE)
    outcomes = await station.sync_users(sync, station.hint(*user_ids))
    return {
        user_id: outcome.plan
        for (customer_id, user_id), outcome in outcomes.items()
        if customer_id == CUSTOMER and isinstance(outcome, Synced)
    }


async def previewed(station: Station) -> dict[str, Plan]:
    survey = await FullPass(station.ports, station.settings).preview(CUSTOMER)
    return {plan.user_id: plan for plan in survey.plans}


@settings(max_examples=60, deadline=None)
@given(
    st.sets(st.sampled_from(["u0", "u1", "u2", "u3", NESTED])),
    st.sets(st.sampled_from(["u0", "u1", "u2", "u3"])),
    st.sets(st.sampled_from(["u0", "u1", "u2", "u3"])),
    st.booleans(),
    st.booleans(),
)
def test_a_pass_and_a_look_decide_alike(
    sales: set[str], nested: set[str], there: set[str], hidden: bool, same_address: bool
) -> None:
    async def main() -> None:
        station = station_of_groups(departments=("Sales",))
        for number in range(4):
            facts = {"mail": "same@contoso.example"} if same_address and number < 2 else {}
            user = station.hire(person(f"u{number}", department="Sales" if number < 3 else "IT", **facts))
            if user.id in there:
                station.world.contacts.put(Contact(100 + number, CUSTOMER, email=user.mail or ""))
        station.world.groups.put(TENANT, SALES, *sales)
        station.world.groups.put(TENANT, NESTED, *nested)
        if hidden:
            station.world.groups.hidden.add(TENANT)
        planned = await previewed(station)
        for user_id in planned:  # one look each, on a world that no other look has changed
            world = station.world
            contacts, links = dict(world.contacts.held), dict(world.ledger.links.held)
            entries = list(world.ledger.journal.written)
            assert (await looked_at(station, user_id))[user_id] == planned[user_id]
            world.contacts.held, world.ledger.links.held = contacts, links
            world.ledger.journal.written[:] = entries

    run_virtual(main())


def test_members_of_nested_groups_get_a_contact_and_nobody_else() -> None:
    async def main() -> None:
        station = station_of_groups()
        for number in range(3):
            station.hire(person(f"u{number}"))
        station.world.groups.put(TENANT, SALES, "u0", NESTED)
        station.world.groups.put(TENANT, NESTED, "u1")
        planned = await previewed(station)
        assert [type(planned[each]) for each in ("u0", "u1", "u2")] == [CreateContact, CreateContact, Excluded]
        assert planned["u2"] == Excluded("u2", CUSTOMER, ExclusionReason.OUT_OF_GROUP)

    run_virtual(main())


def test_without_the_permission_nobody_is_created_nobody_is_removed_and_the_run_says_who_does_what() -> None:
    async def main() -> None:
        station = station_of_groups()
        in_step(station, person("known"), 1)
        station.hire(person("known", job_title="Boss"))
        station.hire(person("new"))
        station.world.groups.hidden.add(TENANT)
        await make_pass(station)
        async with station.working(Lane.BACKFILL):
            await asyncio.sleep(10.0)
        assert station.world.contacts.count("create") == 0
        assert station.world.contacts.held[1].title == "Boss"
        assert (await looked_at(station, "new"))["new"] == Excluded("new", CUSTOMER, ExclusionReason.GROUPS_UNKNOWN)
        run = await station.world.ledger.runs.get("run-1")
        assert run is not None
        (note,) = [each for each in run.notes if "GroupMember.Read.All" in each]
        assert "An administrator of the tenant has to consent again." in note

    run_virtual(main())


def test_a_group_that_no_tenant_has_is_named() -> None:
    async def main() -> None:
        station = station_of_groups()
        await make_pass(station)
        run = await station.world.ledger.runs.get("run-1")
        assert run is not None
        assert any(SALES in note and f"policy set {CUSTOMER} " in note for note in run.notes)

    run_virtual(main())


def test_groups_that_cannot_be_read_just_now_fail_the_pass_and_the_look() -> None:
    async def main() -> None:
        station = station_of_groups()
        station.hire(person())
        for _ in range(2):
            station.world.groups.failures.append(Transient("graph", "throttled"))
        with pytest.raises(Transient):
            await make_pass(station)
        assert await looked_at(station, "u1") == {}
        assert station.world.contacts.count("create") == 0

    run_virtual(main())


def test_a_consent_that_is_gone_is_no_missing_permission_for_groups() -> None:
    async def main() -> None:
        station = station_of_groups()
        station.hire(person())
        station.world.groups.failures.append(StopTheLine("login", "consent_missing", scope=Scope.TENANT))
        with pytest.raises(StopTheLine):
            await make_pass(station)
        assert [each.customer_id for each in await station.world.ledger.owed.owed()] == [CUSTOMER]

    run_virtual(main())


def test_leaving_the_group_is_no_leaving() -> None:
    async def main() -> None:
        station = station_of_groups()
        in_step(station, person(), 1)
        station.world.groups.put(TENANT, SALES)
        assert (await make_pass(station)).published == 0
        station.hire(person(job_title="Boss"))
        await looked_at(station, "u1")
        contact = station.world.contacts.held[1]
        assert (contact.title, contact.value("azure_account_status")) == ("Boss", "Active")

    run_virtual(main())


def test_without_groups_in_the_rules_nobody_asks_for_any() -> None:
    async def main() -> None:
        station = Station()
        station.hire(person())
        await make_pass(station)
        await looked_at(station, "u1")
        assert station.world.groups.asked == []

    run_virtual(main())


def test_a_look_at_a_linked_user_asks_for_no_group() -> None:
    async def main() -> None:
        station = station_of_groups()
        station.linked(person(), 1)
        await looked_at(station, "u1")
        assert station.world.groups.asked == []

    run_virtual(main())


def test_a_look_at_somebody_whom_no_group_could_let_in_asks_for_none() -> None:
    async def main() -> None:
        station = station_of_groups()
        station.hire(person("u1", user_type="Guest"))
        station.hire(person("u2", sku_ids=()))
        await looked_at(station, "u1", "u2")
        assert station.world.groups.asked == []

    run_virtual(main())


# --- one tenant for several customers -----------------------------------------------------------------------------


def split_by(station: Station, one: SyncPolicy, other: SyncPolicy) -> None:
    station.connect(OTHER_CUSTOMER)
    station.world.ledger.policies.held |= {CUSTOMER: one, OTHER_CUSTOMER: other}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (SyncPolicy(domains=("a.example",)), SyncPolicy(domains=("b.example",))),
        (SyncPolicy(departments=("A",)), SyncPolicy(departments=("B",))),
        (SyncPolicy(groups=(SALES,)), SyncPolicy(groups=(OTHER,))),
    ],
)
def test_each_customer_gets_its_part_of_the_tenant(one: SyncPolicy, other: SyncPolicy) -> None:
    async def main() -> None:
        station = Station()
        split_by(station, one, other)
        for user_id, part in (("a1", "a"), ("a2", "a"), ("b1", "b")):
            mail = f"{user_id}@{part}.example"
            station.hire(person(user_id, mail=mail, user_principal_name=mail, department=part.upper()))
        station.world.groups.put(TENANT, SALES, "a1", "a2")
        station.world.groups.put(TENANT, OTHER, "b1")
        async with station.working():
            await station.send(station.hint("a1", "a2", "b1"))
            await asyncio.sleep(30.0)
        emails = {each: sorted(c.email for c in station.world.contacts.of(each)) for each in (CUSTOMER, OTHER_CUSTOMER)}
        assert emails == {CUSTOMER: ["a1@a.example", "a2@a.example"], OTHER_CUSTOMER: ["b1@b.example"]}
        await make_pass(station)
        counts = station.world.customers.held[CUSTOMER].properties
        assert (counts["azure_licensed_user_count"], counts["azure_active_user_count"]) == ("2", "2")

    run_virtual(main())


def test_counts_of_a_split_whose_groups_are_unknown_are_left_alone() -> None:
    async def main() -> None:
        station = Station()
        split_by(station, SyncPolicy(groups=(SALES,)), SyncPolicy(groups=(OTHER,)))
        station.hire(person())
        station.world.groups.hidden.add(TENANT)
        await make_pass(station)
        assert "azure_licensed_user_count" not in station.world.customers.held[CUSTOMER].properties

    run_virtual(main())


def test_a_rule_of_creation_alone_splits_no_count() -> None:
    async def main() -> None:
        station = Station()
        station.world.ledger.policies.held[CUSTOMER] = SyncPolicy(domains=("a.example",))
        station.hire(person())
        await make_pass(station)
        assert station.world.customers.held[CUSTOMER].properties["azure_licensed_user_count"] == "1"

    run_virtual(main())


def test_who_is_of_the_other_part_is_not_missing_from_the_bill() -> None:
    async def main() -> None:
        station = Station()
        station.world.ledger.policies.held[CUSTOMER] = SyncPolicy(departments=("A",))
        for user_id, department in (("a1", "A"), ("b1", "B"), ("b2", "B")):
            station.hire(person(user_id, department=department))
        station.world.contacts.put(Contact(1, CUSTOMER, email="b2@contoso.example"))
        books = Billing(station.ports, station.settings)
        alone = await books.report(CUSTOMER)
        assert {row.user_id for row in alone.not_billed} == {"a1", "b1", "b2"}
        station.connect(OTHER_CUSTOMER)
        shared = await books.report(CUSTOMER)
        assert {row.user_id for row in shared.not_billed} == {"a1", "b2"}

    run_virtual(main())


# --- other rules --------------------------------------------------------------------------------------------------


def test_two_plans_come_from_one_reading() -> None:
    async def main() -> None:
        station = Station()
        for number in range(2):
            station.hire(person(f"u{number}"))
        station.world.groups.put(TENANT, SALES, "u0")
        passes = FullPass(station.ports, station.settings)
        before, after = await passes.compare(CUSTOMER, SyncPolicy(groups=(SALES,)))
        assert [type(plan) for plan in before.plans] == [CreateContact, CreateContact]
        assert [type(plan) for plan in after.plans] == [CreateContact, Excluded]
        assert (len(station.world.reports.read_tenants), station.world.contacts.count("list")) == (1, 1)
        other = await passes.preview(CUSTOMER, SyncPolicy(create_scope=CreateScope.NONE))
        assert other.excluded == {ExclusionReason.CREATES_OFF: 2}
        assert station.world.ledger.policies.held == {}

    run_virtual(main())


def test_rules_that_are_only_supposed_are_read_for_what_they_ask_for() -> None:
    async def main() -> None:
        station = Station()
        name = f"extension_{'0a' * 16}_badge"
        station.hire(replace(person(), extensions={name: "B-17"}))
        passes = FullPass(station.ports, station.settings)
        rules = SyncPolicy(custom_mappings=(CustomMapping(attribute=name, field="Badge"),))
        before, after = await passes.compare(CUSTOMER, rules)
        written = [[each.after for each in changes_of(survey.plans[0])] for survey in (before, after)]
        assert ["B-17" in values for values in written] == [False, True]
        await passes.preview(CUSTOMER, rules)
        await passes.preview(CUSTOMER)
        assert station.world.reports.also == [(name,), (name,), ()]

    run_virtual(main())


def test_explain_knows_groups() -> None:
    async def main() -> None:
        station = station_of_groups()
        station.hire(person())
        station.world.groups.put(TENANT, SALES)
        told = await Explaining(station.ports, station.settings).explain(CUSTOMER, "u1")
        assert ExclusionReason.OUT_OF_GROUP in told.steps[1].sentence
        station.world.groups.put(TENANT, SALES, "u1")
        told = await Explaining(station.ports, station.settings).explain(CUSTOMER, "u1")
        assert told.steps[1].sentence.startswith("In scope")

    run_virtual(main())
