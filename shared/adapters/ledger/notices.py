"""Causes that somebody was told of: one standing notice per key, and those that are over. Next: `runs.py`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update

from shared.adapters.ledger.database import Database
from shared.adapters.ledger.schema import STANDING_NOTICE, notices
from shared.domain.desk import Notice


class SqlNotices:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, notice: Notice) -> bool:
        values = {
            "key": notice.key,
            "kind": notice.kind,
            "customer_id": notice.customer_id,
            "sentence": notice.sentence,
            "opened_at": notice.opened_at,
            "told_at": notice.told_at,
            "cleared_at": notice.cleared_at,
        }
        opened = await self._database.write(
            self._database.insert(notices)
            .values(**values)
            .on_conflict_do_nothing(index_elements=["key"], index_where=STANDING_NOTICE)
        )
        return opened == 1

    async def told(self, key: str, at: datetime) -> None:
        """Content when none with this key stands."""
        await self._change(key, told_at=at)

    async def clear(self, key: str, at: datetime) -> None:
        """Content when none with this key stands."""
        await self._change(key, cleared_at=at)

    async def _change(self, key: str, **values: datetime) -> None:
        await self._database.write(update(notices).where(notices.c.key == key, STANDING_NOTICE).values(**values))

    async def standing(self) -> Sequence[Notice]:
        statement = select(notices).where(STANDING_NOTICE).order_by(notices.c.opened_at, notices.c.id)
        return [_notice(row) for row in await self._database.rows(statement)]


def _notice(row: Row[Any]) -> Notice:
    return Notice(
        key=row.key,
        kind=row.kind,
        customer_id=row.customer_id,
        sentence=row.sentence,
        opened_at=row.opened_at,
        told_at=row.told_at,
        cleared_at=row.cleared_at,
    )
