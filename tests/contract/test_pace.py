"""Pace: the lines of `shared/ports.py`, over every state. The harness's pace: 120 a minute, backfill 80, burst 10."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest

from shared.domain.errors import Transient
from shared.domain.messages import Lane
from shared.ports import Pace
from tests.support.engine import StateHarness

QUIET = 30.0  # seconds after which the whole burst is there


async def rested(harness: StateHarness) -> Pace:
    """The pace after a long silence (the first question creates the record)."""
    with pytest.raises(Transient):
        async with harness.state.pace.reserve(1, wait=0):
            pass
    harness.freeze(QUIET)
    return harness.state.pace


async def at_once(pace: Pace, lane: Lane = Lane.LIVE) -> int:
    """How many calls are granted at this very moment; they are spent."""
    for count in range(100):
        try:
            async with pace.reserve(1, lane, wait=0) as allowance:
                await allowance.spend()
        except Transient as error:
            if error.counted:
                raise
            return count
    raise AssertionError("no limit")


@dataclass
class Caller:
    """Calls as fast as it may, from several tasks, and remembers when."""

    harness: StateHarness
    made: list[float] = field(default_factory=list)

    async def call_for_ever(self, pace: Pace, lane: Lane) -> None:
        while True:
            async with pace.reserve(2, lane, wait=1_000) as allowance:
                await allowance.spend()
                self.made.append(self.harness.monotonic)
                await allowance.spend()
                self.made.append(self.harness.monotonic)

    @asynccontextmanager
    async def calling(self, *paces: tuple[Pace, Lane]) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self.call_for_ever(pace, lane)) for pace, lane in paces]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def most_in_a_minute(self) -> int:
        times = sorted(self.made)
        return max(bisect_left(times, at + 60.0) - index for index, at in enumerate(times))


async def test_never_grant_more_than_pace_plus_burst_in_any_60_s_over_all_processes(any_state: StateHarness) -> None:
    one, other = await rested(any_state), (await any_state.another()).pace
    caller = Caller(any_state)
    async with caller.calling((one, Lane.LIVE), (other, Lane.LIVE), (one, Lane.BACKFILL), (other, Lane.BACKFILL)):
        await any_state.elapse(70)
    assert 115 <= caller.most_in_a_minute() <= 130


async def test_keep_half_the_burst_for_the_live_lane(any_state: StateHarness) -> None:
    pace = await rested(any_state)
    assert await at_once(pace, Lane.BACKFILL) == 5
    assert await at_once(pace, Lane.LIVE) == 5


async def test_live_may_use_the_whole_burst(any_state: StateHarness) -> None:
    assert await at_once(await rested(any_state), Lane.LIVE) == 10


async def test_keep_the_backfill_lane_within_its_own_lower_pace(any_state: StateHarness) -> None:
    pace = await rested(any_state)
    caller = Caller(any_state)
    async with caller.calling((pace, Lane.BACKFILL), (pace, Lane.BACKFILL)):
        await any_state.elapse(66)
    assert 70 <= caller.most_in_a_minute() <= 85


async def test_live_goes_before_backfill_and_first_comes_first(any_state: StateHarness) -> None:
    pace = await rested(any_state)
    await at_once(pace)
    order: list[str] = []

    async def wait(name: str, lane: Lane) -> None:
        async with pace.reserve(1, lane) as allowance:
            await allowance.spend()
            order.append(name)

    async with asyncio.TaskGroup() as group:
        for name in ("backfill 1", "backfill 2", "live 1", "live 2", "live 3"):
            group.create_task(wait(name, Lane(name.split()[0])))
            await asyncio.sleep(0.01)
        await any_state.elapse(15)
    assert order == ["live 1", "live 2", "live 3", "backfill 1", "backfill 2"]


async def test_give_unspent_calls_back_on_leaving_the_context(any_state: StateHarness) -> None:
    pace = await rested(any_state)
    async with pace.reserve(6) as allowance:
        await allowance.spend()
        await allowance.spend()
        assert allowance.spent == 2
    assert await at_once(pace) == 8


async def test_calls_reserved_together_come_together_and_further_ones_one_by_one(any_state: StateHarness) -> None:
    pace = await rested(any_state)
    async with pace.reserve(2) as allowance:
        for _ in range(10):
            await allowance.spend()
        further = asyncio.ensure_future(allowance.spend())
        await asyncio.sleep(0.05)
        assert not further.done()
        await any_state.elapse(1)
        await further
        assert allowance.spent == 11


async def test_a_slot_older_than_1_s_is_void_and_spend_waits_for_a_new_one(any_state: StateHarness) -> None:
    pace = await rested(any_state)
    async with pace.reserve(2) as allowance:
        any_state.freeze(1.1)
        assert await at_once(pace) == 10  # time has worked the two off; the frozen one may not call on top
        spending = asyncio.ensure_future(allowance.spend())
        await asyncio.sleep(0.05)
        assert not spending.done()
        await any_state.elapse(2)
        await spending


async def test_raise_transient_not_counted_when_nothing_is_granted_within_wait_seconds(
    any_state: StateHarness,
) -> None:
    pace = await rested(any_state)
    await at_once(pace)

    async def wait(seconds: float) -> None:
        async with pace.reserve(8, wait=seconds):
            raise AssertionError("eight calls need four seconds")

    waiting = asyncio.ensure_future(wait(2))
    await any_state.elapse(1)
    assert not waiting.done()
    await any_state.elapse(1.5)
    with pytest.raises(Transient) as caught:
        await waiting
    assert not caught.value.counted


async def test_treat_a_missing_record_as_burst_spent(shared_state: StateHarness) -> None:
    pace = await rested(shared_state)
    shared_state.wipe()
    assert await at_once(pace) == 0
    shared_state.freeze(1.1)
    assert await at_once(pace) == 2


async def test_refused_halves_the_pace_for_10_minutes_for_every_process(any_state: StateHarness) -> None:
    pace, other = await rested(any_state), (await any_state.another()).pace
    await pace.refused()
    caller = Caller(any_state)
    async with caller.calling((other, Lane.LIVE), (other, Lane.LIVE)):
        await any_state.elapse(66)
    assert 50 <= caller.most_in_a_minute() <= 65
    any_state.freeze(600)
    assert await at_once(other) == 10


@pytest.mark.parametrize("step", [-86_400.0, 86_400.0])
async def test_a_step_of_the_wall_clock_neither_fills_nor_stops_the_pace(any_state: StateHarness, step: float) -> None:
    pace = await rested(any_state)
    assert await at_once(pace) == 10
    any_state.step_wall(step)
    assert await at_once(pace) == 0
    any_state.freeze(1.1)
    assert await at_once(pace) == 2


async def test_a_waiter_that_is_cancelled_blocks_nobody(any_state: StateHarness) -> None:
    pace = await rested(any_state)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(pace.reserve(10))
        waiting = asyncio.ensure_future(pace.reserve(1).__aenter__())
        await asyncio.sleep(0.02)
        waiting.cancel()
        await asyncio.wait({waiting})
    async with pace.reserve(1, wait=0) as allowance:
        await allowance.spend()
