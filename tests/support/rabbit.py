"""RabbitMQ for the contract suites: a real broker, in real time that runs 20 times as fast as the suites think.

Only the suites' delays and waits are scaled, never the adapter: RabbitMQ has a clock of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

import aio_pika

from sandbox.servers import RabbitServer
from shared.adapters.brokers.rabbitmq import RabbitBroker, open_rabbitmq_broker
from shared.adapters.clock import SystemClock
from shared.domain.messages import Lane
from shared.ports import AnyMessage, Delivery

TEMPO = 20.0
THAW = 0.5  # seconds a thawed broker gets to answer what it was asked meanwhile


@dataclass
class HurriedBroker:
    """A broker whose delays are 20 times as short as asked for."""

    inner: RabbitBroker

    async def publish(self, message: AnyMessage, lane: Lane, *, delay: float = 0.0) -> None:
        await self.inner.publish(message, lane, delay=delay / TEMPO)

    def deliveries(self, lane: Lane, *, prefetch: int) -> AbstractAsyncContextManager[AsyncIterator[Delivery]]:
        return self.inner.deliveries(lane, prefetch=prefetch)

    async def depths(self) -> Mapping[Lane, int]:
        return await self.inner.depths()


@dataclass
class RabbitBrokerHarness:
    """Satisfies `tests.support.engine.BrokerHarness`."""

    server: RabbitServer
    stack: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    async def start(self) -> None:
        self._url = self.server.fresh_url()
        self._broker = await self._open()

    async def _open(self) -> HurriedBroker:
        return HurriedBroker(await self.stack.enter_async_context(open_rabbitmq_broker(self._url, SystemClock())))

    @property
    def broker(self) -> HurriedBroker:
        return self._broker

    @property
    def url(self) -> str:
        return self._url

    async def another(self) -> HurriedBroker:
        return await self._open()

    async def elapse(self, seconds: float) -> None:
        await asyncio.sleep(seconds / TEMPO)

    async def put_bytes(self, body: bytes, lane: Lane) -> None:
        await self._broker.inner.put(body, lane)

    @contextlib.contextmanager
    def obstructed(self) -> Iterator[None]:
        """The broker is frozen."""
        self.server.freeze()
        try:
            yield
        finally:
            self.server.thaw()
            time.sleep(THAW)


async def pulled_forward(url: str, rung: str, lane: str, count: int) -> None:
    """Move messages off a rung before their time, headers and all."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        queue = await channel.get_queue(rung, ensure=False)
        for _ in range(count):
            waiting = await queue.get()
            assert waiting is not None
            moved = aio_pika.Message(waiting.body, headers=waiting.headers, message_id=waiting.message_id)
            await channel.default_exchange.publish(moved, lane)
            await waiting.ack()
