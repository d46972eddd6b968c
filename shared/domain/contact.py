"""A Syncro contact as far as we read, compare or write it.

`properties` is the whole object of custom fields as it came (text values; Syncro keys them by display name), for
an update has to send all of it back (reference: PUT may replace). `title` is read from `properties["title"]`.
Next: `shared/domain/mapping.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

# Plain fields that a contact has on the wire, in the order in which previews show them.
PLAIN_FIELDS: tuple[str, ...] = (
    "name",
    "email",
    "phone",
    "mobile",
    "title",
    "address1",
    "address2",
    "city",
    "state",
    "zip",
)


@dataclass(frozen=True, slots=True)
class Contact:
    """One contact. Absent, null and empty all read as ""; comparing is `shared.domain.normalise`'s business.

    `has_more`: people typed something that is not read here (notes, an extension, addresses for tickets). We never
    write it, so it would go with the contact and could not come back.
    """

    id: int
    customer_id: int
    name: str = ""
    email: str = ""
    phone: str = ""
    mobile: str = ""
    title: str = ""
    address1: str = ""
    address2: str = ""
    city: str = ""
    state: str = ""
    zip: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime | None = None
    updated_at: datetime | None = None
    has_more: bool = False

    def value(self, name: str) -> str:
        """A plain field, or else the custom field of that display name ("" when it was never set)."""
        found = getattr(self, name) if name in PLAIN_FIELDS else (self.properties or {}).get(name)
        return "" if found is None else str(found)  # a dropdown's answer may be a number on the wire


@dataclass(frozen=True, slots=True)
class Customer:
    """A Syncro customer (organization), as the listing shows it. `properties`: custom fields by display name.

    `email`: the customer's own address. `addresses`: those of the contacts that the answer embeds, maybe not all.
    """

    id: int
    name: str
    disabled: bool = False
    properties: Mapping[str, str] = field(default_factory=dict)
    email: str = ""
    addresses: tuple[str, ...] = ()

    def value(self, name: str) -> str:
        """The custom field of that display name ("" when it was never set)."""
        found = (self.properties or {}).get(name)
        return "" if found is None else str(found)
