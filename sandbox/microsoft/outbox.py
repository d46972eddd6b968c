"""Sends notifications: one lane per URL, several items per POST, retries with backoff for four hours.

The first attempt may take 3 s, every later one 10 s; anything but a 2xx is tried again, 4xx too. Each attempt is
recorded with its answer. What is sent, and how late, is decided in delivery.py. Next: penalty.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import json
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from sandbox.microsoft.cloud import Cloud
from sandbox.microsoft.payload import Notification
from sandbox.microsoft.penalty import PenaltyBox, State
from sandbox.microsoft.wire import post

_TOGETHER_S = 0.05
_PARALLEL_POSTS = 16
_IDLE_S = 3600.0
_HEADERS = {"Content-Type": "application/json; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One POST of a batch. `status` None: no answer (`outcome` timeout or unreachable). `at`: when it ended."""

    at: datetime
    url: str
    number: int
    status: int | None
    outcome: str
    duration_s: float
    items: tuple[Notification, ...]

    @property
    def accepted(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready: the items by tenant, user, change and event time, without their bodies."""
        items = [
            {
                "tenant": item.tenant_id,
                "subscription": item.subscription_id,
                "user": item.user_id,
                "change": item.change_type,
                "occurred_at": item.occurred_at.isoformat(),
                "sequence": item.json.get("resourceData", {}).get("sequenceNumber"),
            }
            for item in self.items
        ]
        plain = {"url": self.url, "number": self.number, "status": self.status, "outcome": self.outcome}
        return {"at": self.at.isoformat(), **plain, "duration_s": self.duration_s, "items": items}


@dataclass(slots=True)
class _Lane:
    heap: list[tuple[float, int, Notification]] = field(default_factory=list)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_PARALLEL_POSTS))
    last_due: float = 0.0


class Outbox:
    """All lanes; lives from the start of the sandbox to its end."""

    def __init__(self, cloud: Cloud, session: aiohttp.ClientSession, attempts: list[Attempt]) -> None:
        self._cloud = cloud
        self._session = session
        self._attempts = attempts
        self._lanes: dict[str, _Lane] = {}
        self._boxes: dict[str, PenaltyBox] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._order = itertools.count()
        self.in_flight = 0
        self.discarded = 0

    def put(self, url: str, item: Notification, delay_s: float) -> None:
        """Queue an item for an URL; the host's penalty box may delay or discard it."""
        state = self.host_state(url)
        if state == "drop":
            self.discarded += 1
            return
        switches = self._cloud.switches
        wait = (delay_s + (switches.penalty_window_s if state == "slow" else 0.0)) / switches.speed
        lane = self._lanes.get(url)
        if lane is None:
            lane = self._lanes[url] = _Lane()
            self._spawn(self._run(url, lane), f"sandbox-lane-{len(self._lanes)}")
        due = time.monotonic() + wait
        if not switches.disorder:
            due = lane.last_due = max(due, lane.last_due)
        heapq.heappush(lane.heap, (due, next(self._order), item))
        self.in_flight += 1
        lane.wake.set()

    def host_state(self, url: str) -> State:
        """normal, slow or drop, for the host of the URL."""
        box = self._boxes.setdefault(urlsplit(url).netloc, PenaltyBox())
        switches = self._cloud.switches
        return box.state(time.monotonic(), switches.penalty_window_s / switches.speed)

    async def send_once(self, url: str, items: tuple[Notification, ...]) -> bool:
        """One first attempt, now; True when it was accepted."""
        return await self._post(url, items, 1)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- lanes --------------------------------------------------------------------------------------------------

    async def _run(self, url: str, lane: _Lane) -> None:
        while True:
            lane.wake.clear()
            wait = lane.heap[0][0] - time.monotonic() if lane.heap else _IDLE_S
            if wait > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await lane.wake.wait()
                continue
            async with lane.slots:
                batch = self._take(lane)
            self._spawn(self._deliver(url, lane, batch), "sandbox-delivery")
            await asyncio.sleep(0)

    def _take(self, lane: _Lane) -> tuple[Notification, ...]:
        switches = self._cloud.switches
        limit = time.monotonic() + _TOGETHER_S / switches.speed
        batch: list[Notification] = []
        while lane.heap and len(batch) < switches.batch_max and lane.heap[0][0] <= limit:
            batch.append(heapq.heappop(lane.heap)[2])
        if switches.disorder:
            self._cloud.rng.shuffle(batch)
        return tuple(batch)

    async def _deliver(self, url: str, lane: _Lane, items: tuple[Notification, ...]) -> None:
        """Attempts until a 2xx or until four hours are over."""
        switches = self._cloud.switches
        waited, pause = 0.0, switches.retry_first_s
        try:
            for number in itertools.count(1):
                async with lane.slots:
                    accepted = await self._post(url, items, number)
                if accepted or waited + pause > switches.retry_window_s:
                    break
                await asyncio.sleep(pause / switches.speed)
                waited += pause
                pause = min(pause * 2, switches.retry_cap_s)
        finally:
            self.in_flight -= len(items)

    async def _post(self, url: str, items: tuple[Notification, ...], number: int) -> bool:
        switches = self._cloud.switches
        allowance = switches.first_timeout_s if number == 1 else switches.retry_timeout_s
        body = json.dumps({"value": [item.json for item in items]}).encode()
        began = time.monotonic()
        status: int | None = None
        try:
            async with asyncio.timeout(allowance):
                status, _, _ = await post(self._session, url, _HEADERS, body)
            outcome = "accepted" if 200 <= status < 300 else "refused"
        except TimeoutError:
            outcome = "timeout"
        except (aiohttp.ClientError, OSError):
            outcome = "unreachable"
        took = time.monotonic() - began
        attempt = Attempt(self._cloud.clock.now(), url, number, status, outcome, took, items)
        self._attempts.append(attempt)
        if outcome != "unreachable" and switches.penalty_box:
            self._judge(url, number, outcome, took)
        return attempt.accepted

    def _judge(self, url: str, number: int, outcome: str, took: float) -> None:
        switches = self._cloud.switches
        box = self._boxes.setdefault(urlsplit(url).netloc, PenaltyBox())
        box.record(
            time.monotonic(),
            switches.penalty_window_s / switches.speed,
            switches.penalty_min_responses,
            over_3s=outcome == "timeout" or took > switches.first_timeout_s,
            over_10s=outcome == "timeout" and number > 1,
        )

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
