"""Load on a broker, and an offline verdict: was anything lost that the broker had confirmed?

A sender publishes one unique id after the other and keeps what came of each; a receiver consumes the way
`worker/consumer.py` does (a failed inbox is opened again after a pause) and keeps what it saw and when.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from shared.adapters.brokers import Broker
from shared.domain.errors import Transient
from shared.domain.messages import Lane, UsersTouched
from tests.support.engine import hint

PAUSE = 1.0  # seconds before a failed inbox is opened again, as in the worker


@dataclass
class History:
    """What happened, by id; times are monotonic seconds."""

    confirmed: dict[str, float] = field(default_factory=dict)
    refused: dict[str, float] = field(default_factory=dict)  # how long the refusal took
    seen: dict[str, float] = field(default_factory=dict)
    seen_again: int = 0
    inbox_failures: int = 0

    @property
    def lost(self) -> set[str]:
        return self.confirmed.keys() - self.seen.keys()

    def first_seen_after(self, moment: float) -> float:
        """Seconds from `moment` to the first delivery of something confirmed after it."""
        return min(
            (at - moment for name, at in self.seen.items() if self.confirmed.get(name, 0.0) > moment), default=1e9
        )


async def send(broker: Broker, history: History, prefix: str, pause: float = 0.002) -> None:
    number = 0
    while True:
        number += 1
        name = f"{prefix}-{number}"
        began = time.monotonic()
        try:
            await broker.publish(hint(name), Lane.LIVE)
            history.confirmed[name] = time.monotonic()
        except Transient:
            history.refused[name] = time.monotonic() - began
        await asyncio.sleep(pause)


async def receive(broker: Broker, history: History) -> None:
    while True:
        try:
            async with broker.deliveries(Lane.LIVE, prefetch=8) as deliveries:
                async for delivery in deliveries:
                    assert isinstance(delivery.message, UsersTouched)
                    name = delivery.message.user_ids[0]
                    history.seen_again += name in history.seen
                    history.seen.setdefault(name, time.monotonic())
                    await delivery.ack()
        except Transient:
            history.inbox_failures += 1
        await asyncio.sleep(PAUSE)


@contextlib.asynccontextmanager
async def under_load(broker: Broker, *, senders: int = 4, pause: float = 0.005) -> AsyncIterator[History]:
    """While this lasts `senders` publish and one receiver consumes; at the end it has had time to see the rest."""
    history = History()
    receiver = asyncio.create_task(receive(broker, history), name="load:receive")
    sending = [
        asyncio.create_task(send(broker, history, f"s{number}", pause), name="load:send") for number in range(senders)
    ]
    try:
        yield history
        await _end(*sending)
        await until(lambda: not history.lost, within=30)
    finally:
        await _end(*sending, receiver)


async def until(true: Callable[[], bool], *, within: float) -> None:
    """Wait until it is so; what did not come true is for the test to judge."""
    for _ in range(round(within / 0.05)):
        if true():
            return
        await asyncio.sleep(0.05)


async def _end(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome
