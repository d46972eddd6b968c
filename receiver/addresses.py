"""Which subscription is ours, and by which secret: read from the notification address that Microsoft shows us.

Pure. Microsoft never shows a clientState, so the address carries the fingerprint of the secret that signed it
(`?key=`). Next: `receiver/subscriptions.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from receiver.client_state import Secrets, fingerprint, sign
from shared.ports import Subscription, SubscriptionWish

EVERYTHING = "updated,deleted"
# Microsoft refuses a second subscription of the same kinds of change, and permits one of other kinds beside it. This
# one misses permanent deletions, for the moment in which it stands alone.
BRIDGE = "updated"


@dataclass(frozen=True, slots=True)
class Door:
    """How Graph reaches us: full addresses without a query."""

    notifications: str
    lifecycle: str


class Standing(StrEnum):
    CURRENT = "current"  # reaches us here, tells enough, signed by the newest secret
    OUTDATED = "outdated"  # the same by an older secret that is still accepted
    USELESS = "useless"  # leads elsewhere, tells too little, or is signed by a secret that we no longer have


class Addresses:
    """Makes wishes and judges what Graph shows."""

    def __init__(self, door: Door, secrets: Secrets) -> None:
        self._door = door
        self._secrets = secrets
        self._newest = fingerprint(secrets[max(secrets)])
        self._accepted = [fingerprint(secret) for secret in secrets.values()]

    def wish(self, tenant_id: str, expires_at: datetime, change_type: str = EVERYTHING) -> SubscriptionWish:
        return SubscriptionWish(
            notification_url=_keyed(self._door.notifications, self._newest),
            lifecycle_url=_keyed(self._door.lifecycle, self._newest),
            client_state=sign(self._secrets, tenant_id),
            expires_at=expires_at,
            change_type=change_type,
        )

    def judge(self, subscription: Subscription, change_type: str = EVERYTHING) -> Standing:
        if not same_kinds(subscription.change_type, change_type):
            return Standing.USELESS
        for key in (self._newest, *self._accepted):
            if (subscription.notification_url, subscription.lifecycle_url) == (
                _keyed(self._door.notifications, key),
                _keyed(self._door.lifecycle, key),
            ):
                return Standing.CURRENT if key == self._newest else Standing.OUTDATED
        return Standing.USELESS

    def leads_here(self, subscription: Subscription) -> bool:
        """By whatever secret: nobody but us made it."""
        return subscription.notification_url.partition("?")[0] == self._door.notifications


def same_kinds(one: str, other: str) -> bool:
    """Their order and case mean nothing."""
    return set(one.lower().split(",")) == set(other.lower().split(","))


def _keyed(url: str, key: str) -> str:
    return f"{url}?key={key}"
