"""How long a customer's lists were when they were last believed: what a suspiciously short one is measured against.

Saves and gives back; what is believed is decided by the full run. Next: `copy.py`.
"""

from __future__ import annotations

from sqlalchemy import select

from shared.adapters.ledger.database import Database
from shared.adapters.ledger.schema import list_sizes
from shared.domain.records import ListSizes


class SqlSizes:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def last(self, customer_id: int) -> ListSizes | None:
        row = await self._database.row(select(list_sizes).where(list_sizes.c.customer_id == customer_id))
        return None if row is None else ListSizes(row.customer_id, row.users, row.contacts, row.at)

    async def save(self, sizes: ListSizes) -> None:
        values = {"users": sizes.users, "contacts": sizes.contacts, "at": sizes.at}
        await self._database.write(
            self._database.insert(list_sizes)
            .values(customer_id=sizes.customer_id, **values)
            .on_conflict_do_update(index_elements=["customer_id"], set_=values)
        )
