"""Posts notifications as Graph does, and remembers which were accepted: what got a 202 may never be lost.

Items have Graph's form and the right clientState unless told otherwise. Next: the tests.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import requests

from receiver.client_state import sign
from tests.support.processes import plain_session

SECRET = "an end-to-end secret of our own"
PATH = "/graph/notifications"


def client_state(tenant: str) -> str:
    return sign({1: SECRET.encode()}, tenant)


def item(tenant: str, user_id: str, state: str | None = None) -> dict[str, Any]:
    """One `updated` notification about a user."""
    return {
        "changeType": "updated",
        "clientState": client_state(tenant) if state is None else state,
        "resource": f"Users/{user_id}",
        "resourceData": {
            "@odata.type": "#Microsoft.Graph.User",
            "@odata.id": f"Users/{user_id}",
            "id": user_id,
            "organizationId": tenant,
            "sequenceNumber": 638_000_000_000_000_000,
        },
        "subscriptionExpirationDateTime": "2099-01-01T00:00:00Z",
        "subscriptionId": "7f105c7d-2dc5-4530-97cd-4e7ae6534c07",
        "tenantId": tenant,
    }


def post(address: str, items: Sequence[dict[str, Any]], session: requests.Session | None = None) -> int | None:
    """The status, None when there was no answer."""
    with session or plain_session() as using:
        try:
            return using.post(f"{address}{PATH}", json={"value": list(items)}, timeout=10).status_code
        except (requests.ConnectionError, requests.Timeout):
            return None


@dataclass(slots=True)
class Accepted:
    """How often which user was accepted with which version, counted by many threads."""

    versions: dict[str, int] = field(default_factory=dict)  # user id -> the newest version that got a 202
    notifications: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, users: Sequence[tuple[str, int]]) -> int:
        with self._lock:
            for user_id, version in users:
                self.versions[user_id] = max(version, self.versions.get(user_id, 0))
            self.notifications += len(users)
            return self.notifications
