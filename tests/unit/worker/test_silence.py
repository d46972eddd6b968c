"""Thirteen hours in virtual time, six of them without a single notification: nothing is lost, and the loss is seen.

The real polls, the real worker and the fakes of one world. Every change is timed from Entra to the contact. Two builds
that are broken on purpose show that the measure can fail.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import cycle
from random import Random
from typing import Any

import pytest

from shared.domain.errors import SyncError, Transient
from shared.domain.messages import Lane
from shared.domain.watching import Coverage, PollPolicy, SubscriptionState
from shared.ports import AnyMessage
from tests.support.station import Station, person
from tests.support.virtual_time import run_virtual
from worker.consumer import Consumer
from worker.polls import DeltaPolls
from worker.rounds import Rounds
from worker.service import WorkerService

HOUR = 3600.0
SILENT = (3 * HOUR, 9 * HOUR)
END = 13 * HOUR
WITHIN = 15 * 60.0  # seconds from a change in Entra to the contact
TENANTS, PEOPLE = 4, 10
EVERY = 30.0  # seconds between two changes; each person changes again after 20 minutes


@dataclass
class Change:
    contact_id: int
    city: str
    made_at: float
    written_at: float | None = None

    @property
    def took(self) -> float:
        return float("inf") if self.written_at is None else self.written_at - self.made_at


@dataclass
class Weather:
    """A world in which people change, and notifications come or not."""

    seed: int = 1
    changes: list[Change] = field(default_factory=list)
    awaited: list[Change] = field(default_factory=list)
    shares: dict[str, Coverage] = field(default_factory=dict)
    intervals: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.station = Station()
        self.rng = Random(self.seed)
        held = self.station.world.ledger
        held.connections.held.clear()
        for tenant in range(TENANTS):
            self.station.connect(100 + tenant, f"tenant-{tenant}")
            state = SubscriptionState(f"tenant-{tenant}", "s", None, "", self.station.world.clock.now())
            held.subscription_states.held[state.tenant_id] = state
            for number in range(PEOPLE):
                user = person(f"p{tenant}-{number}", city="Nowhere")
                customer, contact = 100 + tenant, 1000 + 100 * tenant + number
                self.station.linked(user, contact, customer_id=customer, tenant_id=state.tenant_id)

    @property
    def now(self) -> float:
        return self.station.world.clock.monotonic()

    async def live(self) -> None:
        """Somebody changes every half minute; a second later Graph tells of it, unless it keeps silent."""
        for each in self._everybody():
            if self.now >= END:
                return
            tenant, number = divmod(each, PEOPLE)
            user_id, city = f"p{tenant}-{number}", f"City {len(self.changes)}"
            self.station.hire(person(user_id, city=city), f"tenant-{tenant}")
            self.station.world.changes.touch(f"tenant-{tenant}", [user_id])
            self.changes.append(Change(1000 + 100 * tenant + number, city, self.now))
            self.awaited.append(self.changes[-1])
            await asyncio.sleep(1.0)
            if not SILENT[0] <= self.now < SILENT[1]:
                await self.station.send(self.station.hint(user_id, tenant_id=f"tenant-{tenant}"))
            await asyncio.sleep(EVERY - 1.0)

    def _everybody(self) -> Iterator[int]:
        return cycle(self.rng.sample(range(TENANTS * PEOPLE), TENANTS * PEOPLE))

    async def watch(self) -> None:
        while self.now < END:
            for change in self.awaited:
                if self.station.world.contacts.held[change.contact_id].city == change.city:
                    change.written_at = self.now
            self.awaited = [change for change in self.awaited[-200:] if change.written_at is None]
            await asyncio.sleep(5.0)

    async def show(self) -> None:
        """What `status` would show of the last two hours, at the end of each weather."""
        for name, at in (("before", SILENT[0]), ("silent", SILENT[1]), ("after", END - 1)):
            await asyncio.sleep(at - self.now)
            polls = self.station.world.ledger.polls
            sums = (await polls.coverage(self.station.world.clock.now() - timedelta(hours=2))).values()
            self.shares[name] = Coverage(sum(each.found for each in sums), sum(each.announced for each in sums))
            self.intervals[name] = max((poll.interval for poll in polls.held.values()), default=0.0)

    async def run(self, polls: DeltaPolls | None) -> None:
        stop, station = asyncio.Event(), self.station
        services: list[WorkerService] = [
            Consumer(station.ports, station.settings, lane) for lane in (Lane.LIVE, Lane.BACKFILL)
        ]
        services += [polls] if polls is not None else []
        async with asyncio.TaskGroup() as group:
            for service in services:
                group.create_task(service.run(stop), name=service.name)
            async with asyncio.TaskGroup() as life:
                for what in (self.live(), self.watch(), self.show()):
                    life.create_task(what)
            stop.set()

    def late(self) -> list[Change]:
        """Changes that took too long; those of the last minutes are not over yet."""
        return [change for change in self.changes if change.made_at < END - WITHIN and change.took > WITHIN]


@dataclass
class Moody:
    """A publisher that fails every other time."""

    publisher: Any
    times: int = 0

    async def publish(self, message: AnyMessage, lane: Lane, *, delay: float = 0.0) -> None:
        self.times += 1
        if self.times % 2:
            raise Transient("broker", "timed_out")
        await self.publisher.publish(message, lane, delay=delay)


class Hasty(Rounds):
    """Moves the link on whether the hand-over was confirmed or not."""

    async def _hand_over(self, tenant_id: str, user_ids: Any) -> None:
        with suppress(SyncError):
            await super()._hand_over(tenant_id, user_ids)


@pytest.fixture(scope="module")
def weather() -> Weather:
    """With everything as it is built."""

    async def main() -> Weather:
        weather = Weather()
        await weather.run(DeltaPolls(weather.station.ports, weather.station.settings))
        return weather

    return run_virtual(main())


def test_six_hours_without_notifications_cost_minutes_and_show(weather: Weather) -> None:
    assert len(weather.changes) > 1_500
    assert not weather.late()
    told = [change.took for change in weather.changes if change.made_at < SILENT[0] - 60]
    assert max(told) <= 10.0
    before, silent, after = (weather.shares[each].share or 0.0 for each in ("before", "silent", "after"))
    assert before > 0.95
    assert silent < 0.05
    assert after > 0.95
    policy, intervals = PollPolicy(), weather.intervals
    assert intervals["before"] == intervals["after"] == policy.longest
    assert intervals["silent"] < 1.2 * policy.shortest


def test_while_notifications_come_polls_cost_syncro_next_to_nothing(weather: Weather) -> None:
    """Only a poll and a notification of the very same moment may both lead to a full look."""

    told = [call for call in weather.station.world.contacts.calls if call.at < SILENT[0]]
    written = sum(call.verb == "update" for call in told)
    assert written <= sum(call.verb == "get" for call in told) < 1.03 * written


def test_without_polls_the_silence_would_be_lost() -> None:
    async def main() -> Weather:
        weather = Weather()
        await weather.run(None)
        return weather

    late = run_virtual(main()).late()
    assert len(late) > 600
    assert all(SILENT[0] - 2 <= change.made_at < SILENT[1] for change in late)


def test_publishes_that_fail_lose_nothing_either() -> None:
    async def main() -> Weather:
        weather = Weather()
        ports = replace(weather.station.ports, publisher=Moody(weather.station.ports.publisher))
        await weather.run(DeltaPolls(ports, weather.station.settings))
        return weather

    assert not run_virtual(main()).late()


def test_a_link_that_is_moved_on_without_a_confirm_would_lose_them() -> None:
    async def main() -> Weather:
        weather = Weather()
        ports = replace(weather.station.ports, publisher=Moody(weather.station.ports.publisher))
        polls = DeltaPolls(ports, weather.station.settings)
        polls._rounds = Hasty(ports, weather.station.settings)
        await weather.run(polls)
        return weather

    assert len(run_virtual(main()).late()) > 100
