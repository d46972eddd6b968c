"""How each tenant's subscription stood when the registrar last looked, for people. Nothing is decided by it.

Next: `polls.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import delete, select

from shared.adapters.ledger.database import Database
from shared.adapters.ledger.schema import subscription_states as states
from shared.domain.watching import SubscriptionState


class SqlSubscriptionStates:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, state: SubscriptionState) -> None:
        values = {
            "subscription_id": state.subscription_id,
            "expires_at": state.expires_at,
            "code": state.code,
            "since": state.since,
            "next_try_at": state.next_try_at,
            "short_by": state.short_by,
        }
        await self._database.write(
            self._database.insert(states)
            .values(tenant_id=state.tenant_id, **values)
            .on_conflict_do_update(index_elements=["tenant_id"], set_=values)
        )

    async def forget(self, tenant_id: str) -> None:
        await self._database.write(delete(states).where(states.c.tenant_id == tenant_id))

    async def all(self) -> Mapping[str, SubscriptionState]:
        rows = await self._database.rows(select(states).order_by(states.c.tenant_id))
        return {
            row.tenant_id: SubscriptionState(
                tenant_id=row.tenant_id,
                subscription_id=row.subscription_id,
                expires_at=row.expires_at,
                code=row.code,
                since=row.since,
                next_try_at=row.next_try_at,
                short_by=row.short_by,
            )
            for row in rows
        }
