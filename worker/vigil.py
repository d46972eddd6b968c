"""Since when something lasts: that somebody looks (what stood still before is given time), that nothing is written.

Kept in Memory for some minutes after each look, so that a worker that is restarted again and again, or one that follows
another, does not begin anew each time and never tell anybody anything. Memory lost, it begins anew. Next:
`worker/sights.py`, `worker/notices.py`.
"""

from __future__ import annotations

from datetime import datetime

import structlog

from shared.domain.errors import SyncError
from shared.ports import Clock, Memory

log = structlog.get_logger("worker")
WATCHING = "notices:watching"
STOPPED = "notices:stopped"
KEPT = 600.0  # seconds without a look after which it begins anew


class Vigil:
    """`key`: where it is kept in Memory."""

    def __init__(self, clock: Clock, memory: Memory, key: str = WATCHING) -> None:
        self._clock = clock
        self._memory = memory
        self._key = key
        self._began: datetime | None = None
        self._may_recall = True

    def leave(self) -> None:
        """Another one looks from now on, or nobody can tell."""
        self._began, self._may_recall = None, True

    def break_off(self) -> None:
        """Nobody could look: nothing is known of the time until the next look."""
        self._began, self._may_recall = None, False

    async def since(self) -> datetime:
        if self._began is None:
            self._began = (await self._recalled() if self._may_recall else None) or self._clock.now()
        return self._began

    async def looked(self) -> None:
        """To be told after a look that saw everything."""
        if self._began is not None:
            await self._remember(self._began.isoformat())

    async def ended(self) -> None:
        """It was seen that it does not last."""
        if self._began is not None or self._may_recall:  # whoever looked before may have left it there
            await self._remember("")
        self.break_off()

    async def _remember(self, text: str) -> None:
        try:
            await self._memory.remember(self._key, text, ttl=KEPT)
        except SyncError as error:
            log.debug("vigil_not_remembered", code=error.code)

    async def _recalled(self) -> datetime | None:
        try:
            text = await self._memory.recall(self._key)
            return datetime.fromisoformat(text) if text else None
        except (SyncError, ValueError):
            return None
