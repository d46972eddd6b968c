"""What one Syncro account holds: customers, contacts, tickets, custom fields. Nothing here speaks HTTP.

Next: `sandbox/syncro/contacts.py` and `customers.py` (what a write does), `show.py` (the wire form).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone

from sandbox.syncro.fields import AZURE_CONTACT_FIELDS, AZURE_CUSTOMER_FIELDS, Fields
from sandbox.syncro.switches import Switches

PLAIN = ("name", "address1", "address2", "city", "state", "zip", "email", "phone", "mobile", "notes")
OFFSET = timezone(timedelta(hours=-6))
# Contact ids cross 2**31 after a few records, as ids in real accounts may.
FIRST_CUSTOMER, FIRST_CONTACT, FIRST_TICKET = 34_288_070, 2**31 - 24, 2**32 + 5_000


@dataclass(slots=True)
class Contact:
    """One contact; `values` holds the plain fields as they were sent (None: never set)."""

    id: int
    customer_id: int
    created_at: datetime
    updated_at: datetime
    values: dict[str, str | None] = field(default_factory=lambda: dict.fromkeys(PLAIN))
    properties: dict[str, str] = field(default_factory=dict)
    extension: str | None = None
    ticket_matching_emails: str | None = None
    opt_out: bool = False
    latitude: float | None = None
    longitude: float | None = None


@dataclass(slots=True)
class Phone:
    """One row of a customer's phones; `number` is digits only."""

    id: int
    label: str | None
    number: str
    created_at: datetime
    updated_at: datetime
    extension: str | None = None


@dataclass(slots=True)
class Customer:
    """One customer (organization)."""

    id: int
    created_at: datetime
    updated_at: datetime
    portal_key: str
    values: dict[str, object] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    phones: list[Phone] = field(default_factory=list)
    disabled: bool = False


@dataclass(slots=True)
class Ticket:
    """As much of a ticket as decides whether its contact may go, and the comments that it was opened with."""

    id: int
    customer_id: int
    contact_id: int | None
    subject: str
    created_at: datetime
    comments: list[dict[str, object]] = field(default_factory=list)
    status: str = "New"


@dataclass(slots=True)
class Holding:
    """An asset, or a login to the customer portal: as much of either as decides whether its contact may go."""

    id: int
    customer_id: int
    contact_id: int | None
    name: str
    created_at: datetime


def wall_clock() -> datetime:
    return datetime.now(UTC)


class Account:
    """The stored truth of the account; every change is one synchronous step, so no caller sees half of it."""

    def __init__(
        self, switches: Switches, now: Callable[[], datetime] = wall_clock, subdomain: str = "sandbox"
    ) -> None:
        self.switches = switches
        self.now = now
        self.subdomain = subdomain
        self.account_id = 28_393
        self.customers: dict[int, Customer] = {}
        self.contacts: dict[int, Contact] = {}
        self.tickets: dict[int, Ticket] = {}
        self.assets: dict[int, Holding] = {}
        self.portal_users: dict[int, Holding] = {}
        self.contact_fields = Fields(101, AZURE_CONTACT_FIELDS)
        self.contact_fields.define("Badge No.")
        self.contact_fields.define("VIP", "check_box")
        self.contact_fields.define("Site", "select_box", ("Head Office", "Branch", "Remote"))
        self.customer_fields = Fields(11, AZURE_CUSTOMER_FIELDS)
        self.customer_fields.define("Reg No.")
        self.customer_fields.define("Service Level", "select_box", ("Bronze", "Silver", "Gold"))
        self.changed: Callable[[str, int], None] = _nobody_listens
        self._last = {
            "customer": FIRST_CUSTOMER - 1,
            "contact": FIRST_CONTACT - 1,
            "ticket": FIRST_TICKET - 1,
            "phone": 900,
            "asset": 70_000,
            "portal_user": 80_000,
        }

    def next_id(self, kind: str) -> int:
        self._last[kind] += 1
        return self._last[kind]

    def contacts_of(self, customer_id: int) -> list[Contact]:
        return [contact for contact in self.contacts.values() if contact.customer_id == customer_id]

    def has_tickets(self, contact_id: int) -> bool:
        return any(ticket.contact_id == contact_id for ticket in self.tickets.values())

    def touch(self, kind: str, record: Contact | Customer) -> None:
        """A record changed: its time moves on, and the search index hears of it."""
        record.updated_at = self.now()
        self.changed(kind, record.id)


def _nobody_listens(kind: str, record_id: int) -> None:
    """Stands in until the search index listens."""
