"""How many deliveries are held, by any consumer of any process: AMQP counts only what waits, so the holders are asked.

A question goes to all consumers through a fanout exchange; each answers with its lane and how many it holds, straight
back to the asker (direct reply-to, no queue to clean up). It refuses to wait long: who does not answer in time is
dead or frozen, and what it holds is counted when the broker gives it to somebody else. Next: `rabbitmq.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from uuid import uuid4

from aio_pika import Message
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from shared.adapters.brokers.topology import Topology
from shared.domain.errors import SyncError
from shared.domain.messages import Lane

PATIENCE = 0.3  # seconds
_DIRECT_REPLY = "amq.rabbitmq.reply-to"

Reply = Callable[[Message, str], Awaitable[None]]


@dataclass(slots=True)
class _Question:
    missing: int
    held: Counter[Lane] = field(default_factory=Counter)
    answered: asyncio.Event = field(default_factory=asyncio.Event)


class Headcount:
    """The asker. `listen` once on a channel, then `ask` on the same channel."""

    def __init__(self, topology: Topology) -> None:
        self._exchange = topology.roll_call
        self._questions: dict[str, _Question] = {}

    async def listen(self, channel: AbstractChannel) -> None:
        """Hear answers. The queue without readers shows that a process of this version is connected."""
        attendance = await channel.declare_queue(exclusive=True, auto_delete=True, arguments={"x-message-ttl": 0})
        await attendance.bind(self._exchange)
        queue = await channel.get_queue(_DIRECT_REPLY, ensure=False)
        await queue.consume(self._hear, no_ack=True)

    async def ask(self, channel: AbstractChannel, consumers: int) -> Counter[Lane]:
        """What `consumers` consumers hold, by lane; less than that when some do not answer."""
        if consumers == 0:
            return Counter()
        identity = uuid4().hex
        question = self._questions[identity] = _Question(missing=consumers)
        try:
            exchange = await channel.get_exchange(self._exchange, ensure=False)
            asked = Message(b"", reply_to=_DIRECT_REPLY, correlation_id=identity, expiration=1)
            await exchange.publish(asked, "", mandatory=False)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    await question.answered.wait()
            return question.held
        finally:
            del self._questions[identity]

    async def _hear(self, answer: AbstractIncomingMessage) -> None:
        question = self._questions.get(answer.correlation_id or "")
        if question is None:
            return
        lane, _, count = answer.body.decode().partition(" ")
        question.held[Lane(lane)] += int(count)
        question.missing -= 1
        if question.missing <= 0:
            question.answered.set()


async def attend(
    channel: AbstractChannel, topology: Topology, lane: Lane, holds: Callable[[], int], reply: Reply
) -> None:
    """Answer every question with `lane` and `holds()` for as long as the channel lives."""

    async def answer(question: AbstractIncomingMessage) -> None:
        if question.reply_to:
            message = Message(f"{lane.value} {holds()}".encode(), correlation_id=question.correlation_id)
            with contextlib.suppress(SyncError):
                await reply(message, question.reply_to)

    queue = await channel.declare_queue(exclusive=True, auto_delete=True)
    await queue.bind(topology.roll_call)
    await queue.consume(answer, no_ack=True)
