"""Which contact belongs to which Entra user.

The unique constraints of the table decide a race of two workers for one contact: the second is refused. A user's
own link may move to another contact. Next: `owed.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, delete, select

from shared.adapters.ledger.database import Database
from shared.adapters.ledger.failures import CONSTRAINT
from shared.adapters.ledger.schema import links
from shared.domain.errors import Permanent
from shared.domain.records import Link


class SqlLinks:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def link(self, link: Link) -> None:
        values = {"contact_id": link.contact_id, "how": link.how, "linked_at": link.linked_at}
        statement = (
            self._database.insert(links)
            .values(customer_id=link.customer_id, user_id=link.user_id, **values)
            .on_conflict_do_update(index_elements=["customer_id", "user_id"], set_=values)
        )
        try:
            await self._database.write(statement)
        except Permanent as error:
            if error.code != CONSTRAINT:
                raise
            detail = f"contact {link.contact_id} is linked to another user"
            raise Permanent("ledger", "linked_elsewhere", detail) from None

    async def of_user(self, customer_id: int, user_id: str) -> Link | None:
        row = await self._database.row(
            select(links).where(links.c.customer_id == customer_id, links.c.user_id == user_id)
        )
        return None if row is None else _link(row)

    async def of_customer(self, customer_id: int) -> Sequence[Link]:
        """By contact id."""
        statement = select(links).where(links.c.customer_id == customer_id).order_by(links.c.contact_id)
        return [_link(row) for row in await self._database.rows(statement)]

    async def unlink(self, customer_id: int, user_id: str) -> None:
        """Content when there is no link."""
        await self._database.write(delete(links).where(links.c.customer_id == customer_id, links.c.user_id == user_id))


def _link(row: Row[Any]) -> Link:
    return Link(
        customer_id=row.customer_id,
        user_id=row.user_id,
        contact_id=row.contact_id,
        how=row.how,
        linked_at=row.linked_at,
    )
