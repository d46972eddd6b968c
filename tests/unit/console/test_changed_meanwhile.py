"""What a person decides by what he saw is not carried out on what somebody made of it meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from console.operations import OperationError, approve, preview
from console.operations.connecting import confirm, look
from console.operations.consenting import askable
from console.operations.disconnecting import disconnect
from console.operations.pausing import pause, resume
from console.operations.syncs import explain_user, sync_user
from shared.domain.messages import UsersTouched
from shared.domain.onboarding import Invite, InviteState, Organization
from shared.domain.records import Connection, ConnectionStatus
from shared.domain.user import DirectoryUser
from tests.support.clock import START
from tests.support.desk import CUSTOMER, Desk, an_update
from tests.support.receiver import OTHER, TENANT, guid

USER = guid(0xABC)


async def _held(act: Awaitable[Any]) -> str:
    with pytest.raises(OperationError) as caught:
        await act
    assert caught.value.exit_code == 3
    return caught.value.message


def _meanwhile(desk: Desk, monkeypatch: pytest.MonkeyPatch, what: Callable[[Connection], Connection]) -> None:
    """Somebody else decides right after the connection was read."""
    connections = desk.world.ledger.connections
    reading = connections.get

    async def get(customer_id: int) -> Connection | None:
        found = await reading(customer_id)
        if found is not None:
            desk.world.clock.ahead += timedelta(seconds=1)
            connections.held[customer_id] = replace(what(found), changed_at=desk.world.clock.now())
        return found

    monkeypatch.setattr(connections, "get", get)


def _gone(found: Connection) -> Connection:
    return replace(found, status=ConnectionStatus.DISCONNECTED)


@pytest.mark.parametrize("ahead", [timedelta(minutes=-30), timedelta(), timedelta(minutes=30)])
async def test_a_tenant_that_was_added_while_the_plan_was_read_is_not_approved(desk: Desk, ahead: timedelta) -> None:
    """Whatever the clock of the machine says on which it was added."""
    desk.tie()
    desk.passes.plans = [an_update()]
    reading = desk.passes.preview

    async def slow(customer_id: int, policy: Any = None) -> Any:
        shown = await reading(customer_id, policy)
        tied = desk.world.ledger.connections.held[CUSTOMER]
        at = desk.world.clock.now() + ahead + timedelta(seconds=1)
        desk.world.ledger.connections.held[CUSTOMER] = replace(tied, more_tenants=(OTHER,), changed_at=at)
        return shown

    desk.passes.preview = slow  # type: ignore[method-assign]
    shown = await preview(desk.ports, CUSTOMER)
    assert "changed after the latest preview" in await _held(
        approve(desk.ports, CUSTOMER, shown.preview.code, by="kim")
    )
    assert desk.status_of() is ConnectionStatus.PREVIEW
    assert not desk.passes.begun


async def test_a_disconnect_during_an_approval_stays(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.tie()
    desk.passes.plans = [an_update()]
    shown = await preview(desk.ports, CUSTOMER)
    _meanwhile(desk, monkeypatch, _gone)
    assert "just now" in await _held(approve(desk.ports, CUSTOMER, shown.preview.code, by="kim"))
    assert desk.status_of() is ConnectionStatus.DISCONNECTED
    assert not desk.passes.begun


@pytest.mark.parametrize(("status", "act"), [(ConnectionStatus.APPROVED, pause), (ConnectionStatus.PAUSED, resume)])
async def test_a_disconnect_during_a_pause_or_its_end_stays(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, status: ConnectionStatus, act: Callable[..., Awaitable[Any]]
) -> None:
    desk.tie(status=status)
    _meanwhile(desk, monkeypatch, _gone)
    assert "just now" in await _held(act(desk.ports, CUSTOMER))
    assert desk.status_of() is ConnectionStatus.DISCONNECTED


async def test_a_disconnect_wins_over_whatever_happens_at_the_same_time(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.tie(status=ConnectionStatus.APPROVED)
    _meanwhile(desk, monkeypatch, lambda found: replace(found, status=ConnectionStatus.PAUSED))
    await disconnect(desk.ports, CUSTOMER)
    assert desk.status_of() is ConnectionStatus.DISCONNECTED


async def test_a_link_that_was_made_meanwhile_is_not_written_over(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.tie(tenant_id=OTHER, status=ConnectionStatus.DISCONNECTED)
    desk.organizations.known[TENANT] = Organization(TENANT, "Contoso", ("contoso.example",))
    match = await look(desk.ports, CUSTOMER, TENANT)
    _meanwhile(desk, monkeypatch, lambda found: replace(found, status=ConnectionStatus.PREVIEW))
    assert "just now" in await _held(confirm(desk.ports, match))
    assert desk.world.ledger.connections.held[CUSTOMER].tenant_id == OTHER


async def test_a_user_of_the_second_tenant_is_found_there(desk: Desk) -> None:
    tied = desk.tie(status=ConnectionStatus.APPROVED)
    desk.world.ledger.connections.held[CUSTOMER] = replace(tied, more_tenants=(OTHER,))
    desk.world.directory.put(OTHER, DirectoryUser(USER))
    assert await explain_user(desk.ports, CUSTOMER, USER) == desk.passes.explanation
    await sync_user(desk.ports, CUSTOMER, USER)
    sent = [each.message for each in desk.world.broker.published if isinstance(each.message, UsersTouched)]
    assert [(each.tenant_id, each.user_ids) for each in sent] == [(OTHER, (USER,))]


async def test_a_no_of_the_customers_administrator_is_asked_again_only_by_name(desk: Desk) -> None:
    said_no = Invite("n1", CUSTOMER, "Contoso", TENANT, START, START + timedelta(days=9), InviteState.DECLINED)
    waiting = Invite("n2", 8, "North", OTHER, START, START + timedelta(days=9))
    desk.world.ledger.invites.held = {"n1": said_no, "n2": waiting}
    assert await askable(desk.ports, ()) == [waiting]
    assert await askable(desk.ports, (CUSTOMER,)) == [said_no]


async def test_an_approval_does_not_end_a_pause(desk: Desk) -> None:
    """Its code may be typed again: what was undone meanwhile must not be written again by that."""
    desk.tie()
    desk.passes.plans = [an_update()]
    shown = await preview(desk.ports, CUSTOMER)
    await approve(desk.ports, CUSTOMER, shown.preview.code, by="kim")
    await pause(desk.ports, CUSTOMER)
    assert "customers resume" in await _held(approve(desk.ports, CUSTOMER, shown.preview.code, by="kim"))
    assert desk.status_of() is ConnectionStatus.PAUSED
    assert len(desk.passes.begun) == 1
