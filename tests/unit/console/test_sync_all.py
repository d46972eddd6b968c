"""A full sync of every customer: who takes part, what one customer's trouble means, how many begin at once."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from console.operations import OperationError, StartedRun, sync_all
from console.operations.ports import Begun
from shared.domain.errors import Permanent, Scope, StopTheLine, SyncError, Transient
from shared.domain.messages import Reason
from shared.domain.nightly import NightlyPolicy
from shared.domain.records import ConnectionStatus
from tests.support.desk import Desk, an_update
from tests.support.virtual_time import run_virtual

STATES = [ConnectionStatus.APPROVED, ConnectionStatus.PREVIEW, ConnectionStatus.PAUSED, ConnectionStatus.DISCONNECTED]


async def test_the_approved_are_synced_the_others_left_out_and_the_disconnected_not_named(desk: Desk) -> None:
    for number, status in enumerate([*STATES, ConnectionStatus.APPROVED]):
        desk.tie(number, status=status)
    desk.passes.plans = [an_update()]
    expected: list[int] = []
    told: list[int] = []
    begun = await sync_all(desk.ports, expect=expected.append, told=lambda each: told.append(each.customer_id))
    assert [run.customer_id for run in begun.runs] == [0, 4]
    assert [tied.customer_id for tied in begun.left_out] == [1, 2]
    assert (expected, sorted(told), begun.failed) == ([2], [0, 4], ())


@pytest.mark.parametrize("status", [None, ConnectionStatus.PREVIEW, ConnectionStatus.DISCONNECTED])
async def test_without_an_approved_customer_there_is_nothing_to_sync(
    desk: Desk, status: ConnectionStatus | None
) -> None:
    if status is not None:
        desk.tie(status=status)
    with pytest.raises(OperationError, match="No customer is approved yet") as caught:
        await sync_all(desk.ports)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    "error",
    [Transient("syncro", "timeout"), Permanent("worker", "x"), StopTheLine("login", "consent", scope=Scope.TENANT)],
)
async def test_one_customers_trouble_is_its_own(desk: Desk, error: SyncError) -> None:
    for number in range(3):
        desk.tie(number, status=ConnectionStatus.APPROVED)
    desk.passes.broken, desk.passes.broken_for = error, frozenset({1})
    begun = await sync_all(desk.ports)
    assert [run.customer_id for run in begun.runs] == [0, 2]
    assert [(each.customer_id, each.error) for each in begun.failed] == [(1, error)]


async def test_what_stops_the_whole_account_stops_this_too(desk: Desk) -> None:
    desk.tie(status=ConnectionStatus.APPROVED)
    desk.passes.broken = StopTheLine("syncro", "token", scope=Scope.ACCOUNT)
    with pytest.raises(ExceptionGroup) as caught:
        await sync_all(desk.ports)
    assert caught.value.exceptions == (desk.passes.broken,)


@pytest.mark.parametrize("at_once", [1, 3])
def test_no_more_begin_at_once_than_the_setting_says(at_once: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    async def most() -> int:
        desk = Desk(tmp_path_factory.mktemp("desk"))
        for number in range(6):
            desk.tie(number, status=ConnectionStatus.APPROVED)
        running, peak = 0, 0
        begin = desk.passes.begin

        async def slow(customer_id: int, *, reason: Reason, run_id: str, **others: object) -> Begun:
            nonlocal running, peak
            running += 1
            peak = max(peak, running)
            await asyncio.sleep(5)
            running -= 1
            return await begin(customer_id, reason=reason, run_id=run_id)

        desk.passes.begin = slow  # type: ignore[method-assign]  # counts how many are under way
        ports = replace(desk.ports, nightly=NightlyPolicy(at_once=at_once))
        begun = await sync_all(ports)
        assert all(isinstance(run, StartedRun) for run in begun.runs)
        return peak

    assert run_virtual(most()) == at_once
