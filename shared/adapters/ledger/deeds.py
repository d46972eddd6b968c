"""What operators did, for the record. Noted, never changed. Next: `notices.py`."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from shared.adapters.ledger.database import Database
from shared.adapters.ledger.schema import deeds
from shared.domain.desk import Deed


class SqlDeeds:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def note(self, deed: Deed) -> None:
        """`deed.id` is ignored."""
        values = {
            "by_whom": deed.by,
            "what": deed.what,
            "at": deed.at,
            "customer_id": deed.customer_id,
            "facts": dict(deed.facts),
        }
        await self._database.write(self._database.insert(deeds).values(**values))

    async def recent(self, *, customer_id: int | None = None, limit: int = 100) -> Sequence[Deed]:
        """Those about one customer; everything with None."""
        statement = select(deeds).order_by(deeds.c.id.desc()).limit(limit)
        if customer_id is not None:
            statement = statement.where(deeds.c.customer_id == customer_id)
        return [
            Deed(by=row.by_whom, what=row.what, at=row.at, customer_id=row.customer_id, facts=row.facts, id=row.id)
            for row in await self._database.rows(statement)
        ]
