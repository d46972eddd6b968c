"""Every write to a contact or a customer, before it is sent: what was there, what was sent, why, and how it ended.

An entry is one durable statement, and so is its end. Entries are never changed otherwise and never deleted here.
Next: `journal_search.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, or_, select, update

from shared.adapters.ledger.database import Database
from shared.adapters.ledger.field_changes import given_back, kept
from shared.adapters.ledger.schema import journal
from shared.domain.errors import Permanent
from shared.domain.messages import Reason
from shared.domain.records import Delay, JournalEntry, WriteState

_OPEN = (WriteState.INTENDED.value, WriteState.AMBIGUOUS.value)


class SqlJournal:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def intend(self, entry: JournalEntry) -> int:
        """Gives the entry's id; an `id` in the entry is ignored."""
        statement = self._database.insert(journal).values(_values(entry)).returning(journal.c.id)
        return await self._database.write_returning(statement)

    async def settle(
        self,
        entry_id: int,
        state: WriteState,
        *,
        at: datetime,
        contact_id: int | None = None,
        unstuck: Sequence[str] = (),
    ) -> None:
        """Leaves the contact alone without a `contact_id`. Raises Permanent "unknown_entry"."""
        values: dict[str, object] = {"state": state.value, "settled_at": at, "unstuck": list(unstuck)}
        if contact_id is not None:
            values["contact_id"] = contact_id
        if not await self._database.write(update(journal).where(journal.c.id == entry_id).values(values)):
            raise Permanent("ledger", "unknown_entry", f"there is no change number {entry_id}")

    async def open_creation(self, customer_id: int, user_id: str) -> JournalEntry | None:
        row = await self._database.row(
            _newest(1).where(
                journal.c.customer_id == customer_id,
                journal.c.user_id == user_id,
                journal.c.action == "create",
                journal.c.state.in_(_OPEN),
            )
        )
        return None if row is None else entry_of(row)

    async def entries(
        self, *, customer_id: int | None = None, user_id: str | None = None, limit: int = 100
    ) -> Sequence[JournalEntry]:
        statement = _newest(limit)
        if customer_id is not None:
            statement = statement.where(journal.c.customer_id == customer_id)
        if user_id is not None:
            statement = statement.where(journal.c.user_id == user_id)
        return [entry_of(row) for row in await self._database.rows(statement)]

    async def created(self, customer_id: int, *, user_id: str | None = None) -> Mapping[int, str]:
        statement = select(journal.c.contact_id, journal.c.user_id).where(
            journal.c.customer_id == customer_id, journal.c.action == "create", journal.c.contact_id.is_not(None)
        )
        if user_id is not None:
            statement = statement.where(journal.c.user_id == user_id)
        return {row.contact_id: row.user_id for row in await self._database.rows(statement)}

    async def outside_passes(self, customer_id: int, since: datetime, *, or_in: str | None) -> Sequence[JournalEntry]:
        """Newest first."""
        asked_by = [journal.c.run_id.is_(None), journal.c.run_id != journal.c.trace_id]
        if or_in is not None:
            asked_by.append(journal.c.run_id == or_in)
        statement = (
            select(journal)
            .where(journal.c.customer_id == customer_id, journal.c.intended_at >= since)
            .where(journal.c.undoes.is_(None), or_(*asked_by))
            .order_by(journal.c.id.desc())
        )
        return [entry_of(row) for row in await self._database.rows(statement)]

    async def delays(self, since: datetime) -> Sequence[Delay]:
        statement = select(journal.c.customer_id, journal.c.cause, journal.c.noticed_at, journal.c.settled_at).where(
            journal.c.settled_at >= since,
            journal.c.state == WriteState.WRITTEN.value,
            journal.c.noticed_at.is_not(None),
            journal.c.cause.in_((Reason.NOTIFICATION.value, Reason.DELTA.value)),
        )
        return [
            Delay(row.customer_id, Reason(row.cause), max(0.0, (row.settled_at - row.noticed_at).total_seconds()))
            for row in await self._database.rows(statement)
        ]


def _newest(limit: int) -> Select[Any]:
    return select(journal).order_by(journal.c.id.desc()).limit(limit)


def _values(entry: JournalEntry) -> dict[str, object]:
    return {
        "customer_id": entry.customer_id,
        "user_id": entry.user_id,
        "contact_id": entry.contact_id,
        "action": entry.action,
        "changes": kept(entry.changes),
        "cause": entry.cause.value,
        "trace_id": entry.trace_id,
        "run_id": entry.run_id,
        "intended_at": entry.intended_at,
        "state": entry.state.value,
        "settled_at": entry.settled_at,
        "unstuck": list(entry.unstuck),
        "noticed_at": entry.noticed_at,
        "by_whom": entry.by or None,
        "undoes": entry.undoes,
    }


def entry_of(row: Row[Any]) -> JournalEntry:
    return JournalEntry(
        customer_id=row.customer_id,
        user_id=row.user_id,
        contact_id=row.contact_id,
        action=row.action,
        changes=given_back(row.changes),
        cause=Reason(row.cause),
        trace_id=row.trace_id,
        intended_at=row.intended_at,
        run_id=row.run_id,
        state=WriteState(row.state),
        settled_at=row.settled_at,
        unstuck=tuple(row.unstuck),
        id=row.id,
        noticed_at=row.noticed_at,
        by=row.by_whom or "",
        undoes=row.undoes,
    )
