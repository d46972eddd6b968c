"""Previews that wait for a person, and the rows that a person approved and that are still to be carried out.

A proposal may come and go; an approved row stays until it was carried out or a later preview is approved. Refuses
the approval of anything but the latest proposal. Next: `links.py`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.adapters.ledger.database import Database
from shared.adapters.ledger.schema import OPEN_PROPOSAL, approvals, approved_rows
from shared.domain.errors import Permanent
from shared.domain.records import Approval


class SqlApprovals:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def propose(self, approval: Approval) -> None:
        values = {
            "digest": approval.digest,
            "rows": dict(approval.rows),
            "summary": dict(approval.summary),
            "proposed_at": approval.proposed_at,
            "connection_changed_at": approval.connection_changed_at,
        }
        await self._database.write(
            self._database.insert(approvals)
            .values(customer_id=approval.customer_id, **values)
            .on_conflict_do_update(index_elements=["customer_id"], index_where=OPEN_PROPOSAL, set_=values)
        )

    async def latest(self, customer_id: int) -> Approval | None:
        """The newest proposal, approved or still open."""
        row = await self._database.row(_latest(customer_id))
        return None if row is None else _approval(row)

    async def approve(self, customer_id: int, digest: str, by: str, at: datetime) -> Approval:
        """Gives the approval as it stands now; approving it a second time changes nothing."""
        async with self._database.atomic() as connection:
            row = (await connection.execute(_latest(customer_id).with_for_update())).first()
            if row is None or row.digest != digest:
                detail = "this is not the approval code of the latest preview: look at the preview again"
                raise Permanent("ledger", "digest_mismatch", detail)
            if row.approved_at is None:
                await self._carry_over(connection, row, by, at)
                row = (await connection.execute(_latest(customer_id))).one()
            return _approval(row)

    async def _carry_over(self, connection: AsyncConnection, row: Row[Any], by: str, at: datetime) -> None:
        await connection.execute(
            update(approvals).where(approvals.c.id == row.id).values(approved_at=at, approved_by=by)
        )
        # What the newer preview does not name asks for nothing any more, and must not hold that user's later changes.
        await connection.execute(
            update(approved_rows)
            .where(approved_rows.c.customer_id == row.customer_id, approved_rows.c.pending)
            .values(pending=False)
        )
        if not row.rows:
            return
        upsert = self._database.insert(approved_rows)
        await connection.execute(
            upsert.on_conflict_do_update(
                index_elements=["customer_id", "user_id"],
                set_={"digest": upsert.excluded.digest, "pending": upsert.excluded.pending},
            ),
            [
                {"customer_id": row.customer_id, "user_id": user_id, "digest": digest, "pending": True}
                for user_id, digest in sorted(row.rows.items())
            ],
        )

    async def approved_row(self, customer_id: int, user_id: str) -> str | None:
        row = await self._database.row(
            select(approved_rows.c.digest).where(
                approved_rows.c.customer_id == customer_id, approved_rows.c.user_id == user_id, approved_rows.c.pending
            )
        )
        return None if row is None else str(row.digest)

    async def settle_row(self, customer_id: int, user_id: str) -> None:
        await self._database.write(
            update(approved_rows)
            .where(approved_rows.c.customer_id == customer_id, approved_rows.c.user_id == user_id)
            .values(pending=False)
        )

    async def pending(self, customer_id: int) -> int:
        row = await self._database.row(
            select(func.count().label("rows")).where(
                approved_rows.c.customer_id == customer_id, approved_rows.c.pending
            )
        )
        return 0 if row is None else int(row.rows)


def _latest(customer_id: int) -> Select[Any]:
    return select(approvals).where(approvals.c.customer_id == customer_id).order_by(approvals.c.id.desc()).limit(1)


def _approval(row: Row[Any]) -> Approval:
    return Approval(
        customer_id=row.customer_id,
        digest=row.digest,
        rows=row.rows,
        summary=row.summary,
        proposed_at=row.proposed_at,
        approved_at=row.approved_at,
        approved_by=row.approved_by,
        connection_changed_at=row.connection_changed_at,
    )
