"""Pausing, going on, disconnecting and customers without Entra: what changes, what stays, what is said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from console.operations import OperationError, disconnect, invite, listed, pause, resume, set_apart, undo_apart
from console.operations.connecting import connect
from shared.domain.onboarding import InviteState, Organization
from shared.domain.records import ConnectionStatus
from shared.domain.watching import Poll, SubscriptionState
from tests.support.clock import START
from tests.support.desk import APP_ID, CUSTOMER, Desk
from tests.support.receiver import OTHER, TENANT
from tests.unit.console.conftest import Shell

NOT_APPROVED = [ConnectionStatus.PREVIEW, ConnectionStatus.DISCONNECTED]


async def test_a_paused_customer_goes_on_and_is_owed_a_full_sync(desk: Desk) -> None:
    tied = desk.tie(status=ConnectionStatus.APPROVED)
    paused = await pause(desk.ports, CUSTOMER)
    assert (paused.status, desk.status_of()) == (ConnectionStatus.PAUSED, ConnectionStatus.PAUSED)
    assert paused.changed_at > tied.changed_at
    assert not await desk.ports.owed.owed()
    resumed = await resume(desk.ports, CUSTOMER)
    assert (resumed.status, desk.status_of()) == (ConnectionStatus.APPROVED, ConnectionStatus.APPROVED)
    assert [each.customer_id for each in await desk.ports.owed.owed()] == [CUSTOMER]


async def test_what_was_missed_is_owed_before_anything_goes_on(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.tie(status=ConnectionStatus.PAUSED)

    async def dies(connection: object, was: object) -> bool:
        raise RuntimeError("killed here")

    monkeypatch.setattr(desk.world.ledger.connections, "change", dies)
    with pytest.raises(RuntimeError):
        await resume(desk.ports, CUSTOMER)
    assert [each.customer_id for each in await desk.ports.owed.owed()] == [CUSTOMER]


@pytest.mark.parametrize("status", [*NOT_APPROVED, ConnectionStatus.PAUSED])
async def test_only_an_approved_customer_is_paused(desk: Desk, status: ConnectionStatus) -> None:
    desk.tie(status=status)
    with pytest.raises(OperationError) as caught:
        await pause(desk.ports, CUSTOMER)
    assert (caught.value.exit_code, desk.status_of()) == (2, status)


@pytest.mark.parametrize("status", [*NOT_APPROVED, ConnectionStatus.APPROVED])
async def test_going_on_never_means_an_approval_that_nobody_gave(desk: Desk, status: ConnectionStatus) -> None:
    desk.tie(status=status)
    with pytest.raises(OperationError) as caught:
        await resume(desk.ports, CUSTOMER)
    assert (caught.value.exit_code, desk.status_of()) == (2, status)
    assert not await desk.ports.owed.owed()


@pytest.mark.parametrize("status", [ConnectionStatus.PREVIEW, ConnectionStatus.APPROVED, ConnectionStatus.PAUSED])
async def test_a_disconnected_customer_keeps_all_but_its_delta_link(desk: Desk, status: ConnectionStatus) -> None:
    desk.tie(status=status)
    await desk.ports.polls.save(Poll(TENANT, "a link", START, 300.0, {"u": START}))
    await desk.ports.polls.save(Poll(OTHER, "another", START, 300.0))
    ended = await disconnect(desk.ports, CUSTOMER)
    assert desk.status_of() is ConnectionStatus.DISCONNECTED
    assert (ended.ended, ended.kept) == ((TENANT,), ())
    polls = await desk.ports.polls.all()
    assert (polls[TENANT], polls[OTHER].link) == (Poll(TENANT, None, None, 300.0), "another")
    said = " ".join(ended.stays)
    assert "Contacts" in said
    assert "journal" in said
    assert f"Enterprise applications, the application with the id {APP_ID}" in said


async def test_a_tenant_that_another_customer_uses_goes_on(desk: Desk) -> None:
    desk.tie()
    desk.tie(8)
    await desk.ports.polls.save(Poll(TENANT, "a link", START, 300.0))
    ended = await disconnect(desk.ports, CUSTOMER)
    assert (ended.ended, ended.kept) == ((), (TENANT,))
    assert (await desk.ports.polls.all())[TENANT].link == "a link"
    assert f"Tenant {TENANT}: its subscription and consent stay, because another customer uses them." in ended.stays
    assert "Enterprise applications" not in " ".join(ended.stays)


async def test_of_two_tenants_each_is_said_to_stay_or_to_end(desk: Desk) -> None:
    tied = desk.tie()
    await desk.ports.connections.save(replace(tied, more_tenants=(OTHER,)))
    desk.tie(8)
    ended = await disconnect(desk.ports, CUSTOMER)
    assert (ended.ended, ended.kept) == ((OTHER,), (TENANT,))
    said = " ".join(ended.stays)
    assert f"The consent stays in tenant {OTHER}." in said
    assert f"Tenant {TENANT}: its subscription" in said
    assert f"Tenant {OTHER}: its subscription" not in said


@pytest.mark.parametrize("subscribed", [True, False])
def test_a_subscription_is_said_to_end_only_where_there_is_one(shell: Shell, subscribed: bool) -> None:
    shell.desk.tie()
    if subscribed:
        state = SubscriptionState(TENANT, "s1", START, "", START)
        shell.run(shell.desk.ports.subscription_states.save(state))
    said = shell("customers", "disconnect", str(CUSTOMER))
    assert ("stops telling us" in said.out) is subscribed
    assert "another customer" not in said.out


async def test_every_tenant_of_the_customer_ends(desk: Desk) -> None:
    tied = desk.tie()
    await desk.ports.connections.save(replace(tied, more_tenants=(OTHER,)))
    assert (await disconnect(desk.ports, CUSTOMER)).ended == (TENANT, OTHER)


async def test_a_link_that_is_still_about_connects_nothing_after_a_disconnect(desk: Desk) -> None:
    desk.tie()
    made = await invite(desk.ports, CUSTOMER, OTHER, add=True)
    await disconnect(desk.ports, CUSTOMER)
    assert await desk.ports.invites.take(made.nonce, START) is None
    assert desk.world.ledger.invites.held[made.nonce].state is InviteState.REPLACED


async def test_what_is_not_connected_cannot_be_disconnected(desk: Desk) -> None:
    with pytest.raises(OperationError) as caught:
        await disconnect(desk.ports, CUSTOMER)
    assert caught.value.exit_code == 2


async def test_a_customer_without_entra_is_counted_apart_and_not_connected(desk: Desk) -> None:
    made = await invite(desk.ports, CUSTOMER)
    apart = await set_apart(desk.ports, CUSTOMER)
    found = await listed(desk.ports)
    assert (found.without_entra, found.consents, apart.customer_name) == ([apart], [], "Contoso")
    assert await desk.ports.invites.take(made.nonce, START) is None
    with pytest.raises(OperationError, match="without-entra 7 --undo") as caught:
        await connect(desk.ports, CUSTOMER, TENANT)
    assert caught.value.exit_code == 2


async def test_it_may_be_undone(desk: Desk) -> None:
    await set_apart(desk.ports, CUSTOMER)
    await undo_apart(desk.ports, CUSTOMER)
    desk.organizations.known[TENANT] = Organization(TENANT, "Contoso", ())
    assert (await connect(desk.ports, CUSTOMER, TENANT)).status is ConnectionStatus.PREVIEW
    with pytest.raises(OperationError) as caught:
        await undo_apart(desk.ports, CUSTOMER)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("status", [ConnectionStatus.PREVIEW, ConnectionStatus.APPROVED, ConnectionStatus.PAUSED])
async def test_a_connected_customer_has_entra(desk: Desk, status: ConnectionStatus) -> None:
    desk.tie(status=status)
    with pytest.raises(OperationError) as caught:
        await set_apart(desk.ports, CUSTOMER)
    assert (caught.value.exit_code, await desk.ports.apart.all()) == (2, [])


async def test_syncro_must_know_the_customer(desk: Desk) -> None:
    with pytest.raises(OperationError, match="no customer 999"):
        await set_apart(desk.ports, 999)
