"""Previewing everybody that waits: each as by its own preview, and one that fails stops nobody."""

from __future__ import annotations

import asyncio

import pytest

from console.operations import preview_all
from shared.domain.errors import Scope, StopTheLine, Transient
from shared.domain.policy import SyncPolicy
from shared.domain.preview import Preview
from shared.domain.records import ConnectionStatus
from tests.support.desk import CUSTOMER, Desk, a_creation, an_update
from tests.support.receiver import OTHER


async def test_each_has_its_plan_its_contacts_saved_and_its_own_code(desk: Desk) -> None:
    desk.tie()
    desk.tie(8, OTHER)
    desk.passes.plans_of = {CUSTOMER: [a_creation()], 8: [an_update(before="+1 217 555 0199")]}
    found = await preview_all(desk.ports)
    clean, other = found.previews
    assert (clean.shown.preview.customer_id, clean.unclean) == (CUSTOMER, ())
    assert other.unclean == ("values of 1 contact would be overwritten",)
    for each in found.previews:
        latest = await desk.ports.approvals.latest(each.shown.preview.customer_id)
        assert latest is not None
        assert latest.digest == each.shown.preview.code
        assert each.shown.saved_contacts.exists()
    assert desk.passes.begun == []


@pytest.mark.parametrize("status", [ConnectionStatus.APPROVED, ConnectionStatus.PAUSED, ConnectionStatus.DISCONNECTED])
async def test_only_customers_that_wait_are_previewed(desk: Desk, status: ConnectionStatus) -> None:
    desk.tie(status=status)
    found = await preview_all(desk.ports)
    assert (found.previews, found.failed) == ((), ())


@pytest.mark.parametrize(
    "error", [Transient("graph", "service_fault"), StopTheLine("graph", "permission_missing", scope=Scope.TENANT)]
)
async def test_one_that_cannot_be_read_is_named_and_stops_nobody(desk: Desk, error: Transient | StopTheLine) -> None:
    desk.tie()
    desk.tie(8, OTHER)
    desk.passes.broken, desk.passes.broken_for = error, frozenset({CUSTOMER})
    found = await preview_all(desk.ports)
    assert [each.shown.preview.customer_id for each in found.previews] == [8]
    assert [(each.customer_id, each.error) for each in found.failed] == [(CUSTOMER, error)]


async def test_what_stops_the_whole_account_keeps_what_was_made_and_reads_nobody_else(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20, 40):
        desk.tie(number, f"{number:08d}-0000-4000-8000-000000000000")
    read: list[int] = []

    async def tired(customer_id: int, policy: SyncPolicy | None = None) -> Preview:
        await asyncio.sleep(0)
        read.append(customer_id)
        if len(read) > 6:
            raise StopTheLine("syncro", "too_many", scope=Scope.ACCOUNT)
        return Preview(customer_id, (), ())

    monkeypatch.setattr(desk.passes, "preview", tired)
    found = await preview_all(desk.ports)
    assert len(found.previews) == 6
    assert len(found.failed) == 14
    assert {each.error.code for each in found.failed if each.error} == {"too_many"}
    assert len(read) <= 6 + 4


async def test_at_most_four_tenants_are_read_at_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20, 32):
        desk.tie(number, f"{number:08d}-0000-4000-8000-000000000000")
    at_once, most = 0, 0

    async def slowly(customer_id: int, policy: SyncPolicy | None = None) -> Preview:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.001)
        at_once -= 1
        return Preview(customer_id, (), ())

    monkeypatch.setattr(desk.passes, "preview", slowly)
    totals, told = list[int](), list[None]()
    found = await preview_all(desk.ports, expect=totals.append, told=lambda: told.append(None))
    assert len(found.previews) == 12
    assert most == 4
    assert (totals, len(told)) == ([12], 12)
