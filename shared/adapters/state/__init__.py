"""The shared state: leases, the pace and the memory. One address in, one state out; the scheme chooses the adapter.

Nothing kept here is a truth: all of it may vanish at any moment and is rebuilt. An address is never repeated in an
error or a log, for it may hold a password. Next: `embedded.py` (one machine), `redis.py` (many).
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from shared.adapters.state.embedded import EmbeddedState, open_embedded_state
from shared.domain.errors import Permanent
from shared.domain.pace import BACKFILL_PER_MINUTE, BURST, CEILING_PER_MINUTE, PACE_PER_MINUTE
from shared.ports import Clock, Leases, Memory, Pace

__all__ = ["EmbeddedState", "State", "open_embedded_state", "open_state"]

_REDIS = ("redis", "rediss", "unix")


class State(Protocol):
    """What every state adapter offers."""

    @property
    def leases(self) -> Leases: ...

    @property
    def pace(self) -> Pace: ...

    @property
    def memory(self) -> Memory: ...


def open_state(
    url: str,
    clock: Clock,
    *,
    pace_per_minute: float = PACE_PER_MINUTE,
    backfill_per_minute: float = BACKFILL_PER_MINUTE,
    burst: int = BURST,
    ceiling_per_minute: float = CEILING_PER_MINUTE,
) -> AbstractAsyncContextManager[State]:
    """Open the state at `url`: `embedded:PATH`, `embedded::memory:`, `redis://…`, `rediss://…` or `unix://…`.

    Raises Permanent for another address.
    """
    scheme, _, path = url.partition(":")
    if scheme == "embedded" and path:
        return open_embedded_state(
            path,
            clock,
            pace_per_minute=pace_per_minute,
            backfill_per_minute=backfill_per_minute,
            burst=burst,
            ceiling_per_minute=ceiling_per_minute,
        )
    if scheme in _REDIS:
        from shared.adapters.state.redis import open_redis_state  # its library is loaded where it is used

        return open_redis_state(
            url,
            clock,
            pace_per_minute=pace_per_minute,
            backfill_per_minute=backfill_per_minute,
            burst=burst,
            ceiling_per_minute=ceiling_per_minute,
        )
    raise Permanent(
        "state",
        "unsupported_url",
        "supported state addresses: embedded:PATH, embedded::memory:, redis://HOST:PORT/0, rediss://…, unix://PATH",
    )
