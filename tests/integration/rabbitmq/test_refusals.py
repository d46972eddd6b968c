"""What RabbitMQ cannot take for a while: nothing healthy is worn out by it, and every question is answered again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from shared.adapters.brokers import Broker, open_broker
from shared.adapters.brokers.rabbitmq import open_rabbitmq_broker
from shared.adapters.brokers.topology import DELIVERY_LIMIT
from shared.adapters.clock import SystemClock
from shared.domain.errors import SyncError, Transient
from shared.domain.messages import Lane, UsersTouched
from shared.ports import Delivery
from tests.integration.rabbitmq.conftest import Site
from tests.support.engine import hint, take


@contextlib.asynccontextmanager
async def alarm(site: Site) -> AsyncIterator[None]:
    """The disk is said to be full: the broker takes nothing, and goes on delivering."""
    await asyncio.to_thread(site.server.ctl, "set_disk_free_limit", "1000000GB")
    try:
        yield
    finally:
        await asyncio.to_thread(site.server.ctl, "set_disk_free_limit", "50MB")


async def depths_again(broker: Broker, within: float = 10.0) -> dict[Lane, int]:
    async with asyncio.timeout(within):
        while True:
            try:
                return dict(await broker.depths())
            except Transient:
                await asyncio.sleep(0.2)


async def names_in(deliveries: AsyncIterator[Delivery]) -> set[str]:
    """Whoever lies there; a publish that timed out may have happened, so anybody may come twice."""
    found: set[str] = set()
    with contextlib.suppress(TimeoutError):
        while True:
            delivery = await take(deliveries, within=2 if found else 15)
            assert isinstance(delivery.message, UsersTouched)
            found |= set(delivery.message.user_ids)
            await delivery.ack()
    return found


async def test_giving_back_again_and_again_under_an_alarm_wears_no_message_out(site: Site) -> None:
    """A worker whose every retry is refused gives its delivery back, for as long as the alarm lasts."""
    async with open_broker(site.url, SystemClock()) as broker:
        await broker.publish(hint("patient"), Lane.LIVE)
        async with broker.deliveries(Lane.LIVE, prefetch=1) as deliveries:
            async with alarm(site):
                with contextlib.suppress(TimeoutError):
                    for _ in range(2 * DELIVERY_LIMIT):
                        await (await take(deliveries, within=3)).release()
            assert await names_in(deliveries) == {"patient"}
        assert (await depths_again(broker))[Lane.DEAD] == 0


async def test_what_moves_from_an_earlier_version_is_not_worn_out_by_an_alarm(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.adapters.brokers.succession.EVERY", 0.1)
    async with open_rabbitmq_broker(site.url, SystemClock(), version=1) as old:
        await old.publish(hint("moving"), Lane.LIVE, delay=5)
    async with open_rabbitmq_broker(site.url, SystemClock(), version=2, previous=(1,)) as new:
        async with new.deliveries(Lane.BACKFILL, prefetch=1), alarm(site):
            await asyncio.sleep(12)  # it comes off its rung, and cannot be handed on
        async with new.deliveries(Lane.LIVE, prefetch=4) as deliveries:
            assert await names_in(deliveries) == {"moving"}
        assert (await depths_again(new))[Lane.DEAD] == 0


@pytest.mark.parametrize("queue", ["live.wait.60s", "canary", "dead"])
async def test_a_queue_that_somebody_deleted_blinds_nobody_for_long(site: Site, queue: str) -> None:
    """A question about a queue that is gone costs the channel it was asked on."""
    async with open_broker(site.url, SystemClock()) as broker:
        await asyncio.to_thread(site.server.ctl, "delete_queue", "-p", site.vhost, f"entra-syncro.v1.{queue}")
        assert set((await depths_again(broker)).values()) == {0}
        await broker.publish(hint(), Lane.LIVE, delay=50)
        assert (await depths_again(broker))[Lane.LIVE] == 1


NONSENSE = [
    b"",
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"AMQP\x00\x00\x09\x01",
    b"\x01\x00\x00\xff\xff\xff\xff",
    b"\x00" * 64,
]


@pytest.mark.parametrize("said", NONSENSE)
async def test_a_peer_that_speaks_no_amqp_is_transient_and_forgiven(site: Site, said: bytes) -> None:
    """A load balancer without a backend, a port that another service had for a while."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.transport.abort()

    async with open_broker(site.url_by_proxy, SystemClock()) as broker:
        stranger = await asyncio.start_server(talk, "127.0.0.1", 0)
        async with stranger:
            site.proxy.target = stranger.sockets[0].getsockname()[1]
            site.proxy.cut()
            for _ in range(3):
                with pytest.raises(SyncError):
                    await broker.publish(hint(), Lane.LIVE)
                await asyncio.sleep(0.3)
            site.proxy.target = site.server.port
        assert (await depths_again(broker))[Lane.LIVE] == 0
        await broker.publish(hint(), Lane.LIVE)
