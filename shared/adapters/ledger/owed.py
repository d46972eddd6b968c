"""Which customers missed something and are owed a full pass.

A customer's row stays after it was cleared: generations only ever grow, so that a pass which began before a later
mark can never clear it. Next: `journal.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import case, select, update

from shared.adapters.ledger.database import Database
from shared.adapters.ledger.schema import owed_marks
from shared.domain.records import Owed


class SqlOwedMarks:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def mark(self, customer_id: int, reason: str, at: datetime) -> int:
        """Keeps `since` of a customer that is owed already; the reason is the newest one."""
        first = self._database.insert(owed_marks).values(
            customer_id=customer_id, generation=1, owed=True, reason=reason, since=at
        )
        again = {
            "generation": owed_marks.c.generation + 1,
            "owed": True,
            "reason": first.excluded.reason,
            "since": case((owed_marks.c.owed, owed_marks.c.since), else_=first.excluded.since),
        }
        return await self._database.write_returning(
            first.on_conflict_do_update(index_elements=["customer_id"], set_=again).returning(owed_marks.c.generation)
        )

    async def owed(self) -> Sequence[Owed]:
        """Who waits longest comes first."""
        statement = select(owed_marks).where(owed_marks.c.owed).order_by(owed_marks.c.since, owed_marks.c.customer_id)
        return [
            Owed(customer_id=row.customer_id, generation=row.generation, reason=row.reason, since=row.since)
            for row in await self._database.rows(statement)
        ]

    async def clear(self, customer_id: int, generation: int) -> bool:
        """True when nothing is owed any more, a customer that was never marked included."""
        cleared = await self._database.write(
            update(owed_marks)
            .where(owed_marks.c.customer_id == customer_id, owed_marks.c.generation <= generation)
            .values(owed=False)
        )
        if cleared:
            return True
        known = await self._database.row(select(owed_marks.c.generation).where(owed_marks.c.customer_id == customer_id))
        return known is None
