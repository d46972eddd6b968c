"""What a full pass hands to the looks that follow it: facts from reports, and which brakes it has judged already.

Kept in Memory, so it may vanish: then reports are unknown to that look (the customer stays owed), and its changes
are judged by the hour like any other. Next: `worker/customer.py`.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime

from shared.domain.facts import KEEPS_FOR, Facts
from shared.domain.safety import Brake
from shared.ports import Memory

_TTL = KEEPS_FOR.total_seconds()
_TEXTS = ("mfa_status", "mfa_methods", "last_activity", "why_unknown")


class HandOver:
    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def give(
        self, tenant_id: str, customer_id: int, user_id: str, facts: Facts, passed: Collection[Brake]
    ) -> None:
        """`facts` with every text None say "asked, and unknown". `passed`: classes that need no second judgement."""
        told = {"read_at": facts.read_at.isoformat(), **{name: getattr(facts, name) for name in _TEXTS}}
        await self._memory.remember(f"facts:{tenant_id}:{user_id}", json.dumps(told), ttl=_TTL)
        judged = json.dumps(sorted(brake.value for brake in passed))
        await self._memory.remember(f"judged:{customer_id}:{user_id}", judged, ttl=_TTL)

    async def facts(self, tenant_id: str, user_id: str) -> Facts | None:
        """As handed over last, however old; None: nothing was, or it is lost."""
        told = json.loads(await self._memory.recall(f"facts:{tenant_id}:{user_id}") or "null")
        if told is None:
            return None
        return Facts(datetime.fromisoformat(told["read_at"]), **{name: told[name] for name in _TEXTS})

    async def passed(self, customer_id: int, user_id: str) -> frozenset[Brake]:
        return frozenset(map(Brake, json.loads(await self._memory.recall(f"judged:{customer_id}:{user_id}") or "[]")))

    async def used(self, customer_id: int, user_id: str) -> None:
        """What was judged has been written: the next change of this user is judged anew."""
        await self._memory.remember(f"judged:{customer_id}:{user_id}", "[]", ttl=1.0)

    async def applied(self, customer_id: int, user_id: str) -> datetime | None:
        """When the reports were read that were written last."""
        told = await self._memory.recall(f"applied:{customer_id}:{user_id}")
        return datetime.fromisoformat(told) if told else None

    async def note_applied(self, customer_id: int, user_id: str, facts: Facts) -> None:
        await self._memory.remember(f"applied:{customer_id}:{user_id}", facts.read_at.isoformat(), ttl=_TTL)
