"""A subscription as the service keeps it, and its JSON form.

`token_expires_at` is the end of the access token that created or renewed it (challenges are computed from it);
`corrupted` marks one that was renewed and reauthorized within ten minutes. Next: subscription_rules.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sandbox.clock import graph_time


@dataclass(slots=True)
class Subscription:
    """One app's subscription in one tenant."""

    subscription_id: str
    tenant_id: str
    app_id: str
    creator_id: str
    resource: str
    change_type: str
    notification_url: str
    lifecycle_url: str | None
    client_state: str | None
    tls_version: str
    expires_at: datetime
    token_expires_at: datetime
    next_challenge_at: datetime
    patched_at: datetime | None = None
    reauthorized_at: datetime | None = None
    corrupted: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        """What may exist only once per tenant: app, change types, resource."""
        kinds = ",".join(sorted(kind.strip().lower() for kind in self.change_type.split(",")))
        return self.app_id, kinds, self.resource.strip("/").lower()

    def wants(self, user_id: str, change_type: str) -> bool:
        """Whether a change of this user is delivered; `created` never is, whoever asked for it."""
        resource = self.resource.strip("/").lower()
        kinds = {kind.strip().lower() for kind in self.change_type.split(",")}
        return change_type in kinds and resource in ("users", f"users/{user_id}") and not self.corrupted

    def as_json(self) -> dict[str, Any]:
        """The null-filled body of the resource."""
        return {
            "id": self.subscription_id,
            "resource": self.resource,
            "applicationId": self.app_id,
            "changeType": self.change_type,
            "clientState": self.client_state,
            "notificationUrl": self.notification_url,
            "notificationQueryOptions": None,
            "lifecycleNotificationUrl": self.lifecycle_url,
            "expirationDateTime": graph_time(self.expires_at),
            "creatorId": self.creator_id,
            "includeResourceData": None,
            "latestSupportedTlsVersion": self.tls_version,
            "encryptionCertificate": None,
            "encryptionCertificateId": None,
            "notificationUrlAppId": None,
        }
