"""A changed topology version: the old queues are drained, kept while anybody uses them, then removed."""

from __future__ import annotations

import asyncio

import pytest

from shared.adapters.brokers.rabbitmq import RabbitBroker, open_rabbitmq_broker
from shared.adapters.clock import SystemClock
from shared.domain.messages import Lane, UsersTouched
from tests.integration.rabbitmq.conftest import Site
from tests.support.engine import hint, take


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.adapters.brokers.succession.EVERY", 0.2)


async def old_queues(site: Site) -> int:
    listed = await asyncio.to_thread(site.server.ctl, "list_queues", "-p", site.vhost, "name")
    return sum(".v1." in line and not line.endswith(".mover") for line in listed.splitlines())


async def users(broker: RabbitBroker, count: int, within: float = 10) -> set[str]:
    seen = set()
    async with broker.deliveries(Lane.LIVE, prefetch=8) as deliveries:
        for _ in range(count):
            delivery = await take(deliveries, within)
            assert isinstance(delivery.message, UsersTouched)
            seen |= set(delivery.message.user_ids)
            await delivery.ack()
    return seen


async def test_what_the_old_version_left_is_delivered_by_the_new_one_rungs_included(site: Site) -> None:
    async with open_rabbitmq_broker(site.url, SystemClock(), version=1) as old:
        await old.publish(hint("waits"), Lane.LIVE)
        await old.publish(hint("delayed"), Lane.LIVE, delay=2)
    async with open_rabbitmq_broker(site.url, SystemClock(), version=2, previous=(1,)) as new:
        await new.publish(hint("new"), Lane.LIVE)
        assert await users(new, 3) == {"waits", "delayed", "new"}
        for _ in range(50):
            if not await old_queues(site):
                break
        assert await old_queues(site) == 0
        assert set((await new.depths()).values()) == {0}


async def test_a_process_of_the_old_version_keeps_its_queues_and_what_it_publishes_arrives(site: Site) -> None:
    async with (
        open_rabbitmq_broker(site.url, SystemClock(), version=1) as old,
        open_rabbitmq_broker(site.url, SystemClock(), version=2, previous=(1,)) as new,
    ):
        for number in range(3):
            await old.publish(hint(f"old{number}"), Lane.LIVE)
            assert await users(new, 1) == {f"old{number}"}
            await asyncio.sleep(0.5)  # several looks for an end
        assert await old_queues(site) > 0
