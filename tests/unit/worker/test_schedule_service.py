"""The schedule at work: who is due and when, how many at once, what a night may cost, and who leads when one dies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import Scope, StopTheLine, Transient
from shared.domain.messages import Lane, Reason
from shared.domain.nightly import BillingPolicy, NightlyPolicy
from shared.domain.policy import SyncPolicy
from shared.domain.records import ConnectionStatus, Hold, Link, Run, RunState
from shared.ports import Lease
from tests.support.clock import START
from tests.support.fake_state import FakeLeases
from tests.support.fakes import World
from tests.support.station import CUSTOMER, Station, person
from tests.support.virtual_time import run_virtual
from worker.due import DueCustomers
from worker.night import Night, Nights
from worker.owed import OwedPasses
from worker.parts import FullSyncs, WorkerSettings
from worker.schedule import Schedule
from worker.service import WorkerService

DAY = timedelta(days=1)  # START is 01:00 in Los Angeles: the next time of the line is a day away


def settings(station: Station, **nightly: object) -> WorkerSettings:
    return replace(station.settings, nightly=NightlyPolicy(**nightly))


def many(station: Station, customers: int) -> list[int]:
    """Customers with a tenant of their own and nobody in it."""
    station.world.ledger.connections.held.clear()
    ids = list(range(100, 100 + customers))
    for customer_id in ids:
        station.connect(customer_id, tenant_id=f"tenant-{customer_id}")
    return ids


@asynccontextmanager
async def serving(station: Station, *services: WorkerService) -> AsyncIterator[None]:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for service in services or (Schedule(station.ports, station.settings),):
            group.create_task(service.run(stop), name=service.name)
        try:
            yield
        finally:
            stop.set()


async def served(station: Station, seconds: float = 60.0, *services: WorkerService) -> Sequence[int]:
    """The customers of all full syncs that began meanwhile, in their order."""
    before = len(station.world.ledger.runs.held)
    async with serving(station, *services):
        await asyncio.sleep(seconds)
    return [run.customer_id for run in station.world.ledger.runs.held.values()][before:]


# --- who is due -------------------------------------------------------------------------------------------------


def test_at_its_time_every_approved_customer_has_one_full_sync() -> None:
    async def main() -> None:
        station = Station()
        many(station, 3)
        station.connect(200, status=ConnectionStatus.PAUSED)
        station.connect(201, status=ConnectionStatus.PREVIEW)
        station.world.clock.ahead += DAY - timedelta(seconds=100)
        assert not await served(station, 90.0)
        assert sorted(await served(station, 900.0)) == [100, 101, 102]
        (run, *_) = station.world.ledger.runs.held.values()
        assert (run.reason, run.full, run.state) == (Reason.RECONCILE, True, RunState.DONE)
        assert not station.world.ledger.owed.held

    run_virtual(main())


def test_missed_nights_are_made_up_for_once() -> None:
    async def main() -> None:
        station = Station()
        station.world.clock.ahead += 3 * DAY + timedelta(hours=5)
        assert await served(station, 3600.0) == [CUSTOMER]

    run_virtual(main())


def test_a_customer_may_have_a_line_of_its_own() -> None:
    async def main() -> None:
        station = Station()
        many(station, 2)
        station.world.ledger.policies.held[101] = SyncPolicy(cron="0 4 * * *")
        station.world.clock.ahead += timedelta(hours=3)
        assert await served(station) == [101]

    run_virtual(main())


def test_after_a_freeze_every_customer_is_due() -> None:
    async def main() -> None:
        station = Station()
        never = "0 0 1 1 *"
        station.settings = replace(settings(station, cron=never), billing=BillingPolicy(freeze=("24-25",)))
        ids = many(station, 2)
        station.world.clock.ahead += DAY + timedelta(hours=22)  # 23:00 of the 25th in Los Angeles
        assert not await served(station)
        station.world.clock.ahead += timedelta(hours=1)
        assert sorted(await served(station)) == ids
        assert not await served(station, 900.0)

    run_virtual(main())


def test_customers_take_turns_in_being_first() -> None:
    async def main() -> None:
        station = Station()
        ids = many(station, 20)
        due = DueCustomers(station.ports, station.settings)
        station.world.clock.ahead += DAY
        tonight, again = await due.now(), await due.now()
        station.world.clock.ahead += DAY
        tomorrow = await due.now()
        assert tonight == again != tomorrow
        assert sorted(tonight) == sorted(tomorrow) == ids

    run_virtual(main())


# --- how fast ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at_once", [1, 3])
def test_only_so_many_customers_are_read_at_the_same_time(at_once: int) -> None:
    async def main() -> None:
        station = Station()
        station.settings = settings(station, at_once=at_once)
        many(station, 6)
        station.world.directory.latency = 10.0
        station.world.clock.ahead += DAY
        assert len(await served(station, 200.0)) == 6
        times = sorted(at for at, _ in station.world.reports.read_tenants)
        assert max(sum(at <= other < at + 10.0 for other in times) for at in times) == at_once

    run_virtual(main())


def test_the_next_customer_waits_while_the_slow_lane_is_full() -> None:
    async def main() -> None:
        station = Station()
        station.settings = settings(station, queue_below=2)
        station.world.clock.ahead += DAY
        for user_id in ("a", "b"):
            station.linked(person(user_id), ord(user_id))
            await station.send(station.hint(user_id), Lane.BACKFILL)
        async with serving(station):
            await asyncio.sleep(900.0)
            assert not station.world.ledger.runs.held
            async with station.working(Lane.BACKFILL):
                await asyncio.sleep(60.0)
        assert len(station.world.ledger.runs.held) == 1

    run_virtual(main())


def test_the_next_customer_waits_for_the_users_of_the_one_before() -> None:
    async def main() -> None:
        station = Station()
        station.settings = settings(station, queue_below=5, at_once=1)
        for customer_id in many(station, 2):
            for number in range(5):
                station.hire(person(f"u{number}-{customer_id}"), f"tenant-{customer_id}")
        station.world.clock.ahead += DAY
        async with serving(station):
            await asyncio.sleep(900.0)
            assert len(station.world.ledger.runs.held) == 1
            async with station.working(Lane.LIVE, Lane.BACKFILL):
                await asyncio.sleep(300.0)
        assert len(station.world.ledger.runs.held) == 2

    run_virtual(main())


def test_queues_that_cannot_be_asked_count_as_full() -> None:
    async def main() -> None:
        station = Station()

        class Silent:
            async def depths(self) -> dict[Lane, int]:
                raise Transient("broker", "unreachable")

        ports = replace(station.ports, depths=Silent())
        station.world.clock.ahead += DAY
        assert not await served(station, 600.0, Schedule(ports, station.settings))

    run_virtual(main())


# --- failures ---------------------------------------------------------------------------------------------------


def test_one_customer_that_fails_stops_no_other_and_stays_owed() -> None:
    async def main() -> None:
        station = Station()
        many(station, 3)
        station.settings = settings(station, at_once=1)
        station.world.reports.failures = [Transient("graph", "busy")]
        station.world.clock.ahead += DAY
        began = await served(station, 200.0)
        assert len(began) == len(set(began)) == 3
        assert list(station.world.ledger.owed.held) == [began[0]]

    run_virtual(main())


def test_a_failed_customer_is_tried_again_by_one_of_both_services_alone() -> None:
    async def main() -> None:
        station = Station()
        station.world.reports.failures = [Transient("graph", "busy")]
        station.world.clock.ahead += DAY
        schedule, owed = Schedule(station.ports, station.settings), OwedPasses(station.ports, station.settings)
        assert await served(station, 1800.0, schedule, owed) == [CUSTOMER, CUSTOMER]
        states = [run.state for run in station.world.ledger.runs.held.values()]
        assert states == [RunState.FAILED, RunState.DONE]
        assert not station.world.ledger.owed.held

    run_virtual(main())


def test_while_nothing_can_be_written_anywhere_customers_are_not_tried_one_after_the_other() -> None:
    async def main() -> None:
        station = Station()
        many(station, 20)
        refused = StopTheLine("syncro", "token", scope=Scope.ACCOUNT)
        station.world.contacts.outage = refused
        station.world.clock.ahead += DAY
        assert len(await served(station, 250.0)) <= station.settings.nightly.at_once

    run_virtual(main())


def test_without_the_ledger_the_schedule_waits_and_goes_on() -> None:
    async def main() -> None:
        station = Station()
        station.world.clock.ahead += DAY
        station.world.ledger.away = True
        async with serving(station):
            await asyncio.sleep(120.0)
            station.world.ledger.away = False
            await asyncio.sleep(30.0)
        assert len(station.world.ledger.runs.held) == 1

    run_virtual(main())


# --- who leads --------------------------------------------------------------------------------------------------


class TheDeadNeverLetGo:
    """Leases of a process that is killed: what it holds ends by its ttl alone."""

    def __init__(self, leases: FakeLeases) -> None:
        self._leases = leases

    @asynccontextmanager
    async def hold(self, key: str, *, ttl: float, wait: float = 0.0, lane: Lane = Lane.LIVE) -> AsyncIterator[Lease]:
        self._leases.steal(key)  # its own, of the term before
        yield await self._leases._acquire(key, ttl, wait, lane)


def test_of_two_workers_one_makes_every_full_sync() -> None:
    async def main() -> None:
        station = Station()
        many(station, 5)
        station.world.directory.latency = 20.0
        station.world.clock.ahead += DAY
        services = [Schedule(station.ports, station.settings) for _ in range(2)]
        began = await served(station, 600.0, *services)
        assert sorted(began) == [100, 101, 102, 103, 104]

    run_virtual(main())


@pytest.mark.parametrize("lived", [45.0, 100.0, 111.0])
def test_a_leader_that_dies_is_followed_within_30_s(lived: float) -> None:
    async def main() -> None:
        station = Station()
        dying = replace(station.ports, leases=TheDeadNeverLetGo(station.world.leases))
        leader = asyncio.create_task(Schedule(dying, station.settings).run(asyncio.Event()), name="leader")
        await asyncio.sleep(1.0)
        async with serving(station):
            await asyncio.sleep(lived)
            leader.cancel()
            await asyncio.wait([leader])
            station.world.clock.ahead += DAY
            died = station.world.clock.monotonic()
            await asyncio.sleep(60.0)
        ((began, _),) = station.world.reports.read_tenants
        assert began - died <= 30.0

    run_virtual(main())


# --- what a night may cost --------------------------------------------------------------------------------------


def active(station: Station, customer_id: int, users: int) -> None:
    """Linked users in step, save that each was active the day before."""
    tenant_id = f"tenant-{customer_id}"
    for number in range(users):
        user, contact_id = person(f"u{number}-{customer_id}"), customer_id * 1000 + number
        contact = station.linked(user, contact_id, customer_id=customer_id, tenant_id=tenant_id)
        properties = {
            "azure_license": "Microsoft 365 Business Premium",
            "azure_account_status": "Active",
            "azure_object_id": user.id,
            "azure_last_activity": "2026-11-01",
        }
        station.world.contacts.put(replace(contact, name=user.display_name or "", properties=properties))
        station.world.reports.tell(tenant_id, user.id, last_activity="2026-11-20")


def test_all_customers_of_a_night_share_what_last_activities_may_cost() -> None:
    async def main() -> None:
        station = Station()
        station.settings = settings(station, activity_calls=10, at_once=1, activity_days=1)
        for customer_id in many(station, 4):
            active(station, customer_id, 2)
        station.world.clock.ahead += DAY
        await served(station, 120.0)
        planned = [run.planned for run in station.world.ledger.runs.held.values()]
        assert planned == [2, 2, 1, 0]

    run_virtual(main())


def test_a_new_leader_goes_on_with_the_night_and_the_next_night_begins_anew() -> None:
    async def main() -> None:
        station = Station()
        station.settings = settings(station, activity_calls=10)
        night = await Nights(station.ports, station.settings).tonight()
        assert (night.left, night.grant(2)) == (5, 2)
        await Nights(station.ports, station.settings).keep(night)
        assert (await Nights(station.ports, station.settings).tonight()).left == 3
        station.world.clock.ahead += timedelta(hours=13)
        assert (await Nights(station.ports, station.settings).tonight()).left == 5

    run_virtual(main())


@pytest.mark.parametrize(("per_minute", "days"), [(80, 1), (1, 3)])
def test_how_far_an_activity_must_move_depends_on_how_many_linked_users_there_are(per_minute: int, days: int) -> None:
    async def main() -> None:
        station = Station()
        station.settings = replace(station.settings, backfill_per_minute=per_minute)
        links = station.world.ledger.links.held
        for number in range(150):
            links[CUSTOMER, f"u{number}"] = Link(CUSTOMER, f"u{number}", number, "mail", START)
        assert (await Nights(station.ports, station.settings).tonight()).days == days

    run_virtual(main())


@given(left=st.integers(0, 10_000), rivals=st.lists(st.integers(1, 16), max_size=20))
def test_a_night_never_grants_more_than_it_has(left: int, rivals: list[int]) -> None:
    night = Night(1, left, START)
    granted = [night.grant(number) for number in rivals]
    assert all(share >= 0 for share in granted)
    assert sum(granted) + night.left == left
    for share in granted:
        night.give_back(share)
    assert night.left == left


# --- the metrics ------------------------------------------------------------------------------------------------


def test_every_worker_shows_how_full_syncs_stand() -> None:
    async def main() -> None:
        station = Station()
        seen: list[FullSyncs] = []
        station.settings = replace(station.settings, on_schedule=seen.append)
        station.connect(8)
        station.connect(9, status=ConnectionStatus.PAUSED)
        station.world.ledger.holds.held.append(Hold(8, "c0de", None, {"clears": (9, 3)}, (), "", START, START))
        done = Run("r", 8, Reason.RECONCILE, 0, START, finished_at=START, state=RunState.DONE, full=True)
        await station.world.ledger.runs.start(done)
        station.world.clock.ahead += timedelta(hours=2)
        async with serving(station, *[Schedule(station.ports, station.settings) for _ in range(2)]):
            await asyncio.sleep(31.0)
        assert len(seen) == 2
        assert (seen[0].customers, seen[0].holds) == (2, 1)
        assert seen[0].oldest == pytest.approx(2 * 3600 + 30.0)

    run_virtual(main())


def test_a_full_sync_without_anything_to_hand_over_counts_its_time_too() -> None:
    async def main() -> None:
        station = Station()
        took: list[float] = []
        station.settings = replace(station.settings, on_run=took.append)
        station.world.directory.latency = 20.0
        station.world.clock.ahead += DAY
        await served(station)
        assert took == [pytest.approx(20.0)]

    run_virtual(main())


# --- a whole night ----------------------------------------------------------------------------------------------


def most_within_a_minute(calls: Sequence[float]) -> int:
    return max(sum(at <= other < at + 60.0 for other in calls[first : first + 200]) for first, at in enumerate(calls))


def test_a_night_of_many_customers_stays_within_the_pace_and_serves_every_one() -> None:
    """A fifth of a thousand customers at a fifth of the pace: as long a night, in a fifth of the test's time."""

    async def main() -> None:
        station = Station(world=World(per_minute=16.0))
        ids = many(station, 200)
        for customer_id in ids:
            user = person(f"u{customer_id}", job_title="CTO")
            station.linked(user, customer_id, customer_id=customer_id, tenant_id=f"tenant-{customer_id}")
        station.world.clock.ahead += DAY
        async with station.working(Lane.BACKFILL):
            began = station.world.clock.monotonic()
            await served(station, 2.5 * 3600)
        runs = station.world.ledger.runs.held.values()
        assert sorted(run.customer_id for run in runs) == ids
        assert {run.state for run in runs} == {RunState.DONE}
        calls = [at for at in station.world.pace.calls if at >= began]
        assert most_within_a_minute(calls) <= 16 + 10
        assert len(calls) >= 3 * len(ids), "each was read and written"

    run_virtual(main())
