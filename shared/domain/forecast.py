"""What a full sync will cost in Syncro calls and minutes, said before it begins. Pure arithmetic.

Syncro's calls are the scarce resource, and every tool of the service provider shares them. Next:
`worker/fullpass.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import ceil
from typing import Literal

from shared.domain.changes import CreateContact, Plan, UpdateContact

CALLS_PER_WRITE = 2  # an update reads the contact first; a creation lists the customer's contacts, at most
BURST = 5  # calls that full syncs may make at once: half of what Syncro's default allows after a quiet time
FEW = 50  # users; a sync begun by hand of so many goes at the pace of live changes (worker/handing.py)
LONG_NIGHT = 120  # minutes
MOST_DAYS = 7


@dataclass(frozen=True, slots=True)
class Forecast:
    """`calls`: Syncro calls. `minutes`: how long they take at the present pace, rounded up; 0 for a few calls."""

    calls: int
    minutes: int

    @property
    def sentence(self) -> str:
        """ "4,300 Syncro calls, 54 minutes at the present pace"."""
        lasts = _count(self.minutes, "minute") if self.minutes else "a few seconds"
        return f"{_count(self.calls, 'Syncro call')}, {lasts} at the present pace"


def forecast_of(plans: Iterable[Plan], *, listing_calls: int, per_minute: float) -> Forecast:
    """`listing_calls`: what reading the contacts takes. `per_minute`: calls that full syncs may make, over 0."""
    writes = sum(isinstance(plan, CreateContact | UpdateContact) for plan in plans)
    calls = listing_calls + CALLS_PER_WRITE * writes
    return Forecast(calls, _minutes(calls, per_minute))


def by_hand(forecast: Forecast, users: int) -> Forecast:
    """Of a sync that a person began: a few `users` go at the faster pace, and are done within a minute."""
    return replace(forecast, minutes=min(1, forecast.minutes)) if users <= FEW else forecast


def together(forecasts: Iterable[Forecast], *, per_minute: float) -> Forecast:
    """Customers share the pace: their calls are added, and only the sum is rounded up to minutes."""
    calls = sum(each.calls for each in forecasts)
    return Forecast(calls, _minutes(calls, per_minute))


def activity_days(setting: Literal["auto"] | int, *, active_users: int, per_minute: float) -> int:
    """By how many days a last activity must move before it alone is worth a write.

    "auto" assumes that every active user's moved: one day while such a night takes under two hours, then as many as
    bring a night back to that, at most seven.
    """
    if setting != "auto":
        return setting
    minutes = CALLS_PER_WRITE * active_users / per_minute
    return max(1, min(MOST_DAYS, ceil(minutes / LONG_NIGHT)))


def _minutes(calls: int, per_minute: float) -> int:
    return ceil(max(0, calls - BURST) / per_minute)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
