"""The machine's own clock. Everything that tells the time is handed one; tests hand in theirs.

`monotonic` is one and the same for every process of this machine (the Python documentation promises "always
system-wide"), so the embedded engine may compare it across processes: a step of the wall clock moves no deadline.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime


class SystemClock:
    """Satisfies `shared.ports.Clock`."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()
