"""Lifecycle notifications: reauthorizationRequired on a schedule, anything on demand; and the recycle bin's end.

A challenge comes every quarter of an hour in the last hour of the token a subscription holds, or of its own life.
Next: outbox.py.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from sandbox.microsoft.cloud import Cloud
from sandbox.microsoft.delivery import Deliveries
from sandbox.microsoft.payload import lifecycle_notification
from sandbox.microsoft.tenant import Tenant

_LOOK_EVERY_S = 0.5


class Lifecycle:
    """Looks at every subscription twice a second."""

    def __init__(self, cloud: Cloud, deliveries: Deliveries) -> None:
        self._cloud = cloud
        self._deliveries = deliveries

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            for tenant in list(self._cloud.tenants.values()):
                self._challenge(tenant)
                tenant.directory.purge_overdue()
            await asyncio.sleep(_LOOK_EVERY_S)

    def send(self, tenant: Tenant, event: str, subscription_id: str | None = None) -> int:
        """Queue an event for the tenant's subscriptions that have a lifecycle URL, or for one of them."""
        outbox = self._deliveries.outbox
        queued = 0
        for subscription in self._deliveries.live(tenant):
            named = subscription_id in (None, subscription.subscription_id)
            if outbox is not None and named and subscription.lifecycle_url is not None:
                item = lifecycle_notification(subscription, event, self._cloud.clock.now())
                outbox.put(subscription.lifecycle_url, item, self._cloud.switches.latency_min_s)
                queued += 1
        return queued

    def _challenge(self, tenant: Tenant) -> None:
        if not self._cloud.switches.lifecycle:
            return
        now = self._cloud.clock.now()
        pause = timedelta(seconds=self._cloud.switches.challenge_interval_s / self._cloud.switches.speed)
        for subscription in self._deliveries.live(tenant):
            if subscription.next_challenge_at <= now:
                self.send(tenant, "reauthorizationRequired", subscription.subscription_id)
                subscription.next_challenge_at = now + pause
