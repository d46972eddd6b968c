"""The service that takes hints from one lane, shift after shift; between two shifts it waits for Syncro to recover.

A shift ends when the process stops or when nothing can be written anywhere (token refused, Syncro unwell). Then what
was in hand has gone back uncounted, the service is not ready, and `GET /me` is tried until it answers. Next:
`worker/shift.py`.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from shared.domain.errors import StopTheLine, SyncError, Transient
from shared.domain.messages import Lane
from shared.domain.retry import StopAccount
from shared.runtime.services import pause
from worker.parts import WorkerPorts, WorkerSettings
from worker.shift import Shift
from worker.sync import Sync

log = structlog.get_logger("worker")
_NOTE_OUTLASTS = 60.0  # seconds past the next probe
_BROKER_PAUSE = 1.0  # seconds before the broker is tried again


class Consumer:
    def __init__(self, ports: WorkerPorts, settings: WorkerSettings, lane: Lane) -> None:
        self._ports = ports
        self._settings = settings
        self._lane = lane
        self._sync = Sync(ports, settings, lane)
        self._shift: Shift | None = None
        self._patience = settings.probe_first

    @property
    def name(self) -> str:
        return f"consumer-{self._lane.value}"

    def ready(self) -> bool:
        """False while the account is stopped or the broker is away."""
        return self._shift is not None and self._shift.taking

    def waiting_for(self) -> str:
        return self._shift.waiting_for() if self._shift else ""

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            shift = await self._work(stop)
            if shift.stopped is not None:
                log.error("account_stopped", lane=self._lane.value, code=shift.stopped.code)
                await self._until_well(shift.stopped, stop)
            elif shift.broken:
                await pause(stop, _BROKER_PAUSE)

    async def _work(self, stop: asyncio.Event) -> Shift:
        shift = self._shift = Shift(self._ports, self._settings, self._lane, self._sync)
        try:
            await shift.run(stop)
        except Transient as error:  # nothing could be taken yet: no reason to give up, however long it lasts
            log.warning("lane_out_of_reach", lane=self._lane.value, code=error.code)
            shift.broken = True
        finally:
            self._shift = None
        if shift.successes:
            self._patience = self._settings.probe_first
        return shift

    async def _until_well(self, stopped: StopAccount, stop: asyncio.Event) -> None:
        """Probe with growing patience, which only a successful look resets: /me may work where nothing else does."""
        wait = max(stopped.retry_after or 0.0, self._patience)
        await self._tell(stopped.code, wait)
        while not await pause(stop, wait):
            self._patience = min(self._patience * 2, self._settings.probe_last)
            try:
                async with self._ports.pace.reserve(1, self._lane, wait=self._settings.pace_wait) as allowance:
                    await self._ports.account.whoami(allowance)
            except SyncError as error:
                log.warning("account_still_stopped", lane=self._lane.value, code=error.code)
                wait = max(_wish(error), self._patience)
                await self._tell(error.code, wait)
            else:
                log.info("account_resumed", lane=self._lane.value)
                await self._tell("", 0.0)
                return

    async def _tell(self, why: str, wait: float) -> None:
        """For `status`; a note that is lost costs nobody anything."""
        with suppress(SyncError):
            await self._sync.marks.stopped(why, ttl=wait + _NOTE_OUTLASTS)


def _wish(error: SyncError) -> float:
    return (error.retry_after or 0.0) if isinstance(error, StopTheLine | Transient) else 0.0
