"""How each tenant's subscription stands, told to the ledger after every touch, for `status` and `check`.

For people alone: the registrar never reads it back, save since when a failure lasts. A ledger that is away stops no
work: what could not be said is said at a later look. Next: `receiver/registrar.py`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta

import structlog

from receiver.subscriptions import Kept
from shared.domain.errors import SyncError
from shared.domain.watching import SubscriptionState
from shared.ports import Clock, SubscriptionStates

log = structlog.get_logger("registrar")
KNOWN_FOR = 600.0  # seconds; a process that was frozen may have missed that another one led


class Standings:
    def __init__(self, states: SubscriptionStates, clock: Clock) -> None:
        self._states = states
        self._clock = clock
        self._known: dict[str, SubscriptionState] | None = None
        self._known_until = float("-inf")  # monotonic seconds
        self._unsaid: dict[str, SubscriptionState | None] = {}  # None: to be forgotten

    async def good(self, tenant_id: str, kept: Kept) -> None:
        before = await self._before(tenant_id)
        short_by = kept.short_by if kept.short_by is not None else (before.short_by if before else 0.0)
        since = before.since if before and not before.code else self._clock.now()
        state = SubscriptionState(
            tenant_id, kept.subscription_id, kept.expires_at, code="", since=since, short_by=short_by
        )
        if state != before:
            await self._say(tenant_id, state)

    async def bad(self, tenant_id: str, code: str, wait: float) -> None:
        """`code`: "service:code". `wait`: seconds until the next try. What lives goes on living meanwhile."""
        before = await self._before(tenant_id)
        now = self._clock.now()
        fresh = SubscriptionState(tenant_id, None, None, code=code, since=now)
        lasting = before is not None and before.code == code
        state = replace(before or fresh, code=code, since=before.since if before and lasting else now)
        await self._say(tenant_id, replace(state, next_try_at=now + timedelta(seconds=wait)))

    async def gone(self, tenant_id: str) -> None:
        if await self._before(tenant_id) is not None:
            await self._say(tenant_id, None)

    def distrust(self) -> None:
        """Another process leads, or did: what it said is not known here."""
        self._known_until = float("-inf")

    async def catch_up(self) -> None:
        """Say what could not be said. Call it at every look."""
        for tenant_id, state in list(self._unsaid.items()):
            if not await self._said(tenant_id, state):
                return

    async def tenants(self) -> Collection[str]:
        """Those of which anything was told."""
        await self._read()
        unsaid = {tenant for tenant, state in self._unsaid.items() if state is None}
        return (self._known or {}).keys() - unsaid

    async def _before(self, tenant_id: str) -> SubscriptionState | None:
        if tenant_id in self._unsaid:
            return self._unsaid[tenant_id]
        await self._read()
        return (self._known or {}).get(tenant_id)

    async def _read(self) -> None:
        if self._known is not None and self._clock.monotonic() < self._known_until:
            return
        try:
            self._known = dict(await self._states.all())
        except SyncError as error:
            log.warning("standings_not_read", code=error.code)
        else:
            self._known_until = self._clock.monotonic() + KNOWN_FOR

    async def _say(self, tenant_id: str, state: SubscriptionState | None) -> None:
        self._unsaid[tenant_id] = state
        await self._said(tenant_id, state)

    async def _said(self, tenant_id: str, state: SubscriptionState | None) -> bool:
        try:
            if state is None:
                await self._states.forget(tenant_id)
            else:
                await self._states.save(state)
        except SyncError as error:
            log.warning("standing_not_said", tenant_id=tenant_id, code=error.code)
            return False
        if self._unsaid.get(tenant_id, state) is state:
            self._unsaid.pop(tenant_id, None)
        if self._known is not None:
            self._note(self._known, tenant_id, state)
        return True

    @staticmethod
    def _note(known: dict[str, SubscriptionState], tenant_id: str, state: SubscriptionState | None) -> None:
        if state is None:
            known.pop(tenant_id, None)
        else:
            known[tenant_id] = state
