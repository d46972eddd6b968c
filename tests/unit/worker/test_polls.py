"""Delta polls at work: who is polled and when, what is handed over, when the link moves on, and what a failure does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from structlog.testing import capture_logs

from shared.domain.errors import Permanent, Scope, StopTheLine, SyncError, Transient
from shared.domain.messages import Lane, Reason
from shared.domain.polling import LINK_AGE, Need
from shared.domain.records import ConnectionStatus, Run, RunState
from shared.domain.watching import (
    POLL_WANTED_KEY,
    POLLS_ASKED_KEY,
    Coverage,
    Poll,
    PollPolicy,
    SubscriptionState,
    announced_key,
    poll_wanted_key,
)
from tests.support.station import CUSTOMER, TENANT, Station
from tests.support.virtual_time import run_virtual
from worker.parts import PollReport
from worker.polls import AT_ONCE, DeltaPolls
from worker.rounds import AT_ONCE_LIVE, MISSED, Rounds, Tenant

PAUSE = 300.0  # seconds: no round comes sooner or later, unless a test is about that
STEADY = PollPolicy(shortest=PAUSE, without_door=PAUSE, longest=PAUSE)
DAY = 86_400.0


def station_with(policy: PollPolicy = STEADY, **settings: Any) -> Station:
    station = Station()
    station.settings = replace(station.settings, polls=policy, **settings)
    return station


@asynccontextmanager
async def polling(station: Station, *services: DeltaPolls) -> AsyncIterator[None]:
    """Delta polls at work, asked to stop at the end."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for service in services or (DeltaPolls(station.ports, station.settings),):
            group.create_task(service.run(stop), name=service.name)
        try:
            yield
        finally:
            stop.set()


async def polled(station: Station, seconds: float) -> None:
    async with polling(station):
        await asyncio.sleep(seconds)


def at(station: Station, link: str | None = "0", *, ago: float = PAUSE, tenant_id: str = TENANT, **more: Any) -> Poll:
    """Where the polls of a tenant stand already; `ago` seconds since its last round began."""
    began = station.world.clock.now() - timedelta(seconds=ago)
    poll = Poll(tenant_id, link, None if link is None else began, PAUSE, **more)
    station.world.ledger.polls.held[tenant_id] = poll
    return poll


def link(station: Station, tenant_id: str = TENANT) -> str | None:
    return station.world.ledger.polls.held[tenant_id].link


def handed_over(station: Station, *lanes: Lane) -> list[str]:
    return [
        user
        for lane in lanes or (Lane.LIVE, Lane.BACKFILL)
        for m in station.world.broker.sent(lane)
        for user in m.user_ids
    ]


# --- a round ----------------------------------------------------------------------------------------------------


def test_the_first_poll_takes_a_link_and_the_next_hands_over_what_changed_since() -> None:
    async def main() -> None:
        station = station_with()
        station.world.changes.touch(TENANT, ["before"])
        async with polling(station):
            await asyncio.sleep(10)
            assert (link(station), handed_over(station)) == ("1", [])
            station.world.changes.touch(TENANT, ["u1", "u2", "u1"])
            await asyncio.sleep(PAUSE)
        assert (link(station), handed_over(station)) == ("4", ["u1", "u2"])
        (message,) = station.world.broker.sent(Lane.LIVE)
        assert (message.tenant_id, message.reason, message.confirm) == (TENANT, Reason.DELTA, False)
        assert message.asks_entra_alone

    run_virtual(main())


def test_a_crowd_goes_the_slow_way_but_for_its_first() -> None:
    async def main() -> None:
        station = station_with()
        at(station)
        crowd = [f"u{number}" for number in range(AT_ONCE_LIVE + 230)]
        station.world.changes.touch(TENANT, crowd)
        await polled(station, 10)
        assert handed_over(station, Lane.LIVE) == crowd[:AT_ONCE_LIVE]
        assert handed_over(station, Lane.BACKFILL) == crowd[AT_ONCE_LIVE:]
        assert len(station.world.broker.sent(Lane.BACKFILL)) == 3  # none names more than 100

    run_virtual(main())


def test_a_hint_is_dated_when_the_pages_were_here() -> None:
    """A look that began while they came may have seen less than they tell."""

    async def main() -> None:
        station = station_with()
        at(station)
        station.world.changes.touch(TENANT, ["u1"])
        station.world.changes.latency = 20.0
        async with polling(station):
            await asyncio.sleep(25)
        (message,) = station.world.broker.sent(Lane.LIVE)
        (asked,) = station.world.changes.asked(TENANT)
        began = station.world.clock.now() - timedelta(seconds=station.world.clock.monotonic() - asked)
        assert message.noticed_at == began + timedelta(seconds=20)
        assert station.world.ledger.polls.held[TENANT].began_at == began

    run_virtual(main())


class Cut:
    """A port whose calls are counted with those of others; the `at`-th (before or after it worked) is the last."""

    def __init__(self, port: object, calls: list[str], at: int, *, after: bool) -> None:
        self._port = port
        self._calls = calls
        self._at = at
        self._after = after

    def __getattr__(self, name: str) -> Any:
        async def call(*args: Any, **options: Any) -> Any:
            self._calls.append(name)
            is_last = len(self._calls) == self._at
            if is_last and not self._after:
                raise asyncio.CancelledError
            try:
                return await getattr(self._port, name)(*args, **options)
            finally:
                if is_last:
                    raise asyncio.CancelledError

        return call


async def cut_short(station: Station, at_call: int, *, after: bool) -> list[str]:
    """A round that a crash ends at one of its calls; the calls it came to."""
    calls: list[str] = []
    names = ("publisher", "changes", "polls", "memory", "owed")
    cut: dict[str, Any] = {each: Cut(getattr(station.ports, each), calls, at_call, after=after) for each in names}
    tenant = Tenant(TENANT, Need.ROUNDS, [CUSTOMER, 8], station.world.ledger.polls.held[TENANT], None)
    with suppress(asyncio.CancelledError):
        await Rounds(replace(station.ports, **cut), station.settings).make(tenant)
    return calls


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    ("at_call", "reached"), list(enumerate(["since", "publish", "publish", "recall", "save", "judged"], start=1))
)
def test_a_crash_anywhere_moves_no_link_past_a_user_who_is_not_safe(at_call: int, reached: str, after: bool) -> None:
    async def main() -> None:
        station = station_with()
        at(station, unjudged={"u0": station.world.clock.now()})
        crowd = [f"u{number}" for number in range(AT_ONCE_LIVE + 20)]
        station.world.changes.touch(TENANT, crowd)
        assert (await cut_short(station, at_call, after=after))[-1] == reached
        if link(station) != "0":
            assert handed_over(station) == crowd
        await polled(station, 10)
        assert set(handed_over(station)) == set(crowd)
        assert link(station) == str(len(crowd))

    run_virtual(main())


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("at_call", "reached"), list(enumerate(["since", "now", "mark", "mark", "save"], start=1)))
def test_a_crash_anywhere_loses_no_void_link(at_call: int, reached: str, after: bool) -> None:
    async def main() -> None:
        station = station_with()
        station.connect(8)
        at(station)
        station.world.changes.touch(TENANT, ["u1"])
        station.world.changes.void.add(TENANT)
        assert (await cut_short(station, at_call, after=after))[-1] == reached
        if link(station) != "0":
            assert set(station.world.ledger.owed.held) == {CUSTOMER, 8}
        else:
            station.world.changes.void.add(TENANT)  # it stays void until another takes its place
        await polled(station, 10)
        assert set(station.world.ledger.owed.held) == {CUSTOMER, 8}
        assert link(station) == "1"

    run_virtual(main())


def a_full_run(station: Station, customer_id: int, state: RunState) -> None:
    begun, run_id = station.world.clock.now() - timedelta(minutes=1), f"full-{customer_id}"
    run = Run(run_id, customer_id, Reason.RECONCILE, 0, begun, state=state, full=True)
    station.world.ledger.runs.held[run_id] = run


@pytest.mark.parametrize("state", [RunState.READING, RunState.WORKING, RunState.DONE])
def test_a_first_link_after_a_first_full_sync_began_costs_another_one(state: RunState) -> None:
    """What changed between the two, nobody saw; who has had none yet will see everything with it."""

    async def main() -> None:
        station = station_with()
        station.connect(8)
        station.connect(9, status=ConnectionStatus.PREVIEW)
        for customer_id in (CUSTOMER, 9):
            a_full_run(station, customer_id, state)
        station.world.changes.outages[TENANT] = Transient("graph", "busy")
        async with polling(station):
            await asyncio.sleep(40)
            assert not station.world.ledger.owed.held
            station.world.changes.outages.clear()
            await asyncio.sleep(PAUSE)
        assert set(station.world.ledger.owed.held) == {CUSTOMER}
        assert link(station) == "0"

    run_virtual(main())


@pytest.mark.parametrize(("code", "lasts", "given_up"), [("bad_request", 3700, True), ("bad_request", 3000, False)])
def test_a_link_that_is_refused_for_an_hour_is_given_up(code: str, lasts: float, given_up: bool) -> None:
    async def main() -> None:
        station = station_with()
        at(station, code=f"graph:{code}", since=station.world.clock.now() - timedelta(seconds=lasts))
        station.world.changes.touch(TENANT, ["u1"])
        real = station.world.changes.since

        async def since(tenant_id: str, link: str) -> Any:
            if link == "0":
                raise Permanent("graph", code)
            return await real(tenant_id, link)

        station.world.changes.since = since  # type: ignore[method-assign]  # refuses the one link for good
        await polled(station, 10)
        assert (link(station) == "1") is given_up
        assert (CUSTOMER in station.world.ledger.owed.held) is given_up
        assert (station.world.ledger.polls.held[TENANT].code == "") is given_up

    run_virtual(main())


def test_a_void_link_costs_a_full_sync_of_those_who_are_approved() -> None:
    async def main() -> None:
        reports: list[PollReport] = []
        station = station_with(on_poll=reports.append)
        station.connect(8, status=ConnectionStatus.PREVIEW)
        at(station)
        station.world.changes.touch(TENANT, ["u1"])
        station.world.changes.void.add(TENANT)
        order: list[str] = []
        ports = replace(station.ports, owed=Told(station.ports.owed, order), changes=Told(station.world.changes, order))
        async with polling(station, DeltaPolls(replace(ports, polls=Told(ports.polls, order)), station.settings)):
            await asyncio.sleep(10)
        owed = station.world.ledger.owed.held
        assert [(each.customer_id, each.reason) for each in owed.values()] == [(CUSTOMER, MISSED)]
        assert [each for each in order if each != "all"] == ["since", "now", "mark", "save"]
        assert (link(station), handed_over(station)) == ("1", [])
        assert [each.code for each in reports] == ["graph:resync_required"]
        assert not station.world.ledger.polls.held[TENANT].code

    run_virtual(main())


class Told:
    """Writes down the names of the calls that a port gets."""

    def __init__(self, port: object, calls: list[str]) -> None:
        self._port = port
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        self._calls.append(name)
        return getattr(self._port, name)


# --- who is polled ----------------------------------------------------------------------------------------------


def test_a_preview_keeps_a_fresh_link_and_has_no_rounds() -> None:
    async def main() -> None:
        station = station_with(poll_every=600.0)
        station.connect(status=ConnectionStatus.PREVIEW)
        station.world.changes.touch(TENANT, ["u1"])
        async with polling(station):
            await asyncio.sleep(DAY)
            assert len(station.world.changes.asked(TENANT, "now")) == 1
            await asyncio.sleep(6 * DAY)
        first, second = station.world.changes.asked(TENANT, "now")
        assert second - first == pytest.approx(LINK_AGE.total_seconds(), abs=1_300)
        assert not station.world.changes.asked(TENANT)
        assert not handed_over(station)

    run_virtual(main())


def test_an_approval_begins_where_the_preview_took_its_link() -> None:
    async def main() -> None:
        station = station_with()
        station.connect(status=ConnectionStatus.PREVIEW)
        async with polling(station):
            await asyncio.sleep(3600)
            station.world.changes.touch(TENANT, ["u1"])
            station.connect()
            await asyncio.sleep(10)
        assert handed_over(station) == ["u1"]

    run_virtual(main())


def test_who_is_paused_rests_and_who_is_disconnected_is_forgotten() -> None:
    async def main() -> None:
        station = station_with()
        station.world.ledger.connections.held.clear()
        station.connect(1, "paused", ConnectionStatus.PAUSED)
        station.connect(2, "left", ConnectionStatus.DISCONNECTED)
        station.connect(3, "half-left", ConnectionStatus.DISCONNECTED)
        station.connect(4, "half-left")
        for tenant_id in ("paused", "left", "half-left", "unheard-of"):
            at(station, tenant_id=tenant_id)
        await polled(station, 3600)
        assert {tenant for _, tenant, _ in station.world.changes.requests} == {"half-left"}
        assert set(station.world.ledger.polls.held) == {"paused", "half-left"}

    run_virtual(main())


def test_every_tenant_of_a_customer_is_polled() -> None:
    async def main() -> None:
        station = station_with()
        held = station.world.ledger.connections.held
        held[CUSTOMER] = replace(held[CUSTOMER], more_tenants=("tenant-b",))
        at(station, tenant_id="tenant-b")
        station.world.changes.void.add("tenant-b")
        await polled(station, 10)
        assert set(station.world.ledger.polls.held) == {TENANT, "tenant-b"}
        assert set(station.world.ledger.owed.held) == {CUSTOMER}

    run_virtual(main())


def many(station: Station, tenants: int) -> list[str]:
    """Approved customers with a tenant each; the later in the list, the longer overdue."""
    station.world.ledger.connections.held.clear()
    ids = [f"tenant-{number:03}" for number in range(tenants)]
    for number, tenant_id in enumerate(ids):
        station.connect(100 + number, tenant_id)
        at(station, tenant_id=tenant_id, ago=PAUSE + number)
    return ids


def test_the_longest_overdue_comes_first_and_a_few_at_once() -> None:
    async def main() -> None:
        station = station_with()
        ids = many(station, 30)
        station.world.changes.latency = 12.0  # longer than the pause between two looks at who is due
        await polled(station, 100)
        asked = [tenant for _, tenant, _ in station.world.changes.requests]
        assert asked == ids[::-1]
        assert station.world.changes.most == AT_ONCE

    run_virtual(main())


@pytest.mark.parametrize("latency", [None, 850.0], ids=["every poll fails", "none ends for long"])
def test_that_somebody_asks_is_told_however_the_polls_end(latency: float | None) -> None:
    """People see by it whether anybody is at work (`shared/domain/freshness.py`)."""

    async def main() -> None:
        station = station_with()
        ids = many(station, 3 * AT_ONCE)
        station.world.changes.latency = latency or 0.0
        if latency is None:
            station.world.changes.outages = {each: Permanent("login", "bad_secret") for each in ids}
        async with polling(station):
            for _ in range(10):
                await asyncio.sleep(100.0)
                kept = await station.world.memory.recall(POLLS_ASKED_KEY)
                assert kept is not None
                age = station.world.clock.now() - datetime.fromisoformat(kept)
                assert age < timedelta(seconds=62 + station.settings.poll_every)

    run_virtual(main())


def test_a_thousand_tenants_are_polled_as_often_as_they_are_to_be() -> None:
    async def main() -> None:
        station = station_with()
        ids = many(station, 1_000)
        station.world.changes.latency = 0.5
        station.settings = replace(station.settings, poll_every=15.0)
        await polled(station, 2.5 * PAUSE)
        for tenant_id in ids:
            asked = station.world.changes.asked(tenant_id)
            assert len(asked) >= 2
            assert all(later - earlier < 1.2 * PAUSE for earlier, later in pairwise(asked))

    run_virtual(main())


def test_no_tenant_is_polled_twice_at_once() -> None:
    async def main() -> None:
        station = station_with()
        at(station)
        station.world.changes.latency = 3 * PAUSE  # due again and again meanwhile
        await polled(station, 4 * PAUSE)
        assert station.world.changes.most_of_one == 1

    run_virtual(main())


def test_one_slow_tenant_keeps_nobody_waiting() -> None:
    async def main() -> None:
        station = station_with()
        station.connect(8, "slow")
        at(station)
        at(station, tenant_id="slow")
        hang = asyncio.Event()
        real = station.world.changes.since

        async def since(tenant_id: str, link: str) -> Any:
            if tenant_id == "slow":
                await hang.wait()
            return await real(tenant_id, link)

        station.world.changes.since = since  # type: ignore[method-assign]  # one tenant that does not answer
        reports: list[PollReport] = []
        station.settings = replace(station.settings, on_poll=reports.append)
        async with polling(station):
            await asyncio.sleep(4 * PAUSE)
            assert len(station.world.changes.asked(TENANT)) >= 3
            assert [each.code for each in reports if each.tenant_id == "slow"] == ["graph:timed_out"]
            hang.set()

    run_virtual(main())


# --- wishes and outages -----------------------------------------------------------------------------------------


async def wish(station: Station, key: str, ahead: float = 0.0) -> None:
    moment = station.world.clock.now() + timedelta(seconds=ahead)
    await station.world.memory.remember(key, moment.isoformat(), ttl=DAY)


@pytest.mark.parametrize("ahead", [0.0, 600.0])
def test_after_a_wish_everybody_is_polled_at_once_and_once(ahead: float) -> None:
    """Also when the clock of the machine that wrote it is ahead."""

    async def main() -> None:
        station = station_with()
        station.connect(8, "tenant-b")
        async with polling(station):
            await asyncio.sleep(100)
            begun = station.world.clock.monotonic()
            await wish(station, POLL_WANTED_KEY, ahead)
            await asyncio.sleep(100)
        for tenant_id in (TENANT, "tenant-b"):
            (asked,) = station.world.changes.asked(tenant_id)
            assert asked - begun <= station.settings.poll_every

    run_virtual(main())


def test_a_wish_for_one_tenant_is_its_own_and_ends_the_wait_after_a_failure() -> None:
    async def main() -> None:
        station = station_with()
        station.connect(8, "tenant-b")
        station.world.changes.outages[TENANT] = StopTheLine("login", "consent_missing", scope=Scope.TENANT)
        async with polling(station):
            await asyncio.sleep(100)
            station.world.changes.outages.clear()
            await wish(station, poll_wanted_key(TENANT))
            await asyncio.sleep(40)
        assert len(station.world.changes.asked(TENANT, "now")) == 2
        assert link(station) == "0"
        assert station.world.changes.asked("tenant-b") == []

    run_virtual(main())


def test_wishes_that_never_end_are_no_reason_to_poll_twice_within_half_a_minute() -> None:
    async def main() -> None:
        station = station_with()
        async with polling(station):
            for _ in range(100):
                await wish(station, POLL_WANTED_KEY)
                await asyncio.sleep(3)
            asked = station.world.changes.asked(TENANT)
        assert len(asked) >= 5
        assert all(later - earlier >= 30 for earlier, later in pairwise(asked))

    run_virtual(main())


@pytest.mark.parametrize("text", ["soon", "2026-11-24T10:00:00", ""])
def test_a_wish_that_is_no_moment_stops_nothing(text: str) -> None:
    async def main() -> None:
        station = station_with()
        at(station)
        await station.world.memory.remember(POLL_WANTED_KEY, text, ttl=DAY)
        await polled(station, 10)
        assert len(station.world.changes.asked(TENANT)) == 1

    run_virtual(main())


@pytest.mark.parametrize("store", ["ledger", "memory", "leases"])
def test_after_an_outage_of_ours_everybody_is_polled_at_once(store: str) -> None:
    async def main() -> None:
        station = station_with()
        switches: dict[str, Any] = {
            "ledger": station.world.ledger.switch,
            "memory": station.world.memory,
            "leases": station.world.leases,
        }
        async with polling(station):
            await asyncio.sleep(100)
            assert station.world.changes.asked(TENANT) == []  # it took a link
            switches[store].away = True
            await asyncio.sleep(70)
            switches[store].away = False
            await asyncio.sleep(20)
            assert len(station.world.changes.asked(TENANT)) == 1

    run_virtual(main())


def test_a_process_that_begins_to_lead_polls_everybody() -> None:
    async def main() -> None:
        station = station_with()
        at(station, ago=10)
        await polled(station, 10)
        assert len(station.world.changes.asked(TENANT)) == 1

    run_virtual(main())


def test_one_leads_and_another_follows_when_it_dies() -> None:
    async def main() -> None:
        station = station_with()
        at(station)
        first, second = (DeltaPolls(station.ports, station.settings) for _ in range(2))
        stop = asyncio.Event()
        leader = asyncio.create_task(first.run(stop))
        await asyncio.sleep(1)
        async with polling(station, second):
            await asyncio.sleep(PAUSE + 60)
            assert len(station.world.changes.asked(TENANT)) == 2  # by one of them
            leader.cancel()
            await asyncio.sleep(30)
            assert len(station.world.changes.asked(TENANT)) == 3

    run_virtual(main())


# --- failures ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("away", ["broker", "ledger", "memory"])
def test_while_a_store_is_away_nothing_moves_on_and_nothing_is_lost(away: str) -> None:
    async def main() -> None:
        station = station_with()
        at(station)
        station.world.changes.touch(TENANT, ["u1"])
        station.world.changes.latency = 5.0
        async with polling(station):
            await asyncio.sleep(1)  # the round is under way
            _switch(station, away, on=True)
            await asyncio.sleep(200)
            moved = station.world.ledger.polls.held[TENANT].link != "0"
            assert not moved or handed_over(station) == ["u1"]
            _switch(station, away, on=False)
            await asyncio.sleep(PAUSE)
        assert set(handed_over(station)) == {"u1"}
        assert (link(station), station.world.ledger.polls.held[TENANT].code) == ("1", "")

    run_virtual(main())


def _switch(station: Station, store: str, *, on: bool) -> None:
    if store == "broker":
        station.world.broker.down = on
    elif store == "ledger":
        station.world.ledger.switch.away = on
    else:
        station.world.memory.away = on


def test_a_publish_that_fails_leaves_the_link_and_says_so() -> None:
    async def main() -> None:
        station = station_with()
        began = at(station).began_at
        station.world.changes.touch(TENANT, ["u1"])
        station.world.broker.down = True
        await polled(station, 10)
        poll = station.world.ledger.polls.held[TENANT]
        assert (poll.link, poll.code, poll.began_at) == ("0", "broker:unreachable", began)
        assert poll.since is not None

    run_virtual(main())


def test_a_failing_tenant_is_tried_again_after_growing_waits_and_says_since_when() -> None:
    async def main() -> None:
        station = station_with()
        at(station)
        station.world.changes.outages[TENANT] = Transient("graph", "service_fault")
        async with polling(station):
            await asyncio.sleep(3600)
            poll = station.world.ledger.polls.held[TENANT]
            assert (poll.code, poll.since is not None and poll.since < station.world.clock.now()) == (
                "graph:service_fault",
                True,
            )
            asked = station.world.changes.asked(TENANT)
            waits = [later - earlier for earlier, later in pairwise(asked)]
            assert waits == sorted(waits)
            assert waits[0] <= 20
            assert waits[-1] == pytest.approx(PAUSE, abs=10)
            station.world.changes.outages.clear()
            await asyncio.sleep(PAUSE + 10)
        poll = station.world.ledger.polls.held[TENANT]
        assert (poll.code, poll.since) == ("", None)

    run_virtual(main())


@pytest.mark.parametrize(
    ("error", "wait"),
    [
        (Transient("graph", "throttled", retry_after=1_000.0), 1_000.0),
        (StopTheLine("login", "consent_missing", scope=Scope.TENANT), 3_600.0),
        (StopTheLine("graph", "permission_missing", scope=Scope.TENANT), 3_600.0),
        (Permanent("graph", "foreign_link"), PAUSE),
    ],
)
def test_a_wait_is_as_long_as_the_failure_asks(error: SyncError, wait: float) -> None:
    async def main() -> None:
        station = station_with()
        at(station)
        station.world.changes.outages[TENANT] = error
        await polled(station, wait + 50)
        first, second, *_ = station.world.changes.asked(TENANT)
        assert second - first == pytest.approx(wait, abs=10)

    run_virtual(main())


def test_whoever_was_stopped_with_everybody_is_polled_soon_after_it_was_mended() -> None:
    """A certificate that could not be read for some minutes must not cost every tenant an hour."""

    async def main() -> None:
        station = station_with()
        at(station)
        station.world.changes.outages[TENANT] = StopTheLine("login", "assertion_unreadable", scope=Scope.ACCOUNT)
        async with polling(station):
            await asyncio.sleep(330)
            station.world.changes.outages.clear()
            mended = station.world.clock.monotonic()
            await asyncio.sleep(3600)
        assert min(at for at in station.world.changes.asked(TENANT) if at > mended) - mended <= PAUSE + 10

    run_virtual(main())


def test_a_fault_of_ours_takes_nobody_else_down() -> None:
    async def main() -> None:
        station = station_with()
        station.connect(8, "tenant-b")
        at(station, link="no number")  # the fake trips over it
        await polled(station, 10)
        assert station.world.ledger.polls.held[TENANT].code == "worker:unexpected"
        assert station.world.ledger.polls.held["tenant-b"].link == "0"

    run_virtual(main())


def test_a_first_link_that_cannot_be_had_is_said_as_well() -> None:
    async def main() -> None:
        station = station_with()
        station.world.changes.outages[TENANT] = StopTheLine("login", "consent_missing", scope=Scope.TENANT)
        await polled(station, 10)
        poll = station.world.ledger.polls.held[TENANT]
        assert (poll.link, poll.began_at, poll.code) == (None, None, "login:consent_missing")

    run_virtual(main())


def test_polls_at_work_end_before_the_service_does() -> None:
    async def main() -> None:
        station = station_with(drain=15.0)
        at(station)
        station.world.changes.touch(TENANT, ["u1"])
        station.world.changes.latency = 10.0
        await polled(station, 3)
        assert (link(station), handed_over(station)) == ("1", ["u1"])
        at(station)
        station.world.changes.latency = 3600.0
        begun = station.world.clock.monotonic()
        await polled(station, 3)
        assert station.world.clock.monotonic() - begun < 20  # it is cut off
        assert link(station) == "0"

    run_virtual(main())


# --- announced or not -------------------------------------------------------------------------------------------


def counted(station: Station) -> Coverage:
    sums = station.world.ledger.polls.counted.values()
    return Coverage(sum(each.found for each in sums), sum(each.announced for each in sums))


async def announce(station: Station, *user_ids: str) -> None:
    now = station.world.clock.now().isoformat()
    for user_id in user_ids:
        await station.world.memory.remember(announced_key(TENANT, user_id), now, ttl=3600)


def subscribed(station: Station) -> None:
    station.world.ledger.subscription_states.held[TENANT] = SubscriptionState(
        TENANT, "s1", station.world.clock.now() + timedelta(days=20), "", station.world.clock.now()
    )


def test_what_a_round_found_is_judged_by_the_next_one() -> None:
    async def main() -> None:
        reports: list[PollReport] = []
        station = station_with(on_poll=reports.append)
        async with polling(station):
            await asyncio.sleep(100)
            await announce(station, "told")
            station.world.changes.touch(TENANT, ["told", "late", "silent"])
            await asyncio.sleep(PAUSE - 50)
            assert set(station.world.ledger.polls.held[TENANT].unjudged) == {"told", "late", "silent"}
            assert counted(station) == Coverage(0, 0)
            await announce(station, "late")  # Microsoft was slow, and told of it nevertheless
            await asyncio.sleep(PAUSE)
            assert counted(station) == Coverage(3, 2)
            assert not station.world.ledger.polls.held[TENANT].unjudged
        assert [(each.found, each.announced, each.unannounced) for each in reports] == [(0, 0, 0), (3, 0, 0), (0, 2, 1)]
        (hour,) = {hour for _, hour in station.world.ledger.polls.counted}
        assert (hour.minute, hour.second, hour.microsecond) == (0, 0, 0)

    run_virtual(main())


def test_an_old_announcement_does_not_count_for_a_new_change() -> None:
    async def main() -> None:
        station = station_with()
        async with polling(station):
            await asyncio.sleep(100)
            await announce(station, "u1")
            await asyncio.sleep(2 * PAUSE)
            station.world.changes.touch(TENANT, ["u1"])
            await asyncio.sleep(2 * PAUSE)
        assert counted(station) == Coverage(1, 0)

    run_virtual(main())


def test_without_memory_judging_waits_and_what_was_forgotten_by_then_is_not_judged() -> None:
    async def main() -> None:
        station = station_with()
        now = station.world.clock.now()
        at(station, unjudged={"fresh": now, "old": now - timedelta(hours=1)})
        recall = station.world.memory.recall

        async def failing(key: str) -> str | None:
            if key.startswith("announced"):
                raise Transient("state", "unreachable", counted=False)
            return await recall(key)

        station.world.memory.recall = failing  # type: ignore[method-assign]  # as if it went away in between
        await polled(station, 10)
        assert set(station.world.ledger.polls.held[TENANT].unjudged) == {"fresh"}
        assert link(station) == "0"
        station.world.memory.recall = recall  # type: ignore[method-assign]
        station.world.clock.ahead += timedelta(seconds=PAUSE)
        await polled(station, 10)
        assert counted(station) == Coverage(1, 0)

    run_virtual(main())


def test_without_a_public_address_nothing_is_expected_of_notifications() -> None:
    async def main() -> None:
        policy = PollPolicy(shortest=60, without_door=200, longest=600)
        station = station_with(policy, has_door=False)
        async with polling(station):
            for _ in range(20):
                station.world.changes.touch(TENANT, ["u1"])
                await asyncio.sleep(100)
        asked = station.world.changes.asked(TENANT)
        assert len(asked) in (9, 10)
        assert all(b - a == pytest.approx(200, abs=6) for a, b in pairwise(asked))
        assert counted(station) == Coverage(0, 0)
        assert len(handed_over(station)) == len(asked)

    run_virtual(main())


def test_a_receiver_elsewhere_has_a_door_as_well() -> None:
    """Its settings are its own; what it keeps in the ledger shows that notifications are to be expected."""

    async def main() -> None:
        station = station_with(PollPolicy(shortest=60, without_door=200, longest=600), has_door=False)
        subscribed(station)
        async with polling(station):
            await asyncio.sleep(10)
            assert station.world.ledger.polls.held[TENANT].interval == 60
            station.world.changes.touch(TENANT, ["silent"])
            await asyncio.sleep(300)
        assert counted(station) == Coverage(1, 0)

    run_virtual(main())


def test_the_interval_follows_what_notifications_are_worth() -> None:
    async def main() -> None:
        station = station_with(PollPolicy())
        subscribed(station)
        async with polling(station):
            await asyncio.sleep(4 * 3600)
            assert station.world.ledger.polls.held[TENANT].interval == PollPolicy().longest
            station.world.changes.touch(TENANT, ["silent"])
            await asyncio.sleep(2 * PollPolicy().longest)
            assert station.world.ledger.polls.held[TENANT].interval < PollPolicy().longest
            station.world.ledger.subscription_states.held.clear()
            await asyncio.sleep(3600)
            assert station.world.ledger.polls.held[TENANT].interval == PollPolicy().shortest

    run_virtual(main())


def test_counts_that_cannot_be_kept_cost_no_round() -> None:
    async def main() -> None:
        station = station_with()
        at(station, unjudged={"u1": station.world.clock.now()})
        station.world.changes.touch(TENANT, ["u2"])

        async def judged(*_: object) -> None:
            raise Transient("ledger", "unreachable", counted=False)

        station.world.ledger.polls.judged = judged  # type: ignore[method-assign, assignment]
        await polled(station, 10)
        assert (link(station), station.world.ledger.polls.held[TENANT].code) == ("1", "")

    run_virtual(main())


# --- telling ----------------------------------------------------------------------------------------------------


def test_a_round_is_one_line_without_anybody_in_it() -> None:
    async def main() -> Sequence[Any]:
        station = station_with()
        at(station)
        station.world.changes.touch(TENANT, ["u1"])
        with capture_logs() as lines:
            await polled(station, 10)
        return [line for line in lines if line["event"].startswith("delta_round")]

    (line,) = run_virtual(main())
    assert line == {
        "event": "delta_round",
        "log_level": "info",
        "tenant_id": TENANT,
        "found": 1,
        "requests": 1,
        "ms": 0,
        "interval_s": PAUSE,
    }


def test_a_failure_is_reported_with_its_wait() -> None:
    async def main() -> None:
        reports: list[PollReport] = []
        station = station_with(on_poll=reports.append)
        station.world.changes.outages[TENANT] = Transient("graph", "throttled", retry_after=77.0)
        await polled(station, 10)
        assert [(each.code, each.interval, each.found) for each in reports] == [("graph:throttled", 77.0, 0)]

    run_virtual(main())


def test_it_is_ready_while_it_runs() -> None:
    async def main() -> None:
        station = station_with()
        service = DeltaPolls(station.ports, station.settings)
        assert not service.ready()
        async with polling(station, service):
            await asyncio.sleep(1)
            assert (service.ready(), service.waiting_for()) == (True, "")
        assert not service.ready()

    run_virtual(main())
