"""The receiving side on RabbitMQ: one consumer of one lane on a channel of its own, until that channel is lost.

The broker pushes into here, the reader's own tasks take from here, so that a handler outlives the connection that
brought its message; its ack then does nothing, for the broker has given the message to somebody else already.
It refuses to be connected but deaf: a channel that closed, a consumer that the broker cancelled, a queue that is gone
and a look that gets no answer all end the iteration in Transient, and the consumer service begins again.
Next: `amqp_hand.py`; `worker/consumer.py` reads from here through `shared.ports.Inbox`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator

import structlog
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from shared.adapters.brokers.amqp_connection import SERVICE, translated
from shared.adapters.brokers.amqp_hand import Hand, Republish, Taken
from shared.adapters.brokers.letters import read, still_to_wait
from shared.adapters.brokers.topology import depth
from shared.adapters.waiting import stop
from shared.domain.errors import SyncError, Transient
from shared.domain.messages import Lane, Unreadable
from shared.ports import AnyMessage, Clock, Delivery

BEGIN_TIMEOUT = 5.0
LOOK_EVERY = 3.0  # seconds between two looks whether we still hear
LOOK_TIMEOUT = 5.0
# Looks in a row with messages waiting, free hands and nothing delivered. Seen on 3.10: a queue deleted and declared
# again in the same second tells its consumers nothing, and goes on counting them.
DEAF_LOOKS = 2
LEAVE_TIMEOUT = 5.0
DELIVERY_COUNT = "x-delivery-count"

log = structlog.get_logger(__name__)


class AmqpDelivery:
    """Satisfies `shared.ports.Delivery`."""

    def __init__(self, consumer: AmqpConsumer, taken: Taken, message: AnyMessage | Unreadable) -> None:
        self._consumer = consumer
        self._taken = taken
        self._message = message

    @property
    def message(self) -> AnyMessage | Unreadable:
        return self._message

    @property
    def lane(self) -> Lane:
        return self._consumer.lane

    async def ack(self) -> None:
        await self._consumer.hand.ack(self._taken)

    async def release(self) -> None:
        await self._consumer.hand.release(self._taken)


class AmqpConsumer:
    """An async iterator of deliveries. `republish(body, lane, delay)` returns when a copy is safe."""

    def __init__(self, lane: Lane, channel: AbstractChannel, queue: str, republish: Republish, clock: Clock) -> None:
        self.lane = lane
        self.hand = Hand(lane, channel, republish)
        self._channel = channel
        self._queue = queue
        self._clock = clock
        self._ready: deque[AmqpDelivery] = deque()
        self._arrived = asyncio.Event()
        self._failure: Transient | None = None
        self._delivered = 0

    @property
    def holds(self) -> int:
        """Deliveries that are neither acked nor released."""
        return 0 if self._failure else len(self.hand)

    @property
    def unanswered(self) -> bool:
        """It ended because the peer did not answer: its connection is no good for others either."""
        return self._failure is not None and self._failure.code in {"timeout", "deaf"}

    def __aiter__(self) -> AsyncIterator[Delivery]:
        return self

    async def __anext__(self) -> Delivery:
        while not self._failure and not self._ready:
            self._arrived.clear()
            await self._arrived.wait()
        if self._failure:  # what lies ready is no longer ours
            raise self._failure
        return self._ready.popleft()

    @contextlib.asynccontextmanager
    async def running(self, prefetch: int) -> AsyncIterator[None]:
        """Consume. Raises Transient when that cannot begin."""
        try:
            with translated():
                async with asyncio.timeout(BEGIN_TIMEOUT):
                    tag = await self._begin(prefetch)
        except Transient as error:
            self._fail(error.code)
            raise
        watch = asyncio.create_task(self._watch(prefetch), name=f"broker-consumer-{self.lane.value}")
        try:
            yield
        finally:
            await stop(watch)
            await self._leave(tag)

    async def _begin(self, prefetch: int) -> str:
        raw = await self._channel.get_underlay_channel()
        self._channel.close_callbacks.add(lambda *_: self._fail("connection_lost"))
        raw.on_consumer_cancel_callbacks.add(lambda _: self._fail("consumer_cancelled"))
        await self._channel.set_qos(prefetch_count=prefetch)  # per consumer: a global one breaks quorum queues
        queue = await self._channel.get_queue(self._queue, ensure=False)
        return await queue.consume(self._arrive)

    # --- taking ------------------------------------------------------------------------------------------------

    async def _arrive(self, incoming: AbstractIncomingMessage) -> None:
        """Runs as a task of the library, which ends it with the connection: nothing here may take long."""
        returns = incoming.headers.get(DELIVERY_COUNT, 0)
        taken = Taken(incoming.delivery_tag or 0, incoming.body, returns if isinstance(returns, int) else 0)
        self.hand.take(taken)
        self._delivered += 1
        now = self._clock.now()
        if (wait := still_to_wait(incoming, now)) > 0:
            self.hand.replace(taken, wait)
            return
        self._ready.append(AmqpDelivery(self, taken, read(incoming, self.lane, now)))
        self._arrived.set()

    # --- ending ------------------------------------------------------------------------------------------------

    def _fail(self, code: str) -> None:
        if self._failure is None:
            self._failure = Transient(SERVICE, code)
            self._arrived.set()

    async def _watch(self, prefetch: int) -> None:
        silent = 0
        while self._failure is None:
            before = self._delivered
            await asyncio.sleep(LOOK_EVERY)
            try:
                with translated():
                    waiting, consumers = await depth(self._channel, self._queue, timeout=LOOK_TIMEOUT)
            except SyncError as error:
                self._fail(error.code)
                return
            idle = waiting > 0 and len(self.hand) < prefetch and self._delivered == before
            silent = silent + 1 if idle else 0
            if consumers == 0 or silent >= DEAF_LOOKS:
                self._fail("deaf")

    async def _leave(self, tag: str) -> None:
        """Take no more, give back what is in hand, close. What cannot be given back goes back with the channel."""
        failed, self._failure = self._failure, self._failure or Transient(SERVICE, "left")
        self._arrived.set()
        await self.hand.stop()
        with contextlib.suppress(SyncError), translated():
            async with asyncio.timeout(LEAVE_TIMEOUT):
                if failed is None:
                    raw = await self._channel.get_underlay_channel()
                    await raw.basic_cancel(tag)
                    await self.hand.give_back()
                await self._channel.close()
        self.hand.forget()
