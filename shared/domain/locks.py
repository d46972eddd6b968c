"""Locked contacts: which pins of the ledger hold now, until when, and how that is said. Pure: `now` is told.

A date means until the end of that day on the clock of the deployment (`nightly.zone`). What a lock means for a plan is
`shared/domain/plan.py`'s business.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

from shared.domain.changes import Pinned
from shared.domain.desk import Pin

NO_LOCKS: Mapping[int, Pin] = MappingProxyType({})  # contact id -> pin


def end_of(day: date, zone: str) -> datetime:
    """The first moment after the day, in UTC. Raises OverflowError for the last day of the calendar."""
    following = day + timedelta(days=1)
    return datetime(following.year, following.month, following.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def last_day(until: datetime, zone: str) -> date:
    """The day that `end_of` was asked about."""
    return (until.astimezone(UTC) - timedelta(seconds=1)).astimezone(ZoneInfo(zone)).date()


def standing(pins: Iterable[Pin], now: datetime, zone: str) -> Mapping[int, Pin]:
    """Contact id -> pin, of those that hold; `until` on the clock of the zone, so that it reads as a day there."""
    place = ZoneInfo(zone)
    return {
        pin.contact_id: pin if pin.until is None else replace(pin, until=pin.until.astimezone(place))
        for pin in pins
        if pin.holds(now)
    }


def told(locked: Pinned) -> str:
    """Who locked the contact, until when and why; or that its own field does."""
    if not locked.by:
        return "locked by the text in its lock field"
    until = f" until the end of {_day(locked.until)}" if locked.until is not None else ""
    return f"locked by {locked.by}{until}: {locked.why}"


def _day(until: datetime) -> date:
    """`until` is on the clock on which its day is meant (`standing`)."""
    return (until.astimezone(UTC) - timedelta(seconds=1)).astimezone(until.tzinfo).date()
