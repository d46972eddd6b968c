"""A whole tenant as one nightly reading gives it: every user, what reports say about each, Secure Score, products.

Values only. Who reads them is `shared/adapters/graph/reports/`; what they become on a contact is
`shared/domain/plan.py`'s business, on the customer `shared/domain/totals.py`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from shared.domain.facts import Facts
from shared.domain.user import DirectoryUser


@dataclass(frozen=True, slots=True)
class SecureScore:
    """Microsoft's newest snapshot. `licensed_users`, `active_users`: its own two counts, None where it has none."""

    current: float
    maximum: float
    taken_on: date
    licensed_users: int | None = None
    active_users: int | None = None


@dataclass(frozen=True, slots=True)
class TenantReading:
    """`facts`: user id -> what reports say; a user without an entry is wholly unknown.

    `premium`: the tenant holds Entra ID P1 or P2, None when nobody could say. `part_numbers`: product (SKU) id, lower
    case -> part number. `unknown`: for a technician, one sentence per thing that could not be read and why.
    `requests`: HTTP requests to Graph that the reading took, tokens apart. `began` is aware, UTC, before the first.
    """

    tenant_id: str
    began: datetime
    users: tuple[DirectoryUser, ...]
    facts: Mapping[str, Facts] = field(default_factory=dict)
    premium: bool | None = None
    part_numbers: Mapping[str, str] = field(default_factory=dict)
    secure_score: SecureScore | None = None
    unknown: tuple[str, ...] = ()
    requests: int = 0


def merged(readings: Sequence[TenantReading]) -> TenantReading:
    """The tenants of one customer as one, every user once; the id and the score are the first's.

    `readings`: at least one. It began with the earliest of them, so that no report looks newer than it is. `premium`
    is unknown where they differ, and what could not be read names its tenant.
    """
    first = readings[0]
    if len(readings) == 1:
        return first
    users = {user.id: user for reading in reversed(readings) for user in reversed(reading.users)}
    return replace(
        first,
        began=min(reading.began for reading in readings),
        users=tuple(reversed(users.values())),
        facts={user_id: facts for reading in reversed(readings) for user_id, facts in reading.facts.items()},
        premium=first.premium if len({reading.premium for reading in readings}) == 1 else None,
        part_numbers={sku: name for reading in reversed(readings) for sku, name in reading.part_numbers.items()},
        unknown=tuple(f"Tenant {reading.tenant_id}: {told}" for reading in readings for told in reading.unknown),
        requests=sum(reading.requests for reading in readings),
    )
