"""Two tenants for one customer, and a group that chooses: over real HTTP, from the preview to the written contact."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from console import operations
from console.cli.sync import watch_runs
from console.operations import Wish
from shared.domain.changes import CreateContact, Excluded, ExclusionReason
from shared.domain.preview import Preview
from tests.integration.console.conftest import Office

GROUP = "00000001-0000-4000-8000-000000000000"


def creations(shown: Preview) -> set[str]:
    return {row.plan.user_id for row in shown.rows if isinstance(row.plan, CreateContact)}


async def of_two_tenants(office: Office) -> str:
    """The second tenant, tied to the customer as well."""
    second = list(office.world.customer_ids)[1]
    await operations.connect(office.ports, office.customer, office.tenant)
    tied = await office.ports.connections.get(office.customer)
    assert tied is not None
    await office.ports.connections.save(replace(tied, more_tenants=(second,)))
    return second


async def test_a_preview_is_of_both_tenants_and_a_group_chooses_among_their_users(office: Office) -> None:
    second = await of_two_tenants(office)
    tenants = office.world.microsoft.tenants
    everybody = (await operations.preview(office.ports, office.customer)).preview
    new = creations(everybody)
    there = {version.state["id"] for version in tenants[second].directory.all_seen(float("inf"))}
    assert new & there
    assert {row.plan.user_id for row in everybody.rows} > there
    chosen = min(new & there)
    tenants[second].groups[GROUP] = frozenset({chosen})
    change = await operations.plan_policy(office.ports, office.customer, Wish((f"groups={GROUP}",)))
    assert {row.user_id for row in change.rows if isinstance(row.before, CreateContact)} == new - {chosen}
    reasons = {row.after.reason for row in change.rows if isinstance(row.after, Excluded)}
    assert reasons == {ExclusionReason.OUT_OF_GROUP}
    await operations.save_policy(office.ports, change)
    shown = await operations.preview(office.ports, office.customer)
    assert creations(shown.preview) == {chosen}
    async with office.services(), asyncio.timeout(60):
        run = await operations.approve(office.ports, office.customer, shown.preview.code, by="ada")
        await watch_runs(office.ports, [run])
    created = [user for user in new if office.contact_of(user) is not None]
    assert created == [chosen]


async def test_the_permission_that_is_missing_creates_nobody_and_is_named(office: Office) -> None:
    tenant = office.world.microsoft.tenants[office.tenant]
    tenant.groups[GROUP] = frozenset(version.state["id"] for version in tenant.directory.all_seen(float("inf")))
    hidden = {"GroupMember.Read.All", "Directory.Read.All"}
    tenant.roles = tuple(role for role in tenant.roles if role not in hidden)
    await operations.connect(office.ports, office.customer, office.tenant)
    change = await operations.plan_policy(office.ports, office.customer, Wish((f"groups={GROUP}",)))
    after = {row.after.reason for row in change.rows if isinstance(row.after, Excluded)}
    assert after == {ExclusionReason.GROUPS_UNKNOWN}


@pytest.mark.parametrize("arguments", [("show",), ("set", "authority.title=never", "--yes")])
async def test_the_command_reads_and_writes_the_ledger(office: Office, arguments: tuple[str, ...]) -> None:
    await operations.connect(office.ports, office.customer, office.tenant)
    verb, *rest = arguments
    done = await office.command("customers", "policy", verb, str(office.customer), *rest)
    assert (done.returncode, done.stderr) == (0, "")
    policy = await office.ports.policies.policy(office.customer)
    assert (policy.authority_of("title").value == "never") is (verb == "set")
