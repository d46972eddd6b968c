"""Moments as an operator types them: a day, a minute, or how long ago. UTC, as everything that we print.

`--since 2026-11-24`, `--since "2026-11-24 13:05"`, `--since 3d` (also 90m and 12h).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from console.operations.errors import wrong_use

_AGO = re.compile(r"(\d{1,6})\s*([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
HELP = "2026-11-24, '2026-11-24 13:05' (UTC), or how long ago: 90m, 12h, 3d."


def moment(text: str | None, now: datetime) -> datetime | None:
    """None for None. Wrong use for what is no moment."""
    if text is None:
        return None
    try:
        if ago := _AGO.fullmatch(text.strip().lower()):
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        found = datetime.fromisoformat(text.strip())
        return found.astimezone(UTC) if found.tzinfo is not None else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # the latter: before the year 1, also only in UTC
        raise wrong_use(f"{text!r} is no moment. Write it like one of these: {HELP}") from None
