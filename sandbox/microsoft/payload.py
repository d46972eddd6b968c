"""The JSON of one change or lifecycle notification, as captured from the real service.

Capital `Users/`, `#Microsoft.Graph.User`, a sequence number in .NET ticks above 2^53, dates in several forms, no id at
the top level. Pure. Next: outbox.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from sandbox.microsoft.subscription import Subscription

_FIRST_DAY = datetime(1, 1, 1, tzinfo=UTC)
_US_WEST = timezone(timedelta(hours=-8))


@dataclass(frozen=True, slots=True)
class Notification:
    """One item of a `value` array; `user_id` is empty and `change_type` the event for a lifecycle item."""

    tenant_id: str
    subscription_id: str
    user_id: str
    change_type: str
    occurred_at: datetime
    json: dict[str, Any]


def change_notification(
    subscription: Subscription,
    user_id: str,
    change_type: str,
    at: datetime,
    *,
    tick: int,
    event_time: bool,
    offset: bool,
) -> Notification:
    """`tick`: 0-9, the seventh fractional digit, which a datetime cannot hold."""
    path = f"Users/{user_id}"
    data: dict[str, Any] = {
        "@odata.type": "#Microsoft.Graph.User",
        "@odata.id": path,
        "id": user_id,
        "organizationId": subscription.tenant_id,
    }
    if event_time:
        data["eventTime"] = at.strftime("%Y-%m-%dT%H:%M:%S.%f") + f"{tick}Z"
    data["sequenceNumber"] = ticks(at) + tick
    body = {
        "changeType": change_type,
        "clientState": subscription.client_state,
        "resource": path,
        "resourceData": data,
        "subscriptionExpirationDateTime": _expiry(subscription.expires_at, offset),
        "subscriptionId": subscription.subscription_id,
        "tenantId": subscription.tenant_id,
    }
    return Notification(subscription.tenant_id, subscription.subscription_id, user_id, change_type, at, body)


def lifecycle_notification(subscription: Subscription, event: str, at: datetime) -> Notification:
    body = {
        "lifecycleEvent": event,
        "subscriptionId": subscription.subscription_id,
        "subscriptionExpirationDateTime": subscription.expires_at.strftime("%Y-%m-%dT%H:%M:%S.%f0+00:00"),
        "clientState": subscription.client_state,
        "tenantId": subscription.tenant_id,
    }
    return Notification(subscription.tenant_id, subscription.subscription_id, "", event, at, body)


def ticks(at: datetime) -> int:
    """.NET ticks: 100 ns since the year 1."""
    return (at - _FIRST_DAY) // timedelta(microseconds=1) * 10


def _expiry(at: datetime, offset: bool) -> str:
    if not offset:
        return at.strftime("%Y-%m-%dT%H:%M:%SZ" if at.microsecond == 0 else "%Y-%m-%dT%H:%M:%S.%f0+00:00")
    return at.astimezone(_US_WEST).strftime("%Y-%m-%dT%H:%M:%S.%f0") + "-08:00"
