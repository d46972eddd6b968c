"""The service that never trusts silence: it asks each tenant again and again what changed, whatever notifications say.

One worker leads; it takes the longest overdue first, a few tenants at once and none twice at once. A failure is kept
with the poll and tried again after growing waits. Two leaders for a moment (a frozen one that wakes up) repeat a round
and lose none. When a tenant is due is decided in `shared/domain/polling.py`, what a poll does in `worker/rounds.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import structlog

from shared.domain.errors import SyncError, Transient
from shared.domain.polling import Need, due_at, first_interval, need_of, wait_after
from shared.domain.records import Connection, ConnectionStatus
from shared.domain.watching import POLL_WANTED_KEY, POLLS_ASKED_KEY, poll_wanted_key
from shared.ports import LEASE_TAKEN
from shared.runtime.services import pause
from worker.leading import lead_again
from worker.parts import PollReport, WorkerPorts, WorkerSettings
from worker.rounds import Rounds, Tenant, failed
from worker.sync import fault

log = structlog.get_logger("worker")
KEY = "polls"
AT_ONCE = 8  # tenants
_TERM = 60.0  # seconds after which the key is asked for anew, in case it was lost
_LONGEST = 900.0  # seconds that one poll may take
_WANTED_EVERY = 30.0  # seconds between two questions per tenant whether somebody wants it polled at once
_TOLD_EVERY = 60.0  # seconds between two words that somebody asks
_TOLD_FOR = 30 * 86_400.0  # seconds that such a word is kept: services may be dead for weeks


class DeltaPolls:
    name = "delta-polls"

    def __init__(self, ports: WorkerPorts, settings: WorkerSettings) -> None:
        self._ports = ports
        self._settings = settings
        self._rounds = Rounds(ports, settings)
        self._at_work: dict[str, asyncio.Task[None]] = {}  # by tenant
        self._not_before: dict[str, float] = {}  # tenant -> monotonic seconds; its last poll failed
        self._wanted: dict[str, datetime] = {}  # tenant -> what was last read of `poll_wanted_key`
        self._answered: dict[str, datetime] = {}  # tenant -> the wish that a poll has begun for
        self._asked_at = float("-inf")  # monotonic seconds; when `_wanted` was read
        self._told_at = float("-inf")  # monotonic seconds; when `POLLS_ASKED_KEY` was written
        self._intact_since: datetime | None = None  # since when polling works (again); None: it does not
        self._running = False

    def ready(self) -> bool:
        return self._running

    def waiting_for(self) -> str:
        return f"{len(self._at_work)} delta polls" if self._at_work else ""

    async def run(self, stop: asyncio.Event) -> None:
        """Polls at work when `stop` is set get `drain` seconds to end; one that is cut off is repeated later."""
        self._running = True
        try:
            async with asyncio.TaskGroup() as group:
                await self._ask(group, stop)
                await self._drain()
        finally:
            self._running = False
            self._at_work.clear()  # a poll that was cancelled before it began has not left by itself

    async def _ask(self, group: asyncio.TaskGroup, stop: asyncio.Event) -> None:
        await lead_again(self._ports.leases, KEY, lambda: self._lead(group, stop), stop, not_ours=self._not_ours)

    def _not_ours(self, error: SyncError) -> None:
        log.debug("polls_not_ours", code=error.code)
        if error.code != LEASE_TAKEN:
            self._intact_since = None

    async def _lead(self, group: asyncio.TaskGroup, stop: asyncio.Event) -> None:
        until = self._ports.clock.monotonic() + _TERM
        while not stop.is_set() and self._ports.clock.monotonic() < until:
            try:
                due = await self._due()
                await self._tell()
            except SyncError as error:
                log.warning("polls_unknown", code=error.code)
                self._intact_since = None
                due = ()
            await self._start_all(due, group, stop)
            await pause(stop, self._settings.poll_every)

    # --- who is due ---------------------------------------------------------------------------------------------

    async def _due(self) -> Sequence[Tenant]:
        """The longest overdue first. Raises what the stores raise: without them nothing can be moved on."""
        tenants = await self._tenants()
        wishes = await self._wishes([tenant.tenant_id for tenant in tenants if tenant.need is Need.ROUNDS])
        now = self._ports.clock.now()
        self._intact_since = self._intact_since or now
        due: list[tuple[datetime, str, Tenant]] = []
        for each in tenants:
            tenant = replace(each, wanted=wishes.get(each.tenant_id))
            since = due_at(each.need, each.poll, now, wanted=tenant.wanted, intact_since=self._intact_since)
            if since is not None and since <= now and self._may_begin(tenant):
                due.append((since, each.tenant_id, tenant))
        return [tenant for _, _, tenant in sorted(due, key=lambda each: each[:2])]

    def _may_begin(self, tenant: Tenant) -> bool:
        """Not twice at once, and after a failure not before its wait is over, unless somebody knows better."""
        is_held_back = self._not_before.get(tenant.tenant_id, 0.0) > self._ports.clock.monotonic()
        return tenant.tenant_id not in self._at_work and (tenant.wanted is not None or not is_held_back)

    async def _tenants(self) -> Sequence[Tenant]:
        by_tenant = _by_tenant(await self._ports.connections.list())
        polls = await self._ports.polls.all()
        states = await self._ports.subscription_states.all()
        has_door = self._settings.has_door or bool(states)  # then a receiver elsewhere has one
        needs = {each: need_of([c.status for c in by_tenant.get(each, ())]) for each in {*by_tenant, *polls}}
        for tenant_id in polls:
            if needs[tenant_id] is Need.NOTHING and tenant_id not in self._at_work:
                await self._ports.polls.forget(tenant_id)
                log.info("poll_forgotten", tenant_id=tenant_id)
        return [
            Tenant(
                tenant_id,
                need,
                _approved(by_tenant[tenant_id]),
                polls.get(tenant_id),
                states.get(tenant_id),
                has_door=has_door,
            )
            for tenant_id, need in needs.items()
            if need in (Need.ROUNDS, Need.LINK)
        ]

    async def _wishes(self, tenant_ids: Sequence[str]) -> Mapping[str, datetime]:
        """Tenants that somebody wants polled at once, save for wishes that a poll was begun for already."""
        everybody = _moment(await self._ports.memory.recall(POLL_WANTED_KEY))
        if self._ports.clock.monotonic() - self._asked_at >= _WANTED_EVERY:
            found = {each: _moment(await self._ports.memory.recall(poll_wanted_key(each))) for each in tenant_ids}
            self._wanted = {each: moment for each, moment in found.items() if moment is not None}
            self._asked_at = self._ports.clock.monotonic()
        wishes: dict[str, datetime] = {}
        for tenant_id in tenant_ids:
            told = [each for each in (everybody, self._wanted.get(tenant_id)) if each is not None]
            answered = self._answered.get(tenant_id)
            if told and (answered is None or max(told) > answered):
                wishes[tenant_id] = max(told)
        return wishes

    async def _tell(self) -> None:
        """That somebody asks: a tenant whose polls fail keeps no date that a person could tell it by."""
        now = self._ports.clock.monotonic()
        if now - self._told_at < _TOLD_EVERY:
            return
        self._told_at = now
        try:
            await self._ports.memory.remember(POLLS_ASKED_KEY, self._ports.clock.now().isoformat(), ttl=_TOLD_FOR)
        except SyncError as error:
            log.debug("polls_not_told", code=error.code)

    # --- polling ------------------------------------------------------------------------------------------------

    async def _start_all(self, due: Sequence[Tenant], group: asyncio.TaskGroup, stop: asyncio.Event) -> None:
        for tenant in due:
            while len(self._at_work) >= AT_ONCE and not stop.is_set():
                await self._tell()
                await asyncio.wait(list(self._at_work.values()), return_when=asyncio.FIRST_COMPLETED, timeout=1.0)
            if stop.is_set():
                return
            if tenant.wanted is not None:
                self._answered[tenant.tenant_id] = tenant.wanted
            task = group.create_task(self._poll(tenant), name=f"poll:{tenant.tenant_id}")
            self._at_work[tenant.tenant_id] = task

    async def _poll(self, tenant: Tenant) -> None:
        began = self._ports.clock.monotonic()
        try:
            self._settings.on_poll(await self._made(tenant))
            self._not_before.pop(tenant.tenant_id, None)
        except SyncError as error:
            await self._note(tenant, error, began)
        except Exception as error:
            await self._note(tenant, fault(error), began)
        finally:
            del self._at_work[tenant.tenant_id]

    async def _made(self, tenant: Tenant) -> PollReport:
        try:
            async with asyncio.timeout(_LONGEST):
                return await self._rounds.make(tenant)
        except TimeoutError:
            raise Transient("graph", "timed_out", "a delta poll took too long") from None

    async def _note(self, tenant: Tenant, error: SyncError, began: float) -> None:
        """Kept for people and for the waits; that it cannot be kept changes nothing."""
        code, now = f"{error.service}:{error.code}", self._ports.clock.now()
        policy = self._settings.polls
        poll = failed(tenant, code, now, first_interval(policy, has_door=tenant.has_door))
        wait = wait_after(error, (now - (poll.since or now)).total_seconds(), policy)
        self._not_before[tenant.tenant_id] = self._ports.clock.monotonic() + wait
        log.warning("delta_round_failed", tenant_id=tenant.tenant_id, code=code, wait_s=round(wait, 1))
        seconds = self._ports.clock.monotonic() - began
        self._settings.on_poll(PollReport(tenant.tenant_id, 0, 0, 0, seconds, wait, code))
        try:
            if poll != tenant.poll:
                await self._ports.polls.save(poll)
        except SyncError as store:
            log.info("poll_not_kept", tenant_id=tenant.tenant_id, code=store.code)

    async def _drain(self) -> None:
        if self._at_work:
            await asyncio.wait(list(self._at_work.values()), timeout=self._settings.drain)
        for task in list(self._at_work.values()):
            task.cancel()


def _by_tenant(connections: Sequence[Connection]) -> Mapping[str, list[Connection]]:
    found: dict[str, list[Connection]] = {}
    for connection in connections:
        for tenant_id in connection.tenants:
            found.setdefault(tenant_id, []).append(connection)
    return found


def _approved(connections: Sequence[Connection]) -> Sequence[int]:
    return [each.customer_id for each in connections if each.status is ConnectionStatus.APPROVED]


def _moment(kept: str | None) -> datetime | None:
    """None for what is no aware moment: nobody is to be kept from polling by it."""
    try:
        found = datetime.fromisoformat(kept) if kept else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None
