"""Customers that a person said have no Entra tenant. Next: `runs.py`."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select

from shared.adapters.ledger.database import Database
from shared.adapters.ledger.schema import without_entra
from shared.domain.onboarding import WithoutEntra


class SqlApart:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, customer: WithoutEntra) -> None:
        values = {"customer_name": customer.customer_name, "at": customer.at}
        await self._database.write(
            self._database.insert(without_entra)
            .values(customer_id=customer.customer_id, **values)
            .on_conflict_do_update(index_elements=["customer_id"], set_=values)
        )

    async def remove(self, customer_id: int) -> None:
        await self._database.write(delete(without_entra).where(without_entra.c.customer_id == customer_id))

    async def all(self) -> Sequence[WithoutEntra]:
        """By customer id."""
        rows = await self._database.rows(select(without_entra).order_by(without_entra.c.customer_id))
        return [WithoutEntra(row.customer_id, row.customer_name, row.at) for row in rows]
