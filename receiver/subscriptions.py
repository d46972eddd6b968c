"""One tenant's `users` subscription, kept alive: look, renew, take over, replace or create.

Every call is safe to repeat after a crash at any point: what Graph says wins, what we remember only saves calls. It
judges no error, and renews nothing twice within ten minutes. Next: `receiver/rotation.py` (replacing without a gap),
`receiver/registrar.py` (when, and for whom).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from receiver.addresses import EVERYTHING, Addresses, Standing, same_kinds
from receiver.doorstep import Doorstep
from receiver.notes import Notes
from receiver.rotation import WRITE_TIME, Maker, Rotation
from shared.domain.errors import Scope, StopTheLine, SyncError, Transient
from shared.ports import (
    AlreadyExists,
    Clock,
    Lease,
    Subscription,
    SubscriptionReads,
    SubscriptionWrites,
)
from shared.runtime.metrics import RegistrarMetrics

log = structlog.get_logger("registrar")
RENEW_PAUSE = 600.0  # seconds; Graph documents corrupt state when renewed and reauthorized within 10 minutes
ROUNDING = 60.0  # seconds by which a granted life may differ from the wish without meaning anything
# After these a renewal may have happened all the same.
UNSURE = frozenset({"timed_out", "connection_lost", "answer_too_large", "unreadable_answer"})


@dataclass(frozen=True, slots=True)
class Kept:
    """A good subscription. `rest`: seconds for which nothing needs to be done. `short_by`: seconds by which less was
    granted than asked, None when nothing was asked this time."""

    subscription_id: str
    expires_at: datetime
    rest: float
    short_by: float | None = None


class SubscriptionKeeper:
    """`ensure` makes one good subscription exist. Raises the three error families; judges none of them.

    `unswept`: tenants in which a crash may have left another subscription of ours, and whether they are watched.
    """

    def __init__(
        self,
        reads: SubscriptionReads,
        writes: SubscriptionWrites,
        notes: Notes,
        *,
        clock: Clock,
        addresses: Addresses,
        doorstep: Doorstep,
        lifetime: timedelta,
        metrics: RegistrarMetrics,
    ) -> None:
        self._reads = reads
        self._writes = writes
        self._notes = notes
        self._clock = clock
        self._addresses = addresses
        self._lifetime = lifetime
        self._metrics = metrics
        self._maker = Maker(writes, addresses, doorstep, clock, lifetime)
        self._rotation = Rotation(reads, writes, notes, self._maker, addresses)
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)  # the pass and the control desk meet
        self.unswept: dict[str, bool] = {}

    async def ensure(self, tenant_id: str, lease: Lease) -> Kept:
        """Look at the one we know; renew it when half of its life is over; create, take over or replace."""
        async with self._locks[tenant_id]:
            kept = await self._ensure(tenant_id, lease)
            if not await self._notes.is_swept(tenant_id):
                self.unswept[tenant_id] = True
            return kept

    async def reauthorize(self, tenant_id: str, subscription_id: str, lease: Lease) -> None:
        """Renew once per 10 minutes, however often Graph asks; one that is gone is created anew."""
        async with self._locks[tenant_id]:
            if subscription_id != await self._notes.subscription(tenant_id):
                await self._ensure(tenant_id, lease)  # asked for one that we know nothing of: see what is there
            elif await self._pause_left(subscription_id) <= 0:
                await self._renew(tenant_id, subscription_id, lease)

    async def drop(self, tenant_id: str, lease: Lease) -> None:
        """The tenant is no longer ours to watch."""
        async with self._locks[tenant_id]:
            for subscription_id in (await self._notes.subscription(tenant_id), await self._notes.bridge(tenant_id)):
                if subscription_id:
                    await self._delete(tenant_id, subscription_id, lease, "deleted")
            await self._notes.forget_subscription(tenant_id)
            if not await self._notes.is_swept(tenant_id):
                self.unswept[tenant_id] = False

    async def sweep(self, tenant_id: str, lease: Lease) -> None:
        """One listing, and whatever of ours lives beside the one subscription is deleted. Call it at most once a
        second over all tenants: listings have the strictest limit of all."""
        async with self._locks[tenant_id]:
            watched = self.unswept.pop(tenant_id, False)
            keep = await self._notes.subscription(tenant_id)
            if watched and not keep:
                return  # forgotten meanwhile; `ensure` finds it again and asks for another sweep
            try:
                listed = await self._reads.list(tenant_id)
            except StopTheLine as error:
                if not watched and error.scope is Scope.TENANT:
                    await self._notes.swept(tenant_id)  # its consent is gone, and ours with it: nothing to ask for ever
                raise
            found = [each.id for each in listed if self._addresses.leads_here(each)]
            # A listing may omit some (seen in 2019): the one that we remember is deleted by its id.
            for other in sorted({*found, await self._notes.bridge(tenant_id)} - {keep, ""}):
                await self._delete(tenant_id, other, lease, "deleted")
            await self._notes.swept(tenant_id)

    async def forget(self, tenant_id: str) -> None:
        await self._notes.forget_subscription(tenant_id)

    async def _ensure(self, tenant_id: str, lease: Lease) -> Kept:
        subscription_id = await self._notes.subscription(tenant_id)
        known = await self._reads.get(tenant_id, subscription_id) if subscription_id else None
        if known is None:
            return await self._create(tenant_id, lease)
        return await self._tend(tenant_id, known, lease)

    async def _tend(self, tenant_id: str, known: Subscription, lease: Lease) -> Kept:
        if self._addresses.judge(known) is not Standing.CURRENT:
            return await self._replace(tenant_id, known, lease)
        if known.expires_at - self._clock.now() >= self._lifetime / 2:
            return Kept(known.id, known.expires_at, self._rest(known))
        pause = await self._pause_left(known.id)
        if pause > 0:
            left = (known.expires_at - self._clock.now()).total_seconds()
            return Kept(known.id, known.expires_at, max(min(pause, left), 1.0))
        return await self._renew(tenant_id, known.id, lease)

    async def _create(self, tenant_id: str, lease: Lease) -> Kept:
        asked = self._clock.now() + self._lifetime
        made = await self._maker.make(tenant_id, lease)
        if isinstance(made, AlreadyExists):
            return await self._take_over(tenant_id, made.subscription_id, lease)
        return await self._keep(tenant_id, made, "created", asked)

    async def _take_over(self, tenant_id: str, subscription_id: str, lease: Lease) -> Kept:
        """A POST succeeded and was never remembered (a crash, a wiped memory): adopt it, or clear the way."""
        found = await self._reads.get(tenant_id, subscription_id)
        if found is None:
            return await self._clear_the_way(tenant_id, subscription_id, lease)
        if found.id != await self._notes.subscription(tenant_id):
            # The memory was wiped, or never knew it: perhaps it was renewed a minute ago.
            await self._notes.renewed(found.id)
        await self._notes.keep_subscription(tenant_id, found.id, ttl=self._left(found))
        self._did("taken_over", tenant_id, found.id)
        return await self._tend(tenant_id, found, lease)

    async def _clear_the_way(self, tenant_id: str, subscription_id: str, lease: Lease) -> Kept:
        """Graph names one that it does not show. At once, it may be a good one that a server has not heard of."""
        if not await self._notes.unseen_before(subscription_id):
            raise Transient("graph", "subscription_still_exists", "one that exists is not shown")
        await self._delete(tenant_id, subscription_id, lease, "deleted")
        return await self._create_once(tenant_id, lease)

    async def _replace(self, tenant_id: str, known: Subscription, lease: Lease) -> Kept:
        if not same_kinds(known.change_type, EVERYTHING):
            # Nothing stands in the way of a good one beside it.
            await self._notes.unswept(tenant_id)
            kept = await self._create(tenant_id, lease)
            await self._delete(tenant_id, known.id, lease, "replaced")
            return kept
        asked = self._clock.now() + self._lifetime
        made = await self._rotation.replace(tenant_id, known.id, lease)
        self._did("replaced", tenant_id, known.id)
        kept = await self._keep(tenant_id, made, "created", asked)
        await self._rotation.clear(tenant_id, lease)
        return kept

    async def _renew(self, tenant_id: str, subscription_id: str, lease: Lease) -> Kept:
        lease.ensure(WRITE_TIME)
        asked = self._clock.now() + self._lifetime
        # Before the call: an answer that never comes may belong to a renewal that happened.
        await self._notes.renewed(subscription_id)
        try:
            renewed = await self._writes.renew(tenant_id, subscription_id, asked)
        except SyncError as error:
            if error.code not in UNSURE:
                await self._notes.not_renewed(subscription_id)
            raise
        if renewed is None:
            await self._notes.not_renewed(subscription_id)
            return await self._create_once(tenant_id, lease)
        return await self._keep(tenant_id, renewed, "renewed", asked)

    async def _create_once(self, tenant_id: str, lease: Lease) -> Kept:
        asked = self._clock.now() + self._lifetime
        return await self._keep(tenant_id, await self._made_once(tenant_id, lease), "created", asked)

    async def _made_once(self, tenant_id: str, lease: Lease) -> Subscription:
        """Create where nothing should be left. Another 409 means that Graph is not in step with itself yet."""
        made = await self._maker.make(tenant_id, lease)
        if isinstance(made, AlreadyExists):
            raise Transient("graph", "subscription_still_exists", "the former subscription is not gone yet")
        return made

    async def _keep(self, tenant_id: str, subscription: Subscription, action: str, asked: datetime) -> Kept:
        left = self._left(subscription)
        await self._notes.keep_subscription(tenant_id, subscription.id, ttl=left)
        self._did(action, tenant_id, subscription.id)
        if action == "created":
            await self._notes.renewed(subscription.id)
            await self._notes.want_poll(tenant_id)
        # Seen: a 200 with the old expiry, or a service that grants less than it documents.
        short_by = (asked - subscription.expires_at).total_seconds()
        if short_by > ROUNDING:
            log.warning("subscription_shorter_than_asked", tenant_id=tenant_id, granted_s=round(left))
        return Kept(subscription.id, subscription.expires_at, left / 2, short_by if short_by > ROUNDING else 0.0)

    async def _delete(self, tenant_id: str, subscription_id: str, lease: Lease, action: str) -> None:
        lease.ensure(WRITE_TIME)
        await self._writes.delete(tenant_id, subscription_id)
        self._did(action, tenant_id, subscription_id)

    async def _pause_left(self, subscription_id: str) -> float:
        since = await self._notes.since_renewal(subscription_id)
        return 0.0 if since is None else RENEW_PAUSE - since

    def _left(self, subscription: Subscription) -> float:
        return max((subscription.expires_at - self._clock.now()).total_seconds(), 1.0)

    def _rest(self, subscription: Subscription) -> float:
        """Seconds until half of the life is over."""
        return max((subscription.expires_at - self._clock.now() - self._lifetime / 2).total_seconds(), 1.0)

    def _did(self, action: str, tenant_id: str, subscription_id: str) -> None:
        self._metrics.actions.labels(action).inc()
        log.info("subscription", action=action, tenant_id=tenant_id, subscription_id=subscription_id)
