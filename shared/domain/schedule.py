"""When a customer's full sync is due, and on which days licences and counts must not be written. Pure: `now` is told.

A cron line is read on the clock of a time zone: an hour that a spring day skips is made up for right after it, one
that an autumn day has twice counts once (as Debian's cron does). Missed times are one due time. Next:
`worker/schedule.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

_WINDOW = re.compile(r"\s*(\d{1,2})\s*(?:-\s*(\d{1,2})\s*)?")
_LONGEST_GAP = 64  # days: from 29 January over a February without one, and some
_ANY_DAY = datetime(2026, 1, 1, tzinfo=UTC)


def is_due(
    now: datetime,
    *,
    cron: str,
    zone: str,
    begun: datetime | None,
    connected_at: datetime,
    freeze: Sequence[str] = (),
) -> bool:
    """Did a time of the cron line, or the end of a freeze, pass since the customer's newest full run began?

    `begun`: None if none ever did. A customer waits for the first time after it was connected: its first full sync
    comes with the approval. Times are aware. Raises ValueError for a line, zone or window that cannot be read.
    """
    since = connected_at if begun is None else max(begun, connected_at)
    tick = next_tick(since, cron=cron, zone=zone)
    thaw = last_thaw(now, freeze, zone)
    return (tick is not None and tick <= now) or (thaw is not None and since < thaw)


def next_tick(after: datetime, *, cron: str, zone: str) -> datetime | None:
    """The first time of the cron line later than `after` (both aware); None if there is none in 50 years."""
    # asked in the second of two equal hours, the line answers with a time in the first
    return next((tick for tick in _ticks(cron, after.astimezone(_zone(zone))) if tick > after), None)


def frozen(now: datetime, freeze: Sequence[str], zone: str) -> bool:
    """Do licences and counts wait today? `freeze`: windows such as "1-2"; a day that a month lacks is no day."""
    return now.astimezone(_zone(zone)).day in _days(tuple(freeze))


def last_thaw(now: datetime, freeze: Sequence[str], zone: str) -> datetime | None:
    """The last midnight at which a freeze ended, not after `now`; None if there is none (or no end of it)."""
    days, place = _days(tuple(freeze)), _zone(zone)
    if not days:
        return None
    today = now.astimezone(place).date()
    for day in (today - timedelta(days=back) for back in range(_LONGEST_GAP)):
        if day.day not in days and (day - timedelta(days=1)).day in days:
            return _midnight(day, place)
    return None


def check_cron(line: str) -> None:
    """Raises ValueError with a sentence unless the line has five fields and ever comes round."""
    if len(line.split()) != 5:  # with a sixth, for seconds, full syncs would never stop
        raise ValueError(f'"{line}" is no cron line: it needs five fields, such as "0 1 * * *" for 01:00 every day.')
    if next(_ticks(line, _ANY_DAY), None) is None:
        raise ValueError(f'The cron line "{line}" names a day that never comes.')


def check_freeze(freeze: Sequence[str]) -> None:
    """Raises ValueError with a sentence unless the windows name days of a month and leave some of them free."""
    if len(_days(tuple(freeze))) > 30:
        said = ", ".join(f'"{text}"' for text in freeze)
        raise ValueError(f"{said} covers every day of a month, so that licences would never be written.")


def check_zone(name: str) -> None:
    """Raises ValueError with a sentence unless the time zone is known on this machine."""
    _zone(name)


def _ticks(cron: str, after: datetime) -> Iterator[datetime]:
    """Times of the line from `after` on, by the clock of its zone; in a repeated hour some lie a little before it."""
    try:
        for tick in CronSim(cron, after):
            yield tick.astimezone(UTC)  # two times of one zone would be compared by what the clock shows
    except CronSimError as error:
        raise ValueError(f'The cron line "{cron}" cannot be read: {str(error).lower()}.') from None


@lru_cache(maxsize=64)
def _days(freeze: tuple[str, ...]) -> frozenset[int]:
    return frozenset(day for text in freeze for day in _window(text))


def _window(text: str) -> frozenset[int]:
    """The days of the month in "1-2", "15" or, over the end of a month, "30-1"."""
    found = _WINDOW.fullmatch(text)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not (1 <= first <= 31 and 1 <= last <= 31):
        raise ValueError(f'"{text}" is no range of days: write the first and the last, such as "1-2" or "30-1".')
    if first <= last:
        return frozenset(range(first, last + 1))
    return frozenset({*range(first, 32), *range(1, last + 1)})


def _midnight(day: date, place: ZoneInfo) -> datetime:
    """When a day begins, in UTC. Where midnight itself is skipped, the offset before it gives the same moment."""
    return datetime(day.year, day.month, day.day, tzinfo=place).astimezone(UTC)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # OSError: "America" is a folder
        raise ValueError(f'"{name}" is no time zone that this machine knows, such as America/Los_Angeles.') from None
