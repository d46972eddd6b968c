"""Contacts that a person locked, until when and why. Next: `choices.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, delete, select

from shared.adapters.ledger.database import Database
from shared.adapters.ledger.schema import pins
from shared.domain.desk import Pin


class SqlPins:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def pin(self, pin: Pin) -> None:
        values = {"why": pin.why, "by_whom": pin.by, "at": pin.at, "until": pin.until}
        await self._database.write(
            self._database.insert(pins)
            .values(customer_id=pin.customer_id, contact_id=pin.contact_id, **values)
            .on_conflict_do_update(index_elements=["customer_id", "contact_id"], set_=values)
        )

    async def unpin(self, customer_id: int, contact_id: int) -> bool:
        removed = await self._database.write(
            delete(pins).where(pins.c.customer_id == customer_id, pins.c.contact_id == contact_id)
        )
        return removed == 1

    async def of_customer(self, customer_id: int) -> Sequence[Pin]:
        """By contact id."""
        statement = select(pins).where(pins.c.customer_id == customer_id).order_by(pins.c.contact_id)
        return [_pin(row) for row in await self._database.rows(statement)]

    async def all(self) -> Sequence[Pin]:
        """By customer and contact id."""
        statement = select(pins).order_by(pins.c.customer_id, pins.c.contact_id)
        return [_pin(row) for row in await self._database.rows(statement)]


def _pin(row: Row[Any]) -> Pin:
    return Pin(
        customer_id=row.customer_id,
        contact_id=row.contact_id,
        why=row.why,
        by=row.by_whom,
        at=row.at,
        until=row.until,
    )
