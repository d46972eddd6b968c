"""The broker on one SQLite file, shared by all processes of one machine.

In: messages of ours. Out: deliveries, each held by one consumer until it is acked, released, or its holder died. It
refuses to say "published" before the commit (`synchronous = FULL`), and to deliver a message for ever: one that was
in the hands of 20 consumers that all died goes to the dead lane.
A hold ends by time (`hold_for`, renewed while the handle's loop runs, counted by the machine's monotonic clock) and
at once for owners that are provably dead (`owners.py`). Next: `table.py`, its SQL; `consumer.py`, its receiving side.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Mapping
from functools import partial
from uuid import uuid4

import structlog

from shared.adapters.brokers import table
from shared.adapters.brokers.consumer import Consumer, Hand, Take
from shared.adapters.brokers.owners import Owners
from shared.adapters.sqlite import MEMORY, Database, Plan, open_database
from shared.adapters.waiting import stop
from shared.domain.errors import Transient
from shared.domain.messages import Lane, encode
from shared.ports import AnyMessage, Clock, Delivery

SERVICE = "broker"
SWEEP_EVERY = 10  # looks at the clock and at other processes' commits between two looks for dead owners
POLL = 0.05  # seconds between two looks

_PLAN = Plan(SERVICE, table.SCHEMA, version=1, synchronous="FULL")

log = structlog.get_logger(__name__)


class EmbeddedBroker:
    """Publisher, Inbox and Depths of `shared.ports`. Made by `open_embedded_broker`."""

    def __init__(self, database: Database, owners: Owners, clock: Clock, *, hold_for: float, poll: float) -> None:
        self._database = database
        self._owners = owners
        self._clock = clock
        self._hold_for = hold_for
        self._poll = poll
        self._consumers: dict[str, Consumer] = {}
        self._renewed_at = clock.monotonic()
        self._watch: asyncio.Task[None] | None = None

    @property
    def commits(self) -> int:
        """How many transactions have carried all that was published, taken and acked through this handle."""
        return self._database.commits

    # --- Publisher ---------------------------------------------------------------------------------------------

    async def publish(self, message: AnyMessage, lane: Lane, *, delay: float = 0.0) -> None:
        await self.put(encode(message), lane, delay=delay)

    async def put(self, body: bytes, lane: Lane, *, delay: float = 0.0) -> None:
        """Publish bytes as they are."""
        now = self._clock.now().timestamp()
        await self._database.write(partial(table.insert, lane=lane, body=body, now=now, due_at=now + max(0.0, delay)))
        self._wake(lane)

    # --- Depths ------------------------------------------------------------------------------------------------

    async def depths(self) -> Mapping[Lane, int]:
        counted = dict.fromkeys(Lane, 0)
        rows = await self._database.read(lambda connection: connection.execute(table.COUNT).fetchall())
        for lane, count in rows:
            counted[Lane(lane)] += count
        return counted

    # --- Inbox -------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def deliveries(self, lane: Lane, *, prefetch: int) -> AsyncIterator[AsyncIterator[Delivery]]:
        holder = f"{self._owners.token}.{uuid4().hex[:8]}"
        hand = Hand(
            take=partial(self._take, lane, holder),
            ack=partial(self._ack, holder),
            release=partial(self._release, lane, holder),
        )
        consumer = Consumer(lane, prefetch, hand, self._clock)
        with contextlib.suppress(Transient):  # the watch looks again
            await self._sweep()
        self._consumers[holder] = consumer
        try:
            async with consumer.running():
                yield consumer
        finally:
            del self._consumers[holder]
            await self._leave(lane, holder)

    async def _take(self, lane: Lane, holder: str, limit: int, held: frozenset[int]) -> Take:
        if self._watch is not None and self._watch.done():
            self._watch.result()  # nobody renews our holds: better no consumer than one that shares its messages
        claim = table.Claim(lane, holder, limit, held)
        take = await self._database.write(partial(table.take, claim, clock=self._clock, hold_for=self._hold_for))
        if take.buried:
            log.warning("broker.delivery_limit_reached", lane=lane.value, messages=take.buried)
            self._wake(Lane.DEAD)
        return take

    async def _ack(self, holder: str, message_id: int) -> None:
        # The holder is part of the question: an ack that comes after the hold was lost must not end the message
        # under the hands of its next consumer.
        await self._database.write(
            lambda connection: (
                connection.execute("DELETE FROM message WHERE id = ? AND holder = ?", (message_id, holder)).rowcount
            )
        )

    async def _release(self, lane: Lane, holder: str, message_id: int) -> None:
        await self._database.write(
            lambda connection: (
                connection.execute(f"{table.GIVE_BACK} WHERE id = ? AND holder = ?", (message_id, holder)).rowcount
            )
        )
        self._wake(lane)

    async def _leave(self, lane: Lane, holder: str) -> None:
        """Give back all that a consumer still holds. If that fails, its holds run out: nobody renews them now."""
        try:
            await self._database.write(
                lambda connection: connection.execute(f"{table.GIVE_BACK} WHERE holder = ?", (holder,)).rowcount
            )
        except Transient as error:
            log.warning("broker.give_back_failed", lane=lane.value, code=error.code)
        self._wake(lane)

    # --- the watch ---------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        self._watch = asyncio.create_task(self._keep_watch(), name="broker-watch")
        try:
            yield
        finally:
            await stop(self._watch)

    async def _keep_watch(self) -> None:
        """Renew our holds, notice what is due, what other processes published, and what dead ones held."""
        seen = -1
        looks = 0
        while True:
            await asyncio.sleep(self._poll)
            if not self._consumers:
                continue
            try:
                await self._renew()
                seen = await self._notice(seen)
                looks = (looks + 1) % SWEEP_EVERY
                if looks == 0 and await self._sweep():
                    self._wake(*Lane)
            except Transient as error:
                log.warning("broker.watch_failed", code=error.code)

    async def _renew(self) -> None:
        now = self._clock.monotonic()
        if now - self._renewed_at < self._hold_for / 3:
            return
        renewals = [(now + self._hold_for, holder) for holder in self._consumers]
        await self._database.write(
            lambda connection: (
                connection.executemany("UPDATE message SET held_until = ? WHERE holder = ?", renewals).rowcount
            )
        )
        self._renewed_at = now

    async def _notice(self, seen: int) -> int:
        version = await self._database.read(table.data_version)
        for consumer in self._consumers.values():
            if version != seen or consumer.is_due():
                consumer.wake()
        return version

    async def _sweep(self) -> int:
        """Free what is held by the dead and what was held too long. Returns how many messages that were."""
        now = self._clock.monotonic()
        lost = await self._database.read(lambda connection: self._lost_holders(connection, now))
        if not lost:
            return 0
        freed = await self._database.write(lambda connection: table.free(connection, lost, now))
        log.info("broker.holds_reclaimed", messages=freed)
        return freed

    def _lost_holders(self, connection: sqlite3.Connection, now: float) -> list[tuple[str, bool]]:
        rows = connection.execute(
            "SELECT holder, min(held_until) FROM message WHERE holder IS NOT NULL GROUP BY holder"
        ).fetchall()
        judged = [(holder, self._owners.is_dead(holder.partition(".")[0]), until) for holder, until in rows]
        return [(holder, dead) for holder, dead, until in judged if dead or until <= now]

    def _wake(self, *lanes: Lane) -> None:
        for consumer in self._consumers.values():
            if consumer.lane in lanes:
                consumer.wake()


@contextlib.asynccontextmanager
async def open_embedded_broker(
    path: str, clock: Clock, *, hold_for: float = 30.0, poll: float = POLL
) -> AsyncIterator[EmbeddedBroker]:
    """Open or create the broker's file.

    `hold_for`: seconds after which a silent holder loses its deliveries. `poll`: seconds between two looks at what
    other processes did. Raises Transient when the file cannot be opened.
    """
    owners = Owners(path)
    async with open_database(path, _PLAN) as database:
        if path != MEMORY:
            await database.read(lambda _: owners.claim())
        broker = EmbeddedBroker(database, owners, clock, hold_for=hold_for, poll=poll)
        try:
            async with broker.watched():
                yield broker
        finally:
            owners.resign()
