"""What /subscriptions checks in a request before anything is called or stored: schema, expiry, duplicates, quotas.

Pure but for reading switches: a request goes in, a wish or a GraphError comes out. Next: subscriptions.py.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import SplitResult, urlsplit

from sandbox.microsoft.errors import GraphError, bad_request, extension_error
from sandbox.microsoft.subscription import Subscription
from sandbox.microsoft.switches import Switches

MIN_LIFE = timedelta(minutes=45)
MAX_CLIENT_STATE = 128
# sub-paths of a user are accepted and never deliver: the vendor's own trap
_RESOURCE = re.compile(r"^/?users(/[^/?]+(/[A-Za-z]+)?)?/?$", re.IGNORECASE)
_MOMENT = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)?$", re.IGNORECASE)
_KINDS = {"created", "updated", "deleted"}
_RICH = ("encryptionCertificate", "encryptionCertificateId", "vapidPublicKey", "webPushEncryptionP256dhPublicKey")


@dataclass(frozen=True, slots=True)
class Wish:
    """A creation that passed the schema."""

    resource: str
    change_type: str
    notification_url: str
    lifecycle_url: str | None
    client_state: str | None
    tls_version: str
    expires_at: datetime


def check_creation(body: Any, switches: Switches, now: datetime) -> Wish:
    """The wish a POST body expresses; GraphError 400 for the first thing wrong with it."""
    given = body if isinstance(body, Mapping) else {}
    for name in ("changeType", "notificationUrl", "resource", "expirationDateTime"):
        if not isinstance(given.get(name), str) or not given[name]:
            raise bad_request(f"'{name}' is a required property and cannot be null or empty.", "InvalidRequest")
    _check_change_type(given["changeType"], switches)
    if not _RESOURCE.match(given["resource"]):
        raise bad_request(f"Resource '{given['resource']}' is not supported for subscriptions.", "InvalidRequest")
    state = given.get("clientState")
    if state is not None and (not isinstance(state, str) or len(state) > MAX_CLIENT_STATE):
        raise bad_request(f"'clientState' exceeds the maximum length of {MAX_CLIENT_STATE}.", "ValidationError")
    tls = given.get("latestSupportedTlsVersion") or "v1_2"
    if tls not in ("v1_0", "v1_1", "v1_2"):
        raise bad_request("Invalid property value for LatestSupportedTlsVersion", "ValidationError")
    if given.get("includeResourceData") or any(given.get(name) for name in _RICH):
        raise bad_request("Resource data is not supported for this resource.", "ValidationError")
    lifecycle = given.get("lifecycleNotificationUrl") or None
    check_url("notificationUrl", given["notificationUrl"], switches)
    if lifecycle is not None:
        check_url("lifecycleNotificationUrl", lifecycle, switches)
    expires_at = check_expiry(given["expirationDateTime"], "Create", switches, now)
    return Wish(given["resource"], given["changeType"], given["notificationUrl"], lifecycle, state, tls, expires_at)


def check_expiry(text: Any, operation: str, switches: Switches, now: datetime) -> datetime:
    """The expiry the service will keep: raised to 45 minutes from now, refused beyond the maximum."""
    moment = parse_moment(text)
    if moment is None:
        raise bad_request("Invalid value for property 'expirationDateTime'.", "InvalidRequest")
    longest = timedelta(minutes=switches.subscription_max_minutes)
    if moment - now > longest:
        if switches.expiration_error_style == "extension":
            reason = (
                f"Expiration time '{text}' ('{moment - now}' from now) is beyond allowed max "
                f"'{longest.days}.{longest.seconds // 3600:02}:{longest.seconds // 60 % 60:02}:00'."
            )
            raise extension_error(operation, 400, reason)
        minutes = switches.subscription_max_minutes
        raise bad_request(f"Subscription expiration can only be {minutes} minutes in the future.", "ValidationError")
    return max(moment, now + MIN_LIFE)


def check_url(name: str, url: Any, switches: Switches) -> None:
    """https only; plain http is allowed on loopback hosts unless `strict_https`."""
    parts = _parts(url)
    fine = parts.scheme == "https" or (
        parts.scheme == "http" and not switches.strict_https and is_loopback(parts.hostname or "")
    )
    if not fine or not parts.hostname:
        raise bad_request(f"The property '{name}' must be a valid https URL.", "InvalidRequest")


def _parts(url: Any) -> SplitResult:
    try:
        return urlsplit(url if isinstance(url, str) else "")
    except ValueError:
        return urlsplit("")


def check_room(wish: Wish, app_id: str, mine: list[Subscription], everyone: int, switches: Switches) -> None:
    """409 for a duplicate, 403 for a quota. `mine`: live ones of this tenant; `everyone`: live ones of the app."""
    key = Subscription(
        "",
        "",
        app_id,
        "",
        wish.resource,
        wish.change_type,
        "",
        None,
        None,
        "",
        wish.expires_at,
        wish.expires_at,
        wish.expires_at,
    ).key
    twin = next((subscription for subscription in mine if subscription.key == key), None)
    if twin is not None:
        text = f"Subscription Id {twin.subscription_id} already exists for the requested combination"
        raise GraphError(409, "ObjectIdentifierInUse", text)
    if len(mine) >= switches.quota_per_app_and_tenant:
        raise _quota("per app and tenant", switches.quota_per_app_and_tenant)
    if len(mine) + switches.other_vendors_subscriptions >= switches.quota_per_tenant:
        raise _quota("per tenant", switches.quota_per_tenant)
    if everyone >= switches.quota_per_app:
        raise _quota("per app", switches.quota_per_app)


def parse_moment(text: Any) -> datetime | None:
    """An OData date with zero to nine fractional digits; without an offset it is UTC."""
    match = _MOMENT.match(text) if isinstance(text, str) else None
    if match is None:
        return None
    base, fraction, offset = match.groups()
    zone = "+00:00" if offset is None or offset.upper() == "Z" else offset
    try:
        return datetime.fromisoformat(base + (fraction or "")[:7] + zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_change_type(text: str, switches: Switches) -> None:
    kinds = [kind.strip().lower() for kind in text.split(",")]
    refused = set() if switches.created_change_type_accepted else {"created"}
    wrong = next((kind for kind in kinds if kind not in _KINDS - refused), None)
    if wrong is not None:
        raise bad_request(f"Invalid 'changeType' attribute: '{wrong}'.", "InvalidRequest")


def _quota(scope: str, amount: int) -> GraphError:
    return GraphError(
        403, "Forbidden", f"Subscription quota exceeded: the limit of {amount} subscriptions {scope} was reached."
    )
