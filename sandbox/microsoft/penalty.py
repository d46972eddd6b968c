"""The penalty box: a host that answers too slowly gets its notifications late, then not at all.

More than 10 % of answers over 3 s in ten minutes: slow, new notifications wait ten minutes. More than 15 % over 10 s:
drop, new ones are discarded for ten minutes. Afterwards a few probes decide. Pure: `now` is an argument.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

State = Literal["normal", "slow", "drop"]
_SLOW_SHARE = 0.10
_DROP_SHARE = 0.15
_PROBES = 3


class PenaltyBox:
    """The state of one host."""

    def __init__(self) -> None:
        self._answers: deque[tuple[float, bool, bool]] = deque()
        self._state: State = "normal"
        self._since = 0.0
        self._probing = False

    def record(self, now: float, window_s: float, min_answers: int, *, over_3s: bool, over_10s: bool) -> None:
        """Count one answer (or timeout) and judge the window."""
        self._answers.append((now, over_3s, over_10s))
        while self._answers and self._answers[0][0] < now - window_s:
            self._answers.popleft()
        if len(self._answers) >= (_PROBES if self._probing else min_answers):
            self._judge(now)

    def state(self, now: float, window_s: float) -> State:
        """Where the host stands; after a window in the box the next answers are probes, counted afresh."""
        if self._state != "normal" and now - self._since >= window_s:
            self._state, self._probing = "normal", True
            self._answers.clear()
        return self._state

    def _judge(self, now: float) -> None:
        total = len(self._answers)
        slow = sum(over_3s for _, over_3s, _ in self._answers) / total
        lost = sum(over_10s for _, _, over_10s in self._answers) / total
        verdict: State = "drop" if lost > _DROP_SHARE else "slow" if slow > _SLOW_SHARE else "normal"
        if verdict != self._state:
            self._state, self._since = verdict, now
        if verdict == "normal":
            self._probing = False
