"""What the worker keeps in Memory: watermarks, fingerprints, first misses, planned confirms, what Syncro cannot keep.

All of it may vanish at any moment; then one look or write too many is made, never one too few. No personal data goes
in: fingerprints of users and values are keyed digests. Next: `worker/sync.py`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from hashlib import blake2b

from shared.domain.changes import FieldChange, NoChange, Plan, UpdateContact, wanted
from shared.domain.records import STOPPED_KEY
from shared.domain.user import AnyUser, Deleted, Missing, UserRead
from shared.domain.watching import read_key
from shared.ports import Clock, Memory

_DAY = 86_400.0
_UNSTUCK_DAYS = 30.0


class Marks:
    def __init__(self, memory: Memory, clock: Clock, fingerprint_key: bytes) -> None:
        self._memory = memory
        self._clock = clock
        self._key = fingerprint_key[:64]  # as much as blake2b takes

    async def last_read(self, tenant_id: str, user_id: str) -> datetime | None:
        """When the read of the last successful look began."""
        return _time(await self._memory.recall(read_key(tenant_id, user_id)))

    async def looked(self, tenant_id: str, read: UserRead, began: datetime) -> None:
        """A look that read `read`, begun at `began`, succeeded for every customer."""
        await self._memory.remember(read_key(tenant_id, read.id), began.isoformat(), ttl=_DAY)
        await self._memory.remember(f"seen:{tenant_id}:{read.id}", self._fingerprint(read), ttl=_DAY)

    async def unchanged(self, tenant_id: str, read: UserRead) -> bool:
        """Does the directory still say what the last successful look read?"""
        return await self._memory.recall(f"seen:{tenant_id}:{read.id}") == self._fingerprint(read)

    async def looking(self, tenant_id: str, user_id: str) -> None:
        """A look at Syncro begins: until it succeeded for every customer nobody knows what was read last.

        Else one that wrote a part and failed would leave behind what was true before it, and a confirm that finds
        Entra back at that would call it unchanged.
        """
        key = f"seen:{tenant_id}:{user_id}"
        if await self._memory.recall(key):
            await self._memory.remember(key, "", ttl=1.0)

    async def missing_since(self, tenant_id: str, user_id: str) -> datetime:
        """When this user was first found missing; a first time is remembered."""
        key = f"missing:{tenant_id}:{user_id}"
        first = _time(await self._memory.recall(key))
        if first is None:
            first = self._clock.now()
            await self._memory.remember(key, first.isoformat(), ttl=7 * _DAY)
        return first

    async def concluded(self, tenant_id: str, read: UserRead, for_good: float) -> AnyUser:
        """A user missing twice, `for_good` seconds or more apart, is deleted; one miss says nothing."""
        if not isinstance(read, Missing):
            await self.found(tenant_id, read.id)
            return read
        since = await self.missing_since(tenant_id, read.id)
        if (self._clock.now() - since).total_seconds() < for_good:
            return read
        return Deleted(read.id, since.date())

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

    async def stopped(self, why: str, ttl: float) -> None:
        """For `status`: why nothing can be written anywhere. "" takes it back."""
        await self._memory.remember(STOPPED_KEY, why, ttl=ttl)

    async def lacking(self, customer_id: int) -> frozenset[str]:
        """Custom fields that Syncro was seen to lack."""
        return frozenset(json.loads(await self._memory.recall(f"lacking:{customer_id}") or "[]"))

    async def lacks(self, customer_id: int, fields: Iterable[str]) -> None:
        known = await self.lacking(customer_id)
        await self._memory.remember(f"lacking:{customer_id}", json.dumps(sorted(known.union(fields))), ttl=_DAY)

    async def written(
        self, customer_id: int, contact_id: int, changes: Sequence[FieldChange], unstuck: Collection[str]
    ) -> None:
        """`changes` were sent, and Syncro did not keep those of the fields `unstuck`."""
        key, sent = f"unstuck:{customer_id}:{contact_id}", {change.field for change in changes}
        known = await self._unstuck(customer_id, contact_id)
        kept = {field: told for field, told in known.items() if field not in sent}
        until = (self._clock.now() + timedelta(days=_UNSTUCK_DAYS)).isoformat()
        kept |= {change.field: (self._value(change), until) for change in changes if change.field in unstuck}
        if kept or known:
            await self._memory.remember(key, json.dumps(kept), ttl=_UNSTUCK_DAYS * _DAY)

    async def without_unstuck(self, plan: Plan) -> Plan:
        """The plan without what Syncro did not keep, until something else is wanted there: said once, not nightly."""
        if not isinstance(plan, UpdateContact):
            return plan
        known = await self._unstuck(plan.customer_id, plan.contact_id)
        left = tuple(c for c in plan.changes if c.field not in known or known[c.field][0] != self._value(c))
        if not left:
            return NoChange(plan.user_id, plan.customer_id, plan.contact_id, plan.link)
        return replace(plan, changes=left)

    async def _unstuck(self, customer_id: int, contact_id: int) -> Mapping[str, tuple[str, str]]:
        """Field -> digest of the value that did not stick, and until when (ISO) it is not tried again."""
        found = json.loads(await self._memory.recall(f"unstuck:{customer_id}:{contact_id}") or "{}")
        now = self._clock.now().isoformat()
        return {field: (value, until) for field, (value, until) in found.items() if until > now}

    def _fingerprint(self, read: UserRead) -> str:
        return self._digest(
            json.dumps([type(read).__name__, asdict(read)], default=str, sort_keys=True, ensure_ascii=False)
        )

    def _value(self, change: FieldChange) -> str:
        return self.digest([change.field, wanted(change)])

    def digest(self, value: object) -> str:
        """A keyed digest of plain JSON, which says nothing about what it is of."""
        return self._digest(json.dumps(value, ensure_ascii=False))

    def _digest(self, text: str) -> str:
        return blake2b(text.encode(), key=self._key, digest_size=16).hexdigest()


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
