"""The heartbeat: while every service of this process is ready, somebody else's watch is told so every few minutes.

When it stays away, that watch raises the alarm: the one notice that works when we are dead. A beat that fails stops
nothing and is tried again sooner. Next: `shared/adapters/notices/beacon.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from shared.domain.errors import SyncError
from shared.ports import Beacon
from shared.runtime.services import pause

log = structlog.get_logger("heartbeat")
EVERY = 300.0  # seconds
AGAIN = 30.0  # seconds after a beat that failed, or while something is not ready


class Heartbeat:
    """`is_well`: is every service of this process ready?"""

    name = "heartbeat"

    def __init__(self, beacon: Beacon, is_well: Callable[[], bool]) -> None:
        self._beacon = beacon
        self._is_well = is_well
        self._running = False

    def ready(self) -> bool:
        """Also while beats fail: it needs nothing that others wait for."""
        return self._running

    async def run(self, stop: asyncio.Event) -> None:
        self._running = True
        try:
            while not await pause(stop, EVERY if await self._beat() else AGAIN):
                pass
        finally:
            self._running = False

    async def _beat(self) -> bool:
        if not self._is_well():
            return False
        try:
            await self._beacon.beat()
        except SyncError as error:
            log.warning("heartbeat_not_taken", code=error.code, detail=error.detail)
            return False
        return True
