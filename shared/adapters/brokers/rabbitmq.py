"""The broker on RabbitMQ, shared by the processes of many machines (3.10 to 4.x, no plugin).

In: messages of ours. Out: deliveries. Publishing and consuming have a connection each, for under an alarm RabbitMQ
stops reading from every connection that has ever published, and acks must go on. It refuses to say "published"
before the confirm, and to answer `depths` unless a canary message was made durable just now: "connected" proves
nothing about a full disk. Next: `outbox.py`, `amqp_consumer.py`, and `topology.py` for what lies on the broker.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence

from aio_pika.abc import AbstractChannel, AbstractConnection
from yarl import URL

from shared.adapters.brokers.amqp_connection import CONNECT_TIMEOUT, SERVICE, Link, open_channel, translated
from shared.adapters.brokers.amqp_consumer import AmqpConsumer
from shared.adapters.brokers.headcount import Headcount, attend
from shared.adapters.brokers.outbox import Outbox
from shared.adapters.brokers.succession import Succession
from shared.adapters.brokers.topology import PREVIOUS, VERSION, Topology, declare, depth
from shared.adapters.waiting import stop
from shared.domain.errors import Permanent, Transient
from shared.domain.messages import Lane, encode
from shared.ports import AnyMessage, Clock, Delivery

OPEN_TIMEOUT = 20.0  # seconds for the first connection; a fresh broker takes a while to make its queues
LAZY_TIMEOUT = 1.0  # seconds for it when it may come later; enough to hear that our password is wrong
BEGIN_TIMEOUT = 5.0
DEPTHS_TIMEOUT = 1.4
SCHEMES = ("amqp", "amqps")


class RabbitBroker:
    """Publisher, Inbox and Depths of `shared.ports`. Made by `open_rabbitmq_broker`."""

    def __init__(self, url: URL, clock: Clock, topology: Topology, earlier: Sequence[Topology]) -> None:
        self._clock = clock
        self._topology = topology
        self._headcount = Headcount(topology)
        self.outbox = Outbox(url, topology, clock, self._headcount)
        self.intake: Link[AbstractConnection] = Link(url, "consume", _as_it_is)
        self._succession = Succession(self.intake, earlier, self.outbox.publish, clock)
        self._moving: asyncio.Task[None] | None = None

    # --- Publisher ---------------------------------------------------------------------------------------------

    async def publish(self, message: AnyMessage, lane: Lane, *, delay: float = 0.0) -> None:
        await self.outbox.publish(encode(message), lane, delay)

    async def put(self, body: bytes, lane: Lane, *, delay: float = 0.0) -> None:
        """Publish bytes as they are."""
        await self.outbox.publish(body, lane, delay)

    # --- Depths ------------------------------------------------------------------------------------------------

    async def depths(self) -> Mapping[Lane, int]:
        """Raises Transient also when the broker answers but makes nothing durable."""
        await self.outbox.probe()
        session = await self.outbox.session(DEPTHS_TIMEOUT)
        with translated():
            async with asyncio.timeout(DEPTHS_TIMEOUT):
                return await self._count(session.asking)

    async def _count(self, channel: AbstractChannel) -> Mapping[Lane, int]:
        """Rungs, then lanes, then hands: on its way a message may be counted twice, but is not overlooked.

        The hands are asked before as well, for what goes back from a hand to a rung meanwhile.
        """
        consumers = 0
        for lane in Lane:
            consumers += (await self._depth(channel, self._topology.lane(lane)))[1]
        before = await self._headcount.ask(channel, consumers)
        waiting: Counter[Lane] = Counter()
        for lane in Lane:
            for rung in self._topology.rungs(lane):
                waiting[lane] += (await self._depth(channel, rung.name))[0]
        for lane in Lane:
            waiting[lane] += (await self._depth(channel, self._topology.lane(lane)))[0]
        after = await self._headcount.ask(channel, consumers)
        return {lane: waiting[lane] + max(before[lane], after[lane]) for lane in Lane}

    async def _depth(self, channel: AbstractChannel, queue: str) -> tuple[int, int]:
        return await depth(channel, queue, timeout=DEPTHS_TIMEOUT)

    # --- Inbox -------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def deliveries(self, lane: Lane, *, prefetch: int) -> AsyncIterator[AsyncIterator[Delivery]]:
        connection = await self.intake.ready(2 * CONNECT_TIMEOUT)
        if self._moving is None:
            self._moving = asyncio.create_task(self._succession.run(), name="broker-succession")
        consumer = await self._consumer(connection, lane)
        try:
            async with consumer.running(prefetch):
                yield consumer
        finally:
            if consumer.unanswered:
                self.intake.drop(connection)

    async def _consumer(self, connection: AbstractConnection, lane: Lane) -> AmqpConsumer:
        try:
            with translated():
                async with asyncio.timeout(BEGIN_TIMEOUT):
                    channel = await open_channel(connection, confirms=False)
                    await declare(channel, self._topology, timeout=BEGIN_TIMEOUT)
                    consumer = AmqpConsumer(lane, channel, self._topology.lane(lane), self.outbox.publish, self._clock)
                    await attend(channel, self._topology, lane, lambda: consumer.holds, self.outbox.reply)
                    return consumer
        except Transient:
            self.intake.drop(connection)  # nobody is served by a connection on which nothing can begin
            raise

    async def aclose(self) -> None:
        if self._moving is not None:
            await stop(self._moving)
        await self.intake.aclose()


async def _as_it_is(connection: AbstractConnection) -> AbstractConnection:
    return connection


@contextlib.asynccontextmanager
async def open_rabbitmq_broker(
    url: str, clock: Clock, *, version: int = VERSION, previous: Sequence[int] = PREVIOUS, lazy: bool = False
) -> AsyncIterator[RabbitBroker]:
    """Connect and declare. Raises Transient when the broker is away, Permanent when it refuses us.

    `lazy`: one that is away need not be there yet. Until it is, every call raises Transient, a publish within 50 ms.
    """
    # The libraries' own reports come with tracebacks of their insides, once per try; ours are said once per event.
    for library in ("aiormq", "aio_pika"):
        logging.getLogger(library).setLevel(logging.CRITICAL)
    broker = RabbitBroker(_address(url), clock, Topology(version), [Topology(number) for number in previous])
    async with broker.outbox.running():
        try:
            await broker.outbox.begin(LAZY_TIMEOUT if lazy else OPEN_TIMEOUT, lazy=lazy)
            yield broker
        finally:
            await broker.aclose()


def _address(url: str) -> URL:
    try:
        address = URL(url)
    except ValueError:
        address = URL()
    if address.scheme not in SCHEMES or not address.host:
        raise Permanent(SERVICE, "unsupported_url", "a broker address is amqp://USER:PASSWORD@HOST:PORT/VHOST")
    return address
