"""The service that pays debts: an approved customer that missed something gets a full pass, which clears the mark.

Only a pass that began after the mark's generation clears it; one that was killed left its own mark. Which worker does
it is decided by a lease per customer (`worker/leading.py`), the same that scheduled passes take; a pass made twice by
two of them is harmless. A halted customer is read again once an hour: lists of believable length end the halt. No
customer gets two of these passes at short notice: one that is owed again at once must not eat the pace of all others.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import uuid4

import structlog

from shared.domain.errors import Scope, StopTheLine, SyncError
from shared.domain.messages import Reason
from shared.domain.records import ConnectionStatus, Owed, RunState
from shared.runtime.services import pause
from worker.fullpass import FullPass
from worker.leading import leading
from worker.parts import WorkerPorts, WorkerSettings

log = structlog.get_logger("worker")
HALT = timedelta(hours=1)  # how long after a halt a customer is read again


class OwedPasses:
    name = "owed-passes"

    def __init__(self, ports: WorkerPorts, settings: WorkerSettings) -> None:
        self._ports = ports
        self._settings = settings
        self._pass = FullPass(ports, settings)
        self._not_before: dict[int, float] = {}  # customer id -> monotonic seconds; a pass was made
        self._resume_at = 0.0  # monotonic seconds; nothing can be written anywhere until then
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
            if stop.is_set() or self._resume_at > self._ports.clock.monotonic():
                return
            if self._not_before.get(mark.customer_id, 0.0) <= self._ports.clock.monotonic():
                await self._pay(mark)

    async def _pay(self, mark: Owed) -> None:
        try:
            if not await self._may_be_paid(mark.customer_id):
                return  # the mark waits: for the approval, or for lists that can be believed
            async with leading(self._ports.leases, f"full-pass:{mark.customer_id}"):
                if await self._is_open(mark.customer_id):
                    await self._make_pass(mark)
        except SyncError as error:  # another worker is at it, or nobody can tell: ask again in the next round
            log.debug("owed_pass_not_ours", customer_id=mark.customer_id, code=error.code)

    async def _may_be_paid(self, customer_id: int) -> bool:
        connection = await self._ports.connections.get(customer_id)
        if connection is None or connection.status is not ConnectionStatus.APPROVED:
            return False
        newest = next(iter(await self._ports.runs.recent(customer_id, 1)), None)
        is_halted = newest is not None and newest.state is RunState.HALTED
        return newest is None or not is_halted or self._ports.clock.now() - newest.started_at >= HALT

    async def _is_open(self, customer_id: int) -> bool:
        """Somebody else may have paid while this worker came for the lease."""
        return any(mark.customer_id == customer_id for mark in await self._ports.owed.owed())

    async def _make_pass(self, mark: Owed) -> None:
        self._not_before[mark.customer_id] = self._ports.clock.monotonic() + self._settings.owed_backoff
        try:
            await self._pass.full_pass(
                mark.customer_id,
                reason=Reason.RECONCILE,
                run_id=uuid4().hex,
                activity_cap=0,  # what a last activity alone may cost is the night's to give
            )
        except SyncError as error:
            log.warning("owed_pass_failed", customer_id=mark.customer_id, code=error.code)
            if isinstance(error, StopTheLine) and error.scope is Scope.ACCOUNT:
                self._resume_at = self._ports.clock.monotonic() + self._settings.owed_backoff
