"""The customer's own fields: Secure Score and user counts, as texts that a full reading of its tenant knows.

A field that is unknown is not named at all, and what is not named stays as it is. Nothing here is written: next is
`worker/totals.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import assert_never

from shared.domain import normalise
from shared.domain.changes import FieldChange, Kind
from shared.domain.contact import Customer
from shared.domain.licences import has_paid_licence
from shared.domain.nightly import CountSource
from shared.domain.policy import SyncPolicy
from shared.domain.scope import belongs, is_guest
from shared.domain.tenant import SecureScore, TenantReading
from shared.domain.user import DirectoryUser

SCORE_KEEPS_FOR = timedelta(days=14)  # Microsoft's snapshots have stood still for weeks
INFLATED_BY = 500_000  # seen on one tenant in six: the number, and half a million on top


def wanted_totals(
    reading: TenantReading,
    policy: SyncPolicy,
    counts: CountSource,
    *,
    now: datetime,
    more: Sequence[TenantReading] = (),
    is_shared: bool = False,
) -> Mapping[str, str]:
    """Custom field of the customer -> text. What is unknown is left out. `now` is aware.

    `more`: the customer's further tenants; counts are summed, score and tenant id are those of `reading`. `is_shared`:
    other customers have a part of a tenant; then only users of the part that `policy` chooses are counted.
    """
    split = policy if is_shared and (policy.domains or policy.departments or policy.groups) else None
    fresh = _fresh(reading.secure_score, now)
    pairs = [_counts(each.users, _fresh(each.secure_score, now), counts, split) for each in (reading, *more)]
    licensed, active = _sum(pair[0] for pair in pairs), _sum(pair[1] for pair in pairs)
    names = policy.fields
    known = (
        (names.secure_score, _score_text(fresh)),
        (names.licensed_users, licensed),
        (names.active_users, active),
        (names.tenant_id, reading.tenant_id),
    )
    return {field: str(value) for field, value in known if value is not None}


def customer_changes(
    customer: Customer, wanted: Mapping[str, str], lacking: Collection[str] = ()
) -> tuple[FieldChange, ...]:
    """What differs from `wanted`. `lacking`: custom fields that Syncro does not have; they are left out."""
    return tuple(
        FieldChange(field, customer.value(field), value, Kind.OWNED, "Follows the newest full sync of the tenant.")
        for field, value in wanted.items()
        if field not in lacking and not normalise.same_text(customer.value(field), value)
    )


def _score_text(score: SecureScore | None) -> str | None:
    """ "73.2 % (241.5 of 330 points)"; None without points to be had, for then no percentage says anything."""
    if score is None or score.maximum <= 0 or score.current < 0:
        return None
    percent = 100 * score.current / score.maximum
    return f"{percent:.1f} % ({_points(score.current)} of {_points(score.maximum)} points)"


def _points(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _fresh(score: SecureScore | None, now: datetime) -> SecureScore | None:
    return score if score is not None and now.date() - score.taken_on <= SCORE_KEEPS_FOR else None


def _sum(counts: Iterable[int | None]) -> int | None:
    """Unknown as soon as one of them is."""
    known = list(counts)
    return None if None in known else sum(count for count in known if count is not None)


def _counts(
    users: Sequence[DirectoryUser], score: SecureScore | None, source: CountSource, split: SyncPolicy | None
) -> tuple[int | None, int | None]:
    """Licensed and active users, of the part that `split` chooses. Microsoft's own counts know no parts."""
    match source:
        case CountSource.COMPUTED:
            mine = [(user, belongs(user, split) if split is not None else True) for user in users]
            if any(is_mine is None for _, is_mine in mine):
                return None, None
            counted = [user for user, is_mine in mine if is_mine]
            return sum(has_paid_licence(user.sku_ids) for user in counted), sum(map(_is_active, counted))
        case CountSource.SECURE_SCORE if split is not None:
            return None, None
        case CountSource.SECURE_SCORE if score is not None:
            # nobody active is what Microsoft says on some days about tenants full of people
            return _deflated(score.licensed_users), _deflated(score.active_users) or None
        case CountSource.SECURE_SCORE:
            return None, None
        case _:
            assert_never(source)


def _is_active(user: DirectoryUser) -> bool:
    return user.account_enabled and not is_guest(user)


def _deflated(count: int | None) -> int | None:
    return count - INFLATED_BY if count is not None and count >= INFLATED_BY else count
