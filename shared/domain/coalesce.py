"""When to look: how hints for one user gather into few looks without any hint waiting for long.

The first hint opens a window of 2 s, and everything that comes before it is due joins it. A hint that comes soon
after opens one of 4, 8 ... 30 s; a user that was quiet for 2 s after a look starts at 2 s again, so that somebody who
edits one person again and again sees each edit soon. Pure: times are arguments, and nobody sleeps here.
Next: `worker/rhythm.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.policy import CoalescePolicy


@dataclass(frozen=True, slots=True)
class Window:
    """Hints gather until `due` (monotonic seconds), then one look answers them all. `length` in seconds."""

    due: float
    length: float


def opening(previous: Window | None, now: float, policy: CoalescePolicy) -> Window:
    """The window that a hint at `now` belongs to: the open one, or the one it opens."""
    if previous is not None and now < previous.due:
        return previous
    if previous is None or is_quiet(previous, now, policy):
        return Window(now + policy.first_window, policy.first_window)
    length = min(previous.length * 2, policy.last_window)
    return Window(now + length, length)


def is_quiet(window: Window, now: float, policy: CoalescePolicy) -> bool:
    """No hint came for a first window's length since the look: hints do not keep coming, the window is forgotten."""
    return now > window.due + policy.first_window


def is_covered(noticed_at: datetime, read_started: datetime | None, policy: CoalescePolicy) -> bool:
    """Was the hint answered already? By a successful read that began later, with a margin for two clocks."""
    return read_started is not None and read_started > noticed_at + timedelta(seconds=policy.covered_after)
