"""The registrar as a service, in virtual time: who is touched, who waits, who leads, and what lifecycle events do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256

import pytest

from receiver.lifecycle import ControlDesk
from receiver.registrar import LEADER, LEASE_TTL, IdleRegistrar, Registrar
from receiver.standing import Standings
from receiver.tenants import Tenants, wishes
from shared.domain.errors import Permanent, Scope, StopTheLine, Transient
from shared.domain.messages import DeadLettered, Lane, LifecycleEvent, SubscriptionTouched, Unreadable
from shared.domain.records import ConnectionStatus
from shared.ports import Leases
from tests.support.clock import START, FixedClock
from tests.support.fake_ledger import FakeSubscriptionStates, Switch
from tests.support.fake_state import FakeLeases as TimedLeases
from tests.support.receiver import OTHER, TENANT, FakePublisher, guid
from tests.support.registrar import FakeConnections, FakeInbox, FakeLeases, FakeOwed, Parts, connection
from tests.support.virtual_time import run_virtual

NO_CONSENT = StopTheLine("graph", "consent_missing", scope=Scope.TENANT)
REFUSED = StopTheLine("login", "secret_refused", scope=Scope.ACCOUNT)


class LoopTime(FixedClock):
    """Moves with the loop's virtual time."""

    def monotonic(self) -> float:
        return 1_000.0 + asyncio.get_running_loop().time()

    def now(self) -> datetime:
        return START + timedelta(seconds=asyncio.get_running_loop().time())


class Bench(Parts):
    def __init__(self, *customers: tuple[int, str]) -> None:
        super().__init__(LoopTime())
        self.leases = FakeLeases()
        self.connections = FakeConnections(*(connection(number, tenant) for number, tenant in customers))
        self.inbox = FakeInbox()
        self.owed = FakeOwed()
        self.publisher = FakePublisher()
        self.ledger = Switch()
        self.states = FakeSubscriptionStates(self.ledger)
        self.registrar = self.build(self.leases)

    def build(self, leases: Leases, interval: float = 5.0) -> Registrar:
        tenants, keeper = Tenants(), self.restarted()
        desk = ControlDesk(
            keeper,
            inbox=self.inbox,
            publisher=self.publisher,
            connections=self.connections,
            owed=self.owed,
            tenants=tenants,
            clock=self.clock,
        )
        return Registrar(
            keeper,
            desk,
            standings=Standings(self.states, self.clock),
            doorstep=self.doorstep,
            connections=self.connections,
            leases=leases,
            tenants=tenants,
            clock=self.clock,
            metrics=self.metrics,
            interval=interval,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.registrar.run(stop), name="registrar")
            try:
                yield
            finally:
                stop.set()

    def touched(self, event: LifecycleEvent, tenant: str = TENANT, subscription: str = "sub-1") -> SubscriptionTouched:
        message = SubscriptionTouched(
            tenant_id=tenant, subscription_id=subscription, event=event, noticed_at=START, trace_id="t"
        )
        self.inbox.waiting.put_nowait(message)
        return message


def test_every_approved_tenant_is_subscribed_and_then_left_alone() -> None:
    async def scenario() -> None:
        bench = Bench((1, TENANT), (2, OTHER), (3, OTHER))
        async with bench.running():
            await asyncio.sleep(600)
        assert [call for call in bench.graph.calls if call[0] != "list"] == [("create", TENANT), ("create", OTHER)]
        assert bench.graph.calls.count(("list", TENANT)) == 1

    run_virtual(scenario())


def test_a_new_approval_is_subscribed_within_seconds() -> None:
    async def scenario() -> None:
        bench = Bench()
        async with bench.running():
            await asyncio.sleep(60)
            assert bench.registrar.ready()
            await bench.connections.save(connection(1, TENANT, ConnectionStatus.PREVIEW))
            await asyncio.sleep(30)
            assert bench.graph.calls == []
            await bench.connections.save(connection(1, TENANT))
            await asyncio.sleep(6)
            assert bench.graph.verbs(TENANT)[0] == "create"

    run_virtual(scenario())


def test_a_tenant_without_consent_waits_longer_each_time_and_stops_nobody() -> None:
    async def scenario() -> None:
        bench = Bench((1, TENANT), (2, OTHER))
        bench.graph.failing[TENANT] = NO_CONSENT
        async with bench.running():
            await asyncio.sleep(3600)
            assert bench.graph.verbs(OTHER)[0] == "create"
            tries = bench.graph.verbs(TENANT)
            assert 5 <= len(tries) <= 10
            # consent came, and a person approved again: no need to sit out the wait
            del bench.graph.failing[TENANT]
            changed = replace(bench.connections.kept[1], changed_at=START + timedelta(hours=1))
            await bench.connections.save(changed)
            await asyncio.sleep(6)
            assert bench.graph.all(TENANT)

    run_virtual(scenario())


@pytest.mark.parametrize(
    "error",
    [
        Transient("graph", "503"),
        Permanent("graph", "quota"),
        NO_CONSENT,
        REFUSED,
    ],
)
def test_every_failure_ends_in_a_later_try(error: Transient | Permanent | StopTheLine) -> None:
    async def scenario() -> None:
        bench = Bench((1, TENANT))
        bench.graph.failing[TENANT] = error
        async with bench.running():
            await asyncio.sleep(10)
            assert bench.graph.verbs(TENANT) == ["create"]
            bench.graph.failing.clear()
            await asyncio.sleep(60)
            assert bench.graph.all(TENANT)

    run_virtual(scenario())


def test_only_the_leader_works() -> None:
    async def scenario() -> None:
        bench = Bench((1, TENANT))
        bench.leases.taken.add(LEADER)
        async with bench.running():
            await asyncio.sleep(60)
            assert bench.graph.calls == []
            assert bench.registrar.ready()
            bench.leases.taken.clear()
            await asyncio.sleep(6)
            assert bench.graph.verbs(TENANT)[0] == "create"
        assert bench.leases.taken == set()

    run_virtual(scenario())


def test_without_the_leases_it_is_not_ready_and_recovers() -> None:
    """An outage is as uncounted as a lease that another process has, and no reason to stand by contentedly."""

    async def scenario() -> None:
        bench = Bench((1, TENANT))
        bench.leases.away = True
        async with bench.running():
            await asyncio.sleep(20)
            assert not bench.registrar.ready()
            bench.leases.away = False
            await asyncio.sleep(10)
            assert bench.registrar.ready()
            assert bench.graph.all(TENANT)

    run_virtual(scenario())


@pytest.mark.parametrize("interval", [0.5, 5.0, 60.0])
def test_a_killed_leader_is_followed_within_30_s(interval: float) -> None:
    async def scenario() -> None:
        bench = Bench((1, TENANT))
        leases = TimedLeases(bench.clock)
        bench.registrar = bench.build(leases, interval)
        await leases._acquire(LEADER, LEASE_TTL, 0.0, Lane.LIVE)  # and never lets go
        async with bench.running():
            await asyncio.sleep(LEASE_TTL - 1)
            assert bench.graph.calls == []
            await asyncio.sleep(30 - (LEASE_TTL - 1))
            assert bench.graph.verbs(TENANT)[0] == "create"

    run_virtual(scenario())


def test_without_the_ledger_it_is_not_ready_and_recovers() -> None:
    async def scenario() -> None:
        bench = Bench((1, TENANT))
        bench.connections.away = True
        async with bench.running():
            await asyncio.sleep(20)
            assert not bench.registrar.ready()
            bench.connections.away = False
            await asyncio.sleep(10)
            assert bench.registrar.ready()
            assert bench.graph.all(TENANT)

    run_virtual(scenario())


def test_a_deleted_subscription_is_noticed_within_the_hour() -> None:
    async def scenario() -> None:
        bench = Bench((1, TENANT))
        async with bench.running():
            await asyncio.sleep(10)
            bench.graph.lose(TENANT)
            await asyncio.sleep(3700)
            assert bench.graph.the(TENANT).id == "sub-2"

    run_virtual(scenario())


def test_a_disconnected_tenant_is_dropped_and_a_paused_one_is_left_as_it_is() -> None:
    async def scenario() -> None:
        bench = Bench((1, TENANT), (2, OTHER))
        async with bench.running():
            await asyncio.sleep(10)
            later = START + timedelta(minutes=1)
            await bench.connections.save(connection(1, TENANT, ConnectionStatus.DISCONNECTED, later))
            await bench.connections.save(connection(2, OTHER, ConnectionStatus.PAUSED, later))
            await asyncio.sleep(10)
        assert bench.graph.tenants() == {OTHER}

    run_virtual(scenario())


# --- lifecycle events -------------------------------------------------------------------------------------------


def test_reauthorization_renews_once_per_ten_minutes() -> None:
    async def scenario() -> None:
        bench = Bench((1, TENANT))
        async with bench.running():
            await asyncio.sleep(700)
            asked = [bench.touched(LifecycleEvent.REAUTHORIZATION_REQUIRED) for _ in range(3)]
            await asyncio.sleep(30)
            assert bench.inbox.acked == asked
        assert bench.graph.verbs(TENANT) == ["create", "list", "renew"]

    run_virtual(scenario())


def test_a_removed_subscription_is_created_anew_and_its_customers_are_owed() -> None:
    async def scenario() -> None:
        bench = Bench((1, TENANT), (2, TENANT), (3, OTHER))
        async with bench.running():
            await asyncio.sleep(10)
            bench.graph.lose(TENANT)
            bench.touched(LifecycleEvent.SUBSCRIPTION_REMOVED)
            await asyncio.sleep(30)
        assert bench.graph.the(TENANT).id == "sub-3"
        assert bench.owed.marks == [(1, "subscription_removed"), (2, "subscription_removed")]

    run_virtual(scenario())


def test_missed_notifications_make_the_customers_owed_even_when_the_ledger_was_away() -> None:
    async def scenario() -> None:
        bench = Bench((1, TENANT))
        bench.owed.away = True
        async with bench.running():
            message = bench.touched(LifecycleEvent.MISSED)
            await asyncio.sleep(12)
            assert bench.inbox.acked == []
            assert bench.inbox.released
            bench.owed.away = False
            await asyncio.sleep(40)
            assert bench.inbox.acked == [message]
        assert bench.owed.marks == [(1, "notifications_missed")]

    run_virtual(scenario())


def test_an_event_of_a_tenant_without_consent_or_connection_ends() -> None:
    async def scenario() -> None:
        bench = Bench((1, TENANT))
        async with bench.running():
            await asyncio.sleep(700)
            bench.graph.failing[TENANT] = NO_CONSENT
            bench.touched(LifecycleEvent.REAUTHORIZATION_REQUIRED)
            bench.touched(LifecycleEvent.REAUTHORIZATION_REQUIRED, OTHER, "sub-9")
            await asyncio.sleep(30)
            assert len(bench.inbox.acked) == 2
        assert bench.graph.verbs(OTHER) == []

    run_virtual(scenario())


def test_unreadable_bytes_go_to_the_dead_lane_whole() -> None:
    async def scenario() -> None:
        bench = Bench((1, TENANT))
        unreadable = Unreadable(body=b"\xff", reason="json_invalid at top", digest=sha256(b"\xff").hexdigest())
        async with bench.running():
            bench.inbox.waiting.put_nowait(unreadable)
            await asyncio.sleep(10)
        assert bench.inbox.acked == [unreadable]
        ((letter, lane),) = bench.publisher.confirmed
        assert lane is Lane.DEAD
        assert isinstance(letter, DeadLettered)
        assert letter.body == b"\xff"

    run_virtual(scenario())


def test_without_a_public_address_it_idles_until_told_to_stop() -> None:
    async def scenario() -> None:
        stop = asyncio.Event()
        idle = IdleRegistrar()
        task = asyncio.create_task(idle.run(stop), name="idle")
        await asyncio.sleep(100)
        assert idle.ready()
        assert not task.done()
        stop.set()
        await task

    run_virtual(scenario())


@pytest.mark.parametrize(
    ("statuses", "watched"),
    [
        ([ConnectionStatus.APPROVED], True),
        ([ConnectionStatus.APPROVED, ConnectionStatus.DISCONNECTED], True),
        ([ConnectionStatus.PREVIEW], None),
        ([ConnectionStatus.PAUSED], None),
        ([ConnectionStatus.PAUSED, ConnectionStatus.DISCONNECTED], None),
        ([ConnectionStatus.DISCONNECTED], False),
    ],
)
def test_what_is_wished_for_a_tenant(statuses: list[ConnectionStatus], watched: bool | None) -> None:
    found = wishes(connection(n, guid(1), status) for n, status in enumerate(statuses)).get(guid(1))
    assert (found.watched if found else None) is watched
