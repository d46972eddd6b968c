"""The figures about all tenants: the worst is shown, what nobody knows is no number, an outage shows nothing new."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from math import isnan

import pytest
from prometheus_client import CollectorRegistry

from shared.domain.records import Connection, ConnectionStatus
from shared.domain.watching import Poll, SubscriptionState
from shared.runtime.metrics import Metrics
from tests.support.fakes import World, worker_ports
from tests.support.virtual_time import run_virtual
from worker.counting import counting_figures
from worker.figures import Figures
from worker.parts import WatchFigures, WorkerSettings

HOUR = timedelta(hours=1)
KEY = b"key of sixteen b"


def _world(*statuses: ConnectionStatus) -> World:
    world = World()
    now = world.clock.now()
    for number, status in enumerate(statuses, 1):
        world.ledger.connections.held[number] = Connection(number, f"C{number}", f"t{number}", status, now, now)
    return world


async def _figures(world: World) -> WatchFigures:
    return await Figures(worker_ports(world), WorkerSettings(fingerprint_key=KEY)).figures()


def test_worst_tenants_are_shown() -> None:
    async def main() -> None:
        world = _world(*[ConnectionStatus.APPROVED] * 3)
        now = world.clock.now()
        for tenant, hours in (("t1", 1), ("t2", 3)):
            await world.ledger.polls.save(Poll(tenant, "link", now - hours * HOUR, 300.0))
        for tenant, code, left in (("t1", "", 500), ("t2", "graph:quota", 2), ("t3", "", 300)):
            await world.ledger.subscription_states.save(SubscriptionState(tenant, "s", now + left * HOUR, code, now))
        hour = now.replace(minute=0, second=0, microsecond=0)
        await world.ledger.polls.judged("t1", hour, 90, 90)
        await world.ledger.polls.judged("t2", hour - 20 * HOUR, 10, 2)
        await world.ledger.polls.judged("t3", hour, 9, 0)  # too few to speak of
        found = await _figures(world)
        assert found == WatchFigures(92 / 109, 0.2, 3 * 3600.0, 2 * 3600.0, 1)

    run_virtual(main())


def test_who_was_never_polled_or_never_subscribed_counts() -> None:
    async def main() -> None:
        world = _world(*[ConnectionStatus.APPROVED] * 4)
        now = world.clock.now()
        held = world.ledger.connections.held
        held[2] = replace(held[2], changed_at=now - 5 * HOUR)
        held[9] = replace(held[2], customer_id=9, changed_at=now - 2 * HOUR)  # the same tenant
        await world.ledger.polls.save(Poll("t1", "link", now - HOUR, 300.0))
        await world.ledger.polls.save(Poll("t2", None, None, 300.0, code="graph:x", since=now - 4 * HOUR))
        states = world.ledger.subscription_states
        await states.save(SubscriptionState("t1", "s", now + HOUR, "", now))
        await states.save(SubscriptionState("t2", "s", now - HOUR, "", now))  # it ended, and nobody came
        await states.save(SubscriptionState("t3", None, None, "", now))
        found = await _figures(world)
        assert (found.oldest_poll, found.unsubscribed) == (5 * 3600.0, 3)

    run_virtual(main())


@pytest.mark.parametrize(("here", "elsewhere", "count"), [(True, False, 1), (False, False, 0), (False, True, 1)])
def test_without_any_public_address_no_subscription_is_missed(here: bool, elsewhere: bool, count: int) -> None:
    async def main() -> None:
        world = _world(ConnectionStatus.APPROVED)
        now = world.clock.now()
        if elsewhere:
            await world.ledger.subscription_states.save(SubscriptionState("other", "s", now + HOUR, "", now))
        settings = WorkerSettings(fingerprint_key=KEY, has_door=here)
        assert (await Figures(worker_ports(world), settings).figures()).unsubscribed == count

    run_virtual(main())


def test_tenants_of_customers_that_are_not_approved_do_not_count() -> None:
    async def main() -> None:
        world = _world(ConnectionStatus.PREVIEW, ConnectionStatus.PAUSED, ConnectionStatus.DISCONNECTED)
        now = world.clock.now()
        for tenant in ("t1", "t2", "t3"):
            await world.ledger.polls.save(Poll(tenant, "link", now - HOUR, 300.0))
            await world.ledger.subscription_states.save(SubscriptionState(tenant, None, None, "graph:quota", now))
        assert await _figures(world) == WatchFigures(None, None, None, None, 0)

    run_virtual(main())


def test_what_nobody_knows_is_no_number_and_an_outage_changes_nothing() -> None:
    async def main() -> None:
        world = _world(ConnectionStatus.APPROVED)
        metrics = Metrics(CollectorRegistry())
        settings = WorkerSettings(fingerprint_key=KEY, on_figures=counting_figures(metrics.worker))
        service, stop = Figures(worker_ports(world), settings), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(service.run(stop), name="figures")
            await asyncio.sleep(1)
            assert service.ready()
            assert isnan(_value(metrics, "subscription_left_seconds"))
            now = world.clock.now()
            poll = Poll("t1", "link", now, 300.0)
            await world.ledger.polls.save(poll)
            await asyncio.sleep(60)
            before = _value(metrics, "oldest_delta_poll_seconds")
            assert 30 <= before <= 60
            world.ledger.away = True
            await asyncio.sleep(300)
            assert _value(metrics, "oldest_delta_poll_seconds") == before
            world.ledger.away = False
            await world.ledger.polls.save(replace(poll, began_at=now))
            await asyncio.sleep(31)
            assert _value(metrics, "oldest_delta_poll_seconds") > 300
            stop.set()
        assert not service.ready()

    run_virtual(main())


def _value(metrics: Metrics, name: str) -> float:
    found = metrics.registry.get_sample_value(f"entra_syncro_{name}")
    assert found is not None
    return found
