"""The CSV of the usage report: a byte order mark, 24 columns, one row per licensed user, deleted ones for a month.

Pure rendering. Next: facade.py.
"""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sandbox.microsoft.directory import Version
from sandbox.microsoft.registration import recased
from sandbox.microsoft.reported import SERVICES, Reported
from sandbox.microsoft.tenant import Tenant

_BOM = b"\xef\xbb\xbf"
_AGES = {"fresh": 1, "stale": 3}  # days between the data and today
_DELETED_STAY_DAYS = 30
COLUMNS = (
    "Report Refresh Date",
    "User Principal Name",
    "Display Name",
    "Is Deleted",
    "Deleted Date",
    *(f"Has {service} License" for service in SERVICES),
    *(f"{service} Last Activity Date" for service in SERVICES),
    *(f"{service} License Assign Date" for service in SERVICES),
    "Assigned Products",
)


@dataclass(frozen=True, slots=True)
class Look:
    """How a report is to look: `state` is fresh, stale or empty."""

    today: date
    period_days: int
    state: str
    is_concealed: bool
    is_recased: bool

    @property
    def refreshed(self) -> date:
        return self.today - timedelta(days=_AGES.get(self.state, 1))


def usage_csv(tenant: Tenant, horizon: float, look: Look) -> bytes:
    """The whole file of a tenant as its directory stood at `horizon`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for version in tenant.directory.all_seen(horizon) if look.state != "empty" else ():
        if version.state.get("assignedLicenses") and _is_shown(version, look):
            writer.writerow(_row(tenant, version, look))
    return _BOM + text.getvalue().encode()


def _is_shown(version: Version, look: Look) -> bool:
    if version.live:
        return True
    deleted_on = _deleted_on(version)
    return version.soft_deleted and deleted_on is not None and (look.today - deleted_on).days <= _DELETED_STAY_DAYS


def _row(tenant: Tenant, version: Version, look: Look) -> list[str]:
    state = version.state
    deleted_on = _deleted_on(version)
    # a deleted user's name carries the object id in front
    name = str(state["userPrincipalName"]).removeprefix(str(state["id"]).replace("-", "") if deleted_on else "")
    shown = str(state.get("displayName") or "")
    if look.is_concealed:
        name, shown = _code(tenant, name), _code(tenant, shown)
    elif look.is_recased:
        name = recased(name)
    told = tenant.reports_on(state["id"])
    products = [sku.part_number.upper() for one in state["assignedLicenses"] if (sku := tenant.sku(one["skuId"]))]
    return [
        look.refreshed.isoformat(),
        name,
        shown,
        str(deleted_on is not None),
        deleted_on.isoformat() if deleted_on else "",
        *(str(service not in ("Skype For Business", "Yammer")) for service in SERVICES),
        *(_activity(told, service, look) for service in SERVICES),
        *("" for _ in SERVICES),
        "+".join(products),
    ]


def _activity(told: Reported, service: str, look: Look) -> str:
    """Blank for a date beyond the period, and for one that the data does not reach yet."""
    used = told.services.get(service)
    if used is None:
        return ""
    oldest = look.refreshed - timedelta(days=look.period_days)
    return used if oldest <= date.fromisoformat(used) <= look.refreshed else ""


def _deleted_on(version: Version) -> date | None:
    moment = version.state.get("deletedDateTime") if version.soft_deleted else None
    return datetime.fromisoformat(moment).date() if moment else None


def _code(tenant: Tenant, text: str) -> str:
    """32 upper-case hexadecimal digits: the same for the same name, and no way back."""
    return hashlib.blake2b(f"{tenant.tenant_id}/{text}".encode(), digest_size=16).hexdigest().upper()
