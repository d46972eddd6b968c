"""One shift at one lane: take deliveries, let hints gather, look, settle; until told to stop or the account stops.

Deliveries are taken by one task, looks are made by a few others (one tenant each, so never two users of a customer
at once), and the shift itself decides between: who is next, and what had better wait in the broker. It knows no
rules about users (`worker/sync.py`) or failures (`worker/settle.py`). Next: `worker/waiting.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress

import structlog

from shared.domain.coalesce import is_covered
from shared.domain.errors import SyncError
from shared.domain.messages import Lane, UsersTouched
from shared.domain.retry import StopAccount
from shared.ports import Delivery
from worker.announced import Announced
from worker.confirms import Confirms
from worker.look import Look, cause_of, covered
from worker.parcels import Parcel
from worker.parking import Parking
from worker.parts import WorkerPorts, WorkerSettings
from worker.settle import Settler
from worker.sync import TOGETHER, Reading, Sync
from worker.waiting import Ticket, Waiting, WaitingRoom

log = structlog.get_logger("worker")
_TIDY_EVERY = 10.0  # seconds
_LAST_NOTES = 2.0  # seconds in which notes of notifications are still written down at the end
_BREATH = 1.0  # seconds before a delivery is released after a failure of ours


class Shift:
    def __init__(self, ports: WorkerPorts, settings: WorkerSettings, lane: Lane, sync: Sync) -> None:
        self._ports = ports
        self._settings = settings
        self._lane = lane
        self._sync = sync
        self._settler = Settler(ports, settings, lane)
        self._room = WaitingRoom(settings.coalesce)
        self._announced = Announced(ports.memory)
        self._confirms = Confirms(ports, settings.coalesce, lane, sync.marks)
        self._parking = Parking(self._room, settings.coalesce, lane)
        self._held: set[Ticket] = set()
        self._jobs: dict[str, asyncio.Task[None]] = {}  # by tenant
        self._stirred = asyncio.Event()
        self._closing = asyncio.Event()
        self._tidied = 0.0
        self.stopped: StopAccount | None = None  # why the shift ended, None: it was asked to
        self.broken = False  # the broker failed us
        self.taking = False  # deliveries reach us
        self.successes = 0

    def waiting_for(self) -> str:
        return f"{len(self._jobs)} looks" if self._jobs else ""

    async def run(self, stop: asyncio.Event) -> None:
        """Returns when `stop` is set, the account stops or the broker fails; nothing stays in hand."""
        slots = self._settings.coalesce.slots
        async with self._ports.inbox.deliveries(self._lane, prefetch=slots) as deliveries, asyncio.TaskGroup() as group:
            self.taking = True
            intake = group.create_task(self._intake(deliveries), name=f"intake:{self._lane.value}")
            watch = group.create_task(self._watch(stop), name=f"watch:{self._lane.value}")
            notes = group.create_task(self._announced.serve(), name=f"announced:{self._lane.value}")
            await self._dispatch(group)
            self.taking = False
            intake.cancel()
            watch.cancel()
            await self._drain()
            await self._give_back()
            await self._announced.drain(_LAST_NOTES)
            notes.cancel()

    # --- taking -------------------------------------------------------------------------------------------------

    async def _intake(self, deliveries: AsyncIterator[Delivery]) -> None:
        try:
            async for delivery in deliveries:
                await self._take(delivery)
                self._stirred.set()
        except SyncError as error:
            log.warning("intake_failed", lane=self._lane.value, code=error.code)
        self.broken = True  # an inbox that ends by itself is as bad as one that fails
        self._close()

    async def _take(self, delivery: Delivery) -> None:
        message = delivery.message
        if not isinstance(message, UsersTouched):
            log.error("message_unusable", lane=self._lane.value)
            await self._settler.bury(delivery, message)
            return
        ticket = Ticket(delivery, message, self._ports.clock.now())
        self._held.add(ticket)
        self._announced.note(message)
        for user_id in message.user_ids:
            is_answered = await self._is_answered(message, user_id)
            if ticket not in self._held:
                return  # given back meanwhile
            if is_answered or not self._admit(ticket, user_id):
                await self._settle([ticket], covered(user_id, self._ports.clock.now()))

    def _admit(self, ticket: Ticket, user_id: str) -> bool:
        return self._room.add(ticket, user_id, self._ports.clock.monotonic(), self._ports.clock.now())

    async def _is_answered(self, message: UsersTouched, user_id: str) -> bool:
        """By a look that began later. Without the memory of it a look too many is made."""
        with suppress(SyncError):
            last_read = await self._sync.marks.last_read(message.tenant_id, user_id)
            return is_covered(message.noticed_at, last_read, self._settings.coalesce)
        return False

    # --- deciding -----------------------------------------------------------------------------------------------

    async def _dispatch(self, group: asyncio.TaskGroup) -> None:
        while not self._closing.is_set():
            self._stirred.clear()
            full = len(self._held) >= self._settings.coalesce.slots
            for parcel in self._parking.parcels(self._ports.clock.monotonic(), self._ports.clock.now(), full=full):
                await self._park(parcel)
            self._start_jobs(group)
            await self._rest()

    def _start_jobs(self, group: asyncio.TaskGroup) -> None:
        now = self._ports.clock.monotonic()
        while len(self._jobs) < self._settings.in_flight:
            tenant_id = self._room.next_tenant(now, self._jobs)
            if tenant_id is None:
                return
            self._jobs[tenant_id] = group.create_task(self._serve(tenant_id), name=f"look:{self._lane.value}")

    async def _rest(self) -> None:
        """Until something happens or the next user is due."""
        now = self._ports.clock.monotonic()
        if now - self._tidied > _TIDY_EVERY:
            self._room.rhythms.tidy(now)
            self._tidied = now
        free = len(self._jobs) < self._settings.in_flight
        with suppress(TimeoutError):
            async with asyncio.timeout(self._room.next_due(now, self._jobs) if free else None):
                await self._stirred.wait()

    # --- looking ------------------------------------------------------------------------------------------------

    async def _serve(self, tenant_id: str) -> None:
        """One tenant's turn: users that are due, read together, looked at one by one until the turn is over."""
        try:
            users = self._room.due_users(tenant_id, self._ports.clock.monotonic(), TOGETHER)
            reading = await self._sync.read(tenant_id, users)
            for user_id in users:
                now = self._ports.clock.monotonic()
                if self._closing.is_set() or now - reading.began_at > self._settings.slice:
                    return
                waiting = self._room.take(tenant_id, user_id, now)
                if waiting is not None:  # else it was parked meanwhile
                    await self._look(waiting, await self._sync.alone(reading, user_id))
        finally:
            del self._jobs[tenant_id]
            self._stirred.set()

    async def _look(self, waiting: Waiting, reading: Reading) -> None:
        cause = cause_of(waiting.user_id, [ticket.message for ticket in waiting.tickets], waiting.taken_at)
        look = await self._sync.look(cause, reading)
        if not look.succeeded:
            self._room.rhythms.forget(waiting.key)
        else:
            self.successes += 1
        try:
            # The confirm first: a hint that comes again is not looked at once its look is remembered.
            await self._confirms.plan(cause, look)
            await self._sync.remember(look, reading)
        except SyncError as error:
            for ticket in waiting.tickets:
                await self._release(ticket, error)
            return
        await self._answer(waiting, look)

    async def _answer(self, waiting: Waiting, look: Look) -> None:
        answered = [ticket for ticket in waiting.tickets if not look.succeeded or self._answers(look, ticket)]
        for ticket in waiting.tickets:
            if ticket not in answered and not self._admit(ticket, waiting.user_id):
                answered.append(ticket)
        await self._settle(answered, look)

    def _answers(self, look: Look, ticket: Ticket) -> bool:
        """A hint from just before the read is not answered by it: what it hints at may not have been served yet."""
        return is_covered(ticket.message.noticed_at, look.read_at, self._settings.coalesce)

    # --- settling -----------------------------------------------------------------------------------------------

    async def _settle(self, tickets: Iterable[Ticket], look: Look) -> None:
        for ticket in tickets:
            try:
                verdict = await self._settler.settle(ticket, look)
            except SyncError as error:
                await self._release(ticket, error)
                continue
            if not ticket.open:
                self._held.discard(ticket)
            if isinstance(verdict, StopAccount):
                self.stopped = verdict
                self._close()

    async def _park(self, parcel: Parcel) -> None:
        """Publish, then ack. Only what is safe in the broker may answer later hints."""
        for waiting, ticket in parcel.hints:
            self._room.leave(waiting, ticket)
        try:
            await self._ports.publisher.publish(parcel.message, parcel.lane, delay=parcel.delay)
            self._parking.parked(parcel)
            for waiting, ticket in parcel.hints:
                await self._settler.done(ticket, waiting.user_id)
                if not ticket.open:
                    self._held.discard(ticket)
        except SyncError as error:
            for ticket in {ticket for _, ticket in parcel.hints}:
                await self._release(ticket, error)

    async def _release(self, ticket: Ticket, error: SyncError) -> None:
        """The broker gets the whole delivery back; what was settled already is covered when it comes again."""
        log.warning("delivery_released", lane=self._lane.value, code=error.code)
        self._room.drop(ticket)
        self._held.discard(ticket)
        await asyncio.sleep(_BREATH)  # it comes back at once, and what failed has hardly recovered
        try:
            await ticket.delivery.release()
        except SyncError:
            self.broken = True  # it stays ours as long as this shift lasts: only its end gives it back
            self._close()

    # --- ending -------------------------------------------------------------------------------------------------

    def _close(self) -> None:
        self._closing.set()
        self._stirred.set()

    async def _watch(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._close()

    async def _drain(self) -> None:
        """Every job ends after the user it is at."""
        if self._jobs:
            await asyncio.wait(list(self._jobs.values()), timeout=self._settings.drain)
        for job in list(self._jobs.values()):
            job.cancel()

    async def _give_back(self) -> None:
        for ticket in list(self._held):
            self._held.discard(ticket)
            with suppress(SyncError):  # then the broker takes it back by itself
                if self.stopped is None:
                    await ticket.delivery.release()
                else:
                    wait = max(self.stopped.retry_after or 0.0, self._settings.probe_first)
                    await self._settler.put_back(ticket, wait)
