"""What the brakes hold for a customer: one open hold each, and what became of the earlier ones.

Of two people who answer one hold, one wins; a newer plan lifts an older one. Refuses nothing: whether a code is still
good is decided by whoever plans again. Next: `sizes.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.adapters.ledger.database import Database
from shared.adapters.ledger.field_changes import given_back, kept
from shared.adapters.ledger.schema import OPEN_HOLD, holds
from shared.domain.records import HeldRow, Hold, HoldState


class SqlHolds:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, hold: Hold) -> None:
        """The same code without rows (the live path knows none) only renews a hold that has some: they stay.

        `state`, `settled_at` and `settled_by` of `hold` are ignored.
        """
        standing = select(holds).where(holds.c.customer_id == hold.customer_id, OPEN_HOLD).with_for_update()
        async with self._database.atomic() as connection:
            found = (await connection.execute(standing)).first()
            if found is not None and found.code == hold.code:
                is_whole = hold.rows or not found.rows
                values = _values(hold) if is_whole else {"expires_at": hold.expires_at}
                await connection.execute(update(holds).where(holds.c.id == found.id).values(values))
            else:
                await self._replace(connection, found, hold)

    async def _replace(self, connection: AsyncConnection, found: Row[Any] | None, hold: Hold) -> None:
        if found is not None:
            lifted = {"state": HoldState.LIFTED.value, "settled_at": hold.held_at}
            await connection.execute(update(holds).where(holds.c.id == found.id).values(lifted))
        values = _values(hold) | {"held_at": hold.held_at}
        # Where none stood to be locked, two may open one at once: the later takes the place of the other.
        await connection.execute(
            self._database.insert(holds)
            .values(customer_id=hold.customer_id, state=HoldState.OPEN.value, **values)
            .on_conflict_do_update(index_elements=["customer_id"], index_where=OPEN_HOLD, set_=values)
        )

    async def of_customer(self, customer_id: int) -> Hold | None:
        row = await self._database.row(select(holds).where(holds.c.customer_id == customer_id, OPEN_HOLD))
        return None if row is None else _hold(row)

    async def list(self, *, code: str | None = None, state: HoldState | None = HoldState.OPEN) -> Sequence[Hold]:
        statement = select(holds).order_by(holds.c.id.desc())
        if code is not None:
            statement = statement.where(holds.c.code == code)
        if state is not None:
            statement = statement.where(holds.c.state == state.value)
        return [_hold(row) for row in await self._database.rows(statement)]

    async def settle(self, customer_id: int, code: str, state: HoldState, by: str, at: datetime) -> bool:
        """False also for a code that never was."""
        settled = await self._database.write(
            update(holds)
            .where(holds.c.customer_id == customer_id, holds.c.code == code, OPEN_HOLD)
            .values(state=state.value, settled_at=at, settled_by=by)
        )
        return settled == 1


def _values(hold: Hold) -> dict[str, object]:
    """All that a renewed hold takes over."""
    return {
        "code": hold.code,
        "run_id": hold.run_id,
        "brakes": {brake: list(numbers) for brake, numbers in hold.brakes.items()},
        "rows": [_kept_row(row) for row in hold.rows],
        "detail": hold.detail,
        "expires_at": hold.expires_at,
    }


def _kept_row(row: HeldRow) -> dict[str, object]:
    return {
        "user_id": row.user_id,
        "user_label": row.user_label,
        "contact_id": row.contact_id,
        "digest": row.digest,
        "changes": kept(row.changes),
    }


def _hold(row: Row[Any]) -> Hold:
    return Hold(
        customer_id=row.customer_id,
        code=row.code,
        run_id=row.run_id,
        brakes={brake: (count, limit) for brake, (count, limit) in row.brakes.items()},
        rows=tuple(_row(stored) for stored in row.rows),
        detail=row.detail,
        held_at=row.held_at,
        expires_at=row.expires_at,
        state=HoldState(row.state),
        settled_at=row.settled_at,
        settled_by=row.settled_by,
    )


def _row(stored: Mapping[str, Any]) -> HeldRow:
    return HeldRow(
        user_id=stored["user_id"],
        user_label=stored["user_label"],
        contact_id=stored["contact_id"],
        digest=stored["digest"],
        changes=given_back(stored["changes"]),
    )
