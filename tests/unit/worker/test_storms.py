"""Many hints, few looks: coalescing, fairness, disorder and duplicates, in virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest

from shared.domain.messages import Lane
from tests.support.fakes import World
from tests.support.station import TENANT, Station, person
from tests.support.virtual_time import run_virtual

OTHER = "tenant-b"


async def _storm(station: Station, hints: int, seconds: float) -> float:
    """One-user messages, evenly over some seconds. Gives when the last one was sent."""
    for _ in range(hints):
        await station.send(station.hint("u1"))
        await asyncio.sleep(seconds / hints)
    return station.world.broker.published[-1].at


def test_a_thousand_hints_for_one_user_in_ten_seconds_cause_at_most_three_looks() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person("u1"), 1)
        async with station.working():
            await _storm(station, 1000, 10.0)
            sent = [p.at for p in station.world.broker.published if p.delay == 0.0]
            await asyncio.sleep(40.0)
        reads = station.world.directory.reads_of("u1")
        assert 1 <= len(reads) <= 3
        assert reads[-1] > max(sent)
        assert station.world.broker.waiting(Lane.LIVE) <= 1  # the confirm read, a minute later
        assert station.world.contacts.count("update") == 1

    run_virtual(main())


def test_a_change_during_the_storm_is_never_lost() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person("u1"), 1)
        async with station.working():
            await _storm(station, 500, 5.0)
            station.hire(person("u1", city="Basel"))
            await station.send(station.hint("u1"))
            await asyncio.sleep(40.0)
        assert station.world.contacts.held[1].city == "Basel"

    run_virtual(main())


def test_a_hint_from_just_before_the_read_leads_to_another_look() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person("u1"), 1)
        async with station.working():
            await station.send(station.hint("u1"))
            await asyncio.sleep(1.8)
            await station.send(station.hint("u1"))
            await asyncio.sleep(0.3)  # the look was at 2.0 s, and only now Entra serves what the second hint is about
            station.hire(person("u1", city="Basel"))
            await asyncio.sleep(6.0)
        assert len(station.world.directory.reads_of("u1")) == 2
        assert station.world.contacts.held[1].city == "Basel"

    run_virtual(main())


def test_what_waits_longer_than_a_first_window_waits_in_the_broker() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person("u1"), 1)
        async with station.working():
            await _storm(station, 5, 3.0)  # fewer than there are places
            assert station.world.broker.held(Lane.LIVE) == 0
            assert station.world.broker.waiting(Lane.LIVE) == 1

    run_virtual(main())


@pytest.mark.parametrize("users", [1, 60, 400])
def test_another_tenants_change_arrives_within_ten_seconds_of_a_storm(users: int) -> None:
    async def main() -> None:
        station = Station(World(per_minute=120))
        station.connect(8, OTHER)
        for number in range(users):
            station.linked(person(f"a{number}"), 100 + number)
        async with station.working(Lane.LIVE, Lane.BACKFILL):
            for number in range(5000):
                await station.send(station.hint(f"a{number % users}"))
                await asyncio.sleep(0.002)
                if number == 2500:
                    contact = station.linked(person("b1"), 1, customer_id=8, tenant_id=OTHER)
                    noticed = station.world.clock.monotonic()
                    await station.send(station.hint("b1", tenant_id=OTHER))
            await asyncio.sleep(10.0)
        writes = [call.at for call in station.world.contacts.calls if call.verb == "update" and call.id == contact.id]
        assert writes
        assert writes[0] - noticed <= 10.0

    run_virtual(main())


def test_every_user_of_a_storm_is_synced_in_the_end() -> None:
    async def main() -> None:
        station = Station(World(per_minute=120))
        for number in range(200):
            station.linked(person(f"a{number}"), 100 + number)
        async with station.working(Lane.LIVE, Lane.BACKFILL):
            for number in range(2000):
                await station.send(station.hint(f"a{number % 200}"))
                await asyncio.sleep(0.005)
            await asyncio.sleep(900.0)
        names = {contact.name for contact in station.world.contacts.held.values()}
        assert names == {f"Person a{number}" for number in range(200)}
        assert station.world.contacts.count("update") == 200
        assert sum((await station.world.broker.depths()).values()) == 0

    run_virtual(main())


def test_beyond_fifty_waiting_users_of_a_tenant_the_rest_takes_the_other_lane() -> None:
    async def main() -> None:
        station = Station()
        async with station.working():
            await station.send(station.hint(*(f"a{number}" for number in range(80))))
            await asyncio.sleep(0.5)
        moved = station.world.broker.sent(Lane.BACKFILL)
        assert sum(len(message.user_ids) for message in moved) == 30

    run_virtual(main())


def test_duplicates_cost_one_look() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person("u1"), 1)
        message = station.hint("u1")
        async with station.working():
            for _ in range(5):
                await station.send(message)
            await asyncio.sleep(5.0)
            await station.send(message)  # a late one is answered already
            await asyncio.sleep(5.0)
        assert len(station.world.directory.reads_of("u1")) == 1
        assert station.world.contacts.count("get", "update") == 2

    run_virtual(main())


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_hints_does_not_matter(seed: int) -> None:
    async def main() -> dict[int, tuple[str, str]]:
        station = Station()
        users = [person(f"u{number}", city=f"City {number}") for number in range(8)]
        for number, user in enumerate(users):
            station.linked(user, 100 + number) if number % 2 else station.hire(user)
        random = Random(seed)
        order = random.sample(users * 2, len(users) * 2)
        async with station.working(workers=2):
            for user in order:
                await station.send(station.hint(user.id))
                await asyncio.sleep(random.random())
            await asyncio.sleep(120.0)
        found = station.world.contacts.held.values()
        assert len(found) == len(users)
        return dict(enumerate(sorted((contact.email, contact.city) for contact in found)))

    assert run_virtual(main()) == {number: (f"u{number}@contoso.example", f"City {number}") for number in range(8)}


def test_a_clock_that_is_ahead_delays_nothing_for_long() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person("u1"), 1)
        ahead = station.world.clock.now() + timedelta(seconds=20)
        async with station.working():
            await station.send(station.hint("u1", noticed_at=ahead))
            await asyncio.sleep(3.0)
            assert station.world.contacts.count("update") == 1
            await asyncio.sleep(60.0)
        assert station.world.broker.waiting(Lane.LIVE) <= 1

    run_virtual(main())


def test_users_of_one_tenant_that_are_due_together_are_read_together() -> None:
    async def main() -> None:
        station = Station()
        for number in range(25):
            station.linked(person(f"a{number}"), 100 + number)
        async with station.working():
            await station.send(station.hint(*(f"a{number}" for number in range(25))))
            await asyncio.sleep(5.0)
        assert [len(ids) for _, tenant, ids in station.world.directory.reads if tenant == TENANT] == [20, 5]

    run_virtual(main())


def test_a_read_that_grew_old_is_made_again_before_it_is_acted_on() -> None:
    async def main() -> None:
        station = Station()
        station.settings = replace(station.settings, slice=1.0)
        station.world.contacts.latency = 0.4
        for number in range(6):
            station.linked(person(f"a{number}"), 100 + number)
        async with station.working():
            await station.send(station.hint(*(f"a{number}" for number in range(6))))
            await asyncio.sleep(20.0)
        assert len(station.world.directory.reads) == 3
        assert station.world.contacts.count("update") == 6

    run_virtual(main())
