"""Last activity: which date counts, and how far it must move."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from shared.domain.activity import is_activity_only, last_activity, settled
from shared.domain.changes import (
    Conflict,
    ConflictReason,
    CreateContact,
    Excluded,
    ExclusionReason,
    FieldChange,
    Kind,
    NoChange,
    NotYet,
    Pinned,
    Plan,
    UpdateContact,
)

FIELD = "azure_last_activity"
NEVER = datetime(1, 1, 1, tzinfo=UTC)
JULY = datetime(2026, 7, 1, 12, tzinfo=UTC)
AUGUST = datetime(2026, 8, 19, 16, 41, 33, tzinfo=UTC)


def moved(before: str, after: str, field: str = FIELD) -> FieldChange:
    return FieldChange(field, before, after, Kind.REPORTED, "why")


def update(*changes: FieldChange) -> UpdateContact:
    return UpdateContact("u1", 7, 1, changes, "mail")


# --- which date ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("successful", "interactive", "non_interactive", "day"),
    [
        (None, None, None, None),
        (NEVER, NEVER, NEVER, None),
        (NEVER, None, None, None),
        (AUGUST, None, None, date(2026, 8, 19)),
        (JULY, AUGUST, AUGUST, date(2026, 7, 1)),  # attempts say less than a success
        (None, JULY, AUGUST, date(2026, 8, 19)),
        (None, AUGUST, JULY, date(2026, 8, 19)),
        (None, None, JULY, date(2026, 7, 1)),
        (None, JULY, None, date(2026, 7, 1)),
        (NEVER, JULY, NEVER, date(2026, 7, 1)),
        (None, NEVER, AUGUST, date(2026, 8, 19)),
        (datetime(2026, 8, 20, 1, tzinfo=timezone(timedelta(hours=2))), None, None, date(2026, 8, 19)),
    ],
)
def test_which_date_counts(
    successful: datetime | None, interactive: datetime | None, non_interactive: datetime | None, day: date | None
) -> None:
    assert last_activity(successful, interactive, non_interactive) == day


def test_the_first_year_is_unknown_in_every_time_zone() -> None:
    for hours in (-12, 12):
        assert last_activity(NEVER.replace(tzinfo=timezone(timedelta(hours=hours))), None, None) is None


# --- how far ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "days", "worth"),
    [
        ("2026-08-18", "2026-08-19", 1, True),
        ("2026-08-18", "2026-08-19", 2, False),
        ("2026-08-17", "2026-08-19", 2, True),
        ("2026-08-12", "2026-08-18", 7, False),
        ("2026-08-12", "2026-08-19", 7, True),
        ("2026-08-19", "2026-08-12", 7, True),  # back as well as forth
        ("2026-08-19", "2026-08-13", 7, False),
        ("2026-07-31", "2026-08-01", 2, False),  # over the end of a month
        ("", "2026-08-19", 31, True),
        ("  ", "2026-08-19", 31, True),
        ("last week", "2026-08-19", 31, True),
        ("08/18/2026", "2026-08-19", 31, True),
        ("2026-08-18T00:00:00Z", "2026-08-19", 31, True),
        ("2026-08-18", "", 31, True),
        (" 2026-08-18 ", "2026-08-19", 2, False),
    ],
)
def test_how_far_it_must_move(before: str, after: str, days: int, worth: bool) -> None:
    plan = update(moved(before, after))
    assert settled(plan, FIELD, days) == (plan if worth else NoChange("u1", 7, 1, "mail"))


OTHERS: list[Plan] = [
    update(moved("2026-08-18", "2026-08-19"), moved("", "enabled", "azure_mfa_status")),
    update(moved("", "enabled", "azure_mfa_status")),
    CreateContact("u1", 7, (moved("", "2026-08-19"),), "why"),
    NoChange("u1", 7, 1),
    Excluded("u1", 7, ExclusionReason.GUEST),
    Conflict("u1", 7, ConflictReason.ALIAS_ONLY, ()),
    Pinned("u1", 7, 1),
    NotYet("u1", 7),
]


@pytest.mark.parametrize("plan", OTHERS)
def test_every_other_plan_stays_as_it_is(plan: Plan) -> None:
    assert not is_activity_only(plan, FIELD)
    assert settled(plan, FIELD, 31) is plan


def test_the_field_goes_by_its_name_in_syncro() -> None:
    plan = update(moved("2026-08-18", "2026-08-19", "Last seen"))
    assert is_activity_only(plan, "Last seen")
    assert not is_activity_only(plan, FIELD)
    assert settled(plan, FIELD, 7) is plan
