"""What connecting a customer is made of: who a tenant says it is, and the invitation an administrator answers.

Values only. How an invitation's link and its `state` are signed and read is `shared/domain/consent.py`; what may be
linked to what is decided there as well, once for the web and for the command line.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Organization:
    """A tenant by its own words: the name its administrators see, and its verified domains (lower case)."""

    tenant_id: str
    name: str
    domains: tuple[str, ...]


class InviteState(StrEnum):
    """OPEN: nobody answered yet. TAKEN: the answer is being proved. CONSENTED: proved, a technician must confirm it.

    CONNECTED: linked. DECLINED, FAILED: answered, and it will not work (`code` says why). REPLACED: by a newer one.
    """

    OPEN = "open"
    TAKEN = "taken"
    CONSENTED = "consented"
    CONNECTED = "connected"
    DECLINED = "declined"
    FAILED = "failed"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True)
class Invite:
    """One customer's consent that is asked for. At most one is open per customer.

    `nonce` makes its link and state single-use. `tenant_id`: the tenant that must answer, "" when any may (then a
    technician confirms it before the link is made). `answered_by`: what the proved tenant says of itself. `code`: why
    it failed ("service:code"). `missing`: application permissions that the proved token lacks. `is_shared`: the
    technician allowed that the tenant belongs to another customer too.
    """

    nonce: str
    customer_id: int
    customer_name: str
    tenant_id: str
    invited_at: datetime
    expires_at: datetime
    state: InviteState = InviteState.OPEN
    answered_by: Organization | None = None
    code: str = ""
    missing: tuple[str, ...] = ()
    settled_at: datetime | None = None
    is_shared: bool = False


@dataclass(frozen=True, slots=True)
class WithoutEntra:
    """A person said that this customer has no Entra tenant: counted apart, never red, never written."""

    customer_id: int
    customer_name: str
    at: datetime


@dataclass(frozen=True, slots=True)
class PartnerCustomer:
    """A tenant that the partner relationship (GDAP) shows us."""

    tenant_id: str
    name: str
    domain: str
