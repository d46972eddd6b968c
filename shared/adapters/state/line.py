"""Who is next inside this process: first come first served per lane, live before backfill.

Between processes nothing is ordered; there the half of the burst that backfill may not touch keeps live work moving.
Next: `pace.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator

from shared.adapters.waiting import nap
from shared.domain.messages import Lane


class Turn:
    """One place in the line."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.signal = asyncio.Event()

    def has_come(self) -> bool:
        return self._line.first() is self

    async def nap(self, seconds: float) -> bool:
        """Wait for news, `seconds` at most; True when there is some (our turn, or slots that came back)."""
        return await nap(self.signal, seconds)


class Line:
    def __init__(self) -> None:
        self._live: deque[Turn] = deque()
        self._backfill: deque[Turn] = deque()

    @contextlib.contextmanager
    def place(self, lane: Lane) -> Iterator[Turn]:
        turns = self._backfill if lane is Lane.BACKFILL else self._live
        turn = Turn(self)
        turns.append(turn)
        try:
            yield turn
        finally:
            turns.remove(turn)
            self.wake_first()

    def first(self) -> Turn | None:
        for turns in (self._live, self._backfill):
            if turns:
                return turns[0]
        return None

    def wake_first(self) -> None:
        if (turn := self.first()) is not None:
            turn.signal.set()
