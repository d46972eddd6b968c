"""A subscription that lives although nobody remembers it: its creator died between the POST and the save.

It blocks a new one of the same kind (409) until it is taken over or ends. Next: subscriptions.py.
"""

from __future__ import annotations

import uuid
from datetime import timedelta

from sandbox.microsoft.cloud import Cloud
from sandbox.microsoft.delivery import Deliveries
from sandbox.microsoft.subscription import Subscription
from sandbox.microsoft.tenant import Tenant

_LIFE = timedelta(days=28)
_NOWHERE = "https://former.receiver.example/graph/notifications"
_FORGOTTEN, _KINDS = "k0.forgotten", "updated,deleted"


def leave_orphan(
    cloud: Cloud, deliveries: Deliveries, tenant: Tenant, notification_url: str, client_state: str, change_type: str
) -> Subscription:
    """Store it without a handshake; ValueError when one of its kind lives already. Empty texts mean the defaults."""
    now = cloud.clock.now()
    url = notification_url or _NOWHERE
    orphan = Subscription(
        subscription_id=str(uuid.uuid4()),
        tenant_id=tenant.tenant_id,
        app_id=cloud.app_id,
        creator_id=tenant.service_principal_id,
        resource="users",
        change_type=change_type or _KINDS,
        notification_url=url,
        lifecycle_url=url,
        client_state=client_state or _FORGOTTEN,
        tls_version="v1_2",
        expires_at=now + _LIFE,
        token_expires_at=now,
        next_challenge_at=now,
    )
    if any(one.key == orphan.key for one in deliveries.live(tenant)):
        raise ValueError(f"tenant {tenant.tenant_id} has a living subscription to {orphan.change_type} already")
    deliveries.refresh_token(orphan)
    tenant.subscriptions[orphan.subscription_id] = orphan
    return orphan
