"""The registrar: under a leader lease, every approved tenant has one living `users` subscription.

Wakes every few seconds for new approvals, touches only tenants that are due, and leads the control lane meanwhile
(`receiver/lifecycle.py`). A tenant that cannot work (no consent) waits longer and longer and never stops the others.
It awaits every call, so the loop that must answer Graph's handshake is never blocked. Batches and pauses keep it far
below Microsoft's limits however many tenants are due. Next: `receiver/subscriptions.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from receiver.doorstep import Doorstep
from receiver.lifecycle import ControlDesk
from receiver.standing import Standings
from receiver.subscriptions import SubscriptionKeeper
from receiver.tenants import Tenants, Wish, abandoned, wishes
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
BATCH_PAUSE = 0.5  # seconds between two batches: 16 tenants a second, some 5 writes each, of 2,000 writes in 20 s
SWEEPS = 4  # tenants swept after one look
SWEEP_PAUSE = 1.0  # seconds between two listings, of which 40 in 20 s are allowed over all tenants
TENANT_TIMEOUT = 75.0  # seconds; a creation waits for two handshakes of up to 10 s each, twice at worst


class Registrar:
    """A service that always runs, and works while it leads. Seconds: `interval` between looks, `term` of one lease."""

    name = "registrar"

    def __init__(
        self,
        keeper: SubscriptionKeeper,
        desk: ControlDesk,
        *,
        standings: Standings,
        doorstep: Doorstep,
        connections: Connections,
        leases: Leases,
        tenants: Tenants,
        clock: Clock,
        metrics: RegistrarMetrics,
        interval: float = 5.0,
        term: float = TERM,
    ) -> None:
        self._keeper = keeper
        self._desk = desk
        self._standings = standings
        self._doorstep = doorstep
        self._connections = connections
        self._leases = leases
        self._tenants = tenants
        self._clock = clock
        self._metrics = metrics
        self._interval = interval
        self._term_lasts = term
        self._next_look = float("-inf")  # monotonic seconds
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
            self._standings.distrust()
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
        """An interval longer than a term spans terms: nothing is done under a lease that has run out."""
        ends = self._clock.monotonic() + self._term_lasts
        while not stop.is_set() and self._clock.monotonic() < ends:
            if self._clock.monotonic() >= self._next_look:
                try:
                    await self.look(lease, ends, stop)
                except SyncError as error:
                    self._ready = False
                    log.warning("registrar_look_failed", service=error.service, code=error.code)
                    return
                self._next_look = self._clock.monotonic() + self._interval
            self._ready = True
            await pause(stop, max(0.0, min(self._next_look, ends) - self._clock.monotonic()))

    async def look(self, lease: Lease, ends: float, stop: asyncio.Event) -> None:
        """Touch every tenant that is due, a few at once, until `ends` (monotonic seconds) or `stop`."""
        connections = await self._connections.list()
        await self._standings.catch_up()
        wanted = wishes(connections) | abandoned(connections, await self._standings.tenants())
        due = self._tenants.due(wanted, self._clock.monotonic())
        for start in range(0, len(due), AT_ONCE):
            if stop.is_set() or self._clock.monotonic() >= ends:
                return
            if await self._touch_all(due[start : start + AT_ONCE], wanted, lease):
                return  # the account itself is refused: asking for more tenants only adds to it
            if start + AT_ONCE < len(due):
                await pause(stop, BATCH_PAUSE)
        self._metrics.tenants.labels("good").set(self._tenants.good())
        self._metrics.tenants.labels("waiting").set(self._tenants.waiting())
        await self._sweep(lease, ends, stop)

    async def _sweep(self, lease: Lease, ends: float, stop: asyncio.Event) -> None:
        """After the tenants themselves: what a crash may have left beside the one subscription."""
        for tenant in list(self._keeper.unswept)[:SWEEPS]:
            if stop.is_set() or self._clock.monotonic() >= ends:
                return
            try:
                async with asyncio.timeout(TENANT_TIMEOUT):
                    await self._keeper.sweep(tenant, lease)
            except (SyncError, TimeoutError) as error:
                # The next check of this tenant asks for it again.
                code = error.code if isinstance(error, SyncError) else "tenant_timeout"
                log.warning("tenant_not_swept", tenant_id=tenant, code=code)
            await pause(stop, SWEEP_PAUSE)

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
            error = Transient("graph", "tenant_timeout", "no end within the time of one tenant")
            return await self._waits(tenant, wish, error)
        except SyncError as error:
            return await self._waits(tenant, wish, error)
        self._tenants.good_for(tenant, seconds, self._clock.monotonic())
        return False

    async def _work(self, tenant: str, wish: Wish, lease: Lease) -> float:
        if wish.watched:
            kept = await self._keeper.ensure(tenant, lease)
            await self._standings.good(tenant, kept)
            return kept.rest
        await self._keeper.drop(tenant, lease)
        await self._standings.gone(tenant)
        return float("inf")

    async def _waits(self, tenant: str, wish: Wish, error: SyncError) -> bool:
        if not wish.watched and isinstance(error, StopTheLine) and error.scope is Scope.TENANT:
            return await self._out_of_reach(tenant, error)
        wait = self._tenants.failed(tenant, error, self._clock.monotonic())
        if wait:
            code = self._doorstep.code(error)
            self._metrics.actions.labels("failed").inc()
            log.warning("tenant_waits", tenant_id=tenant, code=code, wait_s=round(wait))
            await self._standings.bad(tenant, code, wait)
        return isinstance(error, StopTheLine) and error.scope is Scope.ACCOUNT

    async def _out_of_reach(self, tenant: str, error: SyncError) -> bool:
        """Disconnected, and its consent was withdrawn: Microsoft ends the subscription, we can do nothing more."""
        log.info("tenant_out_of_reach", tenant_id=tenant, code=error.code)
        await self._keeper.forget(tenant)
        await self._standings.gone(tenant)
        self._tenants.good_for(tenant, float("inf"), self._clock.monotonic())
        return False


class IdleRegistrar:
    """Stands in when no public address is set: says so once, then waits."""

    name = "registrar"

    def ready(self) -> bool:
        return True

    async def run(self, stop: asyncio.Event) -> None:
        log.warning("registrar_idle", why="receiver.public_url is not set: changes are found by polling only")
        await stop.wait()
