"""The real consumer on a real broker: the retry ladder by the clock, and a second worker that takes its share."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise

from shared.adapters.brokers import Broker, open_broker
from shared.adapters.clock import SystemClock
from shared.domain.errors import Transient
from shared.domain.messages import Lane
from shared.domain.policy import CoalescePolicy, RetryPolicy
from tests.integration.rabbitmq.conftest import Site
from tests.support.engine import hint
from tests.support.load import until
from tests.support.station import Station, person
from worker.burial import Burial
from worker.consumer import Consumer

RUNGS = (2.0, 5.0)  # seconds
ATTEMPTS = 4
FAILING = 3  # users
SHARE = 0.25


@asynccontextmanager
async def working(station: Station, broker: Broker) -> AsyncIterator[None]:
    ports = replace(station.ports, publisher=broker, inbox=broker)
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(Burial(ports).run(stop), name="burial")
        group.create_task(Consumer(ports, station.settings, Lane.LIVE).run(stop), name="consumer")
        try:
            yield
        finally:
            stop.set()


async def test_a_failing_user_is_tried_as_often_as_allowed_each_time_within_its_rung_and_then_buried(
    site: Site,
) -> None:
    station = Station()
    station.settings = replace(
        station.settings,
        retry=RetryPolicy(rungs=RUNGS, max_attempts=ATTEMPTS),
        coalesce=CoalescePolicy(first_window=0.05, covered_after=0.05),
        jitter=random.random,
    )
    for number in range(FAILING):
        station.linked(person(f"u{number}"), number)
    station.world.contacts.outage = Transient("syncro", "busy")
    letters = station.world.ledger.dead_letters.held
    async with open_broker(site.url, SystemClock()) as broker, working(station, broker):
        for number in range(FAILING):
            await broker.publish(station.hint(f"u{number}"), Lane.LIVE)
        await until(lambda: len(letters) == FAILING, within=sum(RUNGS) + 5 + 10)
        await asyncio.sleep(1.2 * RUNGS[0])
        assert set((await broker.depths()).values()) == {0}
    assert len(letters) == FAILING
    for number in range(FAILING):
        tried = [call.at for call in station.world.contacts.calls if call.id == number]
        assert len(tried) == ATTEMPTS
        for (before, after), rung in zip(pairwise(tried), (*RUNGS, RUNGS[-1]), strict=True):
            assert 0.8 * rung <= after - before <= 1.25 * rung


async def handle(broker: Broker, done: list[float], prefetch: int = 8) -> None:
    """A worker that takes 10 ms for each message, one after the other."""
    async with broker.deliveries(Lane.LIVE, prefetch=prefetch) as deliveries:
        async for delivery in deliveries:
            await asyncio.sleep(0.01)
            await delivery.ack()
            done.append(time.monotonic())


async def test_a_second_worker_takes_its_share_as_soon_as_it_is_there(site: Site) -> None:
    """No configuration, no rebalancing: even what waits already is shared."""
    async with open_broker(site.url, SystemClock()) as first, open_broker(site.url, SystemClock()) as second:
        await asyncio.gather(*(first.publish(hint(f"u{number}"), Lane.LIVE) for number in range(600)))
        done: Sequence[list[float]] = ([], [])
        workers = [asyncio.create_task(handle(first, done[0]), name="first")]
        try:
            await asyncio.sleep(1.0)
            joined = time.monotonic()
            workers.append(asyncio.create_task(handle(second, done[1]), name="second"))
            await until(lambda: len(done[0]) + len(done[1]) >= 600, within=60)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.wait(workers)
        assert len(done[0]) + len(done[1]) == 600
        since = sum(at > joined for at in done[0])
        assert len(done[1]) >= SHARE * (since + len(done[1]))
