"""What people chose for users whose contact is not certain: one choice per user and customer. Next: `deeds.py`."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import delete, select

from shared.adapters.ledger.database import Database
from shared.adapters.ledger.schema import choices
from shared.domain.desk import Choice, Chosen


class SqlChoices:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def choose(self, chosen: Chosen) -> None:
        values = {
            "choice": chosen.choice.value,
            "candidates": chosen.candidates,
            "why": chosen.why,
            "by_whom": chosen.by,
            "at": chosen.at,
        }
        await self._database.write(
            self._database.insert(choices)
            .values(customer_id=chosen.customer_id, user_id=chosen.user_id, **values)
            .on_conflict_do_update(index_elements=["customer_id", "user_id"], set_=values)
        )

    async def of_customer(self, customer_id: int) -> Mapping[str, Chosen]:
        rows = await self._database.rows(select(choices).where(choices.c.customer_id == customer_id))
        return {
            row.user_id: Chosen(
                customer_id=row.customer_id,
                user_id=row.user_id,
                choice=Choice(row.choice),
                candidates=row.candidates,
                why=row.why,
                by=row.by_whom,
                at=row.at,
            )
            for row in rows
        }

    async def forget(self, customer_id: int, user_id: str) -> None:
        """Content when there is none."""
        await self._database.write(
            delete(choices).where(choices.c.customer_id == customer_id, choices.c.user_id == user_id)
        )
