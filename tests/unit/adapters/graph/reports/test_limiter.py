"""Turns in virtual time: never more in any window than allowed, and in the order of asking."""

from __future__ import annotations

import asyncio

import pytest

from shared.adapters.graph.reports.limiter import MARGIN, Limiter
from tests.support.virtual_time import LoopClock, run_virtual


def departures(requests: int, seconds: float, count: int) -> list[float]:
    async def main() -> list[float]:
        clock = LoopClock()
        limiter, left = Limiter(requests, seconds, clock), list[float]()

        async def one() -> None:
            await limiter.turn()
            left.append(clock.monotonic())

        await asyncio.gather(*(one() for _ in range(count)))
        return left

    return run_virtual(main())


def test_a_burst_and_then_the_pace() -> None:
    window = 60 + MARGIN
    assert departures(2, 60, 5) == pytest.approx([0, 0, window, window, 2 * window])


@pytest.mark.parametrize(("requests", "seconds"), [(1, 1.0), (5, 10.0), (10, 60.0)])
def test_no_window_holds_more_than_allowed(requests: int, seconds: float) -> None:
    left = departures(requests, seconds, 37)
    assert left == sorted(left)
    for start in left:
        assert sum(start <= moment < start + seconds for moment in left) <= requests


def test_turns_that_are_far_apart_wait_for_nothing() -> None:
    async def main() -> float:
        clock = LoopClock()
        limiter = Limiter(1, 10, clock)
        for _ in range(3):
            await limiter.turn()
            await asyncio.sleep(20)
        return clock.monotonic()

    assert run_virtual(main()) == pytest.approx(60)


def test_one_who_gives_up_leaves_the_others_in_place() -> None:
    async def main() -> float:
        clock = LoopClock()
        limiter = Limiter(1, 10, clock)
        await limiter.turn()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await limiter.turn()
        await limiter.turn()
        return clock.monotonic()

    assert run_virtual(main()) == pytest.approx(2 * (10 + MARGIN))
