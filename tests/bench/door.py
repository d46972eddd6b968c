"""The receiver under load: the real application over loopback, its broker on a file with `synchronous = FULL`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry

from console.cli.demo.summary import percentile
from receiver.service import build_public
from receiver.site import PublicSite
from shared.adapters.brokers import open_embedded_broker
from shared.adapters.clock import SystemClock
from shared.domain.messages import Lane
from shared.runtime.logging import configure_logging
from shared.runtime.metrics import Metrics
from shared.runtime.settings import LogSettings, ReceiverSettings
from tests.bench.figures import Figure
from tests.support.receiver import SECRETS

RATE = 300.0  # POSTs a second, as promised
P99_MS = 100.0
CONNECTIONS = 32  # for the largest rate
STARTS_WITHIN = 5.0  # seconds
GRACE = 30.0  # seconds beyond its time, after which a generator is given up


@dataclass(frozen=True, slots=True)
class Load:
    """What the generator saw. Latencies in ms."""

    statuses: dict[str, int]
    latencies: list[float]
    late: list[float]
    accepted: int
    seconds: float

    @property
    def refused(self) -> int:
        return sum(count for status, count in self.statuses.items() if status != "202")


async def measure(folder: Path, *, steady: float, full: float) -> list[Figure]:
    """`steady` and `full`: seconds of each load."""
    with (folder / "log").open("w", encoding="utf-8") as log:
        configure_logging(LogSettings(), stream=log)  # a line per POST, as in production
        calm, storm, messages = await _both(folder, steady, full)
    configure_logging(LogSettings(), quiet=True)
    return _figures(calm, storm, messages)


async def _both(folder: Path, steady: float, full: float) -> tuple[Load, Load, int]:
    async with open_door(folder / "door.db") as (site, stored):
        calm = await generate(site.port, "steady", RATE, steady)
        storm = await generate(site.port, "full", CONNECTIONS, full)
        return calm, storm, await stored()


def _figures(calm: Load, storm: Load, messages: int) -> list[Figure]:
    posts = len(calm.latencies)
    return [
        Figure("receiver_posts_per_s", "POSTs a second, 5 notifications each", posts / calm.seconds, "1/s"),
        Figure("receiver_p50_ms", "answered within, half of them", percentile(calm.latencies, 0.5), "ms"),
        Figure("receiver_p99_ms", "answered within, 99 %", percentile(calm.latencies, 0.99), "ms", P99_MS),
        Figure("receiver_refused", "POSTs that got no 202", calm.refused, "", 0),
        Figure("generator_late_p99_ms", "the generator's own lateness, 99 %", percentile(calm.late, 0.99), "ms"),
        Figure("receiver_notifications_per_s", "most notifications, 100 a POST", storm.accepted / storm.seconds, "1/s"),
        Figure("receiver_messages", "messages that carry all of these", messages, ""),
    ]


@asynccontextmanager
async def open_door(file: Path) -> AsyncIterator[tuple[PublicSite, Callable[[], Awaitable[int]]]]:
    """The public site, ready, and a way to count what its broker holds."""
    async with open_embedded_broker(str(file), SystemClock()) as broker:
        site = build_public(
            ReceiverSettings(host="127.0.0.1", port=0),
            secrets=SECRETS,
            publisher=broker,
            probe=broker,
            clock=SystemClock(),
            metrics=Metrics(CollectorRegistry()).receiver,
        )

        async def stored() -> int:
            return (await broker.depths())[Lane.LIVE]

        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(site.run(stop), name="bench:receiver")
            try:
                async with asyncio.timeout(STARTS_WITHIN):
                    while not site.ready():  # noqa: ASYNC110 - readiness is asked for, as a probe does
                        await asyncio.sleep(0.01)
                yield site, stored
            finally:
                stop.set()


async def generate(port: int, kind: str, amount: float, seconds: float) -> Load:
    """Run one load in its own process and read what it saw."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.load", str(port), kind, str(amount), str(seconds)),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(seconds + GRACE):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise RuntimeError(f"the load generator ended with {process.returncode}")
    seen = json.loads(said)
    return Load(seen["statuses"], seen["latencies_ms"], seen["late_ms"], seen["accepted"], seen["seconds"])
