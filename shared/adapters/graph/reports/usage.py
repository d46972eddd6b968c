"""Step D, tenants without Entra ID P1: the usage report, a CSV file behind a redirect to another host.

Microsoft conceals the names in it unless an administrator of the tenant says otherwise; that is seen in the data, and
such a file says nothing about anybody. It knows no object ids, so rows belong to users by user principal name. Next:
`shared/adapters/graph/reports/methods.py`.
"""

from __future__ import annotations

import asyncio
import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

from shared.adapters.graph.caller import Call
from shared.adapters.graph.reports.patience import LOW, PatientCaller
from shared.adapters.graph.wire import unreadable

_PATH = "/reports/getOffice365ActiveUserDetail(period='D180')"
_TEMPLATE = "/reports/getOffice365ActiveUserDetail"
_NAME = "User Principal Name"
_DATE = "Last Activity Date"  # how the columns of the six services end
_CONCEALED = re.compile(r"[0-9A-Fa-f]{32}")
_SLICE = 2_000  # rows between two turns of the loop

CONCEALED = (
    "Last activity is unknown: the tenant conceals names in its usage reports. An administrator switches that off in "
    "the Microsoft 365 admin center: Settings, Org settings, Reports."
)
EMPTY = "Last activity is unknown: the usage report is empty, as it is for new tenants. The next full sync asks again."


@dataclass(frozen=True, slots=True)
class UsageReport:
    """`dates`: user principal name, lower case -> ISO date of the last activity. `why_unknown`: why nobody has one."""

    dates: Mapping[str, str] = field(default_factory=dict)
    why_unknown: str = ""


async def read_usage(caller: PatientCaller) -> UsageReport:
    """Two requests. Raises one of the three families when the file cannot be had."""
    answer = await caller.call(Call("GET", _PATH, _TEMPLATE, headers=LOW, expected=(200, 302)))
    if answer.status == 200:  # a file without a detour is as good
        return await usage_report(answer.body)
    address = answer.headers.get("location")
    if not address:
        raise unreadable("the address of a usage report")
    return await usage_report(await caller.download(address))


async def usage_report(body: bytes) -> UsageReport:
    """The file, read in slices: 100,000 rows must not stop everything else. Raises Transient when it is none."""
    dates: dict[str, str] = {}
    count, named, at_signs = 0, 0, 0
    for name, day in _rows(body):
        count += 1
        named += 0 if _CONCEALED.fullmatch(name) else 1
        at_signs += "@" in name
        if day:
            dates[name.lower()] = max(day, dates.get(name.lower(), ""))
        if count % _SLICE == 0:
            await asyncio.sleep(0)
    if not count:
        return UsageReport(why_unknown=EMPTY)
    return UsageReport(dates) if named and at_signs else UsageReport(why_unknown=CONCEALED)


def _rows(body: bytes) -> Iterator[tuple[str, str]]:
    """Name and newest day ("" without one) of everybody who is not deleted."""
    lines = csv.reader(io.TextIOWrapper(io.BytesIO(body), encoding="utf-8-sig", errors="replace", newline=""))
    heads = [head.strip() for head in next(lines, [])]
    if _NAME not in heads:
        raise unreadable("a usage report")
    name_at = heads.index(_NAME)
    deleted_at = heads.index("Is Deleted") if "Is Deleted" in heads else None
    dates_at = [place for place, head in enumerate(heads) if head.endswith(_DATE)]
    days: dict[str, str] = {}
    for cells in lines:
        if len(cells) != len(heads) or not cells[name_at].strip():
            continue
        if deleted_at is not None and cells[deleted_at].strip().lower() == "true":
            continue
        newest = max((_day(cells[place]) for place in dates_at), default="")
        yield cells[name_at].strip(), days.setdefault(newest, newest)


def _day(cell: str) -> str:
    """An ISO date as it stands, "" for anything else."""
    day = cell.strip()
    try:
        return date.fromisoformat(day).isoformat() if len(day) == 10 else ""
    except ValueError:
        return ""
