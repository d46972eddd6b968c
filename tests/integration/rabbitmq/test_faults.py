"""RabbitMQ killed, frozen, cut off, full or robbed of its queues: nothing confirmed is lost, nobody stays deaf."""

from __future__ import annotations

import asyncio
import time

import pytest

from shared.adapters.brokers import Broker, open_broker
from shared.adapters.clock import SystemClock
from shared.domain.errors import Transient
from shared.domain.messages import Lane
from tests.integration.rabbitmq.conftest import Site
from tests.support.engine import hint
from tests.support.load import History, under_load, until

CONSUMING_AGAIN = 15.0  # seconds after a cut
BROKER_BACK = 10.0  # seconds until publishes are confirmed again
FIRST_REFUSAL, LATER_REFUSALS = 1.6, 0.05


async def flowing(history: History, moment: float, within: float = CONSUMING_AGAIN) -> float:
    """Seconds until something confirmed after `moment` was consumed."""
    await until(lambda: history.first_seen_after(moment) < 1e9, within=within)
    print(f"consuming again after {history.first_seen_after(moment):.1f} s")  # shown with -s
    return history.first_seen_after(moment)


def verdict(history: History) -> None:
    assert not history.lost
    assert history.confirmed


@pytest.mark.usefixtures("a_new_broker")
@pytest.mark.parametrize("kills", [pytest.param(1, marks=pytest.mark.every_run), 3])
async def test_sigkill_under_load_loses_nothing_confirmed(site: Site, kills: int) -> None:
    async with open_broker(site.url, SystemClock()) as broker, under_load(broker) as history:
        for _ in range(kills):
            await asyncio.sleep(1)
            await asyncio.to_thread(site.server.kill)
            await asyncio.sleep(0.5)
            await asyncio.to_thread(site.server.start)
            back = time.monotonic()
            assert await flowing(history, back) <= CONSUMING_AGAIN
    verdict(history)


async def test_a_frozen_broker_is_refused_in_time_and_then_at_once_and_nothing_is_lost(site: Site) -> None:
    async with open_broker(site.url, SystemClock()) as broker, under_load(broker) as history:
        await asyncio.sleep(1)
        site.server.freeze()
        await asyncio.sleep(8)
        site.server.thaw()
        thawed = time.monotonic()
        assert await flowing(history, thawed) <= CONSUMING_AGAIN
    verdict(history)
    slow = [took for took in history.refused.values() if took > LATER_REFUSALS]
    assert len(slow) <= 2 * 4, "each sender may be caught once before the breaker opens"
    assert max(history.refused.values()) <= FIRST_REFUSAL
    assert len(history.refused) > 4 * 10


# What the proxy swallows the answer to: the request with these bytes is executed, and nobody is told.
SWALLOWED = {
    "publish executed, confirm swallowed": b"users_touched",
    "declare executed, answer swallowed": b"wait.7200s",
    "consume executed, answer swallowed": b"ctag",
    "greeting swallowed": b"AMQP",
}


def strike(site: Site, fault: str) -> None:
    if fault in SWALLOWED:
        site.proxy.swallow(SWALLOWED[fault])
    if fault == "refused":
        site.proxy.refuse()
    elif fault == "black hole":
        site.proxy.black_hole()
    elif fault != "publish executed, confirm swallowed":
        site.proxy.cut()


PUBLISHED, *OTHERS = SWALLOWED
FAULTS = [
    *(pytest.param(each, marks=pytest.mark.every_run) for each in ("cut", PUBLISHED)),
    "refused",
    "black hole",
    *OTHERS,
]


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_connection_cut_at_any_phase_is_mended_and_loses_nothing(site: Site, fault: str) -> None:
    async with open_broker(site.url_by_proxy, SystemClock()) as broker, under_load(broker) as history:
        await asyncio.sleep(1)
        strike(site, fault)
        cut = time.monotonic()
        if fault in ("refused", "black hole"):
            await asyncio.sleep(3)
            site.proxy.restore()
            cut = time.monotonic()
        took = await flowing(history, cut + 0.2)
        assert took <= CONSUMING_AGAIN
        await asyncio.sleep(1)
        assert site.proxy.swallowed == (fault in SWALLOWED)
    verdict(history)
    assert max(history.refused.values(), default=0.0) <= FIRST_REFUSAL


async def test_connections_that_a_router_forgot_are_noticed_and_replaced(site: Site) -> None:
    """The sockets stay open and nothing comes: only our own looks and canaries can tell."""
    async with open_broker(site.url_by_proxy, SystemClock()) as broker, under_load(broker) as history:
        await asyncio.sleep(1)
        site.proxy.forget()
        forgotten = time.monotonic()
        assert await flowing(history, forgotten + 0.2) <= CONSUMING_AGAIN
    verdict(history)
    assert max(history.refused.values()) <= FIRST_REFUSAL


async def test_a_queue_deleted_under_the_consumer_comes_back(site: Site) -> None:
    async with open_broker(site.url, SystemClock()) as broker, under_load(broker, senders=1) as history:
        await asyncio.sleep(1)
        await until(lambda: not history.lost, within=5)
        await asyncio.to_thread(site.server.ctl, "delete_queue", "-p", site.vhost, "entra-syncro.v1.live")
        deleted = time.monotonic()
        assert await flowing(history, deleted) <= CONSUMING_AGAIN
        history.confirmed = {name: at for name, at in history.confirmed.items() if at > deleted or name in history.seen}
    verdict(history)
    assert history.inbox_failures >= 1


async def test_under_a_disk_alarm_publishes_are_refused_acks_go_on_and_readiness_says_so(site: Site) -> None:
    async with open_broker(site.url, SystemClock()) as broker:
        for number in range(4):
            await broker.publish(hint(f"u{number}"), Lane.LIVE)
        async with broker.deliveries(Lane.LIVE, prefetch=2) as deliveries:
            first = await anext(deliveries)
            await asyncio.to_thread(site.server.ctl, "set_disk_free_limit", "1000000GB")
            try:
                await refused_until_open(broker)
                with pytest.raises(Transient):
                    await broker.depths()
                await first.ack()
                async with asyncio.timeout(5):
                    for _ in range(3):
                        await (await anext(deliveries)).ack()
            finally:
                await asyncio.to_thread(site.server.ctl, "set_disk_free_limit", "50MB")
        cleared = time.monotonic()
        await healed(broker)
        assert time.monotonic() - cleared <= BROKER_BACK


async def refused_until_open(broker: Broker) -> None:
    """The first refusals take their time, the later ones none."""
    took = []
    for _ in range(4):
        began = time.monotonic()
        with pytest.raises(Transient):
            await broker.publish(hint("refused"), Lane.LIVE)
        took.append(time.monotonic() - began)
    assert took[0] <= FIRST_REFUSAL
    assert max(took[1:]) <= LATER_REFUSALS


async def healed(broker: Broker) -> None:
    async with asyncio.timeout(BROKER_BACK):
        while True:
            try:
                await broker.publish(hint("healed"), Lane.LIVE)
                return
            except Transient:
                await asyncio.sleep(0.05)


@pytest.mark.usefixtures("a_new_broker")
async def test_the_broker_gone_first_refusal_in_time_later_ones_at_once_and_back_in_seconds(site: Site) -> None:
    async with open_broker(site.url, SystemClock()) as broker:
        await asyncio.to_thread(site.server.kill)
        await refused_until_open(broker)
        with pytest.raises(Transient):
            await broker.depths()
        await asyncio.to_thread(site.server.start)
        started = time.monotonic()
        await healed(broker)
        assert time.monotonic() - started <= BROKER_BACK
        assert (await broker.depths())[Lane.LIVE] >= 1


async def test_what_no_queue_would_take_is_never_called_published(site: Site) -> None:
    """An unroutable message makes us declare again what is missing, and is then really in the queue."""
    async with open_broker(site.url, SystemClock()) as broker:
        await asyncio.to_thread(site.server.ctl, "delete_queue", "-p", site.vhost, "entra-syncro.v1.backfill")
        await broker.publish(hint(), Lane.BACKFILL)
        assert (await broker.depths())[Lane.BACKFILL] == 1


async def fill_the_slow_lane(broker: Broker, *, within: float) -> None:
    """A queue learns of its limit a moment after the command that set it."""
    async with asyncio.timeout(within):
        while True:
            await asyncio.gather(*(broker.publish(hint(), Lane.BACKFILL) for _ in range(50)))


async def test_a_full_queue_refuses_its_lane_and_no_other(site: Site) -> None:
    policy = ("set_policy", "-p", site.vhost, "small", r"^entra-syncro\.v1\.backfill$", '{"max-length": 2}')
    async with open_broker(site.url, SystemClock()) as broker:
        await asyncio.to_thread(site.server.ctl, *policy, "--apply-to", "queues")
        with pytest.raises(Transient, match="refused"):
            await fill_the_slow_lane(broker, within=10)
        await broker.publish(hint(), Lane.LIVE)
        assert (await broker.depths())[Lane.LIVE] == 1
