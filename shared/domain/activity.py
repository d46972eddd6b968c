"""Last activity: which of a user's dates counts, and how far it must move before it is worth a write of its own.

Nothing here reads a report: who does is `shared/adapters/graph/reports/`. A date that nobody knows stays None, and
unknown leaves Syncro untouched. Next: `shared/domain/forecast.py` (how many days), `worker/fullpass.py`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime

from shared.domain import normalise
from shared.domain.changes import FieldChange, NoChange, Plan, UpdateContact


def last_activity(
    successful: datetime | None, interactive: datetime | None, non_interactive: datetime | None
) -> date | None:
    """The day (UTC) of the last successful sign-in, else of the later of the two attempts; None: unknown.

    Success comes first because guessed passwords move the attempts of somebody who never came. All aware; Graph
    writes the year 1 for "never".
    """
    success = _day(successful)
    if success is not None:
        return success
    return max(filter(None, (_day(interactive), _day(non_interactive))), default=None)


def is_activity_only(plan: Plan, field: str) -> bool:
    """Would this plan write nothing but the last activity? `field` is its custom field's name."""
    return _only_change(plan, field) is not None


def settled(plan: Plan, field: str, days: int) -> Plan:
    """The plan, or "in step" when it only moves the last activity, and by less than `days`, forwards or back.

    A date that fills a blank or takes the place of something unreadable is always worth a write.
    """
    change = _only_change(plan, field)
    if change is None or not isinstance(plan, UpdateContact):
        return plan
    before, after = _date(change.before), _date(change.after)
    if before is None or after is None or abs((after - before).days) >= days:
        return plan
    return NoChange(plan.user_id, plan.customer_id, plan.contact_id, plan.link)


def _only_change(plan: Plan, field: str) -> FieldChange | None:
    if not isinstance(plan, UpdateContact) or any(change.field != field for change in plan.changes):
        return None
    return plan.changes[0]


def _day(moment: datetime | None) -> date | None:
    """Year 1 is asked first: in another time zone it would be before the calendar begins."""
    return None if moment is None or moment.year <= 1 else moment.astimezone(UTC).date()


def _date(value: str) -> date | None:
    try:
        return date.fromisoformat(normalise.text(value))
    except ValueError:
        return None
