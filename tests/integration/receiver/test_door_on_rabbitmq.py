"""The real door in front of a real RabbitMQ: 202 for confirmed hints alone, and refusals in time when it is gone.

The verdict is offline: every user id of a POST that was answered 202 must lie in the broker afterwards.
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import inf

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from receiver.service import build_public
from sandbox.servers import RabbitServer
from shared.adapters.brokers import Broker, open_broker
from shared.adapters.clock import SystemClock
from shared.domain.messages import Lane, UsersTouched
from shared.runtime.metrics import Metrics
from shared.runtime.settings import ReceiverSettings
from tests.integration.receiver.test_door import running
from tests.support.receiver import SECRETS, body, change, guid

FIRST_REFUSAL, LATER_REFUSALS = 1.6, 0.05  # seconds
BACK_WITHIN = 15.0  # seconds
SENDERS = 6


@dataclass
class Answers:
    """What came of each POST: (when it began, how long it took, its status, its user)."""

    all: list[tuple[float, float, int, str]] = field(default_factory=list)

    def accepted(self) -> set[str]:
        return {user for _, _, status, user in self.all if status == 202}

    def refusals(self, since: float, until: float) -> list[float]:
        """How long each of those took that came between these moments."""
        return [took for began, took, status, _ in self.all if status == 503 and since <= began < until]

    def first_accepted(self, since: float) -> float:
        return min((began + took for began, took, status, _ in self.all if status == 202 and began >= since), default=0)


async def send(session: aiohttp.ClientSession, url: str, sender: int, answers: Answers) -> None:
    number = sender * 1_000_000
    while True:
        number += 1
        data = body(change(number))
        began = time.monotonic()
        async with session.post(url, data=io.BytesIO(data)) as answer:
            await answer.read()
        answers.all.append((began, time.monotonic() - began, answer.status, guid(number)))
        await asyncio.sleep(0.01)


@asynccontextmanager
async def door_under_load(broker: Broker) -> AsyncIterator[Answers]:
    site = build_public(
        ReceiverSettings.model_validate({"host": "127.0.0.1", "port": 0}),
        secrets=SECRETS,
        publisher=broker,
        probe=broker,
        clock=SystemClock(),
        metrics=Metrics(CollectorRegistry()).receiver,
    )
    answers = Answers()
    async with running(site), aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{site.port}/graph/notifications"
        senders = [asyncio.create_task(send(session, url, n, answers), name=f"sender {n}") for n in range(SENDERS)]
        try:
            yield answers
        finally:
            for sender in senders:
                sender.cancel()
            ends = await asyncio.gather(*senders, return_exceptions=True)
            assert all(isinstance(end, asyncio.CancelledError) for end in ends), ends


async def until_accepted(answers: Answers, since: float) -> None:
    async with asyncio.timeout(BACK_WITHIN):
        while not answers.first_accepted(since):  # noqa: ASYNC110 - judged from outside, as Microsoft would
            await asyncio.sleep(0.05)


async def in_the_broker(broker: Broker) -> set[str]:
    """Every user id that lies there; what may have come twice counts once."""
    found: set[str] = set()
    async with broker.deliveries(Lane.LIVE, prefetch=200) as deliveries:
        while True:
            try:
                delivery = await asyncio.wait_for(anext(deliveries), 2)
            except TimeoutError:
                return found
            assert isinstance(delivery.message, UsersTouched)
            found |= set(delivery.message.user_ids)
            await delivery.ack()


@pytest.mark.usefixtures("a_new_broker")
@pytest.mark.parametrize("how", [pytest.param("killed", marks=pytest.mark.every_run), "frozen"])
async def test_202_only_for_confirmed_hints_and_503_in_time_while_the_broker_is_gone(
    rabbit_server: RabbitServer, how: str
) -> None:
    async with open_broker(rabbit_server.fresh_url(), SystemClock()) as broker:
        async with door_under_load(broker) as answers:
            await until_accepted(answers, 0.0)
            await asyncio.sleep(1.0)
            gone = time.monotonic()
            await asyncio.to_thread(rabbit_server.kill if how == "killed" else rabbit_server.freeze)
            # Whoever came in the first moment waits for a confirm; who comes when that was refused is told at once.
            told_since = gone + FIRST_REFUSAL
            await asyncio.sleep(5.0)
            back = time.monotonic()
            await asyncio.to_thread(rabbit_server.start if how == "killed" else rabbit_server.thaw)
            await until_accepted(answers, time.monotonic())
        waited, told = answers.refusals(gone, told_since), answers.refusals(told_since, back)
        assert 0 < max(waited) <= FIRST_REFUSAL
        assert len(told) > 20 * SENDERS
        assert sorted(told)[len(told) * 99 // 100] <= LATER_REFUSALS  # one in a hundred may meet a busy machine
        assert max(told) <= 5 * LATER_REFUSALS
        assert max(answers.refusals(back, inf), default=0.0) <= FIRST_REFUSAL
        found = await in_the_broker(broker)
        assert answers.accepted() - found == set(), "a false 202"
        assert answers.accepted()
