"""The service that looks at how all tenants are watched, for the metrics: counts, seconds and shares, never an id.

Each worker shows the same numbers, so that none of them grows stale when another one leads. Reads the ledger alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import structlog

from shared.domain.errors import SyncError
from shared.domain.freshness import together
from shared.domain.polling import is_subscribed
from shared.domain.records import Connection, ConnectionStatus
from shared.domain.watching import Coverage, Poll
from shared.runtime.services import pause
from worker.parts import WatchFigures, WorkerPorts, WorkerSettings

log = structlog.get_logger("worker")
EVERY = 30.0  # seconds
ENOUGH = 10  # changes that a tenant's share must speak of
_DAY = timedelta(hours=23)  # and the hour that runs


class Figures:
    name = "figures"

    def __init__(self, ports: WorkerPorts, settings: WorkerSettings) -> None:
        self._ports = ports
        self._settings = settings
        self._running = False

    def ready(self) -> bool:
        return self._running

    async def run(self, stop: asyncio.Event) -> None:
        self._running = True
        try:
            while not stop.is_set():
                await self._show()
                await pause(stop, EVERY)
        finally:
            self._running = False

    async def _show(self) -> None:
        try:
            self._settings.on_figures(await self.figures())
        except SyncError as error:
            log.debug("figures_unknown", code=error.code)

    async def figures(self) -> WatchFigures:
        ports, now = self._ports, self._ports.clock.now()
        approved = await ports.connections.list(ConnectionStatus.APPROVED)
        since = _since(approved)
        tenants = sorted(since)
        states, polls = await ports.subscription_states.all(), await ports.polls.all()
        this_hour = now.replace(minute=0, second=0, microsecond=0)
        day = await ports.polls.coverage(this_hour - _DAY)
        polled = [_last_round(polls.get(tenant)) or since[tenant] for tenant in tenants]
        has_door = self._settings.has_door or bool(states)  # then a receiver elsewhere has one
        ends = [states[tenant].expires_at for tenant in tenants if tenant in states]
        return WatchFigures(
            announced=together(day.get(tenant) for tenant in tenants).share,
            announced_worst=_worst([day[tenant] for tenant in tenants if tenant in day]),
            oldest_poll=max(((now - at).total_seconds() for at in polled), default=None),
            subscription_left=min(((at - now).total_seconds() for at in ends if at is not None), default=None),
            unsubscribed=sum(has_door and not is_subscribed(states.get(tenant), now) for tenant in tenants),
        )


def _since(connections: Sequence[Connection]) -> Mapping[str, datetime]:
    """Tenant id -> since when it should be watched."""
    found: dict[str, datetime] = {}
    for each in connections:
        for tenant in each.tenants:
            found[tenant] = min(each.changed_at, found.get(tenant, each.changed_at))
    return found


def _last_round(poll: Poll | None) -> datetime | None:
    return poll.began_at if poll is not None else None


def _worst(parts: list[Coverage]) -> float | None:
    return min((part.share for part in parts if part.share is not None and part.found >= ENOUGH), default=None)
