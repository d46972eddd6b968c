"""The notification engine: which change of the directory becomes which notifications, how many and how late.

Create, update, soft delete and restore are `updated` (a creation two to five times), a permanent delete is `deleted`.
Adds latency, duplicates, replays and loss by switch. Sending and retrying is outbox.py, the JSON payload.py.
Next: lifecycle.py.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from sandbox.microsoft.cloud import Cloud
from sandbox.microsoft.directory import ChangeKind
from sandbox.microsoft.outbox import Attempt, Outbox
from sandbox.microsoft.payload import Notification, change_notification
from sandbox.microsoft.subscription import Subscription
from sandbox.microsoft.tenant import Tenant

_LAST_HOUR_S = 3600.0


class Deliveries:
    """Notifications of all tenants. `outbox` is there from the start of the sandbox to its end."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.attempts: list[Attempt] = []
        self.outbox: Outbox | None = None
        self._held: dict[str, list[Notification]] = {}

    # -- subscriptions ------------------------------------------------------------------------------------------

    def live(self, tenant: Tenant) -> list[Subscription]:
        """The tenant's subscriptions; expired ones are deleted here, without an event, as the service does."""
        now = self._cloud.clock.now()
        for subscription in list(tenant.subscriptions.values()):
            if subscription.expires_at <= now:
                del tenant.subscriptions[subscription.subscription_id]
        return list(tenant.subscriptions.values())

    def refresh_token(self, subscription: Subscription) -> None:
        """A creation, renewal or reauthorization gives the subscription a fresh token and new challenge times."""
        switches = self._cloud.switches
        now = self._cloud.clock.now()
        life = self._cloud.rng.uniform(switches.token_hold_min_s, switches.token_hold_max_s)
        subscription.token_expires_at = now + timedelta(seconds=life / switches.speed)
        last_hour = min(subscription.token_expires_at, subscription.expires_at) - timedelta(
            seconds=_LAST_HOUR_S / switches.speed
        )
        first = now + timedelta(seconds=switches.challenge_interval_s / switches.speed)
        subscription.next_challenge_at = max(first, last_hour)
        self._release(subscription)

    @property
    def pending(self) -> int:
        """Notifications queued, under way, waiting for a retry or held for a fresh token."""
        held = sum(len(items) for items in self._held.values())
        return held + (self.outbox.in_flight if self.outbox else 0)

    # -- events -------------------------------------------------------------------------------------------------

    def listener(self, tenant_id: str) -> Callable[[str, ChangeKind], None]:
        """What a tenant's directory calls after each write."""
        return lambda user_id, kind: self._changed(tenant_id, user_id, kind)

    def replay(self, tenant_id: str, user_id: str, count: int = 1, change_type: str = "updated") -> int:
        """Notify again without any change, as the service does after an outage; returns how many were queued."""
        queued = 0
        for subscription in self._subscribed(tenant_id, user_id, change_type):
            for number in range(count):
                self._queue(subscription, self._notification(subscription, user_id, change_type, number))
                queued += 1
        return queued

    async def deliver_one_now(self, subscription: Subscription) -> None:
        """A notification about somebody before the creation is answered: the race a receiver must survive."""
        tenant = self._cloud.tenants[subscription.tenant_id]
        someone = next((user for user in tenant.directory.all_seen(float("inf")) if user.live), None)
        if someone is not None and self.outbox is not None:
            item = self._notification(subscription, someone.state["id"], "updated", 0)
            await self.outbox.send_once(subscription.notification_url, (item,))

    def accepted(self, user_id: str) -> list[Attempt]:
        """The attempts about this user that were answered 2xx, oldest first."""
        return [
            attempt
            for attempt in self.attempts
            if attempt.accepted and any(item.user_id == user_id for item in attempt.items)
        ]

    def _changed(self, tenant_id: str, user_id: str, kind: ChangeKind) -> None:
        switches = self._cloud.switches
        change_type = "deleted" if kind == "purged" else "updated"
        copies = 1
        if kind == "created":
            copies = self._cloud.rng.randint(switches.updates_per_creation_min, switches.updates_per_creation_max)
        for subscription in self._subscribed(tenant_id, user_id, change_type):
            for number in range(copies):
                self._queue(subscription, self._notification(subscription, user_id, change_type, number))

    def _subscribed(self, tenant_id: str, user_id: str, change_type: str) -> list[Subscription]:
        if self.outbox is None or not self._cloud.switches.delivery:
            return []
        live = self.live(self._cloud.tenants[tenant_id])
        return [subscription for subscription in live if subscription.wants(user_id, change_type)]

    def _notification(self, subscription: Subscription, user_id: str, change_type: str, number: int) -> Notification:
        switches, rng = self._cloud.switches, self._cloud.rng
        return change_notification(
            subscription,
            user_id,
            change_type,
            # the several notifications of one creation are a few milliseconds apart
            self._cloud.clock.now() + timedelta(milliseconds=3 * number),
            tick=rng.randrange(10),
            event_time=rng.random() < switches.event_time_rate,
            offset=rng.random() < switches.offset_date_rate,
        )

    def _queue(self, subscription: Subscription, item: Notification) -> None:
        switches, rng = self._cloud.switches, self._cloud.rng
        if self.outbox is None or rng.random() < switches.loss_rate:
            return
        if switches.stop_after_token_expiry and subscription.token_expires_at <= self._cloud.clock.now():
            self._held.setdefault(subscription.subscription_id, []).append(item)
            return
        delay = rng.uniform(switches.latency_min_s, max(switches.latency_min_s, switches.latency_max_s))
        url = subscription.notification_url
        self.outbox.put(url, item, delay)
        if rng.random() < switches.duplicate_rate:
            self.outbox.put(url, item, delay + rng.uniform(0, switches.duplicate_delay_s))
        if rng.random() < switches.replay_rate:
            self.outbox.put(url, item, delay + switches.replay_delay_s)

    def _release(self, subscription: Subscription) -> None:
        """A fresh token frees what was held for the old one, as far as it is not older than four hours."""
        oldest = self._cloud.clock.now() - timedelta(seconds=self._cloud.switches.retry_window_s)
        for item in self._held.pop(subscription.subscription_id, ()):
            if self.outbox is not None and item.occurred_at >= oldest:
                self.outbox.put(subscription.notification_url, item, self._cloud.switches.latency_min_s)
