"""Causes that somebody was told of: one standing notice per key, and those that are over. Next: `runs.py`.

Which channels told it is a list in the row: it is read and written under one lock, for two workers may tell at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select, update

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
            "told_over": list(notice.told_over) or None,
            "unsure_over": list(notice.unsure_over) or None,
            "meant_for": list(notice.meant_for) or None,
        }
        opened = await self._database.write(
            self._database.insert(notices)
            .values(**values)
            .on_conflict_do_nothing(index_elements=["key"], index_where=STANDING_NOTICE)
        )
        return opened == 1

    async def told(self, key: str, at: datetime, channel: str, *, unsure: bool = False) -> None:
        """Content when none with this key stands."""
        table = notices.c
        chosen = select(table.id, table.told_at, table.told_over, table.unsure_over)
        async with self._database.atomic() as connection:
            row = (await connection.execute(chosen.where(table.key == key, STANDING_NOTICE).with_for_update())).first()
            if row is None:
                return
            values = {
                "told_at": row.told_at or at,
                "told_over": _with(row.told_over, channel),
                "unsure_over": _with(row.unsure_over, channel) if unsure else row.unsure_over,
            }
            await connection.execute(update(notices).where(table.id == row.id).values(**values))

    async def restate(self, key: str, sentence: str) -> None:
        """Content when none with this key stands."""
        await self._change(key, sentence=sentence)

    async def clear(self, key: str, at: datetime) -> None:
        """Content when none with this key stands."""
        await self._change(key, cleared_at=at)

    async def _change(self, key: str, **values: object) -> None:
        await self._database.write(update(notices).where(notices.c.key == key, STANDING_NOTICE).values(**values))

    async def standing(self) -> Sequence[Notice]:
        statement = select(notices).where(STANDING_NOTICE).order_by(notices.c.opened_at, notices.c.id)
        return [_notice(row) for row in await self._database.rows(statement)]

    async def openings(self, since: datetime) -> Mapping[str, int]:
        counted = select(notices.c.key, func.count().label("times")).where(notices.c.opened_at >= since)
        return {row.key: int(row.times) for row in await self._database.rows(counted.group_by(notices.c.key))}


def _with(names: Sequence[str] | None, name: str) -> list[str]:
    return list(dict.fromkeys([*(names or ()), name]))


def _notice(row: Row[Any]) -> Notice:
    return Notice(
        key=row.key,
        kind=row.kind,
        customer_id=row.customer_id,
        sentence=row.sentence,
        opened_at=row.opened_at,
        told_at=row.told_at,
        cleared_at=row.cleared_at,
        told_over=tuple(row.told_over or ()),
        unsure_over=tuple(row.unsure_over or ()),
        meant_for=tuple(row.meant_for or ()),
    )
