"""How far this machine's clock is from each vendor's, as the `Date` of their newest answers tells.

Satisfies `shared.ports.Skews`; filled by `shared/adapters/http.py`. A wrong clock makes certificates and assertions
refused, and times in the ledger untrue. Half a second is the best a `Date` can tell. Nothing is kept but one number
for each service.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

HALF_A_SECOND = 0.5  # a Date is cut to whole seconds: on average the moment is so much later


class ClockSkews:
    """`wall`: this machine's time, seconds since 1970."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._skews: dict[str, float] = {}

    def skews(self) -> Mapping[str, float]:
        """Service -> seconds by which this machine is ahead, negative when it is behind."""
        return dict(self._skews)

    def told(self, service: str, headers: Mapping[str, str], took: float) -> None:
        """Note an answer that just ended. `took`: seconds from the request to the end of its answer.

        The answer was dated somewhere in between, so half of it is taken. One out of a cache (`Age`) tells an old time.
        """
        dated = _seconds(headers.get("date", ""))
        if dated is None or "age" in headers:
            return
        self._skews[service] = self._wall() - took / 2 - (dated + HALF_A_SECOND)


def _seconds(date: str) -> float | None:
    """An HTTP date as seconds since 1970; None when it is none."""
    try:
        found = parsedate_to_datetime(date)
        return (found.replace(tzinfo=UTC) if found.tzinfo is None else found).timestamp()
    except (ValueError, OverflowError):
        return None
