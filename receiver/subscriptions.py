"""One tenant's `users` subscription, kept alive: look, renew, take over, replace or create.

Every call is safe to repeat after a crash at any point: what Graph says wins, what we remember only saves calls. The
notification address carries the fingerprint of the secret that signed, so a subscription whose secret we no longer
have is recognised as not ours (its notifications would be dropped in silence). Next: `receiver/registrar.py`.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta

import structlog

from receiver.client_state import Secrets, fingerprint, sign
from shared.domain.errors import Transient
from shared.ports import (
    AlreadyExists,
    Clock,
    Lease,
    Memory,
    Subscription,
    SubscriptionReads,
    SubscriptionWish,
    SubscriptionWrites,
)
from shared.runtime.metrics import RegistrarMetrics

log = structlog.get_logger("registrar")
RENEW_PAUSE = 600.0  # seconds; Graph documents corrupt state when renewed and reauthorized within 10 minutes
WRITE_TIME = 5.0  # seconds of the lease that must remain before a write


@dataclass(frozen=True, slots=True)
class Door:
    """How Graph reaches us: full addresses without a query."""

    notifications: str
    lifecycle: str


class SubscriptionKeeper:
    """`ensure` makes one good subscription exist. Raises the three error families; judges none of them."""

    def __init__(
        self,
        reads: SubscriptionReads,
        writes: SubscriptionWrites,
        memory: Memory,
        *,
        clock: Clock,
        secrets: Secrets,
        door: Door,
        lifetime: timedelta,
        metrics: RegistrarMetrics,
    ) -> None:
        self._reads = reads
        self._writes = writes
        self._memory = memory
        self._clock = clock
        self._secrets = secrets
        self._door = door
        self._lifetime = lifetime
        self._metrics = metrics
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)  # the pass and the control desk meet

    async def ensure(self, tenant_id: str, lease: Lease) -> float:
        """Gives for how many seconds nothing needs to be done."""
        async with self._locks[tenant_id]:
            return await self._ensure(tenant_id, lease)

    async def _ensure(self, tenant_id: str, lease: Lease) -> float:
        known = await self._recalled(tenant_id)
        if known is None:
            return await self._create(tenant_id, lease)
        if not self._ours(known):
            return await self._replace(tenant_id, known.id, lease)
        if not self._due(known):
            return self._rest(known)
        return await self._renew(tenant_id, known.id, lease, "renewed")

    async def reauthorize(self, tenant_id: str, subscription_id: str, lease: Lease) -> None:
        """Renew once per 10 minutes, however often Graph asks; one that is gone is created anew."""
        async with self._locks[tenant_id]:
            if await self._memory.recall(_renewed(subscription_id)) is None:
                await self._renew(tenant_id, subscription_id, lease, "renewed")

    async def drop(self, tenant_id: str, lease: Lease) -> None:
        """The tenant is no longer ours to watch."""
        async with self._locks[tenant_id]:
            subscription_id = await self._memory.recall(_remembered(tenant_id))
            if subscription_id:
                lease.ensure(WRITE_TIME)
                await self._writes.delete(tenant_id, subscription_id)
                await self.forget(tenant_id)
                self._did("deleted", tenant_id, subscription_id)

    async def forget(self, tenant_id: str) -> None:
        await self._memory.remember(_remembered(tenant_id), "", ttl=1.0)

    async def _recalled(self, tenant_id: str) -> Subscription | None:
        subscription_id = await self._memory.recall(_remembered(tenant_id))
        return await self._reads.get(tenant_id, subscription_id) if subscription_id else None

    async def _create(self, tenant_id: str, lease: Lease) -> float:
        lease.ensure(WRITE_TIME)
        made = await self._writes.create(tenant_id, self._wish(tenant_id))
        if isinstance(made, AlreadyExists):
            return await self._take_over(tenant_id, made.subscription_id, lease)
        return await self._keep(tenant_id, made, "created")

    async def _take_over(self, tenant_id: str, subscription_id: str, lease: Lease) -> float:
        """A POST succeeded and was never remembered (a crash, a wiped memory): adopt it, or clear the way."""
        found = await self._reads.get(tenant_id, subscription_id)
        if found is not None and self._ours(found):
            return await self._renew(tenant_id, found.id, lease, "taken_over")
        return await self._replace(tenant_id, subscription_id, lease)

    async def _replace(self, tenant_id: str, subscription_id: str, lease: Lease) -> float:
        lease.ensure(2 * WRITE_TIME)
        await self._writes.delete(tenant_id, subscription_id)
        self._did("replaced", tenant_id, subscription_id)
        return await self._create_once(tenant_id, lease)

    async def _renew(self, tenant_id: str, subscription_id: str, lease: Lease, action: str) -> float:
        lease.ensure(WRITE_TIME)
        renewed = await self._writes.renew(tenant_id, subscription_id, self._clock.now() + self._lifetime)
        if renewed is None:
            return await self._create_once(tenant_id, lease)
        return await self._keep(tenant_id, renewed, action)

    async def _create_once(self, tenant_id: str, lease: Lease) -> float:
        """Create where nothing should be left. Another 409 means that Graph is not in step with itself yet."""
        lease.ensure(WRITE_TIME)
        made = await self._writes.create(tenant_id, self._wish(tenant_id))
        if isinstance(made, AlreadyExists):
            raise Transient("graph", "subscription_still_exists", "the former subscription is not gone yet")
        return await self._keep(tenant_id, made, "created")

    async def _keep(self, tenant_id: str, subscription: Subscription, action: str) -> float:
        left = max((subscription.expires_at - self._clock.now()).total_seconds(), 1.0)
        await self._memory.remember(_remembered(tenant_id), subscription.id, ttl=left)
        await self._memory.remember(_renewed(subscription.id), "1", ttl=RENEW_PAUSE)
        self._did(action, tenant_id, subscription.id)
        if self._due(subscription):
            # Seen: a 200 with the old expiry, or a service that grants less than it documents.
            log.warning("subscription_shorter_than_asked", tenant_id=tenant_id, granted_s=round(left))
        return left / 2

    def _wish(self, tenant_id: str) -> SubscriptionWish:
        key = fingerprint(self._secrets[max(self._secrets)])
        return SubscriptionWish(
            notification_url=self._address(self._door.notifications, key),
            lifecycle_url=self._address(self._door.lifecycle, key),
            client_state=sign(self._secrets, tenant_id),
            expires_at=self._clock.now() + self._lifetime,
        )

    @staticmethod
    def _address(url: str, key: str) -> str:
        return f"{url}?key={key}"

    def _ours(self, subscription: Subscription) -> bool:
        """It reaches us, tells us enough, and is signed with a secret that we still accept (old or new)."""
        keys = [fingerprint(secret) for secret in self._secrets.values()]
        return (
            subscription.notification_url in [self._address(self._door.notifications, key) for key in keys]
            and subscription.lifecycle_url in [self._address(self._door.lifecycle, key) for key in keys]
            and set(subscription.change_type.lower().split(",")) == {"updated", "deleted"}
        )

    def _due(self, subscription: Subscription) -> bool:
        return subscription.expires_at - self._clock.now() < self._lifetime / 2

    def _rest(self, subscription: Subscription) -> float:
        """Seconds until half of the life is over."""
        return max((subscription.expires_at - self._clock.now() - self._lifetime / 2).total_seconds(), 1.0)

    def _did(self, action: str, tenant_id: str, subscription_id: str) -> None:
        self._metrics.actions.labels(action).inc()
        log.info("subscription_kept", action=action, tenant_id=tenant_id, subscription_id=subscription_id)


def _remembered(tenant_id: str) -> str:
    return f"subscription:{tenant_id}"


def _renewed(subscription_id: str) -> str:
    return f"renewed:{subscription_id}"
