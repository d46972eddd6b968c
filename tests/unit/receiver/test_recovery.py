"""After a period of 503s the delta polls are asked for at once, once, and until the store takes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import pairwise

import pytest

from receiver.recovery import Recovery, Refusals
from shared.domain.watching import POLL_WANTED_KEY
from tests.support.fake_state import FakeMemory
from tests.support.virtual_time import LoopClock, run_virtual


class Bench:
    def __init__(self) -> None:
        self.clock = LoopClock()
        self.memory = FakeMemory(self.clock)
        self.refusals = Refusals(self.clock)
        self.confirms = True
        self.recovery = Recovery(self.refusals, lambda: self.confirms, memory=self.memory, clock=self.clock)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.recovery.run(stop), name="recovery")
            try:
                yield
            finally:
                stop.set()

    async def wanted(self) -> float | None:
        """Seconds of the loop at which polls were last asked for."""
        value = await self.memory.recall(POLL_WANTED_KEY)
        if value is None:
            return None
        moment = datetime.fromisoformat(value)
        assert moment.tzinfo is not None
        return self.clock.monotonic() - (self.clock.now() - moment).total_seconds()


def test_the_start_ends_an_outage_and_quiet_times_ask_for_nothing() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.confirms = False
        async with bench.running():
            await asyncio.sleep(30)
            assert await bench.wanted() is None, "the broker has not confirmed yet"
            bench.confirms = True
            await asyncio.sleep(5)
            first = await bench.wanted()
            assert first is not None
            assert 30 <= first <= 32
            await asyncio.sleep(3600)
            assert await bench.wanted() == first
        assert bench.recovery.ready()

    run_virtual(scenario())


def test_the_end_of_a_period_asks_once() -> None:
    async def scenario() -> None:
        bench = Bench()
        async with bench.running():
            await asyncio.sleep(100)
            bench.confirms = False
            for _ in range(20):
                bench.refusals.refused()
                await asyncio.sleep(1)
            bench.confirms = True
            await asyncio.sleep(10)
            after = await bench.wanted()
            assert after is not None
            assert 120 <= after <= 124
            await asyncio.sleep(1000)
            assert await bench.wanted() == after

    run_virtual(scenario())


@pytest.mark.parametrize("every", [0.5, 4.0])
def test_refusals_that_do_not_end_are_answered_less_and_less_often(every: float) -> None:
    """A broker that flaps: waiting for quiet would be waiting for ever, and a poll each time wears out Microsoft."""

    async def scenario() -> None:
        bench = Bench()
        moments: dict[float | None, None] = {}
        async with bench.running():
            await asyncio.sleep(10)
            moments[await bench.wanted()] = None
            ends = bench.clock.monotonic() + 3600
            while bench.clock.monotonic() < ends:
                bench.refusals.refused()
                await asyncio.sleep(every)
                moments[await bench.wanted()] = None
        _, *answers = (each for each in moments if each is not None)  # the first is the start's
        gaps = [later - earlier for earlier, later in pairwise(answers)]
        assert gaps == sorted(gaps)
        assert gaps[0] == pytest.approx(60, abs=5)
        assert gaps[-1] == pytest.approx(600, abs=5)

    run_virtual(scenario())


def test_the_last_of_many_periods_is_answered_though_it_came_soon() -> None:
    async def scenario() -> None:
        bench = Bench()
        async with bench.running():
            await asyncio.sleep(10)
            for _ in range(3):
                bench.refusals.refused()
                last = bench.clock.monotonic()
                await asyncio.sleep(5)
            await asyncio.sleep(60)
            answer = await bench.wanted()
            assert answer is not None
            assert last < answer <= last + 62

    run_virtual(scenario())


def test_after_a_calm_time_a_period_is_answered_at_once_and_the_next_within_a_minute() -> None:
    async def scenario() -> None:
        bench = Bench()
        async with bench.running():
            await asyncio.sleep(10)
            for _ in range(1000):
                bench.refusals.refused()
                await asyncio.sleep(1)
            await asyncio.sleep(3600)
            for waits in (5, 65):
                bench.refusals.refused()
                began = bench.clock.monotonic()
                await asyncio.sleep(waits)
                answer = await bench.wanted()
                assert answer is not None
                assert answer >= began

    run_virtual(scenario())


def test_a_store_that_is_away_is_asked_until_it_takes_the_moment() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.memory.away = True
        async with bench.running():
            await asyncio.sleep(500)
            bench.memory.away = False
            await asyncio.sleep(3)
            assert await bench.wanted() is not None

    run_virtual(scenario())


def test_a_refusal_while_the_moment_is_being_written_begins_another_period() -> None:
    async def scenario() -> None:
        bench = Bench()
        remember = bench.memory.remember

        async def slowly(key: str, value: str, *, ttl: float) -> None:
            await asyncio.sleep(0.5)
            bench.refusals.refused()
            bench.memory.remember = remember  # type: ignore[method-assign]  # only the first time
            await remember(key, value, ttl=ttl)

        bench.memory.remember = slowly  # type: ignore[method-assign]
        async with bench.running():
            await asyncio.sleep(1)
            first = await bench.wanted()
            await asyncio.sleep(10)
            second = await bench.wanted()
        assert first is not None
        assert second is not None
        assert second > first

    run_virtual(scenario())
