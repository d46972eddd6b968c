"""What a tenant is read for: the deployment's rules, those of every customer that is connected, and no others."""

from __future__ import annotations

from shared.domain.errors import Permanent
from shared.domain.policy import CustomMapping, SyncPolicy
from shared.domain.records import Connection, ConnectionStatus
from shared.runtime.wanted import wanted_extensions
from tests.support.clock import START
from tests.support.fake_ledger import FakeConnections, FakePolicies, Switch

NAMES = [f"extension_{'0a' * 16}_{name}" for name in "abcde"]


def mapped(*names: str) -> SyncPolicy:
    return SyncPolicy(custom_mappings=tuple(CustomMapping(attribute=name, field=name[-1]) for name in names))


class SomeUnreadable(FakePolicies):
    unreadable = 4

    async def policy(self, customer_id: int) -> SyncPolicy:
        if customer_id == self.unreadable:
            raise Permanent("ledger", "policy_unreadable")
        return await super().policy(customer_id)


async def test_the_rules_of_all_connected_customers_of_a_tenant_are_asked_each_time() -> None:
    switch = Switch()
    connections, policies = FakeConnections(switch), SomeUnreadable(switch)
    of = wanted_extensions(connections, policies, mapped(NAMES[0], "department"))
    assert await of("t") == (NAMES[0],)
    for customer_id, status, tenants in (
        (1, ConnectionStatus.PREVIEW, ("t",)),
        (2, ConnectionStatus.DISCONNECTED, ("t",)),
        (3, ConnectionStatus.APPROVED, ("other", "t")),
        (4, ConnectionStatus.APPROVED, ("t",)),
        (5, ConnectionStatus.APPROVED, ("other",)),
    ):
        tied = Connection(customer_id, "Somebody", tenants[0], status, START, START, more_tenants=tenants[1:])
        await connections.save(tied)
        policies.held[customer_id] = mapped(NAMES[0], NAMES[customer_id % 5])
    assert await of("t") == (NAMES[0], NAMES[1], NAMES[3])


async def test_rules_that_cannot_be_read_any_more_ask_for_what_they_asked_for_last() -> None:
    """Else every link of the tenant would be void, and void once more when they can be read again."""
    switch = Switch()
    connections, policies = FakeConnections(switch), SomeUnreadable(switch)
    await connections.save(Connection(1, "Somebody", "t", ConnectionStatus.APPROVED, START, START))
    policies.held[1] = mapped(NAMES[1])
    of = wanted_extensions(connections, policies, SyncPolicy())
    assert await of("t") == (NAMES[1],)
    policies.unreadable = 1
    assert await of("t") == (NAMES[1],)
    policies.unreadable, policies.held[1] = 4, SyncPolicy()
    assert await of("t") == ()
