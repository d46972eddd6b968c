"""Several worker processes on one Redis that is emptied, killed and frozen at random moments. The verdict is offline:
every process prints what it did and when, and the whole history is judged at the end."""

from __future__ import annotations

import asyncio
import random
from itertools import combinations, pairwise

import pytest

from sandbox.servers import RedisServer
from shared.domain.pace import MAX_SLOT_AGE
from tests.support.redis_worker import BURST, Workers, workers

PER_MINUTE = 480
SECONDS = 10.0


def most_above_the_bound(moments: list[float]) -> float:
    """Over all windows: how many calls more than burst plus pace were made in one (at most 0 when all is well)."""
    interval = (60 + MAX_SLOT_AGE) / PER_MINUTE
    moments = sorted(moments)
    return max(
        later - earlier + 1 - BURST - (moments[later] - moments[earlier] + MAX_SLOT_AGE) / interval
        for earlier, later in combinations(range(len(moments)), 2)
    )


async def trouble(server: RedisServer, kind: str, chance: random.Random) -> None:
    for _ in range(3):
        await asyncio.sleep(chance.uniform(0.8, 2.5))
        if kind == "FLUSHALL":
            await asyncio.to_thread(server.flush)
        elif kind == "SIGKILL":
            await asyncio.to_thread(server.kill)
            await asyncio.sleep(chance.uniform(0, 0.5))
            await asyncio.to_thread(server.start)
        elif kind == "SIGSTOP":
            server.freeze()
            await asyncio.sleep(chance.uniform(0.3, 2.0))
            server.thaw()


OTHERS = ["none", "SIGKILL", "SIGSTOP"]


@pytest.mark.parametrize("kind", ["FLUSHALL", *OTHERS])
async def test_never_more_calls_than_pace_plus_burst(redis_server: RedisServer, kind: str) -> None:
    seed = random.randrange(10**6)
    async with workers(redis_server, 3, "pace", SECONDS, PER_MINUTE) as team:
        await trouble(redis_server, kind, random.Random(seed))
        lines = await team.said()
    moments = [line[0] for worker in lines for line in worker]
    assert most_above_the_bound(moments) <= 0, f"seed {seed}"
    assert all(worker for worker in lines), "each process gets its share"
    if kind == "none":
        assert len(moments) >= 0.8 * SECONDS * PER_MINUTE / 61


def overlaps(lines: list[list[list[float]]]) -> list[tuple[float, float]]:
    """Stays of two workers in one room at one time."""
    stays = sorted(
        (began, last, number)
        for number, worker in enumerate(lines)
        for began, last in {line[0]: line[1] for line in worker}.items()  # the last line of a stay has its end
    )
    return [(one[0], other[0]) for one, other in pairwise(stays) if other[0] < one[1] and one[2] != other[2]]


async def lease_history(server: RedisServer, frozen: bool) -> list[list[list[float]]]:
    async with workers(server, 3, "lease", 6.0, 1.0) as team:
        for _ in range(3 if frozen else 0):
            await freeze_a_worker(team)
        return await team.said()


async def freeze_a_worker(team: Workers) -> None:
    number = random.randrange(3)
    await asyncio.sleep(0.5)
    team.freeze(number)
    await asyncio.sleep(1.3)  # longer than a lease lasts
    team.thaw(number)


@pytest.mark.parametrize(
    "frozen",
    [
        pytest.param(False, id="all awake"),
        pytest.param(True, id="holders frozen beyond their lease"),
    ],
)
async def test_one_holder_at_a_time(redis_server: RedisServer, frozen: bool) -> None:
    lines = await lease_history(redis_server, frozen)
    assert overlaps(lines) == []
    assert all(worker for worker in lines), "each process gets its share"


async def test_the_key_of_a_holder_frozen_for_good_is_free_after_its_ttl(redis_server: RedisServer) -> None:
    async with workers(redis_server, 1, "lease", 30.0, 1.0) as team:
        await asyncio.sleep(1.5)
        team.freeze(0)
        async with workers(redis_server, 1, "lease", 3.0, 1.0) as others:
            (stays,) = await others.said()
    assert stays


def test_the_verdict_finds_a_call_too_many() -> None:
    interval = 61 / PER_MINUTE
    even = [number * interval for number in range(200)]
    assert most_above_the_bound(even) <= 0
    crowd = sorted([*even, *(even[100] + number * 1e-3 for number in range(BURST + 8))])
    assert most_above_the_bound(crowd) > 0
