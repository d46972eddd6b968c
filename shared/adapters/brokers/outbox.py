"""The sending side on RabbitMQ: a message counts as handed over when the broker has confirmed it, and not before.

In: bytes, a lane and a delay. Out: a confirm, or Transient within 1.5 s. The first failure opens the breaker: from
then on a publish fails at once, while a canary message is tried in the background until one is confirmed. It refuses
to guess: no confirm is no success, even though the message may have arrived (messages may come twice).
Every publish is a fresh message of its own id with our own headers only, for RabbitMQ up to 3.13 believes `x-death`
in what a client sends and drops such a message as a cycle. Next: `amqp_connection.py` keeps the connection.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

import structlog
from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange
from yarl import URL

from shared.adapters.brokers.amqp_connection import SERVICE, Link, open_channel, translated
from shared.adapters.brokers.headcount import Headcount
from shared.adapters.brokers.letters import NOT_BEFORE
from shared.adapters.brokers.topology import CANARY, RUNGS, Topology, declare, expiration, rung_for, rungs_of
from shared.adapters.waiting import stop
from shared.domain.errors import SyncError, Transient
from shared.domain.messages import Lane
from shared.ports import Clock

PUBLISH_BUDGET = 1.45  # seconds, connecting again included
OPEN_BUDGET = 0.02  # seconds a publish waits for the canary while the breaker is open
CANARY_TIMEOUT = 1.2
CANARY_PAUSE = 0.1
LINK_PATIENCE = 5.0
CANARIES_PER_SESSION = 2  # that fail, and the connection is cut
STEP = 5.0  # seconds for one step of declaring

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Sending:
    """One publish connection: a channel with confirms, and one for questions."""

    channel: AbstractChannel  # the exchanges do not keep it alive
    exchanges: Mapping[str, AbstractExchange]
    asking: AbstractChannel


@dataclass(frozen=True, slots=True)
class Address:
    """Where a message goes, how long it waits there, and the wall time before which no consumer may see it."""

    exchange: str
    key: str
    expires_ms: int | None = None
    not_before: datetime | None = None  # only for delays beyond the longest rung


class Outbox:
    """Made by `rabbitmq.open_rabbitmq_broker`."""

    def __init__(self, url: URL, topology: Topology, clock: Clock, headcount: Headcount) -> None:
        self._topology = topology
        self._headcount = headcount
        self._clock = clock
        self._link = Link(url, "publish", self._prepare)
        self._broken = asyncio.Event()
        self._healed = asyncio.Event()
        self._healed.set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        canary = asyncio.create_task(self._heal(), name="broker-canary")
        self._link.start()
        try:
            yield
        finally:
            await stop(canary)
            await self._link.aclose()

    async def session(self, timeout: float) -> Sending:
        return await self._link.ready(timeout)

    async def begin(self, timeout: float, *, lazy: bool) -> None:
        """Wait for the first session. `lazy`: if none comes, the breaker opens and the canary goes on trying."""
        try:
            await self._link.ready(timeout)
        except Transient as error:
            if not lazy:
                raise
            self._break(error)

    async def reply(self, message: Message, queue: str) -> None:
        """An answer that may be lost. Not by the consumer's connection, which must never publish."""
        session = await self._link.ready(PUBLISH_BUDGET)
        with translated():
            await session.asking.default_exchange.publish(message, queue, mandatory=False, timeout=PUBLISH_BUDGET)

    async def publish(self, body: bytes, lane: Lane, delay: float = 0.0) -> None:
        """Raises Transient within 1.5 s; within 50 ms while the breaker is open."""
        await self._pass_breaker()
        address = self._address(lane, delay)
        try:
            with translated():
                async with asyncio.timeout(PUBLISH_BUDGET):
                    await self._confirmed(address, body)
        except Transient as error:
            if error.code != "refused":  # a full queue is one lane's trouble
                self._break(error)
            raise

    async def probe(self) -> None:
        """A canary of its own, breaker or not. Raises Transient when the broker does not make it durable."""
        with translated():
            async with asyncio.timeout(PUBLISH_BUDGET):
                session = await self._link.ready(PUBLISH_BUDGET)
                try:
                    await self._canary(session)
                except Transient as error:
                    self._renew(session, error)
                    raise
        self._mend()

    # --- sending -----------------------------------------------------------------------------------------------

    def _address(self, lane: Lane, delay: float) -> Address:
        if delay <= 0:
            return Address(self._topology.work, lane.value)
        rung = rung_for(lane, delay)
        beyond = delay > rungs_of(lane)[-1]
        return Address(
            self._topology.wait(rung),
            lane.value,
            expires_ms=expiration(rung, delay),
            not_before=self._clock.now() + timedelta(seconds=delay) if beyond else None,
        )

    async def _confirmed(self, address: Address, body: bytes) -> None:
        """Until it is confirmed: a connection that is lost meanwhile is worth another try within the budget."""
        while True:
            session = await self._link.ready(PUBLISH_BUDGET)
            try:
                await self._send(session, address, body)
            except Transient as error:
                if not self._renew(session, error):
                    raise
                log.info("broker.publish_again", code=error.code)
            else:
                return

    def _renew(self, session: Sending, error: Transient) -> bool:
        """Is another session worth a try? It declares again what is missing."""
        if error.code in {"connection_lost", "unroutable"}:
            self._link.drop(session)
            return True
        return False

    async def _send(self, session: Sending, address: Address, body: bytes) -> None:
        with translated():
            exchange = session.exchanges[address.exchange]
            await exchange.publish(self._message(address, body), address.key, timeout=PUBLISH_BUDGET)

    def _message(self, address: Address, body: bytes) -> Message:
        return Message(
            body,
            content_type="application/json",
            delivery_mode=DeliveryMode.PERSISTENT,
            message_id=uuid4().hex,
            timestamp=self._clock.now(),
            # The library takes seconds and cuts to whole milliseconds: half a one more, or it comes one too early.
            expiration=None if address.expires_ms is None else (address.expires_ms + 0.5) / 1000,
            headers={NOT_BEFORE: address.not_before.isoformat()} if address.not_before else None,
        )

    async def _canary(self, session: Sending) -> None:
        message = self._message(Address(self._topology.work, CANARY), b"canary")
        with translated():
            async with asyncio.timeout(CANARY_TIMEOUT):
                await session.exchanges[self._topology.work].publish(message, CANARY, timeout=CANARY_TIMEOUT)

    async def _prepare(self, connection: AbstractConnection) -> Sending:
        asking = await open_channel(connection, confirms=False)
        await declare(asking, self._topology, timeout=STEP)
        await self._headcount.listen(asking)
        channel = await open_channel(connection, confirms=True)
        names = [self._topology.work, *map(self._topology.wait, RUNGS)]
        exchanges = {name: await channel.get_exchange(name, ensure=False) for name in names}
        session = Sending(channel, exchanges, asking)
        # A question about a queue that is gone costs the channel, and with it the ear for all answers.
        asking.close_callbacks.add(lambda *_: self._link.drop(session))
        return session

    # --- the breaker -------------------------------------------------------------------------------------------

    async def _pass_breaker(self) -> None:
        if self._healed.is_set():
            return
        try:
            async with asyncio.timeout(OPEN_BUDGET):
                await self._healed.wait()
        except TimeoutError as error:
            raise Transient(SERVICE, "circuit_open") from error

    def _break(self, error: Transient) -> None:
        if self._healed.is_set():
            log.warning("broker.circuit_opened", code=error.code)
            self._healed.clear()
            self._broken.set()

    def _mend(self) -> None:
        if not self._healed.is_set():
            log.info("broker.circuit_closed")
            self._broken.clear()
            self._healed.set()

    async def _heal(self) -> None:
        """While the breaker is open: one canary after the other, until one is confirmed."""
        while True:
            await self._broken.wait()
            with contextlib.suppress(SyncError):
                await self._try_canaries(await self._link.ready(LINK_PATIENCE))
            await asyncio.sleep(CANARY_PAUSE)

    async def _try_canaries(self, session: Sending) -> None:
        """A session that fails them all is cut: a connection blocked by an alarm or a black hole heals by a new one."""
        for _ in range(CANARIES_PER_SESSION):
            with contextlib.suppress(Transient):
                await self._canary(session)
                self._mend()
                return
        self._link.drop(session)
