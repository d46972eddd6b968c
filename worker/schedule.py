"""The service that begins full syncs at their time: one leader, a few customers at once, never far ahead of the looks.

A customer whose time was missed is due until a full sync of it begins, so nothing is caught up twice. Passes run under
the same lease per customer as owed ones and leave the customer owed when they fail; who retries is then
`worker/owed.py`. A leader that dies is followed within 30 s. Next: `worker/due.py`, `worker/fullpass.py`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from uuid import uuid4

import structlog

from shared.domain.errors import Scope, StopTheLine, SyncError
from shared.domain.messages import Reason
from shared.runtime.services import pause
from worker.due import DueCustomers
from worker.fullpass import FullPass
from worker.leading import lead_again, leading
from worker.night import Night, Nights
from worker.parts import WorkerPorts, WorkerSettings
from worker.room import Room

log = structlog.get_logger("worker")
KEY = "schedule"
_NEWS = 300.0  # seconds after which it is asked anew who is due: a customer may have a line of its own
_BREATH = 5.0  # seconds between two looks at a lane that is too full


class Schedule:
    name = "schedule"

    def __init__(self, ports: WorkerPorts, settings: WorkerSettings) -> None:
        self._ports = ports
        self._settings = settings
        self._pass = FullPass(ports, settings)
        self._due = DueCustomers(ports, settings)
        self._nights = Nights(ports, settings)
        self._room = Room(ports, settings.nightly.queue_below)
        self._not_before: dict[int, float] = {}  # customer id -> monotonic seconds; an attempt was made
        self._resume_at = 0.0  # monotonic seconds; nothing can be written anywhere until then
        self._at_work = 0
        self._running = False

    def ready(self) -> bool:
        return self._running

    async def run(self, stop: asyncio.Event) -> None:
        self._running = True
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._observe(stop), name="schedule:observe")
                group.create_task(self._ask(stop), name="schedule:lead")
        finally:
            self._running = False

    async def _observe(self, stop: asyncio.Event) -> None:
        """Whoever leads: each worker shows the same numbers, so that none of them grows stale."""
        while not await pause(stop, self._settings.schedule_every):
            try:
                self._settings.on_schedule(await self._due.standing())
            except SyncError as error:
                log.debug("full_syncs_unknown", code=error.code)

    async def _ask(self, stop: asyncio.Event) -> None:
        def not_ours(error: SyncError) -> None:
            log.debug("schedule_not_ours", code=error.code)

        await lead_again(self._ports.leases, KEY, lambda: self._lead(stop), stop, not_ours=not_ours)

    async def _lead(self, stop: asyncio.Event) -> None:
        """Everybody who is due now, then a rest; after it the key is asked for anew, in case it was lost."""
        while not stop.is_set() and (due := await self._waiting()):
            night = await self._nights.tonight()
            log.info("full_syncs_due", customers=len(due), activity_days=night.days)
            await self._serve(due, night, stop)
        await pause(stop, self._settings.schedule_every)

    async def _waiting(self) -> Sequence[int]:
        """Those that are due and were not tried just now."""
        now = self._ports.clock.monotonic()
        if now < self._resume_at:
            return ()
        self._not_before = {each: at for each, at in self._not_before.items() if at > now}
        return [each for each in await self._due.now() if each not in self._not_before]

    async def _serve(self, due: Sequence[int], night: Night, stop: asyncio.Event) -> None:
        queue, until = deque(due), self._ports.clock.monotonic() + _NEWS
        async with asyncio.TaskGroup() as group:
            for number in range(self._settings.nightly.at_once):
                group.create_task(self._work(queue, night, until, stop), name=f"full-sync:{number}")

    async def _work(self, queue: deque[int], night: Night, until: float, stop: asyncio.Event) -> None:
        while queue and not stop.is_set() and self._resume_at <= self._ports.clock.monotonic() < until:
            if not await self._room.is_left():
                await pause(stop, _BREATH)
            elif queue:
                customer_id = queue.popleft()
                self._at_work += 1
                try:
                    await self._attempt(customer_id, night, self._at_work + len(queue))
                finally:
                    self._at_work -= 1

    async def _attempt(self, customer_id: int, night: Night, rivals: int) -> None:
        """`rivals`: customers at work or waiting, itself included."""
        self._put_off(customer_id)
        try:
            async with leading(self._ports.leases, f"full-pass:{customer_id}"):
                if await self._due.is_due(customer_id):
                    await self._make_pass(customer_id, night, min(rivals, self._settings.nightly.at_once))
        except SyncError as error:  # an owed pass is at it, or nobody can tell
            log.debug("full_sync_not_ours", customer_id=customer_id, code=error.code)

    async def _make_pass(self, customer_id: int, night: Night, rivals: int) -> None:
        cap = night.grant(rivals)
        used = 0
        try:
            report = await self._pass.full_pass(
                customer_id,
                reason=Reason.RECONCILE,
                run_id=uuid4().hex,
                activity_days=night.days,
                activity_cap=cap,
            )
            used = report.activity
            self._room.handed_over(report.run_id)
            if not report.published:  # no look ends this run
                self._settings.on_run((self._ports.clock.now() - report.survey.began).total_seconds())
        except SyncError as error:
            log.warning("full_sync_failed", customer_id=customer_id, code=error.code)
            if isinstance(error, StopTheLine) and error.scope is Scope.ACCOUNT:
                self._resume_at = self._ports.clock.monotonic() + self._settings.owed_backoff
        finally:
            night.give_back(cap - used)
        await self._nights.keep(night)

    def _put_off(self, customer_id: int) -> None:
        """Not again for a while, however it ends."""
        self._not_before[customer_id] = self._ports.clock.monotonic() + self._settings.owed_backoff
