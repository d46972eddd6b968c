"""What the worker keeps in Memory: watermarks, fingerprints, first misses, planned confirms, fields Syncro lacks.

All of it may vanish at any moment; then one look too many is made, never one too few. No personal data goes in:
the fingerprint is a keyed digest. Next: `worker/sync.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime, timedelta
from hashlib import blake2b

from shared.domain.user import UserRead
from shared.ports import Clock, Memory

_DAY = 86_400.0


class Marks:
    def __init__(self, memory: Memory, clock: Clock, fingerprint_key: bytes) -> None:
        self._memory = memory
        self._clock = clock
        self._key = fingerprint_key[:64]  # as much as blake2b takes

    async def last_read(self, tenant_id: str, user_id: str) -> datetime | None:
        """When the read of the last successful look began."""
        return _time(await self._memory.recall(f"read:{tenant_id}:{user_id}"))

    async def looked(self, tenant_id: str, read: UserRead, began: datetime) -> None:
        """A look that read `read`, begun at `began`, succeeded for every customer."""
        await self._memory.remember(f"read:{tenant_id}:{read.id}", began.isoformat(), ttl=_DAY)
        await self._memory.remember(f"seen:{tenant_id}:{read.id}", self._fingerprint(read), ttl=_DAY)

    async def unchanged(self, tenant_id: str, read: UserRead) -> bool:
        """Does the directory still say what the last successful look read?"""
        return await self._memory.recall(f"seen:{tenant_id}:{read.id}") == self._fingerprint(read)

    async def missing_since(self, tenant_id: str, user_id: str) -> datetime:
        """When this user was first found missing; a first time is remembered."""
        key = f"missing:{tenant_id}:{user_id}"
        first = _time(await self._memory.recall(key))
        if first is None:
            first = self._clock.now()
            await self._memory.remember(key, first.isoformat(), ttl=7 * _DAY)
        return first

    async def found(self, tenant_id: str, user_id: str) -> None:
        """The user exists after all: a miss long ago must not count towards a deletion."""
        key = f"missing:{tenant_id}:{user_id}"
        if await self._memory.recall(key):
            await self._memory.remember(key, "", ttl=1.0)

    async def awaits_confirm(self, tenant_id: str, user_id: str) -> bool:
        """One confirm read answers for all looks before it."""
        due = _time(await self._memory.recall(f"confirm:{tenant_id}:{user_id}"))
        return due is not None and due > self._clock.now()

    async def confirming(self, tenant_id: str, user_id: str, wait: float) -> None:
        """A confirm read is under way and due in `wait` seconds."""
        due = self._clock.now() + timedelta(seconds=wait)
        await self._memory.remember(f"confirm:{tenant_id}:{user_id}", due.isoformat(), ttl=wait)

    async def lacking(self, customer_id: int) -> frozenset[str]:
        """Custom fields that Syncro was seen to lack."""
        return frozenset(json.loads(await self._memory.recall(f"lacking:{customer_id}") or "[]"))

    async def lacks(self, customer_id: int, fields: Iterable[str]) -> None:
        known = await self.lacking(customer_id)
        await self._memory.remember(f"lacking:{customer_id}", json.dumps(sorted(known.union(fields))), ttl=_DAY)

    def _fingerprint(self, read: UserRead) -> str:
        text = json.dumps([type(read).__name__, asdict(read)], default=str, sort_keys=True, ensure_ascii=False)
        return blake2b(text.encode(), key=self._key, digest_size=16).hexdigest()


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
