"""Graph's JSON into our values: a user, a deleted user, a subscription. Pure and tolerant.

A list may be null, a key may be missing (`User.ReadBasic.All` returns half of them), a time may have no or seven
fraction digits. Only an id, and a subscription's expiry, are indispensable: without them the answer is unreadable.
Next: `shared/adapters/graph/directory.py`, `shared/adapters/graph/subscriptions.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.adapters.lenient import Json, mapping, moment, objects, text, texts
from shared.domain.errors import Transient
from shared.domain.user import DirectoryUser, SoftDeleted
from shared.ports import Subscription

SERVICE = "graph"


def unreadable(what: str) -> Transient:
    """An answer that is not what Graph documents: a proxy's page, a cut body. It may be well next time."""
    return Transient(SERVICE, "unreadable_answer", f"{what} could not be read")


# A user's plain attributes: ours <- Graph's.
_TEXTS: Mapping[str, str] = {
    "display_name": "displayName",
    "given_name": "givenName",
    "surname": "surname",
    "mail": "mail",
    "user_principal_name": "userPrincipalName",
    "mobile_phone": "mobilePhone",
    "street_address": "streetAddress",
    "city": "city",
    "state": "state",
    "postal_code": "postalCode",
    "country": "country",
    "usage_location": "usageLocation",
    "job_title": "jobTitle",
    "department": "department",
    "company_name": "companyName",
    "office_location": "officeLocation",
    "employee_id": "employeeId",
    "user_type": "userType",
}
_LISTS: Mapping[str, str] = {
    "other_mails": "otherMails",
    "proxy_addresses": "proxyAddresses",
    "business_phones": "businessPhones",
}


def directory_user(body: Json, lacking: tuple[str, ...] = ()) -> DirectoryUser:
    """A living user as Entra has it: nothing trimmed, nothing normalised. Raises Transient without an id.

    `lacking`: attributes that were wanted and that the tenant does not have.
    """
    enabled = body.get("accountEnabled")
    plain: dict[str, Any] = {ours: text(body.get(theirs)) for ours, theirs in _TEXTS.items()}
    lists: dict[str, Any] = {ours: texts(body.get(theirs)) for ours, theirs in _LISTS.items()}
    return DirectoryUser(
        id=_id(body, "a user"),
        **plain,
        **lists,
        account_enabled=enabled if isinstance(enabled, bool) else True,
        sku_ids=_sku_ids(body),
        extensions=_extensions(body),
        lacking=lacking,
    )


def soft_deleted(body: Json) -> SoftDeleted:
    """A user found in deletedItems. Raises Transient when the time of deletion is missing."""
    deleted_at = moment(body.get("deletedDateTime"))
    if deleted_at is None:
        raise unreadable("a deleted user")
    return SoftDeleted(_id(body, "a deleted user"), deleted_at)


def subscription(body: Json) -> Subscription:
    """A subscription. Graph echoes "users" as "Users" or "/users": `resource` is brought to one form."""
    expires_at = moment(body.get("expirationDateTime"))
    if expires_at is None:
        raise unreadable("a subscription")
    return Subscription(
        id=_id(body, "a subscription"),
        resource=plain_resource(text(body.get("resource")) or ""),
        change_type=text(body.get("changeType")) or "",
        notification_url=text(body.get("notificationUrl")) or "",
        lifecycle_url=text(body.get("lifecycleNotificationUrl")) or None,
        expires_at=expires_at,
    )


def plain_resource(resource: str) -> str:
    return resource.strip("/").lower()


def _id(body: Json, what: str) -> str:
    found = body.get("id")
    if not isinstance(found, str) or not found:
        raise unreadable(what)
    return found


def _sku_ids(body: Json) -> tuple[str, ...]:
    found = (text(item.get("skuId")) for item in objects(body.get("assignedLicenses")))
    return tuple(sku.lower() for sku in found if sku)


def _extensions(body: Json) -> Mapping[str, str]:
    """Extension attributes 1 to 15 by their own names and directory extensions by their full names, set ones only."""
    attributes = mapping(body.get("onPremisesExtensionAttributes"))
    named = {name: value for name, value in body.items() if name.startswith("extension_")}
    found = {name: text(value) for name, value in {**attributes, **named}.items()}
    return {name: value for name, value in found.items() if value is not None and not name.startswith("@")}
