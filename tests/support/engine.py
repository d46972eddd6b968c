"""Harnesses for the contract suites: each shows one adapter, in one variant, the way the suites want to see it.

A further adapter (RabbitMQ, Redis) is one more class here and one more param in `tests/contract/conftest.py`.
`python -m tests.support.engine URL LANE COUNT HOLD_FOR` is a child process that takes deliveries, says so, and acks
them when it is told to.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import structlog

from shared.adapters.brokers import Broker, EmbeddedBroker, open_broker, open_embedded_broker
from shared.adapters.clock import SystemClock
from shared.adapters.state import State, open_embedded_state
from shared.domain.messages import Lane, Reason, UsersTouched
from shared.ports import Delivery
from tests.support.clock import FixedClock

POLL = 0.005
HOLD_FOR = 30.0


class SteppedClock(FixedClock):
    """A fixed clock whose wall may also step alone, as a corrected system clock does."""

    def step_wall(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


def hint(*user_ids: str, tenant: str = "t1") -> UsersTouched:
    return UsersTouched(
        tenant_id=tenant,
        user_ids=user_ids or ("u1",),
        reason=Reason.NOTIFICATION,
        noticed_at=FixedClock().now(),
        trace_id="trace",
    )


async def take(deliveries: AsyncIterator[Delivery], within: float = 5.0) -> Delivery:
    """The next delivery, `within` real seconds."""
    async with asyncio.timeout(within):
        return await anext(deliveries)


async def nothing(deliveries: AsyncIterator[Delivery], within: float = 0.1) -> bool:
    """True when no delivery comes `within` real seconds."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within):
            await anext(deliveries)
            return False
    return True


class BrokerHarness(Protocol):
    """One broker under test. `url` is None when other processes cannot share it."""

    @property
    def broker(self) -> Broker: ...

    @property
    def url(self) -> str | None: ...

    async def another(self) -> Broker:
        """A further handle, as another process would have it (the same one where nothing can be shared)."""

    async def elapse(self, seconds: float) -> None: ...

    async def put_bytes(self, body: bytes, lane: Lane) -> None: ...

    def obstructed(self) -> contextlib.AbstractContextManager[None]:
        """While this lasts the broker cannot make anything durable. Only where `url` is given."""


@dataclass
class Elapsing:
    """Moves a stepped clock in small steps, each with real time for the adapter's own tasks to notice."""

    clock: SteppedClock = field(default_factory=SteppedClock)
    step: float = 0.5

    async def elapse(self, seconds: float) -> None:
        steps = max(1, round(seconds / self.step))
        for _ in range(steps):
            self.clock.advance(seconds / steps)
            await asyncio.sleep(4 * POLL)


@dataclass
class EmbeddedBrokerHarness(Elapsing):
    path: Path | None = None
    step: float = 5.0
    stack: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    async def start(self) -> None:
        self._broker = await self._open()

    async def _open(self) -> EmbeddedBroker:
        path = ":memory:" if self.path is None else str(self.path)
        return await self.stack.enter_async_context(
            open_embedded_broker(path, self.clock, hold_for=HOLD_FOR, poll=POLL)
        )

    @property
    def broker(self) -> EmbeddedBroker:
        return self._broker

    @property
    def url(self) -> str | None:
        return None if self.path is None else f"embedded:{self.path}"

    async def another(self) -> EmbeddedBroker:
        return self._broker if self.path is None else await self._open()

    async def put_bytes(self, body: bytes, lane: Lane) -> None:
        await self._broker.put(body, lane)

    @contextlib.contextmanager
    def obstructed(self) -> Iterator[None]:
        """Another process holds the file's write lock."""
        with contextlib.closing(sqlite3.connect(str(self.path), isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")


class StateHarness(Protocol):
    """One state under test."""

    @property
    def state(self) -> State: ...

    async def another(self) -> State:
        """A further handle, as another process would have it (the same one where nothing can be shared)."""

    async def elapse(self, seconds: float) -> None: ...

    @property
    def monotonic(self) -> float: ...

    def step_wall(self, seconds: float) -> None:
        """Set the wall clock of every process wrong (or right again)."""

    def freeze(self, seconds: float) -> None:
        """Let time pass without any process noticing before it is over."""

    def wipe(self) -> None:
        """Lose everything, as a restarted Redis does. Only where other processes can share it."""


@dataclass
class EmbeddedStateHarness(Elapsing):
    path: Path | None = None
    stack: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    async def start(self) -> None:
        self._state = await self._open()

    async def _open(self) -> State:
        path = ":memory:" if self.path is None else str(self.path)
        return await self.stack.enter_async_context(
            open_embedded_state(
                path, self.clock, pace_per_minute=120, backfill_per_minute=80, burst=10, poll=POLL, boot="this"
            )
        )

    @property
    def state(self) -> State:
        return self._state

    async def another(self) -> State:
        return self._state if self.path is None else await self._open()

    @property
    def monotonic(self) -> float:
        return self.clock.monotonic()

    def step_wall(self, seconds: float) -> None:
        self.clock.step_wall(seconds)

    def freeze(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def wipe(self) -> None:
        with contextlib.closing(sqlite3.connect(str(self.path), isolation_level=None)) as connection:
            for table in ("lease", "waiter", "pace", "memory"):
                connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names from the line above


def _open(url: str, hold_for: float) -> contextlib.AbstractAsyncContextManager[Broker]:
    scheme, _, path = url.partition(":")
    if scheme == "embedded":
        return open_embedded_broker(path, SystemClock(), hold_for=hold_for)
    return open_broker(url, SystemClock())


async def _hold(url: str, lane: Lane, count: int, hold_for: float) -> None:
    async with (
        _open(url, hold_for) as broker,
        broker.deliveries(lane, prefetch=count) as deliveries,
    ):
        held = [await anext(deliveries) for _ in range(count)]
        sys.stdout.write("holding\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.readline)
        for delivery in held:
            await delivery.ack()
        sys.stdout.write("acked\n")
        sys.stdout.flush()


@contextlib.asynccontextmanager
async def child_holding(
    url: str, count: int, hold_for: float = HOLD_FOR
) -> AsyncIterator[tuple[asyncio.subprocess.Process, Callable[[], Awaitable[None]]]]:
    """A real process that holds `count` live deliveries, and a way to make it ack them all."""
    arguments = (url, Lane.LIVE.value, str(count), str(hold_for))
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.engine", *arguments, stdin=pipe, stdout=pipe
    )

    async def said(word: bytes) -> None:
        assert child.stdout
        async with asyncio.timeout(20):
            assert await child.stdout.readline() == word

    async def ack_all() -> None:
        assert child.stdin
        child.stdin.write(b"\n")
        await said(b"acked\n")

    try:
        await said(b"holding\n")
        yield child, ack_all
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()
        if child.stdin:
            child.stdin.close()


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # our words have stdout to themselves
    asyncio.run(_hold(sys.argv[1], Lane(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
