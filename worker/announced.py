"""Remembers which users notifications told of, and when a tenant's last one came: what delta polls are judged by.

Kept for every notification that is taken, whatever its look gives, and beside the looks: no hint waits for it. All of
it may be lost: then a poll too many is made and a change counts as unannounced that was not. Next: `worker/rounds.py`.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta

import structlog

from shared.domain.errors import SyncError
from shared.domain.messages import Reason, UsersTouched
from shared.domain.polling import ANNOUNCED_FOR, NOTIFIED_FOR
from shared.domain.watching import announced_key, notified_key
from shared.ports import Memory

log = structlog.get_logger("worker")
_FRESH = timedelta(seconds=20)  # what was kept so lately is not kept again: storms tell of one user many times
_MOST = 20_000  # moments that are kept in hand, about 3 MB
_MOST_WAITING = 500  # messages that are not written down yet


class Announced:
    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._kept: dict[str, datetime] = {}  # the oldest first
        self._waiting: asyncio.Queue[UsersTouched] = asyncio.Queue(_MOST_WAITING)
        self._dropped = 0

    def note(self, message: UsersTouched) -> None:
        """To be written down soon. Nothing new is told by a retry, by a confirm, by a poll's own hint, nor by a hint
        that was parked and comes back."""
        if message.reason is not Reason.NOTIFICATION or message.asks_entra_alone:
            return
        if message.attempt or message.first_noticed_at is not None:
            return
        try:
            self._waiting.put_nowait(message)
        except asyncio.QueueFull:
            self._dropped += 1

    async def serve(self) -> None:
        """Writes down what was noted, until it is cancelled."""
        while True:
            message = await self._waiting.get()
            try:
                await self._write(message)
            finally:
                self._waiting.task_done()
            self._tell_dropped()

    async def drain(self, seconds: float) -> None:
        """Wait until everything is written down, for so long at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._waiting.join()

    async def _write(self, message: UsersTouched) -> None:
        with suppress(SyncError):
            await self._keep(notified_key(message.tenant_id), message.noticed_at, NOTIFIED_FOR)
            for user_id in message.user_ids:
                await self._keep(announced_key(message.tenant_id, user_id), message.noticed_at, ANNOUNCED_FOR)

    async def _keep(self, key: str, noticed_at: datetime, ttl: timedelta) -> None:
        """Later moments take the place of earlier ones, never the other way round."""
        known = self._kept.pop(key, None)
        if known is not None and noticed_at < known + _FRESH:
            self._kept[key] = known
            return
        await self._memory.remember(key, noticed_at.isoformat(), ttl=ttl.total_seconds())
        if len(self._kept) >= _MOST:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = noticed_at

    def _tell_dropped(self) -> None:
        if self._dropped and self._waiting.empty():
            log.info("announcements_dropped", messages=self._dropped)
            self._dropped = 0
