"""The first moments of a new installation, cut short by a SIGKILL: the very thing that RabbitMQ 3.10 cannot do well."""

from __future__ import annotations

import asyncio

import pytest

from sandbox.servers import RabbitServer
from shared.adapters.brokers import Broker, open_broker
from shared.adapters.clock import SystemClock
from shared.domain.errors import Transient
from shared.domain.messages import Lane, UsersTouched
from tests.support.engine import hint, take

DELAY = 0.5  # seconds
BACK_WITHIN = 15.0  # seconds


async def published(broker: Broker, name: str, lane: Lane, delay: float) -> None:
    """Offered until it is confirmed."""
    async with asyncio.timeout(BACK_WITHIN):
        while True:
            try:
                return await broker.publish(hint(name), lane, delay=delay)
            except Transient:
                await asyncio.sleep(0.05)


async def ready(broker: Broker) -> None:
    async with asyncio.timeout(BACK_WITHIN):
        while True:
            try:
                await broker.depths()
            except Transient:
                await asyncio.sleep(0.2)
            else:
                return


@pytest.mark.usefixtures("a_new_broker")
async def test_a_kill_right_after_the_queues_were_made_loses_nothing_and_breaks_no_queue(
    rabbit_server: RabbitServer,
) -> None:
    """3.10 loses the queue that was declared last of all, for good: it never confirms again (decision 0010)."""
    url = rabbit_server.fresh_url()
    async with open_broker(url, SystemClock()) as broker:
        for lane in Lane:
            await published(broker, "before", lane, 0.0)
        await asyncio.to_thread(rabbit_server.kill)
    await asyncio.to_thread(rabbit_server.start)
    async with open_broker(url, SystemClock()) as broker:
        await ready(broker)
        for lane in Lane:
            await published(broker, "after", lane, DELAY)
            async with broker.deliveries(lane, prefetch=2) as deliveries:
                found = [(await take(deliveries, within=15)).message for _ in range(2)]
            assert {message.user_ids[0] for message in found if isinstance(message, UsersTouched)} == {
                "before",
                "after",
            }, lane
