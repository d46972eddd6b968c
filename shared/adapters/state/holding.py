"""What every lease store does on this side of it: ask until the key is ours, know our own end, let go.

A lease ends by itself: nothing renews it, so a frozen holder loses the key. The holder knows its own end by the
monotonic clock, counted from before it asked, hence never later than the store does. Where the keys lie is the
business of the heirs: `leases.py` (SQLite), `redis_leases.py` (Redis).
"""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

import structlog

from shared.adapters.waiting import nap
from shared.domain.errors import Transient
from shared.domain.messages import Lane
from shared.ports import LEASE_TAKEN, Clock, Lease

SERVICE = "lease"
WAITER_TTL = 2.0  # seconds after its last sign of life until a waiter stops counting

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """One wish for one key. The token names the owner: only who shows it may take again or release."""

    key: str
    token: str
    ttl: float
    lane: Lane


class HeldLease:
    """Satisfies `shared.ports.Lease`."""

    def __init__(self, clock: Clock, until: float) -> None:
        self._clock = clock
        self._until = until

    def ensure(self, seconds: float = 0.0) -> None:
        if self._clock.monotonic() + seconds >= self._until:
            raise Transient(SERVICE, "lease_lost", "the lease ran out before the work was done")

    def end(self) -> None:
        self._until = float("-inf")


class PolledLeases(ABC):
    """Satisfies `shared.ports.Leases`, given a store that can be asked."""

    def __init__(self, clock: Clock, *, poll: float) -> None:
        self._clock = clock
        self._poll = poll
        self._waiting: dict[str, asyncio.Event] = {}

    @abstractmethod
    async def _take(self, request: Request, *, will_wait: bool) -> bool:
        """Ask once; True when the key is ours from now on for `ttl` seconds at least. Who will wait stands in line.

        must: leave nothing behind, also when it raised or was cancelled, that a `_forget` after it does not undo
        """

    @abstractmethod
    async def _forget(self, request: Request) -> None:
        """Give up the key, if it is ours, and our place in line."""

    @contextlib.asynccontextmanager
    async def hold(self, key: str, *, ttl: float, wait: float = 0.0, lane: Lane = Lane.LIVE) -> AsyncIterator[Lease]:
        request = Request(key, uuid4().hex, ttl, lane)
        try:
            lease = await self._acquire(request, wait)
            try:
                yield lease
            finally:
                lease.end()
        finally:
            await self._release(request)

    async def _acquire(self, request: Request, wait: float) -> HeldLease:
        deadline = self._clock.monotonic() + wait
        signal = self._waiting.setdefault(request.token, asyncio.Event())
        while True:
            asked_at = self._clock.monotonic()
            will_wait = asked_at < deadline
            if await self._take(request, will_wait=will_wait):
                return HeldLease(self._clock, asked_at + request.ttl)
            if not will_wait:
                raise Transient(SERVICE, LEASE_TAKEN, "another worker holds it", counted=False)
            await nap(signal, min(self._poll, deadline - self._clock.monotonic()))

    async def _release(self, request: Request) -> None:
        self._waiting.pop(request.token, None)
        try:
            await self._forget(request)
        except Transient as error:  # it ends by itself
            log.warning("lease.release_failed", code=error.code)
        for signal in self._waiting.values():
            signal.set()
