"""Fakes for the registrar's ports: a Graph that keeps subscriptions, a memory that may be wiped, leases, an inbox.

`Steps` kills the process at a chosen await of its Graph or memory; `Parts` builds keepers over the same outside world.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry

from receiver.addresses import Addresses, Door
from receiver.client_state import Secrets
from receiver.doorstep import Doorstep
from receiver.notes import Notes
from receiver.subscriptions import SubscriptionKeeper
from shared.domain.errors import SyncError, Transient
from shared.domain.messages import Lane, Unreadable
from shared.domain.records import Connection, ConnectionStatus, Owed
from shared.ports import (
    LEASE_TAKEN,
    AlreadyExists,
    AnyMessage,
    Clock,
    Delivery,
    Lease,
    Subscription,
    SubscriptionWish,
)
from shared.runtime.metrics import RegistrarMetrics
from tests.support.clock import START
from tests.support.fake_onboarding import FakeDoor
from tests.support.receiver import SECRETS


class Killed(BaseException):
    """The process died here: nothing after this await ran."""


class Steps:
    """Counts the awaits of a process, before and after their effect, and dies at the one it was told."""

    def __init__(self) -> None:
        self.taken = 0
        self.dies_at: int | None = None
        self.death: type[BaseException] = Killed

    def step(self) -> None:
        self.taken += 1
        if self.taken == self.dies_at:
            raise self.death

    def doom(self, at: int, death: type[BaseException] = Killed) -> None:
        self.taken, self.dies_at, self.death = 0, at, death

    def live(self) -> None:
        self.dies_at = None


class FakeGraph:
    """Subscriptions of every tenant: one per tenant and kinds of change, like the service. Fails where told to.

    `dark`: (tenant, moment) whenever the last one that told of updates ended. `hasty`: ids renewed twice within ten
    minutes, which corrupts them. `grants`: life granted at most. `refused`: raised by creations of these kinds.
    """

    def __init__(self, clock: Clock, steps: Steps | None = None) -> None:
        self._clock = clock
        self._steps = steps or Steps()
        self._living: dict[str, dict[str, Subscription]] = {}  # tenant -> kinds -> it
        self._patched: dict[str, datetime] = {}
        self.wishes: dict[str, SubscriptionWish] = {}  # by id of the subscription
        self.calls: list[tuple[str, str]] = []
        self.failing: dict[str, SyncError] = {}  # by tenant
        self.refused: dict[str, SyncError] = {}  # by kinds
        self.lose_answer = False  # the next POST or PATCH succeeds, and its answer never arrives
        self.grants: timedelta | None = None
        self.list_omits: set[str] = set()
        self.hidden: set[str] = set()  # named by a 409 and not shown by `get`
        self.dark: list[tuple[str, datetime]] = []
        self.hasty: list[str] = []
        self._made = 0

    def verbs(self, tenant: str) -> list[str]:
        return [verb for verb, of in self.calls if of == tenant]

    def all(self, tenant: str) -> list[Subscription]:
        """Those that have not expired."""
        self._expire(tenant)
        return list(self._living.get(tenant, {}).values())

    def the(self, tenant: str) -> Subscription:
        [only] = self.all(tenant)
        return only

    def tenants(self) -> set[str]:
        return {tenant for tenant in self._living if self.all(tenant)}

    def put(self, tenant: str, subscription: Subscription) -> None:
        """Somebody else's doing, or that of a process that died."""
        self._living.setdefault(tenant, {})[subscription.change_type] = subscription

    def lose(self, tenant: str) -> None:
        """Somebody deleted all of them."""
        self._living.pop(tenant, None)

    async def get(self, tenant_id: str, subscription_id: str) -> Subscription | None:
        self._called("get", tenant_id)
        found = self._found(tenant_id, subscription_id)
        self._steps.step()
        return None if subscription_id in self.hidden else found

    async def list(self, tenant_id: str) -> Sequence[Subscription]:
        self._called("list", tenant_id)
        found = [each for each in self.all(tenant_id) if each.id not in self.list_omits]
        self._steps.step()
        return found

    async def create(self, tenant_id: str, wish: SubscriptionWish) -> Subscription | AlreadyExists:
        self._called("create", tenant_id)
        if wish.change_type in self.refused:
            raise self.refused[wish.change_type]
        self._expire(tenant_id)
        living = self._living.setdefault(tenant_id, {})
        if wish.change_type in living:
            self._steps.step()
            return AlreadyExists(living[wish.change_type].id)
        self._made += 1
        made = Subscription(
            id=f"sub-{self._made}",
            resource=wish.resource,
            change_type=wish.change_type,
            notification_url=wish.notification_url,
            lifecycle_url=wish.lifecycle_url,
            expires_at=self._granted(wish.expires_at),
        )
        living[wish.change_type] = made
        self.wishes[made.id] = wish
        self._steps.step()
        self._answered()
        return made

    async def renew(self, tenant_id: str, subscription_id: str, expires_at: datetime) -> Subscription | None:
        self._called("renew", tenant_id)
        found = self._found(tenant_id, subscription_id)
        if found is None:
            return None
        now = self._clock.now()
        if now - self._patched.get(subscription_id, now - timedelta(hours=1)) < timedelta(minutes=10):
            self.hasty.append(subscription_id)
        self._patched[subscription_id] = now
        renewed = replace(found, expires_at=self._granted(expires_at))
        self._living[tenant_id][found.change_type] = renewed
        self._steps.step()
        self._answered()
        return renewed

    async def delete(self, tenant_id: str, subscription_id: str) -> None:
        self._called("delete", tenant_id)
        found = self._found(tenant_id, subscription_id)
        if found is not None:
            del self._living[tenant_id][found.change_type]
            if not self._tells(tenant_id):
                self.dark.append((tenant_id, self._clock.now()))
        self._steps.step()

    def _called(self, verb: str, tenant: str) -> None:
        self._steps.step()
        self.calls.append((verb, tenant))
        if tenant in self.failing:
            raise self.failing[tenant]

    def _answered(self) -> None:
        if self.lose_answer:
            self.lose_answer = False
            raise Transient("graph", "connection_lost")

    def _granted(self, wished: datetime) -> datetime:
        return wished if self.grants is None else min(wished, self._clock.now() + self.grants)

    def _found(self, tenant: str, subscription_id: str) -> Subscription | None:
        return next((each for each in self.all(tenant) if each.id == subscription_id), None)

    def _tells(self, tenant: str) -> bool:
        return any("updated" in kinds for kinds in self._living.get(tenant, {}))

    def _expire(self, tenant: str) -> None:
        now, living = self._clock.now(), self._living.get(tenant, {})
        for kinds, each in list(living.items()):
            if each.expires_at <= now:
                del living[kinds]
                if not self._tells(tenant):
                    self.dark.append((tenant, each.expires_at))


class FakeMemory:
    def __init__(self, clock: Clock, steps: Steps | None = None) -> None:
        self._clock = clock
        self._steps = steps or Steps()
        self.away = False
        self._kept: dict[str, tuple[str, float]] = {}

    async def recall(self, key: str) -> str | None:
        self._reach()
        value, until = self._kept.get(key, ("", 0.0))
        return value if until > self._clock.monotonic() else None

    async def remember(self, key: str, value: str, *, ttl: float) -> None:
        self._reach()
        self._kept[key] = (value, self._clock.monotonic() + ttl)
        self._steps.step()

    def wipe(self) -> None:
        self._kept.clear()

    def _reach(self) -> None:
        self._steps.step()
        if self.away:
            raise Transient("state", "unreachable", counted=False)


class FakeLease:
    lost = False

    def ensure(self, seconds: float = 0.0) -> None:
        if self.lost:
            raise Transient("leases", "lost", counted=False)


class FakeLeases:
    """One holder per key; `taken` keys belong to somebody else."""

    def __init__(self) -> None:
        self.taken: set[str] = set()
        self.away = False
        self.lease = FakeLease()

    @asynccontextmanager
    async def hold(self, key: str, *, ttl: float, wait: float = 0.0, lane: Lane = Lane.LIVE) -> AsyncIterator[Lease]:
        if self.away:
            raise Transient("state", "unreachable", counted=False)
        if key in self.taken:
            raise Transient("leases", LEASE_TAKEN, counted=False)
        self.taken.add(key)
        try:
            yield self.lease
        finally:
            self.taken.discard(key)


class FakeConnections:
    def __init__(self, *connections: Connection) -> None:
        self.kept = {each.customer_id: each for each in connections}
        self.away = False

    async def save(self, connection: Connection) -> None:
        self.kept[connection.customer_id] = connection

    async def change(self, connection: Connection, was: Connection | None) -> bool:
        self.kept[connection.customer_id] = connection
        return True

    async def get(self, customer_id: int) -> Connection | None:
        return self.kept.get(customer_id)

    async def of_tenant(self, tenant_id: str) -> Sequence[Connection]:
        return [each for each in self.kept.values() if tenant_id in each.tenants]

    async def list(self, status: ConnectionStatus | None = None) -> Sequence[Connection]:
        if self.away:
            raise Transient("ledger", "away")
        return [each for each in self.kept.values() if status is None or each.status is status]


class FakeOwed:
    def __init__(self) -> None:
        self.marks: list[tuple[int, str]] = []
        self.away = False

    async def mark(self, customer_id: int, reason: str, at: datetime) -> int:
        if self.away:
            raise Transient("ledger", "away")
        self.marks.append((customer_id, reason))
        return len(self.marks)

    async def owed(self) -> Sequence[Owed]:
        return []

    async def clear(self, customer_id: int, generation: int) -> bool:
        return True


class FakeDelivery:
    def __init__(self, inbox: FakeInbox, message: AnyMessage | Unreadable) -> None:
        self._inbox = inbox
        self.message = message
        self.lane = Lane.CONTROL

    async def ack(self) -> None:
        self._inbox.acked.append(self.message)
        self._inbox.held.discard(self)

    async def release(self) -> None:
        self._inbox.released.append(self.message)
        self._inbox.held.discard(self)
        self._inbox.waiting.put_nowait(self.message)


class FakeInbox:
    """The control lane as a queue. What was neither acked nor released is given back at the end of the context."""

    def __init__(self) -> None:
        self.waiting: asyncio.Queue[AnyMessage | Unreadable] = asyncio.Queue()
        self.held: set[FakeDelivery] = set()
        self.acked: list[AnyMessage | Unreadable] = []
        self.released: list[AnyMessage | Unreadable] = []

    @asynccontextmanager
    async def deliveries(self, lane: Lane, *, prefetch: int) -> AsyncIterator[AsyncIterator[Delivery]]:
        assert lane is Lane.CONTROL
        try:
            yield self._stream()
        finally:
            for delivery in list(self.held):
                self.waiting.put_nowait(delivery.message)
            self.held.clear()

    async def _stream(self) -> AsyncIterator[Delivery]:
        while True:
            delivery = FakeDelivery(self, await self.waiting.get())
            self.held.add(delivery)
            yield delivery


def connection(
    customer_id: int, tenant_id: str, status: ConnectionStatus = ConnectionStatus.APPROVED, changed_at: datetime = START
) -> Connection:
    return Connection(customer_id, f"Customer {customer_id}", tenant_id, status, START, changed_at)


HOST = "https://hooks.example.net"
LIFE = timedelta(days=28)


class Parts:
    """A keeper and what it stands on. `restarted` is another process over the same Graph and memory."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.steps = Steps()
        self.graph = FakeGraph(clock, self.steps)
        self.memory = FakeMemory(clock, self.steps)
        self.lease = FakeLease()
        self.probe = FakeDoor()

    def restarted(self, secrets: Secrets = SECRETS, host: str = HOST, lifetime: timedelta = LIFE) -> SubscriptionKeeper:
        door = Door(host + "/graph/notifications", host + "/graph/lifecycle")
        self.doorstep = Doorstep(self.probe, door, self.clock)
        self.metrics = RegistrarMetrics(CollectorRegistry())
        return SubscriptionKeeper(
            self.graph,
            self.graph,
            Notes(self.memory, self.clock),
            clock=self.clock,
            addresses=Addresses(door, secrets),
            doorstep=self.doorstep,
            lifetime=lifetime,
            metrics=self.metrics,
        )
