"""When the topology's version changes: what the earlier version left is moved over, and only then removed.

A process of the new version publishes into the new queues alone. Beside its consumers one mover per installation
(whoever holds the lock queue) takes from the old lanes, publishes a fresh copy into the new ones, and acks. Old rungs
stay bound to the old lanes, so what waits there comes too, hours later if need be. It refuses to remove anything
while a process of the old version is connected (a rolling upgrade, a rollback) or a single message is left.
Next: `topology.py`, whose `PREVIOUS` names the earlier versions.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence

import structlog
from aio_pika import Message
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from aiormq.exceptions import ChannelLockedResource, ChannelNotFoundEntity

from shared.adapters.brokers.amqp_connection import Link, open_channel, translated
from shared.adapters.brokers.letters import read, still_to_wait
from shared.adapters.brokers.topology import Topology, depth
from shared.domain.errors import SyncError, Transient
from shared.domain.messages import Lane, Unreadable, encode
from shared.ports import Clock

EVERY = 5.0  # seconds between two looks
STEP = 5.0  # seconds for one question
TOGETHER = 16  # messages being moved at once

Republish = Callable[[bytes, Lane, float], Awaitable[None]]
log = structlog.get_logger(__name__)


class Succession:
    """Moves from `earlier` until nothing is left of it."""

    def __init__(
        self,
        connection: Link[AbstractConnection],
        earlier: Sequence[Topology],
        republish: Republish,
        clock: Clock,
    ) -> None:
        self._connection = connection
        self._earlier = earlier
        self._republish = republish
        self._clock = clock
        self._in_hand = 0

    async def run(self) -> None:
        """Ends when every earlier version is gone."""
        for topology in self._earlier:
            while True:
                if await self._tried(topology):
                    break
                await asyncio.sleep(EVERY)

    async def _tried(self, topology: Topology) -> bool:
        """True: nothing of it exists any more."""
        try:
            connection = await self._connection.ready(STEP)
            with translated():
                if not await _exists(connection, topology):
                    return True
                channel = await open_channel(connection, confirms=True)
                try:
                    return await self._moved(channel, topology)
                finally:
                    await channel.close()
        except SyncError as error:
            log.info("broker.succession_waits", version=topology.version, code=error.code)
            return False

    async def _moved(self, channel: AbstractChannel, topology: Topology) -> bool:
        with contextlib.suppress(ChannelLockedResource):
            await channel.declare_queue(f"{topology.work}.mover", exclusive=True, auto_delete=True)
            await channel.set_qos(prefetch_count=TOGETHER)
            log.info("broker.succession_begins", version=topology.version)
            for lane in Lane:
                await self._consume(channel, topology, lane)
            while True:
                if await self._retired(channel, topology):
                    break
                await asyncio.sleep(EVERY)
            log.info("broker.succession_done", version=topology.version)
            return True
        return False  # another process moves

    async def _consume(self, channel: AbstractChannel, topology: Topology, lane: Lane) -> None:
        async def move(incoming: AbstractIncomingMessage) -> None:
            self._in_hand += 1
            try:
                await self._carry_over(incoming, lane)
                await incoming.ack()
            finally:
                self._in_hand -= 1

        queue = await channel.get_queue(topology.lane(lane), ensure=False)
        await queue.consume(move)

    async def _carry_over(self, incoming: AbstractIncomingMessage, lane: Lane) -> None:
        """It stays in hand until its copy is safe: giving it back would wear it out."""
        while True:
            now = self._clock.now()
            message = read(incoming, lane, now)
            body = incoming.body if isinstance(message, Unreadable) else encode(message)
            try:
                await self._republish(body, lane, still_to_wait(incoming, now))
            except Transient:
                await asyncio.sleep(EVERY)
            else:
                return

    async def _retired(self, channel: AbstractChannel, topology: Topology) -> bool:
        if await self._in_use(channel, topology):
            return False
        raw = await channel.get_underlay_channel()
        for queue in topology.queues():
            await raw.queue_unbind(queue.name, queue.exchange, queue.key, timeout=STEP)
        await raw.queue_unbind(topology.lane(Lane.DEAD), topology.buried, timeout=STEP)
        # From here on an old process that comes back finds no route, declares anew, and is seen by this look.
        if await self._in_use(channel, topology):
            return False
        for queue in reversed(topology.queues()):  # the live lane last: while it exists, somebody goes on with this
            await raw.queue_delete(queue.name, timeout=STEP)
        for exchange in topology.exchanges():
            await raw.exchange_delete(exchange, timeout=STEP)
        return True

    async def _in_use(self, channel: AbstractChannel, topology: Topology) -> bool:
        """A process of that version is connected, or a message waits or is in our hand."""
        if await _attended(channel, topology):
            return True
        for queue in topology.queues():
            if (await depth(channel, queue.name, timeout=STEP))[0]:
                return True
        return self._in_hand > 0


async def _exists(connection: AbstractConnection, topology: Topology) -> bool:
    channel = await open_channel(connection, confirms=False)
    try:
        await depth(channel, topology.lane(Lane.LIVE), timeout=STEP)
    except ChannelNotFoundEntity:
        return False  # the broker has closed the channel
    await channel.close()
    return True


async def _attended(channel: AbstractChannel, topology: Topology) -> bool:
    """Every process of a version listens to its roll call: a call that reaches no queue has found nobody."""
    exchange = await channel.get_exchange(topology.roll_call, ensure=False)
    try:
        with translated():
            await exchange.publish(Message(b"", expiration=1), "", mandatory=True, timeout=STEP)
    except Transient as error:
        if error.code != "unroutable":
            raise
        return False
    return True
