"""The registrar: under a leader lease, every approved tenant has one living `users` subscription.

Wakes every few seconds for new approvals, touches only tenants that are due, and leads the control lane meanwhile
(`receiver/lifecycle.py`). A tenant that cannot work (no consent) waits longer and longer and never stops the others.
It awaits every call, so the loop that must answer Graph's handshake is never blocked. Next:
`receiver/subscriptions.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from receiver.lifecycle import ControlDesk
from receiver.subscriptions import SubscriptionKeeper
from receiver.tenants import Tenants, Wish, wishes
from shared.domain.errors import Scope, StopTheLine, SyncError, Transient
from shared.ports import LEASE_TAKEN, Clock, Connections, Lease, Leases
from shared.runtime.metrics import RegistrarMetrics
from shared.runtime.services import pause

log = structlog.get_logger("registrar")
LEADER = "leader:registrar"
LEASE_TTL = 24.0  # seconds; with `ASK_EVERY` a killed leader is followed within 30 s
TERM = 12.0  # seconds of one leadership: a lease is not renewed, it is taken again
ASK_EVERY = 5.0  # seconds, at most, between two questions who leads
AT_ONCE = 8  # tenants
TENANT_TIMEOUT = 75.0  # seconds; a creation waits for two handshakes of up to 10 s each, twice at worst


class Registrar:
    """A service that always runs, and works while it leads. `interval`: seconds between two looks."""

    name = "registrar"

    def __init__(
        self,
        keeper: SubscriptionKeeper,
        desk: ControlDesk,
        *,
        connections: Connections,
        leases: Leases,
        tenants: Tenants,
        clock: Clock,
        metrics: RegistrarMetrics,
        interval: float = 5.0,
    ) -> None:
        self._keeper = keeper
        self._desk = desk
        self._connections = connections
        self._leases = leases
        self._tenants = tenants
        self._clock = clock
        self._metrics = metrics
        self._interval = interval
        self._ready = False

    def ready(self) -> bool:
        """False before the first and after a failed look (the ledger or the lease store is away)."""
        return self._ready

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self._lead(stop)
            await pause(stop, min(self._interval, ASK_EVERY))
        self._ready = False

    async def _lead(self, stop: asyncio.Event) -> None:
        try:
            async with self._leases.hold(LEADER, ttl=LEASE_TTL) as lease:
                await self._term(lease, stop)
        except SyncError as error:
            # Another process leads, or the store is away: either way, ask again after the interval.
            self._ready = error.code == LEASE_TAKEN
            say = log.debug if self._ready else log.warning
            say("registrar_does_not_lead", service=error.service, code=error.code)

    async def _term(self, lease: Lease, stop: asyncio.Event) -> None:
        """Looks and lifecycle events side by side until the term ends. Nothing of one look outlives it."""
        over = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._desk.serve(lease, over), name="registrar:control")
            try:
                await self._looks(lease, stop)
            finally:
                over.set()

    async def _looks(self, lease: Lease, stop: asyncio.Event) -> None:
        ends = self._clock.monotonic() + TERM
        while not stop.is_set() and self._clock.monotonic() < ends:
            try:
                await self.look(lease, ends, stop)
            except SyncError as error:
                self._ready = False
                log.warning("registrar_look_failed", service=error.service, code=error.code)
                return
            self._ready = True
            await pause(stop, self._interval)

    async def look(self, lease: Lease, ends: float, stop: asyncio.Event) -> None:
        """Touch every tenant that is due, a few at once, until `ends` (monotonic seconds) or `stop`."""
        wanted = wishes(await self._connections.list())
        due = self._tenants.due(wanted, self._clock.monotonic())
        for start in range(0, len(due), AT_ONCE):
            if stop.is_set() or self._clock.monotonic() >= ends:
                return
            if await self._touch_all(due[start : start + AT_ONCE], wanted, lease):
                return  # the account itself is refused: asking for more tenants only adds to it
        self._metrics.tenants.labels("good").set(self._tenants.good())
        self._metrics.tenants.labels("waiting").set(self._tenants.waiting())

    async def _touch_all(self, tenants: Sequence[str], wanted: dict[str, Wish], lease: Lease) -> bool:
        """True when the whole account has to stop."""
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._touch(tenant, wanted[tenant], lease), name=f"registrar:{tenant}")
                for tenant in tenants
            ]
        return any(task.result() for task in tasks)

    async def _touch(self, tenant: str, wish: Wish, lease: Lease) -> bool:
        try:
            async with asyncio.timeout(TENANT_TIMEOUT):
                seconds = await self._work(tenant, wish, lease)
        except TimeoutError:
            return self._waits(tenant, Transient("graph", "tenant_timeout", "no end within the time of one tenant"))
        except SyncError as error:
            return self._waits(tenant, error)
        self._tenants.good_for(tenant, seconds, self._clock.monotonic())
        return False

    async def _work(self, tenant: str, wish: Wish, lease: Lease) -> float:
        if wish.watched:
            return await self._keeper.ensure(tenant, lease)
        await self._keeper.drop(tenant, lease)
        return float("inf")

    def _waits(self, tenant: str, error: SyncError) -> bool:
        wait = self._tenants.failed(tenant, error, self._clock.monotonic())
        self._metrics.actions.labels("failed").inc()
        log.warning("tenant_waits", tenant_id=tenant, service=error.service, code=error.code, wait_s=round(wait))
        return isinstance(error, StopTheLine) and error.scope is Scope.ACCOUNT


class IdleRegistrar:
    """Stands in when no public address is set: says so once, then waits."""

    name = "registrar"

    def ready(self) -> bool:
        return True

    async def run(self, stop: asyncio.Event) -> None:
        log.warning("registrar_idle", why="receiver.public_url is not set: changes are found by polling only")
        await stop.wait()
