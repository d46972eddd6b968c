"""What a person has to decide: one open conflict per user and customer.

Opening a known conflict renews its reason and candidates and keeps when it was first seen. Next: `runs.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, select

from shared.adapters.ledger.database import Database
from shared.adapters.ledger.schema import conflicts
from shared.domain.changes import Candidate, Conflict, ConflictReason
from shared.domain.records import OpenConflict


class SqlConflicts:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, conflict: Conflict, at: datetime) -> None:
        values = {
            "reason": conflict.reason.name,
            "candidates": [{"contact_id": c.contact_id, "because": list(c.because)} for c in conflict.candidates],
            "last_seen": at,
        }
        await self._database.write(
            self._database.insert(conflicts)
            .values(customer_id=conflict.customer_id, user_id=conflict.user_id, first_seen=at, **values)
            .on_conflict_do_update(index_elements=["customer_id", "user_id"], set_=values)
        )

    async def close(self, customer_id: int, user_id: str) -> None:
        """Content when there is none."""
        await self._database.write(
            delete(conflicts).where(conflicts.c.customer_id == customer_id, conflicts.c.user_id == user_id)
        )

    async def list(self, customer_id: int | None = None) -> Sequence[OpenConflict]:
        """By customer, the oldest first; those of every customer with None."""
        statement = select(conflicts).order_by(conflicts.c.customer_id, conflicts.c.first_seen, conflicts.c.user_id)
        if customer_id is not None:
            statement = statement.where(conflicts.c.customer_id == customer_id)
        return [_conflict(row) for row in await self._database.rows(statement)]


def _conflict(row: Row[Any]) -> OpenConflict:
    return OpenConflict(
        customer_id=row.customer_id,
        user_id=row.user_id,
        # by its name: the value is a sentence for people, and sentences get better
        reason=ConflictReason[row.reason],
        candidates=tuple(Candidate(kept["contact_id"], tuple(kept["because"])) for kept in row.candidates),
        first_seen=row.first_seen,
        last_seen=row.last_seen,
    )
