"""Looks through what was written: by contact, user, customer, field, run, trace, cause and time. Only reads.

A changed field stands inside JSON, which no index reaches: those searches go through the journal in windows, so that
each statement stays short, however rare the field is. Next: `dead_letters.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

from sqlalchemy import ColumnElement, Text, cast, select

from shared.adapters.ledger.database import Database
from shared.adapters.ledger.journal import entry_of
from shared.adapters.ledger.schema import journal
from shared.domain.desk import JournalFilter
from shared.domain.records import JournalEntry

_WINDOW = 20_000  # entries looked through by one statement


class SqlJournalSearch:
    def __init__(self, database: Database, *, window: int = _WINDOW) -> None:
        self._database = database
        self._window = window

    async def search(self, wanted: JournalFilter, limit: int = 100) -> Sequence[JournalEntry]:
        """Entries intended at `since`, at `until` and between them."""
        if not wanted.field:
            return await self._found(wanted, limit)
        found: list[JournalEntry] = []
        part: JournalFilter | None = wanted
        while part is not None and len(found) < limit:
            asked = limit - len(found)
            edge = await self._edge(part)
            entries = await self._found(part, asked, from_id=edge)
            # SQLite compares without regard to case
            found += [entry for entry in entries if any(change.field == wanted.field for change in entry.changes)]
            before = entries[-1].id if len(entries) == asked else edge
            part = None if before is None else replace(part, before_id=before)
        return found

    async def get(self, entry_id: int) -> JournalEntry | None:
        row = await self._database.row(select(journal).where(journal.c.id == entry_id))
        return None if row is None else entry_of(row)

    async def _edge(self, wanted: JournalFilter) -> int | None:
        """The oldest id of the newest window, None when the window reaches the end."""
        row = await self._database.row(
            select(journal.c.id)
            .where(*_conditions(replace(wanted, field="")))
            .order_by(journal.c.id.desc())
            .offset(self._window - 1)
            .limit(1)
        )
        return None if row is None else int(row.id)

    async def _found(self, wanted: JournalFilter, limit: int, *, from_id: int | None = None) -> list[JournalEntry]:
        statement = select(journal).where(*_conditions(wanted)).order_by(journal.c.id.desc()).limit(limit)
        if from_id is not None:
            statement = statement.where(journal.c.id >= from_id)
        return [entry_of(row) for row in await self._database.rows(statement)]


def _conditions(wanted: JournalFilter) -> Iterator[ColumnElement[bool]]:
    exact = {
        journal.c.customer_id: wanted.customer_id,
        journal.c.user_id: wanted.user_id or None,
        journal.c.contact_id: wanted.contact_id,
        journal.c.run_id: wanted.run_id or None,
        journal.c.trace_id: wanted.trace_id or None,
        journal.c.cause: wanted.cause or None,
    }
    yield from (column == value for column, value in exact.items() if value is not None)
    if wanted.since is not None:
        yield journal.c.intended_at >= wanted.since
    if wanted.until is not None:
        yield journal.c.intended_at <= wanted.until
    if wanted.before_id is not None:
        yield journal.c.id < wanted.before_id
    if wanted.field:
        # as `field_changes.py` and the driver write it; quotes inside a value are escaped there, so they never match
        yield cast(journal.c.changes, Text).contains(f'"field": {json.dumps(wanted.field)}', autoescape=True)
