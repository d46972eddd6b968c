"""Connecting a customer to its tenant: what is refused, with which words, and what is remembered."""

from __future__ import annotations

import pytest

from console.operations import OperationError, connect, connections
from shared.domain.errors import Scope, StopTheLine
from shared.domain.records import ConnectionStatus
from tests.support.desk import CUSTOMER, Desk
from tests.support.receiver import OTHER, TENANT


async def refused(desk: Desk, customer: int, tenant: str, *, shared: bool = False) -> OperationError:
    with pytest.raises(OperationError) as caught:
        await connect(desk.ports, customer, tenant, shared_tenant=shared)
    return caught.value


async def test_a_new_connection_waits_for_approval_and_carries_syncros_name(desk: Desk) -> None:
    made = await connect(desk.ports, CUSTOMER, TENANT)
    assert (made.customer_name, made.tenant_id, made.status) == ("Contoso", TENANT, ConnectionStatus.PREVIEW)
    assert await connections(desk.ports) == [made]


async def test_the_tenant_is_kept_as_entra_writes_it(desk: Desk) -> None:
    made = await connect(desk.ports, CUSTOMER, TENANT.upper())
    assert made.tenant_id == TENANT


@pytest.mark.parametrize("tenant", ["", "contoso.example", "84bd8158", TENANT + "0"])
async def test_a_tenant_that_is_no_guid_is_wrong_use_and_costs_no_call(desk: Desk, tenant: str) -> None:
    error = await refused(desk, CUSTOMER, tenant)
    assert error.exit_code == 2
    assert "Entra admin center" in error.message
    assert not desk.world.ledger.connections.held


async def test_a_customer_that_syncro_does_not_know_is_wrong_use(desk: Desk) -> None:
    error = await refused(desk, 999, TENANT)
    assert error.exit_code == 2
    assert "no customer 999" in error.message


async def test_a_missing_role_is_named_with_its_use_and_nothing_is_connected(desk: Desk) -> None:
    desk.world.directory.prove = lambda tenant_id: _roles(frozenset({"Mail.Read"}))  # type: ignore[method-assign]  # this tenant granted another role
    error = await refused(desk, CUSTOMER, TENANT)
    assert error.exit_code == 1
    assert "User.Read.All (to read users and to be notified of their changes)" in error.message
    assert "administrator" in error.message
    assert not desk.world.ledger.connections.held


async def _roles(roles: frozenset[str]) -> frozenset[str]:
    return roles


async def test_without_consent_nothing_is_connected(desk: Desk) -> None:
    desk.world.directory.failures = [StopTheLine("login", "consent", scope=Scope.TENANT)]
    with pytest.raises(StopTheLine):
        await connect(desk.ports, CUSTOMER, TENANT)
    assert not desk.world.ledger.connections.held


async def test_a_tenant_that_does_not_exist_was_mistyped(desk: Desk) -> None:
    desk.world.directory.failures = [StopTheLine("login", "tenant_unknown", scope=Scope.TENANT)]
    error = await refused(desk, CUSTOMER, TENANT)
    assert (error.exit_code, TENANT in error.message) == (2, True)
    assert not desk.world.ledger.connections.held


async def test_a_tenant_of_another_customer_is_refused_by_name_unless_it_is_shared(desk: Desk) -> None:
    desk.tie(8)
    error = await refused(desk, CUSTOMER, TENANT)
    assert error.exit_code == 2
    assert "customer 8" in error.message
    assert "--shared-tenant" in error.message
    made = await connect(desk.ports, CUSTOMER, TENANT, shared_tenant=True)
    assert made.status is ConnectionStatus.PREVIEW


@pytest.mark.parametrize("status", [ConnectionStatus.PREVIEW, ConnectionStatus.APPROVED, ConnectionStatus.PAUSED])
async def test_a_connected_customer_keeps_its_state(desk: Desk, status: ConnectionStatus) -> None:
    desk.tie(status=status)
    same = await refused(desk, CUSTOMER, TENANT)
    other = await refused(desk, CUSTOMER, OTHER)
    assert (same.exit_code, other.exit_code) == (2, 2)
    assert "already" in same.message
    assert TENANT in other.message
    assert desk.status_of() is status


async def test_a_disconnected_customer_may_be_connected_again_to_any_tenant_and_waits_again(desk: Desk) -> None:
    desk.tie(status=ConnectionStatus.DISCONNECTED)
    made = await connect(desk.ports, CUSTOMER, OTHER)
    assert (made.tenant_id, made.status) == (OTHER, ConnectionStatus.PREVIEW)


async def test_the_tenant_of_a_disconnected_customer_is_free(desk: Desk) -> None:
    desk.tie(8, status=ConnectionStatus.DISCONNECTED)
    assert (await connect(desk.ports, CUSTOMER, TENANT)).tenant_id == TENANT


async def test_connecting_takes_one_syncro_call(desk: Desk) -> None:
    await connect(desk.ports, CUSTOMER, TENANT)
    assert len(desk.world.pace.calls) == 1
