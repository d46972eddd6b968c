"""Failed changes in a ledger, a job over them, and the service that hands them over, for tests of replays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from shared.domain.desk import Replay, ReplayState
from shared.domain.messages import Lane, Reason, UsersTouched, encode
from shared.domain.records import DeadLetter
from tests.support.clock import START
from tests.support.desk import a_letter
from tests.support.station import TENANT, Station
from worker.replays import LetterReplays

EVERY, PAUSE = 2.0, 1.0  # seconds, as set by default


def letter_of(station: Station, user: str, name: str = "", **facts: Any) -> DeadLetter:
    body = encode(
        UsersTouched(
            tenant_id=TENANT,
            user_ids=(user,),
            reason=Reason.NOTIFICATION,
            noticed_at=START,
            trace_id="old",
            attempt=14,
        )
    )
    made = replace(a_letter(name or f"letter-{user}", body), tenant_id=TENANT, user_ids=(user,), **facts)
    station.world.ledger.dead_letters.held[made.letter_id] = made
    return made


async def order(station: Station, letters: Sequence[DeadLetter], replay_id: str = "r1") -> Replay:
    """What an operator's command does."""
    job = Replay(replay_id, "ada", "code", len(letters), station.world.clock.now())
    await station.ports.replays.begin(job, [each.letter_id for each in letters])
    return job


@asynccontextmanager
async def serving(station: Station, services: int = 1) -> AsyncIterator[None]:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for number in range(services):
            service = LetterReplays(station.ports, station.settings)
            group.create_task(service.run(stop), name=f"{service.name}:{number}")
        try:
            yield
        finally:
            stop.set()


def sent(station: Station) -> list[UsersTouched]:
    return station.world.broker.sent(Lane.BACKFILL)


def status_of(station: Station, letter: DeadLetter) -> str:
    return station.world.ledger.dead_letters.held[letter.letter_id].status


async def job_of(station: Station, replay_id: str = "r1") -> Replay:
    job = await station.ports.replays.get(replay_id)
    assert job is not None
    return job


async def until(check: Callable[[], bool], within: float = 3600.0) -> None:
    async with asyncio.timeout(within):
        while not check():  # noqa: ASYNC110 - virtual time costs nothing, and fakes have no events
            await asyncio.sleep(0.1)


async def until_done(station: Station, replay_id: str = "r1", within: float = 3600.0) -> Replay:
    jobs = station.world.ledger.replays.held
    await until(lambda: jobs[replay_id].state is not ReplayState.RUNNING, within)
    return await job_of(station, replay_id)
