"""A worker process that shares a Redis with others, as the fault tests want it; every line it prints is one event.

`python -m tests.support.redis_worker URL pace SECONDS PER_MINUTE`: calls as fast as it may; prints the moment of each.
`python -m tests.support.redis_worker URL lease SECONDS TTL`: enters one room again and again; prints from when to when
it believed to be alone. All moments are of the machine's monotonic clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence

import structlog

from sandbox.servers import RedisServer
from shared.adapters.clock import SystemClock
from shared.adapters.state.redis import RedisState, open_redis_state
from shared.domain.errors import Transient
from shared.domain.messages import Lane

ROOM = "customer:1"
BURST = 10


def say(*moments: float) -> None:
    sys.stdout.write(" ".join(f"{moment:.6f}" for moment in moments) + "\n")
    sys.stdout.flush()


async def call(state: RedisState, lane: Lane) -> None:
    async with state.pace.reserve(2, lane, wait=5) as allowance:
        for _ in range(2):
            await allowance.spend()
            say(time.monotonic())


async def enter(state: RedisState, ttl: float) -> None:
    async with state.leases.hold(ROOM, ttl=ttl, wait=5) as lease:
        began = time.monotonic()
        while time.monotonic() < began + ttl / 10:
            lease.ensure(ttl / 5)
            last = time.monotonic()
            say(began, last)
            await asyncio.sleep(0.01)


async def work(url: str, kind: str, seconds: float, number: float) -> None:
    until = time.monotonic() + seconds
    async with open_redis_state(
        url, SystemClock(), pace_per_minute=number, backfill_per_minute=number, burst=BURST, ceiling_per_minute=1_000
    ) as state:
        while time.monotonic() < until:
            try:
                await (call(state, Lane.LIVE) if kind == "pace" else enter(state, number))
            except Transient as error:
                if error.counted and error.code != "lease_lost":
                    raise
                await asyncio.sleep(0.05)


class Workers:
    """Some of these processes, and what they said."""

    def __init__(self, processes: Sequence[asyncio.subprocess.Process]) -> None:
        self._processes = processes

    def freeze(self, number: int) -> None:
        self._processes[number].send_signal(signal.SIGSTOP)

    def thaw(self, number: int) -> None:
        self._processes[number].send_signal(signal.SIGCONT)

    async def said(self) -> list[list[list[float]]]:
        """Per worker its lines, once all have ended by themselves."""
        outputs = await asyncio.gather(*(process.communicate() for process in self._processes))
        assert [process.returncode for process in self._processes] == [0] * len(self._processes), outputs[0][1]
        return [[[float(word) for word in line.split()] for line in out.splitlines()] for out, _ in outputs]


@contextlib.asynccontextmanager
async def workers(server: RedisServer, count: int, kind: str, seconds: float, number: float) -> AsyncIterator[Workers]:
    arguments = (server.url, kind, str(seconds), str(number))
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.support.redis_worker",
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        for _ in range(count)
    ]
    try:
        yield Workers(processes)
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
                await process.wait()


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(work(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4])))
