"""The Entra facts about one user, as read just now. Immutable; nothing here fetches or decides.

`DirectoryUser` is what a read gives for a living user; `SoftDeleted` and `Missing` are data too, not errors: a
404 alone means "not yet, or gone" (Graph answers 404 for fresh users for a while). Next: `shared/domain/plan.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

# Graph leaves everything outside its default set out unless it is selected. One list serves the single read, the
# batch and the listing, so that all paths plan from the same facts.
SELECT: tuple[str, ...] = (
    "id",
    "displayName",
    "givenName",
    "surname",
    "mail",
    "userPrincipalName",
    "otherMails",
    "proxyAddresses",
    "businessPhones",
    "mobilePhone",
    "streetAddress",
    "city",
    "state",
    "postalCode",
    "country",
    "usageLocation",
    "jobTitle",
    "department",
    "companyName",
    "officeLocation",
    "employeeId",
    "accountEnabled",
    "userType",
    "assignedLicenses",
    "onPremisesExtensionAttributes",
)


@dataclass(frozen=True, slots=True)
class DirectoryUser:
    """A living user. Unset values are None or empty, exactly as Entra has them; nothing is trimmed or normalised.

    `extensions`: set ones by name. `group_ids`: of the groups that somebody asked about, those it is a member of, lower
    case and sorted; None: nobody asked, or nobody could say. `lacking`: attributes that rules ask for and the tenant
    does not have; what they would be is unknown.
    """

    id: str
    display_name: str | None = None
    given_name: str | None = None
    surname: str | None = None
    mail: str | None = None
    user_principal_name: str | None = None
    other_mails: tuple[str, ...] = ()
    proxy_addresses: tuple[str, ...] = ()
    business_phones: tuple[str, ...] = ()
    mobile_phone: str | None = None
    street_address: str | None = None
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country: str | None = None
    usage_location: str | None = None
    job_title: str | None = None
    department: str | None = None
    company_name: str | None = None
    office_location: str | None = None
    employee_id: str | None = None
    account_enabled: bool = True
    user_type: str | None = "Member"
    sku_ids: tuple[str, ...] = ()
    extensions: Mapping[str, str] = field(default_factory=dict)
    group_ids: tuple[str, ...] | None = None
    lacking: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SoftDeleted:
    """Found in deletedItems: in the recycle bin for 30 days, may be restored."""

    id: str
    deleted_at: datetime


@dataclass(frozen=True, slots=True)
class Missing:
    """404 on the user and in deletedItems: not replicated yet, or gone for good. One read cannot tell."""

    id: str


@dataclass(frozen=True, slots=True)
class Deleted:
    """Gone for good: nobody reads this, the worker concludes it from two misses an hour or more apart.

    `noticed_on` is the day of the first miss; the true day is not known any more.
    """

    id: str
    noticed_on: date


UserRead = DirectoryUser | SoftDeleted | Missing  # what one read can say
AnyUser = UserRead | Deleted  # what a plan can be asked about
