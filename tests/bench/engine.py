"""The parts alone: the embedded broker's publishes, one by one and grouped, and the planner, which is pure."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from shared.adapters.brokers import open_embedded_broker
from shared.adapters.clock import SystemClock
from shared.domain.changes import UpdateContact
from shared.domain.matching import Found, match
from shared.domain.messages import Lane
from shared.domain.plan import plan
from shared.domain.policy import SyncPolicy
from shared.ports import Publisher
from tests.bench.figures import Figure
from tests.support.clock import START
from tests.support.engine import hint
from tests.support.people import CUSTOMER, a_contact, a_user

TOGETHER = 64  # publishes in flight at once


async def measure_broker(folder: Path, *, seconds: float) -> list[Figure]:
    async with open_embedded_broker(str(folder / "publishes.db"), SystemClock()) as broker:
        single = await _per_second(lambda: _publish(broker, 1), seconds)
        grouped = await _per_second(lambda: _publish(broker, TOGETHER), seconds)
    return [
        Figure("broker_single_per_s", "broker publishes, one after another", single, "1/s"),
        Figure("broker_grouped_per_s", f"broker publishes, {TOGETHER} at once", grouped * TOGETHER, "1/s"),
    ]


async def _publish(broker: Publisher, count: int) -> None:
    await asyncio.gather(*(broker.publish(hint(), Lane.LIVE) for _ in range(count)))


async def _per_second(act: Callable[[], Awaitable[None]], seconds: float) -> float:
    began, acts = time.perf_counter(), 0
    while (took := time.perf_counter() - began) < seconds or not acts:
        await act()
        acts += 1
    return acts / took


def measure_planner(*, seconds: float) -> list[Figure]:
    """Match and plan one user against a linked contact that differs."""
    policy, user = SyncPolicy(), a_user(business_phones=("+1 217 555 0111",), job_title="Head Baker")
    contact = a_contact(1, email="anna@contoso.example")
    began, plans = time.perf_counter(), 0
    while (took := time.perf_counter() - began) < seconds or not plans:
        found = match(user, [contact], link=1, linked={1: user.id}, rivals=(), policy=policy)
        decided = plan(user, found, customer_id=CUSTOMER, facts=None, policy=policy, today=START.date())
        plans += 1
    if not isinstance(found, Found) or not isinstance(decided, UpdateContact):
        raise RuntimeError("the planner had nothing to do: this bench measures the wrong thing")
    return [Figure("planner_per_s", "plans of one user, matching included", plans / took, "1/s")]
