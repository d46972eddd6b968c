"""The sandbox's clock: the wall clock plus an offset that a test or the control API moves forward.

Everything that expires in the simulated vendors (tokens, subscriptions, delta tokens, page tokens, replication lag)
reads this clock, so a test can live through eight days in a millisecond. Waits between deliveries are real waits and
are divided by the `speed` switch instead. Nothing here sleeps. Next: sandbox/microsoft/switches.py.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class SandboxClock:
    """Aware UTC time that never runs backwards."""

    def __init__(self) -> None:
        self._offset_s = 0.0

    def timestamp(self) -> float:
        """Seconds since the Unix epoch."""
        return time.time() + self._offset_s

    def now(self) -> datetime:
        """The same instant as an aware datetime in UTC."""
        return datetime.fromtimestamp(self.timestamp(), UTC)

    def advance(self, by: timedelta) -> None:
        """Move the clock forward; refuses to move it back."""
        if by < timedelta():
            raise ValueError("the sandbox's clock only moves forward")
        self._offset_s += by.total_seconds()


def graph_time(moment: datetime) -> str:
    """`2026-10-22T02:00:00Z`, the form in which Graph writes most dates."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
