"""Small facts with an end, on Redis: the Memory port. Redis ends them itself; nothing here is a truth.

Both calls may be heard twice or late without harm: an older fact costs one extra look. Next: `redis.py`.
"""

from __future__ import annotations

import math
from typing import cast

from redis.asyncio import Redis

from shared.adapters.state.redis_connection import RedisLink

TRIES = 2


class RedisMemory:
    """Satisfies `shared.ports.Memory`."""

    def __init__(self, link: RedisLink, *, prefix: str) -> None:
        self._link = link
        self._prefix = prefix

    async def recall(self, key: str) -> str | None:
        async def question(client: Redis) -> str | None:
            return cast("str | None", await client.get(self._name(key)))

        return await self._link.ask(question, tries=TRIES)

    async def remember(self, key: str, value: str, *, ttl: float) -> None:
        async def question(client: Redis) -> None:
            await client.set(self._name(key), value, px=max(1, math.ceil(ttl * 1000)))

        await self._link.ask(question, tries=TRIES)

    def _name(self, key: str) -> str:
        return f"{self._prefix}:memory:{key}"
