"""A delay on the rungs: never early, late by no more than the rung, and longer than the longest rung if need be."""

from __future__ import annotations

import asyncio
import time

from shared.adapters.brokers import open_broker, topology
from shared.adapters.clock import SystemClock
from shared.domain.messages import Lane, UsersTouched
from tests.integration.rabbitmq.conftest import Site
from tests.support.engine import hint, take
from tests.support.rabbit import pulled_forward

DELAYS = (0.3, 1.0, 1.6, 2.0, 2.5, 4.0, 5.0, 6.5)
LATE = 1.0  # seconds of a busy machine


async def test_no_delay_is_shorter_than_asked_for_nor_longer_than_its_rung(site: Site) -> None:
    """Published longest first, the worst order: every message finds one with a longer delay ahead of it."""
    began: dict[str, float] = {}
    async with open_broker(site.url, SystemClock()) as broker, broker.deliveries(Lane.LIVE, prefetch=16) as deliveries:
        for delay in sorted(DELAYS, reverse=True):
            began[str(delay)] = time.monotonic()
            await broker.publish(hint(str(delay)), Lane.LIVE, delay=delay)
        for _ in DELAYS:
            delivery = await take(deliveries, within=12)
            assert isinstance(delivery.message, UsersTouched)
            delay = float(delivery.message.user_ids[0])
            took = time.monotonic() - began[str(delay)]
            assert delay <= took <= topology.rung_for(Lane.LIVE, delay) + LATE
            await delivery.ack()


async def test_a_delay_beyond_the_longest_rung_waits_on_it_again(site: Site) -> None:
    """The message comes off its rung early (moved by hand), and is sent back to wait for the rest."""
    async with open_broker(site.url, SystemClock()) as broker, broker.deliveries(Lane.LIVE, prefetch=1) as deliveries:
        await broker.publish(hint("tomorrow"), Lane.LIVE, delay=24 * 3600)
        await broker.publish(hint("longest"), Lane.LIVE, delay=7200)
        await pulled_forward(site.url, "entra-syncro.v1.live.wait.7200s", "entra-syncro.v1.live", 2)
        delivery = await take(deliveries)
        assert isinstance(delivery.message, UsersTouched)
        assert delivery.message.user_ids == ("longest",)
        await delivery.ack()
        await asyncio.sleep(0.5)
        assert (await broker.depths())[Lane.LIVE] == 1
