"""Fakes for the registrar's ports: a Graph that keeps subscriptions, a memory that may be wiped, leases, an inbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime

from shared.domain.errors import SyncError, Transient
from shared.domain.messages import Lane, Unreadable
from shared.domain.records import Connection, ConnectionStatus, Owed
from shared.ports import LEASE_TAKEN, AlreadyExists, AnyMessage, Delivery, Lease, Subscription, SubscriptionWish
from tests.support.clock import START, FixedClock


class FakeGraph:
    """Subscriptions of every tenant: one per tenant and change type, like the service. Fails where told to."""

    def __init__(self, clock: FixedClock) -> None:
        self._clock = clock
        self.living: dict[str, Subscription] = {}
        self.wishes: dict[str, SubscriptionWish] = {}
        self.calls: list[tuple[str, str]] = []
        self.failing: dict[str, SyncError] = {}  # by tenant
        self.lose_answer = False  # the next POST succeeds, and its answer never arrives
        self._made = 0

    def _called(self, verb: str, tenant: str) -> None:
        self.calls.append((verb, tenant))
        if tenant in self.failing:
            raise self.failing[tenant]

    def verbs(self, tenant: str) -> list[str]:
        return [verb for verb, of in self.calls if of == tenant]

    def expire(self) -> None:
        now = self._clock.now()
        self.living = {tenant: each for tenant, each in self.living.items() if each.expires_at > now}

    async def get(self, tenant_id: str, subscription_id: str) -> Subscription | None:
        self._called("get", tenant_id)
        found = self.living.get(tenant_id)
        return found if found is not None and found.id == subscription_id else None

    async def list(self, tenant_id: str) -> Sequence[Subscription]:
        self._called("list", tenant_id)
        return [self.living[tenant_id]] if tenant_id in self.living else []

    async def create(self, tenant_id: str, wish: SubscriptionWish) -> Subscription | AlreadyExists:
        self._called("create", tenant_id)
        if tenant_id in self.living:
            return AlreadyExists(self.living[tenant_id].id)
        self._made += 1
        made = Subscription(
            id=f"sub-{self._made}",
            resource=wish.resource,
            change_type=wish.change_type,
            notification_url=wish.notification_url,
            lifecycle_url=wish.lifecycle_url,
            expires_at=wish.expires_at,
        )
        self.living[tenant_id], self.wishes[tenant_id] = made, wish
        if self.lose_answer:
            self.lose_answer = False
            raise Transient("graph", "no_answer")
        return made

    async def renew(self, tenant_id: str, subscription_id: str, expires_at: datetime) -> Subscription | None:
        self._called("renew", tenant_id)
        found = self.living.get(tenant_id)
        if found is None or found.id != subscription_id:
            return None
        self.living[tenant_id] = replace(found, expires_at=expires_at)
        return self.living[tenant_id]

    async def delete(self, tenant_id: str, subscription_id: str) -> None:
        self._called("delete", tenant_id)
        found = self.living.get(tenant_id)
        if found is not None and found.id == subscription_id:
            del self.living[tenant_id]


class FakeMemory:
    def __init__(self, clock: FixedClock) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[str, float]] = {}

    async def recall(self, key: str) -> str | None:
        value, until = self._kept.get(key, ("", 0.0))
        return value if until > self._clock.monotonic() else None

    async def remember(self, key: str, value: str, *, ttl: float) -> None:
        self._kept[key] = (value, self._clock.monotonic() + ttl)

    def wipe(self) -> None:
        self._kept.clear()


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

    async def get(self, customer_id: int) -> Connection | None:
        return self.kept.get(customer_id)

    async def of_tenant(self, tenant_id: str) -> Sequence[Connection]:
        return [each for each in self.kept.values() if each.tenant_id == tenant_id]

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

    async def release(self) -> None:
        self._inbox.released.append(self.message)
        self._inbox.waiting.put_nowait(self.message)


class FakeInbox:
    """The control lane as a queue."""

    def __init__(self) -> None:
        self.waiting: asyncio.Queue[AnyMessage | Unreadable] = asyncio.Queue()
        self.acked: list[AnyMessage | Unreadable] = []
        self.released: list[AnyMessage | Unreadable] = []

    @asynccontextmanager
    async def deliveries(self, lane: Lane, *, prefetch: int) -> AsyncIterator[AsyncIterator[Delivery]]:
        assert lane is Lane.CONTROL
        yield self._stream()

    async def _stream(self) -> AsyncIterator[Delivery]:
        while True:
            yield FakeDelivery(self, await self.waiting.get())


def connection(
    customer_id: int, tenant_id: str, status: ConnectionStatus = ConnectionStatus.APPROVED, changed_at: datetime = START
) -> Connection:
    return Connection(customer_id, f"Customer {customer_id}", tenant_id, status, START, changed_at)
