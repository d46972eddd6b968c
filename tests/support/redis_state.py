"""The Redis state the way the contract suites want to see it: a real server, whose time is simulated.

The scripts are told the time; what Redis ends by itself is brought nearer to its end whenever time passes.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

from redis import Redis

from sandbox.servers import RedisServer
from shared.adapters.state.redis import RedisState, open_redis_state
from tests.support.engine import POLL, Elapsing

AGE = 100_000_000.0  # seconds since the scripts' epoch, with the loss of digits that comes with it


@dataclass
class RedisStateHarness(Elapsing):
    """Satisfies `tests.support.engine.StateHarness`."""

    server: RedisServer | None = None
    stack: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    async def start(self) -> None:
        assert self.server is not None
        self._control: Redis = self.stack.enter_context(Redis.from_url(self.server.url))
        self._state = await self._open()

    async def _open(self) -> RedisState:
        assert self.server is not None
        return await self.stack.enter_async_context(
            open_redis_state(
                self.server.url,
                self.clock,
                pace_per_minute=120,
                backfill_per_minute=80,
                burst=10,
                poll=POLL,
                server_time=self.server_time,
            )
        )

    def server_time(self) -> float:
        return AGE + self.clock.monotonic()

    @property
    def state(self) -> RedisState:
        return self._state

    async def another(self) -> RedisState:
        return await self._open()

    async def elapse(self, seconds: float) -> None:
        steps = max(1, round(seconds / self.step))
        for _ in range(steps):
            self.freeze(seconds / steps)
            await asyncio.sleep(4 * POLL)

    @property
    def monotonic(self) -> float:
        return self.clock.monotonic()

    def step_wall(self, seconds: float) -> None:
        self.clock.step_wall(seconds)

    def freeze(self, seconds: float) -> None:
        self.clock.advance(seconds)
        for key in self._control.scan_iter(count=1_000):
            if (left := self._control.pttl(key)) > 0:
                self._control.pexpire(key, left - round(seconds * 1_000))  # not in the future: gone at once

    def wipe(self) -> None:
        self._control.flushall()
