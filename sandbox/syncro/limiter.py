"""The limit of calls per minute and client address.

Refused calls count too: a client that hammers never gets out. What the refusal looks like is `answers.py`'s
business. Next: `sandbox/syncro/faults.py`.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque

DOCUMENTED_PER_MINUTE = 180


class Limiter:
    """Counts calls per address in a window of `window` seconds; `per_minute` None lifts the limit."""

    def __init__(self, per_minute: int | None = DOCUMENTED_PER_MINUTE, window: float = 60.0) -> None:
        self.per_minute = per_minute
        self.window = window
        self._times: dict[str, deque[float]] = defaultdict(deque)
        self._blocked_until: dict[str, float] = {}

    def clear(self) -> None:
        self._times.clear()
        self._blocked_until.clear()

    def refuse_for(self, address: str, now: float, kind: str) -> float | None:
        """Seconds until a call may pass again, or None when this one passes. `kind`: sliding, fixed or block."""
        times = self._times[address]
        times.append(now)
        start = math.floor(now / self.window) * self.window if kind == "fixed" else now - self.window
        while times and (times[0] < start or (kind != "fixed" and times[0] == start)):
            times.popleft()
        if self.per_minute is None:
            return None
        return self._verdict(address, times, now, kind)

    def _verdict(self, address: str, times: deque[float], now: float, kind: str) -> float | None:
        blocked = self._blocked_until.get(address, 0.0)
        if kind == "block" and now < blocked:
            return blocked - now
        if self.per_minute is None or len(times) <= self.per_minute:
            return None
        if kind == "block":
            self._blocked_until[address] = now + self.window
            times.clear()
            return self.window
        if kind == "fixed":
            return self.window - now % self.window
        # The call that has to leave the window before one more fits; this refused one counts as well.
        return times[min(len(times) - self.per_minute, len(times) - 1)] + self.window - now
