"""Worn-out messages become letters, and a letter survives any number of replays on the installed broker."""

from __future__ import annotations

import asyncio

import aio_pika
import pytest

from shared.adapters.brokers.rabbitmq import RabbitBroker, open_rabbitmq_broker
from shared.adapters.clock import SystemClock
from shared.domain.messages import DeadLettered, Lane, UsersTouched, decode, encode
from tests.integration.rabbitmq.conftest import Site
from tests.support.engine import hint, take


async def die_holding_one(broker: RabbitBroker) -> None:
    """Take a message and lose the connection, as a process that is killed does."""
    async with broker.deliveries(Lane.LIVE, prefetch=1) as deliveries:
        await take(deliveries)
        connection = broker.intake.session
        assert connection is not None
        broker.intake.drop(connection)


async def test_what_kills_21_consumers_becomes_a_letter_and_its_neighbour_goes_on(site: Site) -> None:
    poison, healthy = hint("poison"), hint("healthy")
    async with open_rabbitmq_broker(site.url, SystemClock()) as broker:
        await broker.publish(poison, Lane.LIVE)
        for _ in range(21):
            await die_holding_one(broker)
        await broker.publish(healthy, Lane.LIVE)
        async with (
            broker.deliveries(Lane.LIVE, prefetch=1) as live,
            broker.deliveries(Lane.DEAD, prefetch=1) as dead,
        ):
            assert (await take(live)).message == healthy
            first = await take(dead)
            await first.release()
            letter = (await take(dead)).message
    assert isinstance(letter, DeadLettered)
    assert (letter.body, letter.lane, letter.error_class, letter.attempts) == (
        encode(poison),
        Lane.LIVE,
        "delivery_limit",
        20,
    )
    assert isinstance(first.message, DeadLettered)
    assert first.message.letter_id == letter.letter_id


async def reject_one(url: str) -> None:
    """The broker itself buries the next live message, and writes `x-death` into it."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        queue = await channel.get_queue("entra-syncro.v1.live", ensure=False)
        message = None
        while message is None:
            message = await queue.get(fail=False)
            await asyncio.sleep(0.02)
        await message.reject(requeue=False)


@pytest.mark.every_run
async def test_dead_replay_retry_dead_goes_round_10_times_without_losing_or_stranding_the_letter(site: Site) -> None:
    original = hint("survivor")
    async with (
        open_rabbitmq_broker(site.url, SystemClock()) as broker,
        broker.deliveries(Lane.DEAD, prefetch=1) as dead,
    ):
        await broker.publish(original, Lane.LIVE)
        for _ in range(10):
            await reject_one(site.url)  # dead ...
            delivery = await take(dead)
            assert isinstance(delivery.message, DeadLettered)
            replayed = decode(delivery.message.body)
            assert isinstance(replayed, UsersTouched)
            await broker.publish(replayed, Lane.LIVE)  # ... replay ...
            await delivery.ack()
            async with broker.deliveries(Lane.LIVE, prefetch=1) as live:
                again = await take(live)
                await broker.publish(replayed, Lane.LIVE, delay=0.1)  # ... retry ...
                await again.ack()
        async with broker.deliveries(Lane.LIVE, prefetch=1) as live:
            last = await take(live)
            assert last.message == original
            await last.ack()
        assert set((await broker.depths()).values()) == {0}


async def test_an_ack_after_the_connection_is_lost_is_harmless_and_the_message_comes_again(site: Site) -> None:
    async with open_rabbitmq_broker(site.url, SystemClock()) as broker:
        await broker.publish(hint("again"), Lane.LIVE)
        async with broker.deliveries(Lane.LIVE, prefetch=1) as deliveries:
            held = await take(deliveries)
            connection = broker.intake.session
            assert connection is not None
            broker.intake.drop(connection)
            await asyncio.sleep(0.2)
            await held.ack()
            await held.release()
        async with broker.deliveries(Lane.LIVE, prefetch=1) as deliveries:
            assert (await take(deliveries)).message == held.message


async def test_what_another_process_holds_is_counted(site: Site) -> None:
    async with (
        open_rabbitmq_broker(site.url, SystemClock()) as one,
        open_rabbitmq_broker(site.url, SystemClock()) as two,
        two.deliveries(Lane.LIVE, prefetch=2) as deliveries,
        two.deliveries(Lane.BACKFILL, prefetch=1),
    ):
        for _ in range(3):
            await one.publish(hint(), Lane.LIVE)
        held = await take(deliveries)
        assert (await one.depths())[Lane.LIVE] == 3
        await held.ack()
        await take(deliveries)
        assert (await one.depths())[Lane.LIVE] == 2
