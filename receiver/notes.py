"""What the registrar remembers of a tenant's subscriptions from one process to the next: ids and moments.

All of it may be lost at any moment and only saves calls: a wiped memory costs a take-over by id and one listing.
Next: `receiver/subscriptions.py`.
"""

from __future__ import annotations

from datetime import datetime

from shared.domain.watching import poll_wanted_key
from shared.ports import Clock, Memory

SWEPT_FOR = 30 * 86_400.0  # seconds; then a tenant is looked over once more
RENEWED_FOR = 3600.0
WANTED_FOR = 86_400.0
UNSEEN_FOR = 3600.0
_GONE = 1.0  # seconds: there is no forgetting, only a value that says nothing


class Notes:
    def __init__(self, memory: Memory, clock: Clock) -> None:
        self._memory = memory
        self._clock = clock

    async def subscription(self, tenant_id: str) -> str:
        """The id of the one that should live; "" when none is known."""
        return await self._memory.recall(_main(tenant_id)) or ""

    async def keep_subscription(self, tenant_id: str, subscription_id: str, *, ttl: float) -> None:
        await self._memory.remember(_main(tenant_id), subscription_id, ttl=max(ttl, _GONE))

    async def forget_subscription(self, tenant_id: str) -> None:
        await self._memory.remember(_main(tenant_id), "", ttl=_GONE)

    async def bridge(self, tenant_id: str) -> str:
        return await self._memory.recall(_bridge(tenant_id)) or ""

    async def keep_bridge(self, tenant_id: str, subscription_id: str) -> None:
        await self._memory.remember(_bridge(tenant_id), subscription_id, ttl=SWEPT_FOR)

    async def is_swept(self, tenant_id: str) -> bool:
        """Nothing of ours but the one subscription lives in this tenant, as far as we know."""
        return bool(await self._memory.recall(_swept(tenant_id)))

    async def swept(self, tenant_id: str) -> None:
        await self._memory.remember(_bridge(tenant_id), "", ttl=_GONE)
        await self._memory.remember(_swept(tenant_id), "1", ttl=SWEPT_FOR)

    async def unswept(self, tenant_id: str) -> None:
        await self._memory.remember(_swept(tenant_id), "", ttl=_GONE)

    async def since_renewal(self, subscription_id: str) -> float | None:
        """Seconds since it was last created, renewed or perhaps renewed; None when that is long ago."""
        at = await self._memory.recall(_renewed(subscription_id))
        return (self._clock.now() - datetime.fromisoformat(at)).total_seconds() if at else None

    async def renewed(self, subscription_id: str) -> None:
        await self._memory.remember(_renewed(subscription_id), self._clock.now().isoformat(), ttl=RENEWED_FOR)

    async def not_renewed(self, subscription_id: str) -> None:
        await self._memory.remember(_renewed(subscription_id), "", ttl=_GONE)

    async def unseen_before(self, subscription_id: str) -> bool:
        """Was it named and not shown within the last hour already? Remembers that it is so now."""
        key = f"subscription-unseen:{subscription_id}"
        before = bool(await self._memory.recall(key))
        await self._memory.remember(key, "1", ttl=UNSEEN_FOR)
        return before

    async def want_poll(self, tenant_id: str) -> None:
        """Changes may have gone unseen until now: the delta polls ask at once."""
        await self._memory.remember(poll_wanted_key(tenant_id), self._clock.now().isoformat(), ttl=WANTED_FOR)


def _main(tenant_id: str) -> str:
    return f"subscription:{tenant_id}"


def _bridge(tenant_id: str) -> str:
    return f"subscription-bridge:{tenant_id}"


def _swept(tenant_id: str) -> str:
    return f"subscriptions-swept:{tenant_id}"


def _renewed(subscription_id: str) -> str:
    return f"subscription-renewed:{subscription_id}"
