"""One holder per key over all processes, on SQLite: the Leases port of the embedded state.

A lease ends by itself: nothing renews it, so a frozen holder loses the key. The holder knows its own end by the
monotonic clock, counted from before it asked, hence never later than the file does. Those who wait stand in the file
in order, live ones first; a waiter that died stops counting `WAITER_TTL` seconds after its last sign.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

import structlog

from shared.adapters.sqlite import Database
from shared.adapters.waiting import nap
from shared.domain.errors import Transient
from shared.domain.messages import Lane
from shared.ports import Clock, Lease

SERVICE = "lease"
WAITER_TTL = 2.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Request:
    key: str
    token: str
    ttl: float
    lane: Lane


class EmbeddedLease:
    """Satisfies `shared.ports.Lease`."""

    def __init__(self, clock: Clock, until: float) -> None:
        self._clock = clock
        self._until = until

    def ensure(self, seconds: float = 0.0) -> None:
        if self._clock.monotonic() + seconds >= self._until:
            raise Transient(SERVICE, "lease_lost", "the lease ran out before the work was done")

    def end(self) -> None:
        self._until = float("-inf")


class EmbeddedLeases:
    """Satisfies `shared.ports.Leases`."""

    def __init__(self, database: Database, clock: Clock, *, poll: float) -> None:
        self._database = database
        self._clock = clock
        self._poll = poll
        self._waiting: dict[str, asyncio.Event] = {}

    @contextlib.asynccontextmanager
    async def hold(self, key: str, *, ttl: float, wait: float = 0.0, lane: Lane = Lane.LIVE) -> AsyncIterator[Lease]:
        request = _Request(key, uuid4().hex, ttl, lane)
        try:
            lease = await self._acquire(request, wait)
            try:
                yield lease
            finally:
                lease.end()
        finally:
            # Also when we were cancelled in mid-request: the thread works in order, so this comes after it.
            await self._release(request)

    async def _acquire(self, request: _Request, wait: float) -> EmbeddedLease:
        deadline = self._clock.monotonic() + wait
        signal = self._waiting.setdefault(request.token, asyncio.Event())
        while True:
            asked_at = self._clock.monotonic()
            will_wait = asked_at < deadline
            if await self._database.write(partial(self._try, request=request, will_wait=will_wait)):
                return EmbeddedLease(self._clock, asked_at + request.ttl)
            if not will_wait:
                raise Transient(SERVICE, "lease_taken", "another worker holds it", counted=False)
            await nap(signal, min(self._poll, deadline - self._clock.monotonic()))

    async def _release(self, request: _Request) -> None:
        self._waiting.pop(request.token, None)
        try:
            await self._database.write(lambda connection: _forget(connection, request.token))
        except Transient as error:  # it ends by itself
            log.warning("lease.release_failed", code=error.code)
        for signal in self._waiting.values():
            signal.set()

    def _try(self, connection: sqlite3.Connection, *, request: _Request, will_wait: bool) -> bool:
        now = self._clock.monotonic()
        _forget_expired(connection, request.key, now)
        taken = connection.execute("SELECT 1 FROM lease WHERE key = ?", (request.key,)).fetchone()
        if taken is None and not _is_outranked(connection, request):
            _forget(connection, request.token)
            connection.execute(
                "INSERT INTO lease (key, token, ttl, expires_at) VALUES (?, ?, ?, ?)",
                (request.key, request.token, request.ttl, now + request.ttl),
            )
            return True
        if will_wait:
            _stand_in_line(connection, request, now)
        return False


# --- the SQL, run in the database's thread ----------------------------------------------------------------------


def _forget(connection: sqlite3.Connection, token: str) -> None:
    connection.execute("DELETE FROM lease WHERE token = ?", (token,))
    connection.execute("DELETE FROM waiter WHERE token = ?", (token,))


def _forget_expired(connection: sqlite3.Connection, key: str, now: float) -> None:
    # More left than it was ever given: written by an earlier boot, whose monotonic clock is not ours.
    connection.execute("DELETE FROM lease WHERE key = ? AND (expires_at <= ? OR expires_at - ? > ttl)", (key, now, now))
    connection.execute(
        "DELETE FROM waiter WHERE key = ? AND (expires_at <= ? OR expires_at - ? > ?)", (key, now, now, WAITER_TTL)
    )


def _is_outranked(connection: sqlite3.Connection, request: _Request) -> bool:
    """Does somebody wait for this key who goes first? Live before backfill, and within a lane who came first."""
    mine = connection.execute("SELECT seq FROM waiter WHERE token = ?", (request.token,)).fetchone()
    others = connection.execute(
        "SELECT lane, seq FROM waiter WHERE key = ? AND token <> ?", (request.key, request.token)
    ).fetchall()
    is_backfill = request.lane is Lane.BACKFILL
    for lane, seq in others:
        other_is_backfill = lane == Lane.BACKFILL.value
        if is_backfill and not other_is_backfill:
            return True
        if is_backfill == other_is_backfill and (mine is None or seq < mine[0]):
            return True
    return False


def _stand_in_line(connection: sqlite3.Connection, request: _Request, now: float) -> None:
    connection.execute(
        "INSERT INTO waiter (key, token, lane, expires_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (token) DO UPDATE SET expires_at = excluded.expires_at"
        " WHERE waiter.expires_at < ?",  # a sign of life now and then is enough
        (request.key, request.token, request.lane.value, now + WAITER_TTL, now + WAITER_TTL / 2),
    )
