"""So many requests in any so many seconds, in this process: the limits that Graph prints, kept before it enforces them.

A turn is booked at once and waited for afterwards, so turns are taken in the order of asking and one who gives up
waiting only wastes his. Next: `shared/adapters/graph/reports/patience.py`.
"""

from __future__ import annotations

import asyncio
from collections import deque

from shared.ports import Clock

MARGIN = 0.5  # seconds; Graph counts arrivals, we count departures


class Limiter:
    """At most `requests` turns in any `seconds`."""

    def __init__(self, requests: int, seconds: float, clock: Clock) -> None:
        self._seconds = seconds + MARGIN
        self._clock = clock
        self._turns: deque[float] = deque(maxlen=requests)

    async def turn(self) -> None:
        """Wait until one more request may leave."""
        now = self._clock.monotonic()
        is_full = len(self._turns) == self._turns.maxlen
        due = max(now, self._turns[0] + self._seconds) if is_full else now
        self._turns.append(due)  # the oldest falls out
        if due > now:
            await asyncio.sleep(due - now)
