"""The service that pays debts: an approved customer that missed something gets a full pass, then the mark is cleared.

Only a pass that began after the mark's generation clears it. Which worker does it is decided by a lease per
customer (`worker/leading.py`); a pass made twice by two of them is harmless.
"""

from __future__ import annotations

import asyncio
from uuid import uuid4

import structlog

from shared.domain.errors import SyncError
from shared.domain.messages import Reason
from shared.domain.records import ConnectionStatus, Owed
from shared.runtime.services import pause
from worker.fullpass import FullPass
from worker.leading import leading
from worker.parts import WorkerPorts, WorkerSettings

log = structlog.get_logger("worker")


class OwedPasses:
    name = "owed-passes"

    def __init__(self, ports: WorkerPorts, settings: WorkerSettings) -> None:
        self._ports = ports
        self._settings = settings
        self._pass = FullPass(ports, settings)
        self._not_before: dict[int, float] = {}  # customer id -> monotonic seconds, after a failure
        self._running = False

    def ready(self) -> bool:
        return self._running

    async def run(self, stop: asyncio.Event) -> None:
        self._running = True
        try:
            while not await pause(stop, self._settings.owed_every):
                await self._round(stop)
        finally:
            self._running = False

    async def _round(self, stop: asyncio.Event) -> None:
        try:
            owed = await self._ports.owed.owed()
        except SyncError as error:
            log.warning("owed_unknown", code=error.code)
            return
        for mark in owed:
            if stop.is_set():
                return
            if self._not_before.get(mark.customer_id, 0.0) <= self._ports.clock.monotonic():
                await self._pay(mark)

    async def _pay(self, mark: Owed) -> None:
        try:
            connection = await self._ports.connections.get(mark.customer_id)
            if connection is None or connection.status is not ConnectionStatus.APPROVED:
                return  # nothing may be written: the mark waits for the approval
            async with leading(self._ports.leases, f"full-pass:{mark.customer_id}"):
                await self._make_pass(mark)
        except SyncError as error:  # another worker is at it, or nobody can tell: ask again in the next round
            log.debug("owed_pass_not_ours", customer_id=mark.customer_id, code=error.code)

    async def _make_pass(self, mark: Owed) -> None:
        try:
            await self._pass.full_pass(mark.customer_id, reason=Reason.RECONCILE, run_id=uuid4().hex)
            await self._ports.owed.clear(mark.customer_id, mark.generation)
        except SyncError as error:
            log.warning("owed_pass_failed", customer_id=mark.customer_id, code=error.code)
            self._not_before[mark.customer_id] = self._ports.clock.monotonic() + self._settings.owed_backoff
