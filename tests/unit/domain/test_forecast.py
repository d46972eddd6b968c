"""What a full sync will cost, before it begins."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.changes import (
    Conflict,
    ConflictReason,
    CreateContact,
    Excluded,
    ExclusionReason,
    FieldChange,
    Kind,
    NoChange,
    Pinned,
    Plan,
    UpdateContact,
)
from shared.domain.forecast import Forecast, activity_days, by_hand, forecast_of, together

CHANGE = FieldChange("city", "", "Rom", Kind.PROFILE, "why")
UPDATE = UpdateContact("u1", 7, 1, (CHANGE,), "mail")
CREATE = CreateContact("u1", 7, (CHANGE,), "why")
QUIET: list[Plan] = [
    NoChange("u1", 7, 1),
    Excluded("u1", 7, ExclusionReason.GUEST),
    Conflict("u1", 7, ConflictReason.ALIAS_ONLY, ()),
    Pinned("u1", 7, 1),
]


@pytest.mark.parametrize(
    ("plans", "listing_calls", "forecast"),
    [
        ([], 1, Forecast(1, 0)),
        (QUIET, 2, Forecast(2, 0)),
        ([UPDATE], 1, Forecast(3, 0)),
        ([CREATE], 1, Forecast(3, 0)),
        ([UPDATE, *QUIET, CREATE], 1, Forecast(5, 0)),
        ([UPDATE] * 2, 2, Forecast(6, 1)),
        ([UPDATE] * 40, 5, Forecast(85, 1)),
        ([UPDATE] * 40, 6, Forecast(86, 2)),
        ([UPDATE] * 2_100 + [CREATE] * 40, 20, Forecast(4_300, 54)),
    ],
)
def test_two_calls_a_write_and_minutes_rounded_up(plans: list[Plan], listing_calls: int, forecast: Forecast) -> None:
    assert forecast_of(plans, listing_calls=listing_calls, per_minute=80) == forecast


@pytest.mark.parametrize(
    ("forecast", "sentence"),
    [
        (Forecast(4_300, 54), "4,300 Syncro calls, 54 minutes at the present pace"),
        (Forecast(2, 0), "2 Syncro calls, a few seconds at the present pace"),
        (Forecast(1, 1), "1 Syncro call, 1 minute at the present pace"),
        (Forecast(200_000, 2_500), "200,000 Syncro calls, 2,500 minutes at the present pace"),
    ],
)
def test_sentence(forecast: Forecast, sentence: str) -> None:
    assert forecast.sentence == sentence


@pytest.mark.parametrize(("users", "minutes", "said"), [(50, 54, 1), (51, 54, 54), (1, 1, 1), (1, 0, 0)])
def test_a_few_users_by_hand_are_done_within_a_minute(users: int, minutes: int, said: int) -> None:
    assert by_hand(Forecast(100, minutes), users) == Forecast(100, said)


@pytest.mark.parametrize(("calls", "minutes"), [([], 0), ([3, 3, 3], 1), ([1, 1], 0), ([100, 100, 45], 3)])
def test_minutes_of_many_customers_are_rounded_once(calls: list[int], minutes: int) -> None:
    joined = together([Forecast(each, 1) for each in calls], per_minute=80)
    assert joined == Forecast(sum(calls), minutes)


@pytest.mark.parametrize(
    ("setting", "active_users", "days"),
    [
        ("auto", 0, 1),
        ("auto", 100, 1),
        ("auto", 4_799, 1),
        ("auto", 4_800, 1),  # two hours to the minute at 80 calls a minute
        ("auto", 4_801, 2),
        ("auto", 9_600, 2),
        ("auto", 9_601, 3),
        ("auto", 33_600, 7),
        ("auto", 100_000, 7),
        (1, 100_000, 1),
        (31, 1, 31),
    ],
)
def test_activity_days(setting: Literal["auto"] | int, active_users: int, days: int) -> None:
    assert activity_days(setting, active_users=active_users, per_minute=80) == days


@given(users=st.integers(0, 10**7), more=st.integers(0, 10**6), pace=st.floats(1, 160))
def test_more_users_never_mean_fewer_days(users: int, more: int, pace: float) -> None:
    fewer = activity_days("auto", active_users=users, per_minute=pace)
    assert 1 <= fewer <= activity_days("auto", active_users=users + more, per_minute=pace) <= 7
