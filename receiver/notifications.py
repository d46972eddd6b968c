"""What one POST says: `read(query, body, secrets) -> Handshake | Batch | Refused`. Pure, never raises.

Users are hints: only a tenant and user ids leave this file, nothing else of a notification is trusted or kept. A bad
item is counted, dropped and answered with the rest (a 4xx would make Graph retry the whole batch for 4 h); only a
body that is no JSON collection at all is refused. Next: `receiver/webhook.py`.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qsl

from receiver.client_state import Secrets, verify
from shared.domain.guid import is_guid
from shared.domain.messages import LifecycleEvent

LONGEST_TOKEN = 2048  # characters; Microsoft's own has about 120
_SAFE_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_USER_RESOURCE = re.compile(r"/?users/([^/]+)", re.IGNORECASE)
_EVENTS = frozenset(event.value for event in LifecycleEvent)


class Drop(StrEnum):
    """Why an item was dropped. The words are metric labels."""

    MALFORMED = "malformed"
    CLIENT_STATE = "client_state"
    OTHER_RESOURCE = "other_resource"
    UNKNOWN_LIFECYCLE = "unknown_lifecycle"


@dataclass(frozen=True, slots=True)
class Handshake:
    """Echo `token` exactly, as text/plain."""

    token: str


@dataclass(frozen=True, slots=True)
class Lifecycle:
    tenant_id: str
    subscription_id: str
    event: LifecycleEvent


@dataclass(frozen=True, slots=True)
class Batch:
    """`users`: tenant -> user ids, deduplicated, first-seen order. `notifications` counts accepted change items."""

    users: Mapping[str, tuple[str, ...]]
    lifecycle: tuple[Lifecycle, ...]
    dropped: Mapping[Drop, int]
    notifications: int


@dataclass(frozen=True, slots=True)
class Refused:
    """`why` is a sentence of ours, safe to send back."""

    status: int
    why: str


Reading = Handshake | Batch | Refused


def read(query: str, body: bytes, secrets: Secrets) -> Reading:
    """`query` is the raw query string: Graph form-encodes the token, so that `+` means a space."""
    tokens = _tokens(query)
    if tokens is None or len(tokens) > 1:
        return Refused(400, "The query string cannot be read.")
    return _handshake(tokens[0]) if tokens else _batch(body, secrets)


def _tokens(query: str) -> list[str] | None:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=32)
    except ValueError:
        return None
    return [value for name, value in pairs if name == "validationToken"]


def _handshake(token: str) -> Handshake | Refused:
    # Anybody may call this: never become a reflector of markup, and never grow an answer beyond a token's size.
    if not token or len(token) > LONGEST_TOKEN:
        return Refused(400, "The validation token is blank or too long.")
    if "<" in token or any(unicodedata.category(character).startswith("C") for character in token):
        return Refused(400, "The validation token holds characters that no validation token has.")
    return Handshake(token)


def _batch(body: bytes, secrets: Secrets) -> Batch | Refused:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return Refused(400, "The body is not JSON.")
    items = document.get("value") if isinstance(document, dict) else None
    if not isinstance(items, list):
        return Refused(400, 'The body is not a collection of notifications: a list under "value" is missing.')
    return _Collector(secrets).collect(items)


class _Collector:
    """Sorts the items of one POST. Remembers verified states, since most items of a POST share one."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._verified: dict[tuple[str, str], bool] = {}
        self._users: dict[str, dict[str, None]] = {}
        self._lifecycle: dict[Lifecycle, None] = {}
        self._dropped: Counter[Drop] = Counter()
        self._notifications = 0

    def collect(self, items: list[object]) -> Batch:
        for item in items:
            reason = self._take(item)
            if reason is not None:
                self._dropped[reason] += 1
        users = {tenant: tuple(ids) for tenant, ids in self._users.items()}
        return Batch(users, tuple(self._lifecycle), dict(self._dropped), self._notifications)

    def _take(self, item: object) -> Drop | None:
        if not isinstance(item, dict):
            return Drop.MALFORMED
        tenant = item.get("tenantId")
        if not isinstance(tenant, str) or not is_guid(tenant):
            return Drop.MALFORMED
        tenant = tenant.lower()
        if not self._proven(tenant, item.get("clientState")):
            return Drop.CLIENT_STATE
        if item.get("lifecycleEvent") is not None:
            return self._take_lifecycle(tenant, item)
        return self._take_change(tenant, item)

    def _proven(self, tenant: str, state: object) -> bool:
        if not isinstance(state, str):
            return False
        known = self._verified.get((tenant, state))
        if known is None:
            known = self._verified[tenant, state] = verify(self._secrets, tenant, state)
        return known

    def _take_lifecycle(self, tenant: str, item: Mapping[str, object]) -> Drop | None:
        subscription, event = item.get("subscriptionId"), item.get("lifecycleEvent")
        if not isinstance(subscription, str) or not _SAFE_ID.fullmatch(subscription):
            return Drop.MALFORMED
        if not isinstance(event, str) or event not in _EVENTS:
            return Drop.UNKNOWN_LIFECYCLE
        self._lifecycle[Lifecycle(tenant, subscription.lower(), LifecycleEvent(event))] = None
        return None

    def _take_change(self, tenant: str, item: Mapping[str, object]) -> Drop | None:
        user = _user_id(item)
        if isinstance(user, Drop):
            return user
        self._users.setdefault(tenant, {})[user] = None
        self._notifications += 1
        return None


def _user_id(item: Mapping[str, object]) -> str | Drop:
    """From `resource` ("Users/{id}", any case), else from a `resourceData` that says it is a user."""
    resource, data = item.get("resource"), item.get("resourceData")
    if isinstance(resource, str) and resource:
        path = _USER_RESOURCE.fullmatch(resource)
        return _safe(path[1]) if path else Drop.OTHER_RESOURCE
    if not isinstance(data, dict):
        return Drop.MALFORMED
    if str(data.get("@odata.type")).lower() != "#microsoft.graph.user":
        return Drop.OTHER_RESOURCE
    return _safe(data.get("id"))


def _safe(user: object) -> str | Drop:
    if not isinstance(user, str) or not _SAFE_ID.fullmatch(user):
        return Drop.MALFORMED
    return user.lower() if is_guid(user) else user
