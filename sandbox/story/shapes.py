"""What a seeded company, person and contact look like, and the licences they may hold.

`Person.why` says what the case shows; nothing reads it but people. Next: `sandbox/story/alpenrose.py`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

BASIC = "3b555118-da6a-4418-894f-7df1e2096870"
APPS = "cdd28e44-67e3-425e-be4c-737fab2899d3"
STANDARD = "f245ecc8-75af-4f8e-b61f-27d8114de5f3"
PREMIUM = "cbdc14ab-d96c-4c30-b9f4-6ada7cdc1d46"
ENTERPRISE_E3 = "6fd2c87f-b296-42f0-b197-1e91e994b900"
FLOW_FREE = "f30db892-07e9-47e9-837c-80727f46fd3d"
NEW_BUNDLE = "5d1f0a64-93c7-4be2-8a0e-2f6f6b1c7e41"  # on nobody's list yet
PART_NUMBERS = {
    BASIC: "O365_BUSINESS_ESSENTIALS",
    APPS: "O365_BUSINESS",
    STANDARD: "O365_BUSINESS_PREMIUM",
    PREMIUM: "SPB",
    ENTERPRISE_E3: "ENTERPRISEPACK",
    FLOW_FREE: "FLOW_FREE",
    NEW_BUNDLE: "BUSINESS_STANDARD_AND_TOMORROW",
}
_NAMESPACE = uuid.UUID("5c0d6a2e-6f5c-4f0a-9a4e-2f3d1c7b8a90")


# what goes wrong with a company: its administrator declines; its tenant is listed under an id with a wrong digit; a
# policy of its tenant withholds User.Read.All; or it has no tenant at all, which is nothing wrong
Trouble = Literal["", "declines", "mistyped", "withheld", "without"]


def stable_id(name: str) -> str:
    """The same id for the same name in every run."""
    return str(uuid.uuid5(_NAMESPACE, name))


@dataclass(frozen=True, slots=True)
class Person:
    """One Entra user as Graph spells it."""

    why: str
    graph: Mapping[str, Any]

    @property
    def id(self) -> str:
        return str(self.graph["id"])

    @property
    def upn(self) -> str:
        return str(self.graph["userPrincipalName"])


@dataclass(frozen=True, slots=True)
class Card:
    """One Syncro contact: plain fields, `properties`, `extension`."""

    why: str
    fields: Mapping[str, str | None]
    properties: Mapping[str, str] = field(default_factory=dict)
    extension: str | None = None
    has_ticket: bool = False


@dataclass(frozen=True, slots=True)
class Company:
    """One tenant and the customer that stands for it; `domain` is the tenant's verified domain.

    `email`: the customer's address (None: office@ its domain). `listed`: how a list of customers names the tenant
    (None: by its id). `relationship`: what the managed service provider may do there.
    """

    name: str
    domain: str
    people: tuple[Person, ...]
    cards: tuple[Card, ...]
    email: str | None = None
    listed: str | None = None
    trouble: Trouble = ""
    is_consented: bool = True
    relationship: Literal["none", "reader", "administrator"] = "none"

    @property
    def has_tenant(self) -> bool:
        return self.trouble != "without"

    @property
    def tenant_id(self) -> str:
        return stable_id(f"tenant {self.domain}")


def person(why: str, upn: str, first: str = "", last: str = "", *licences: str, **graph: Any) -> Person:
    """A user: `mail` equals the user principal name and the display name is "First Last" unless told otherwise."""
    known: dict[str, Any] = {
        "id": stable_id(upn),
        "userPrincipalName": upn,
        "mail": upn,
        "displayName": f"{first} {last}".strip(),
        "givenName": first or None,
        "surname": last or None,
        "accountEnabled": True,
        "userType": "Member",
        "usageLocation": "US",
        "assignedLicenses": [{"skuId": sku, "disabledPlans": []} for sku in licences],
    }
    known.update(graph)
    mail = known["mail"]
    if mail and "proxyAddresses" not in known:
        known["proxyAddresses"] = [f"SMTP:{mail}"]
    return Person(why, {name: value for name, value in known.items() if value is not None})


def card(why: str, name: str, email: str | None = None, **fields: Any) -> Card:
    """A contact; `title` goes among the properties, as Syncro keeps it."""
    properties = dict(fields.pop("properties", {}))
    title = fields.pop("title", None)
    if title is not None:
        properties["title"] = title
    extension = fields.pop("extension", None)
    has_ticket = bool(fields.pop("has_ticket", False))
    return Card(why, {"name": name, "email": email, **fields}, properties, extension, has_ticket)
