"""Directory extensions by real HTTP: rules in a ledger, a tenant that has one of the two, and every way to read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.adapters.graph.attributes import WantedAttributes
from shared.adapters.graph.changes import GraphUserChanges
from shared.adapters.graph.directory import GraphDirectory
from shared.adapters.ledger import Ledger, open_ledger
from shared.domain.errors import Transient
from shared.domain.policy import CustomMapping, SyncPolicy
from shared.domain.records import Connection, ConnectionStatus
from shared.domain.user import DirectoryUser
from shared.ports import RESYNC
from shared.runtime.wanted import wanted_extensions
from tests.integration.vendors.conftest import Vendors
from tests.support.clock import START

BADGE, GRADE, TYPO = (f"extension_{'0a' * 16}_{name}" for name in ("badge", "grade", "typo"))


def mapped(*attributes: str) -> SyncPolicy:
    return SyncPolicy(custom_mappings=tuple(CustomMapping(attribute=each, field=each[-5:]) for each in attributes))


@dataclass
class Bench:
    vendors: Vendors
    ledger: Ledger

    def __post_init__(self) -> None:
        vendors, url = self.vendors, self.vendors.world.microsoft.graph_url
        wanted = wanted_extensions(self.ledger.connections, self.ledger.policies, SyncPolicy())
        args = (vendors.http, vendors.tokens, url)
        attributes = WantedAttributes(*args, wanted)
        self.directory = GraphDirectory(*args, attributes)
        self.changes = GraphUserChanges(*args, attributes)

    async def rule(self, customer_id: int, policy: SyncPolicy, status: ConnectionStatus) -> None:
        tied = Connection(customer_id, "Somebody", self.vendors.tenant, status, START, START)
        await self.ledger.connections.save(tied)
        await self.ledger.policies.save_policy(customer_id, policy)

    async def user(self) -> DirectoryUser:
        (user,) = await self.directory.claimants(self.vendors.tenant, "badged@alpenrose.example")
        return user


@pytest.fixture
async def bench(vendors: Vendors, tmp_path: Path) -> AsyncIterator[Bench]:
    microsoft = vendors.world.microsoft
    microsoft.switches.change({"replication_lag_s": 0.0, "delta_lag_s": 0.0})
    address = "badged@alpenrose.example"
    microsoft.seed_user(
        vendors.tenant, displayName="Badged", userPrincipalName=address, mail=address, **{BADGE: "B-17", GRADE: "A"}
    )
    async with open_ledger(f"embedded:{tmp_path / 'ledger.db'}") as ledger:
        yield Bench(vendors, ledger)


async def test_what_the_rules_of_a_tenants_customers_ask_for_is_read_and_what_it_lacks_stops_nothing(
    bench: Bench,
) -> None:
    assert (await bench.user()).extensions == {}
    await bench.rule(1, mapped(BADGE, TYPO), ConnectionStatus.APPROVED)
    await bench.rule(2, mapped(GRADE, "department"), ConnectionStatus.PREVIEW)
    user = await bench.user()
    assert (user.extensions, user.lacking) == ({BADGE: "B-17", GRADE: "A"}, (TYPO,))
    tenant = bench.vendors.tenant
    assert (await bench.directory.users(tenant, [user.id]))[user.id] == user
    listed = {each.id: each async for each in bench.directory.listing(tenant)}
    assert listed[user.id] == user
    assert {each.lacking for each in listed.values()} == {(TYPO,)}
    await bench.rule(2, mapped(GRADE), ConnectionStatus.DISCONNECTED)
    assert (await bench.user()).extensions == {BADGE: "B-17"}
    assert list(await bench.directory.lacking(tenant)) == [TYPO]


async def test_a_change_of_nothing_but_the_extension_is_told_by_delta(bench: Bench) -> None:
    tenant, microsoft = bench.vendors.tenant, bench.vendors.world.microsoft
    before = await bench.changes.now(tenant)
    await bench.rule(1, mapped(BADGE, TYPO), ConnectionStatus.APPROVED)
    with pytest.raises(Transient, match=RESYNC):
        await bench.changes.since(tenant, before)
    link, user = await bench.changes.now(tenant), await bench.user()
    microsoft.tenants[tenant].directory.update(user.id, {BADGE: "B-18"})
    assert (await bench.changes.since(tenant, link)).user_ids == (user.id,)
    assert (await bench.user()).extensions == {BADGE: "B-18"}
    restarted = Bench(bench.vendors, bench.ledger)
    assert (await restarted.changes.since(tenant, link)).user_ids == (user.id,)
