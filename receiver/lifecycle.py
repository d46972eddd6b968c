"""Lifecycle events from the control lane: reauthorize, recreate, or mark the tenant's customers as owed.

Served by whoever leads the registrar. A message is acked once its consequence is safe (renewed at Graph, marked in
the ledger); what may work later is given back. Nothing unreadable is lost: it goes to the dead lane, bytes kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import assert_never

import structlog

from receiver.subscriptions import SubscriptionKeeper
from receiver.tenants import Tenants
from shared.domain.errors import SyncError, Transient
from shared.domain.messages import (
    DeadLettered,
    Lane,
    LifecycleEvent,
    SubscriptionTouched,
    Unreadable,
    UsersTouched,
    encode,
)
from shared.domain.records import Connection, ConnectionStatus
from shared.ports import Clock, Connections, Delivery, Inbox, Lease, OwedMarks, Publisher
from shared.runtime.services import pause

log = structlog.get_logger("registrar")
PREFETCH = 8
PAUSE = 5.0  # seconds before a message that failed is given back


class ControlDesk:
    """Handles the control lane for one term of leadership after another."""

    def __init__(
        self,
        keeper: SubscriptionKeeper,
        *,
        inbox: Inbox,
        publisher: Publisher,
        connections: Connections,
        owed: OwedMarks,
        tenants: Tenants,
        clock: Clock,
    ) -> None:
        self._keeper = keeper
        self._inbox = inbox
        self._publisher = publisher
        self._connections = connections
        self._owed = owed
        self._tenants = tenants
        self._clock = clock

    async def serve(self, lease: Lease, over: asyncio.Event) -> None:
        """Until `over`. A broker that fails ends this term's service; the next term opens it again."""
        try:
            async with (
                self._inbox.deliveries(Lane.CONTROL, prefetch=PREFETCH) as deliveries,
                asyncio.TaskGroup() as handlers,
            ):
                async for delivery in _until(deliveries, over):
                    handlers.create_task(self._handle(delivery, lease, over), name="registrar:lifecycle")
        except* SyncError as errors:
            log.warning("control_lane_interrupted", errors=[str(error) for error in errors.exceptions])

    async def _handle(self, delivery: Delivery, lease: Lease, over: asyncio.Event) -> None:
        try:
            await self._act(delivery, lease)
        except Transient as error:
            log.warning("lifecycle_waits", code=error.code)
            await pause(over, PAUSE)
            await delivery.release()
        else:
            await delivery.ack()

    async def _act(self, delivery: Delivery, lease: Lease) -> None:
        match delivery.message:
            case SubscriptionTouched() as event:
                await self._answer(event, lease)
            case Unreadable() as unreadable:
                await self._bury(unreadable.body, f"unreadable:{unreadable.digest[:40]}", unreadable.reason)
            case UsersTouched() | DeadLettered() as stray:
                body = encode(stray)
                await self._bury(body, f"stray:{sha256(body).hexdigest()[:40]}", "a message of another lane")
            case _:
                assert_never(delivery.message)

    async def _answer(self, event: SubscriptionTouched, lease: Lease) -> None:
        tenant = event.tenant_id
        log.info("lifecycle_event", event_kind=event.event.value, tenant_id=tenant, trace_id=event.trace_id)
        match event.event:
            case LifecycleEvent.REAUTHORIZATION_REQUIRED:
                await self._reauthorize(event, lease)
            case LifecycleEvent.SUBSCRIPTION_REMOVED:
                # Between the removal and the new subscription changes went unseen: only a full pass finds them.
                await self._mark_owed(tenant, "subscription_removed")
                await self._keeper.forget(tenant)
                self._tenants.look_again(tenant)
            case LifecycleEvent.MISSED:
                await self._mark_owed(tenant, "notifications_missed")
            case _:
                assert_never(event.event)

    async def _reauthorize(self, event: SubscriptionTouched, lease: Lease) -> None:
        if not await self._approved(event.tenant_id):
            return
        try:
            await self._keeper.reauthorize(event.tenant_id, event.subscription_id, lease)
        except Transient:
            raise
        except SyncError as error:
            # Asking again at once cannot help; the pass tries again with its growing waits.
            wait = self._tenants.failed(event.tenant_id, error, self._clock.monotonic())
            log.warning("tenant_waits", tenant_id=event.tenant_id, code=error.code, wait_s=round(wait))

    async def _approved(self, tenant: str) -> bool:
        return any(connection.status is ConnectionStatus.APPROVED for connection in await self._of_tenant(tenant))

    async def _of_tenant(self, tenant: str) -> list[Connection]:
        """Tenant ids in notifications are lower case; what a person typed need not be."""
        everybody = await self._connections.list()
        return [each for each in everybody if tenant.lower() in (tenant_id.lower() for tenant_id in each.tenants)]

    async def _mark_owed(self, tenant: str, why: str) -> None:
        for connection in await self._of_tenant(tenant):
            if connection.status is not ConnectionStatus.DISCONNECTED:
                await self._owed.mark(connection.customer_id, why, self._clock.now())

    async def _bury(self, body: bytes, letter_id: str, why: str) -> None:
        now = self._clock.now()
        letter = DeadLettered(
            letter_id=letter_id,
            body=body,
            lane=Lane.CONTROL,
            error_class="Unreadable",
            detail=why,
            attempts=0,
            first_seen=now,
            last_seen=now,
        )
        await self._publisher.publish(letter, Lane.DEAD)


async def _until(deliveries: AsyncIterator[Delivery], over: asyncio.Event) -> AsyncIterator[Delivery]:
    """Deliveries until `over`. What was fetched and not yet handed out is given back by the inbox's context."""
    ended = asyncio.create_task(over.wait(), name="registrar:term")
    try:
        while not over.is_set():
            following = asyncio.create_task(_next(deliveries), name="registrar:next")
            try:
                await asyncio.wait([following, ended], return_when=asyncio.FIRST_COMPLETED)
            finally:
                if not following.done():
                    following.cancel()
                    await asyncio.wait([following], timeout=PAUSE)
            if following.cancelled() or (delivery := following.result()) is None:
                return
            yield delivery
    finally:
        ended.cancel()


async def _next(deliveries: AsyncIterator[Delivery]) -> Delivery | None:
    return await anext(deliveries, None)
