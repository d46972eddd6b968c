"""The shared state on one Redis, for any number of machines: leases, pace, memory.

In: an address and the pace's rule. Out: a `RedisState` with the three ports. Opening connects nothing and never fails
for a Redis that is away: every call then raises Transient, the hints wait in the broker, and the receiver, which asks
nothing here, does not notice. Nothing kept here is a truth; it may be emptied, restarted or replaced at any moment.
Next: `redis_connection.py`, `redis_scripts.py`, `redis_pace.py`, `redis_leases.py`, `redis_memory.py`.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from shared.adapters.state.redis_connection import RedisLink
from shared.adapters.state.redis_leases import RedisLeases
from shared.adapters.state.redis_memory import RedisMemory
from shared.adapters.state.redis_pace import RedisPace
from shared.domain.pace import BACKFILL_PER_MINUTE, BURST, CEILING_PER_MINUTE, PACE_PER_MINUTE, PaceRule
from shared.ports import Clock

POLL = 0.1  # seconds between two looks of somebody who waits
PREFIX = "entra-syncro"  # of every key, so that other tenants of the same Redis are left alone


@dataclass(frozen=True, slots=True)
class RedisState:
    leases: RedisLeases
    pace: RedisPace
    memory: RedisMemory


@contextlib.asynccontextmanager
async def open_redis_state(
    url: str,
    clock: Clock,
    *,
    pace_per_minute: float = PACE_PER_MINUTE,
    backfill_per_minute: float = BACKFILL_PER_MINUTE,
    burst: int = BURST,
    ceiling_per_minute: float = CEILING_PER_MINUTE,
    poll: float = POLL,
    server_time: Callable[[], float] | None = None,
) -> AsyncIterator[RedisState]:
    """Open the state at `url` (`redis://`, `rediss://` for TLS, `unix://`). Raises Permanent for an unreadable one.

    A pace above `ceiling_per_minute` is lowered to it (only a simulated Syncro may be driven faster). `poll`: seconds
    between two looks of somebody who waits. `server_time` goes instead of the server's clock where time is simulated.
    """
    rule = PaceRule(pace_per_minute, backfill_per_minute, burst).capped(ceiling_per_minute)
    link = RedisLink(url)
    try:
        yield RedisState(
            leases=RedisLeases(link, clock, prefix=PREFIX, poll=poll, server_time=server_time),
            pace=RedisPace(link, clock, rule, key=f"{PREFIX}:pace", poll=poll, server_time=server_time),
            memory=RedisMemory(link, prefix=PREFIX),
        )
    finally:
        await link.close()
