"""Replacing a subscription without a moment in which none lives: a bridge is built first, and taken away last.

Microsoft refuses a second subscription of the same kinds of change, so the bridge has other kinds (`updated`): bridge,
delete the old one, create the new one, delete the bridge. Killed at any await, the next pass finishes: the old one
still stands, and a second bridge meets the first by its 409; or it is gone, and a sweep finds the bridge. What the
bridge cannot tell (permanent deletions, for a second) the delta poll after a creation finds. Next:
`receiver/subscriptions.py`.
"""

from __future__ import annotations

from datetime import timedelta

import structlog

from receiver.addresses import BRIDGE, EVERYTHING, Addresses, Standing
from receiver.doorstep import Doorstep
from receiver.notes import Notes
from shared.domain.errors import Permanent, SyncError, Transient
from shared.ports import AlreadyExists, Clock, Lease, Subscription, SubscriptionReads, SubscriptionWrites

log = structlog.get_logger("registrar")
WRITE_TIME = 5.0  # seconds of the lease that must remain before a write


class Maker:
    """One creation, with our own look at the public address before it and after a handshake that failed."""

    def __init__(
        self, writes: SubscriptionWrites, addresses: Addresses, doorstep: Doorstep, clock: Clock, lifetime: timedelta
    ) -> None:
        self._writes = writes
        self._addresses = addresses
        self._doorstep = doorstep
        self._clock = clock
        self._lifetime = lifetime

    async def make(self, tenant_id: str, lease: Lease, change_type: str = EVERYTHING) -> Subscription | AlreadyExists:
        await self._doorstep.before_creating()
        lease.ensure(WRITE_TIME)  # only now: our own look may have taken half of the lease
        wish = self._addresses.wish(tenant_id, self._clock.now() + self._lifetime, change_type)
        try:
            made = await self._writes.create(tenant_id, wish)
        except SyncError as error:
            await self._doorstep.failed(error)
            raise
        if not isinstance(made, AlreadyExists):
            self._doorstep.created()
        return made


class Rotation:
    """`replace`, then let the caller remember what was made, then `clear`."""

    def __init__(
        self,
        reads: SubscriptionReads,
        writes: SubscriptionWrites,
        notes: Notes,
        maker: Maker,
        addresses: Addresses,
    ) -> None:
        self._reads = reads
        self._writes = writes
        self._notes = notes
        self._maker = maker
        self._addresses = addresses

    async def replace(self, tenant_id: str, old_id: str, lease: Lease) -> Subscription:
        """Gives the new one. Raises with the old one or the bridge still alive, so that changes go on being told."""
        await self._notes.unswept(tenant_id)  # before the bridge: a crash right after it must leave a trace
        await self._build(tenant_id, lease)
        lease.ensure(WRITE_TIME)
        await self._writes.delete(tenant_id, old_id)
        made = await self._maker.make(tenant_id, lease)
        if isinstance(made, AlreadyExists):
            raise Transient("graph", "subscription_still_exists", "the former subscription is not gone yet")
        return made

    async def clear(self, tenant_id: str, lease: Lease) -> None:
        """Take the bridge away; the good one is remembered by now."""
        bridge = await self._notes.bridge(tenant_id)
        if bridge:
            lease.ensure(WRITE_TIME)
            await self._writes.delete(tenant_id, bridge)
            await self._notes.swept(tenant_id)

    async def _build(self, tenant_id: str, lease: Lease) -> None:
        try:
            bridge = await self._bridge(tenant_id, lease)
        except Permanent as error:
            if not error.code.startswith("quota"):
                raise
            # No room for two: a gap of one call is the lesser evil, and the delta poll closes it.
            log.warning("rotation_without_bridge", tenant_id=tenant_id, code=error.code)
            return
        await self._notes.keep_bridge(tenant_id, bridge)

    async def _bridge(self, tenant_id: str, lease: Lease) -> str:
        made = await self._maker.make(tenant_id, lease, BRIDGE)
        if not isinstance(made, AlreadyExists):
            return made.id
        left = await self._reads.get(tenant_id, made.subscription_id)
        if left is not None and self._addresses.judge(left, BRIDGE) is Standing.CURRENT:
            return left.id
        lease.ensure(WRITE_TIME)
        await self._writes.delete(tenant_id, made.subscription_id)
        made = await self._maker.make(tenant_id, lease, BRIDGE)
        if isinstance(made, AlreadyExists):
            raise Transient("graph", "subscription_still_exists", "a former bridge is not gone yet")
        return made.id
