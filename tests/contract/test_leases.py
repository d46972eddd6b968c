"""Leases: the lines of `shared/ports.py`, over every state."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from shared.domain.errors import Transient
from shared.domain.messages import Lane
from shared.ports import LEASE_TAKEN, Leases
from tests.support.engine import StateHarness


async def is_free(leases: Leases, key: str = "customer:1") -> bool:
    try:
        async with leases.hold(key, ttl=10):
            return True
    except Transient as error:
        if error.counted:
            raise
        return False


async def test_give_a_key_to_one_owner_at_a_time_until_it_was_released(any_state: StateHarness) -> None:
    other = (await any_state.another()).leases
    async with any_state.state.leases.hold("customer:1", ttl=30) as lease:
        lease.ensure(20)
        assert not await is_free(other)
        assert await is_free(other, "customer:2")
    assert await is_free(other)


async def test_give_a_key_to_one_owner_at_a_time_until_its_ttl_ran_out(any_state: StateHarness) -> None:
    other = (await any_state.another()).leases
    async with any_state.state.leases.hold("customer:1", ttl=30):
        any_state.freeze(29.5)
        assert not await is_free(other)
        any_state.freeze(1)
        assert await is_free(other)


async def test_never_two_holders_whatever_the_crowd(any_state: StateHarness) -> None:
    handles = [any_state.state.leases, (await any_state.another()).leases]
    inside = most = served = 0

    async def enter(leases: Leases) -> None:
        nonlocal inside, most, served
        async with leases.hold("customer:1", ttl=1_000, wait=1_000):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.001)
            inside -= 1
            served += 1

    async with asyncio.TaskGroup() as group:
        for number in range(30):
            group.create_task(enter(handles[number % 2]))
    assert (most, served) == (1, 30)


async def test_release_only_by_the_owner_that_holds_it(any_state: StateHarness) -> None:
    other = (await any_state.another()).leases
    async with AsyncExitStack() as late:
        await late.enter_async_context(any_state.state.leases.hold("customer:1", ttl=10))
        any_state.freeze(11)
        async with other.hold("customer:1", ttl=30) as lease:
            await late.aclose()  # the first owner wakes up and releases what is no longer its own
            assert not await is_free(any_state.state.leases)
            lease.ensure(10)


async def test_raise_transient_not_counted_when_the_key_is_not_free_within_wait_seconds(
    any_state: StateHarness,
) -> None:
    async def wait_five() -> float:
        with pytest.raises(Transient) as caught:
            async with any_state.state.leases.hold("customer:1", ttl=10, wait=5):
                pass
        assert not caught.value.counted
        assert caught.value.code == LEASE_TAKEN  # told apart from an outage
        return any_state.monotonic

    async with any_state.state.leases.hold("customer:1", ttl=60):
        began = any_state.monotonic
        waiting = asyncio.create_task(wait_five())
        await any_state.elapse(4)
        assert not waiting.done()
        await any_state.elapse(4)
        assert 5 <= await waiting - began <= 6.5


async def test_who_waits_gets_the_key_when_it_comes_free(any_state: StateHarness) -> None:
    other = (await any_state.another()).leases
    got = asyncio.Event()

    async def wait() -> None:
        async with other.hold("customer:1", ttl=10, wait=30):
            got.set()

    async with any_state.state.leases.hold("customer:1", ttl=60):
        waiting = asyncio.create_task(wait())
        await any_state.elapse(1)
        assert not got.is_set()
    async with asyncio.timeout(5):
        await waiting


async def test_let_a_live_request_go_before_every_backfill_request_that_waits_at_the_same_time(
    any_state: StateHarness,
) -> None:
    order: list[str] = []

    async def wait(leases: Leases, name: str, lane: Lane) -> None:
        async with leases.hold("customer:1", ttl=10, wait=60, lane=lane):
            order.append(name)
            await any_state.elapse(0.5)

    other = (await any_state.another()).leases
    async with asyncio.TaskGroup() as group, any_state.state.leases.hold("customer:1", ttl=60):
        for name, leases, lane in (
            ("backfill 1", any_state.state.leases, Lane.BACKFILL),
            ("backfill 2", other, Lane.BACKFILL),
            ("live 1", other, Lane.LIVE),
            ("live 2", any_state.state.leases, Lane.LIVE),
        ):
            group.create_task(wait(leases, name, lane))
            await any_state.elapse(0.5)
    assert order[:2] == ["live 1", "live 2"]
    assert sorted(order[2:]) == ["backfill 1", "backfill 2"]


async def test_a_waiter_that_gave_up_blocks_nobody(any_state: StateHarness) -> None:
    leases = any_state.state.leases

    async def wait() -> None:
        async with leases.hold("customer:1", ttl=10, wait=600):
            raise AssertionError("never")

    async with leases.hold("customer:1", ttl=600):
        waiting = asyncio.create_task(wait())
        await any_state.elapse(1)
        waiting.cancel()
        await asyncio.wait({waiting})
    async with leases.hold("customer:1", ttl=10, lane=Lane.BACKFILL) as lease:
        lease.ensure()


async def test_a_request_that_is_cancelled_at_any_moment_leaves_no_lease_behind(any_state: StateHarness) -> None:
    async def hold() -> None:
        async with any_state.state.leases.hold("customer:1", ttl=600):
            await asyncio.sleep(10)

    for pause in range(20):
        holding = asyncio.create_task(hold())
        await asyncio.sleep(pause * 0.0002)
        holding.cancel()
        await asyncio.wait({holding})
        assert await is_free(any_state.state.leases)


async def test_ensure_raises_transient_unless_seconds_remain_by_the_monotonic_clock(any_state: StateHarness) -> None:
    async with any_state.state.leases.hold("customer:1", ttl=30) as lease:
        lease.ensure(25)
        any_state.freeze(20)
        lease.ensure(5)
        with pytest.raises(Transient, match="lease_lost"):
            lease.ensure(15)
        any_state.freeze(10)
        with pytest.raises(Transient, match="lease_lost"):
            lease.ensure()
    with pytest.raises(Transient, match="lease_lost"):
        lease.ensure()


@pytest.mark.parametrize("step", [-86_400.0, 86_400.0])
async def test_a_step_of_the_wall_clock_frees_no_key_and_locks_none_up(any_state: StateHarness, step: float) -> None:
    other = (await any_state.another()).leases
    async with any_state.state.leases.hold("customer:1", ttl=30) as lease:
        any_state.step_wall(step)
        assert not await is_free(other)
        lease.ensure(20)
        any_state.freeze(31)
        assert await is_free(other)


async def test_not_renew_by_itself_a_frozen_holder_loses_the_key(any_state: StateHarness) -> None:
    async with any_state.state.leases.hold("customer:1", ttl=5) as lease:
        await any_state.elapse(6)
        assert await is_free(any_state.state.leases)
        with pytest.raises(Transient, match="lease_lost"):
            lease.ensure()


async def test_a_wiped_state_frees_the_key_and_breaks_nothing(shared_state: StateHarness) -> None:
    async with shared_state.state.leases.hold("customer:1", ttl=30):
        shared_state.wipe()
        assert await is_free(shared_state.state.leases)
