"""Outages in simulated time: how often and when a failing user is tried, and what an outage burns (nothing)."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from itertools import pairwise

import pytest

from shared.domain.errors import Scope, StopTheLine, SyncError, Transient
from shared.domain.messages import DeadLettered, Lane
from shared.domain.policy import RetryPolicy
from tests.support.station import Station, person
from tests.support.virtual_time import run_virtual

HOUR = 3_600.0
POLICY = RetryPolicy()


def letters(station: Station) -> list[DeadLettered]:
    return [p.message for p in station.world.broker.published if isinstance(p.message, DeadLettered)]


@pytest.mark.parametrize("seed", range(5))
def test_attempts_equal_the_maximum_exactly_and_each_wait_is_within_a_fifth_below_and_a_quarter_above_its_rung(
    seed: int,
) -> None:
    async def main() -> None:
        station = Station()
        station.settings = replace(station.settings, jitter=random.Random(seed).random)
        station.linked(person(), 1)
        station.world.contacts.failures["get"] = [Transient("syncro", "busy") for _ in range(1_000)]
        async with station.working():
            await station.send(station.hint("u1"))
            await asyncio.sleep(48 * HOUR)
        tried = [call.at for call in station.world.contacts.calls if call.verb == "get"]
        assert len(tried) == POLICY.max_attempts
        for number, (before, after) in enumerate(pairwise(tried)):
            rung = POLICY.rungs[min(number, len(POLICY.rungs) - 1)]
            assert 0.8 * rung <= after - before <= 1.25 * rung, f"wait {number + 1}"
        assert len(letters(station)) == 1

    run_virtual(main())


OUTAGES: list[SyncError] = [
    Transient("syncro", "unreachable"),
    Transient("syncro", "timed_out"),
    Transient("syncro", "service_fault"),
    StopTheLine("syncro", "token_refused", scope=Scope.ACCOUNT),
]


@pytest.mark.parametrize("customers", [1, 4], ids=["one customer", "four customers"])
@pytest.mark.parametrize("error", OUTAGES, ids=lambda error: str(error.code))
def test_three_hours_without_syncro_fill_no_dead_letter_and_afterwards_everything_is_in_step(
    error: SyncError, customers: int
) -> None:
    async def main() -> None:
        station = Station()
        station.settings = replace(station.settings, jitter=random.Random(7).random)
        world, users = station.world, 24
        for number in range(users):
            customer = 100 + number % customers
            station.connect(customer, f"tenant-{customer}")
            station.linked(person(f"u{number}"), number, customer_id=customer, tenant_id=f"tenant-{customer}")
        world.contacts.outage = world.account.outage = error
        async with station.working(Lane.LIVE, Lane.BACKFILL, workers=2):
            for number in range(users):
                tenant = f"tenant-{100 + number % customers}"
                lane = Lane.BACKFILL if number % 3 == 0 else Lane.LIVE
                await station.send(station.hint(f"u{number}", tenant_id=tenant), lane)
                await asyncio.sleep(3 * HOUR / users)
            assert not letters(station)
            assert not [contact for contact in world.contacts.held.values() if contact.name]
            world.contacts.outage = world.account.outage = None
            await asyncio.sleep(2.5 * HOUR)
        assert not letters(station)
        assert all(contact.name for contact in world.contacts.held.values())
        assert sum((await world.broker.depths()).values()) == 0

    run_virtual(main())
