"""Statements in, rows out: the one way from the ledger's classes to the engine, with bounded waits.

One statement needs one short call; only what must happen together takes `atomic`. Knows no table and no meaning.
Next: `schema.py`, then any of the small classes (`journal.py` is the most used).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import CursorResult, Executable, Row, Table
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.adapters.ledger.engines import Engines
from shared.adapters.ledger.failures import our_errors

if TYPE_CHECKING:
    from shared.adapters.ledger.engines import Insert

T = TypeVar("T")


class Database:
    """Shared by all classes of the ledger. Raises Transient and Permanent only (`failures.py`).

    `opened` returns once the schema is ours, at once when it is; it comes before every statement.
    """

    def __init__(self, engines: Engines, *, patience: float, opened: Callable[[], Awaitable[None]]) -> None:
        self._engines = engines
        self._opened = opened
        # a connection, then a lock, then the statement itself may each take their full time
        self._limit = 3 * patience + 1.0

    def insert(self, table: Table) -> Insert:
        return self._engines.insert(table)

    async def rows(self, statement: Executable) -> Sequence[Row[Any]]:
        return await self._single(statement, lambda result: result.all(), nullcontext())

    async def row(self, statement: Executable) -> Row[Any] | None:
        return await self._single(statement, lambda result: result.first(), nullcontext())

    async def write(self, statement: Executable) -> int:
        """Durable on return. Gives the number of rows written."""
        return await self._single(statement, lambda result: result.rowcount, self._engines.gate)

    async def write_returning(self, statement: Executable) -> int:
        """Durable on return. Gives the number that the statement returns: a new id, a generation."""
        return await self._single(statement, lambda result: int(result.scalar_one()), self._engines.gate)

    @asynccontextmanager
    async def atomic(self) -> AsyncIterator[AsyncConnection]:
        """Several statements as one; SQLite takes its write lock at the beginning."""
        async with self._connection(self._engines.atomic, self._engines.gate) as connection:
            yield connection

    async def _single(
        self, statement: Executable, pick: Callable[[CursorResult[Any]], T], gate: AbstractAsyncContextManager[Any]
    ) -> T:
        async with self._connection(self._engines.single, gate) as connection:
            return pick(await connection.execute(statement))

    @asynccontextmanager
    async def _connection(
        self, engine: AsyncEngine, gate: AbstractAsyncContextManager[Any]
    ) -> AsyncIterator[AsyncConnection]:
        with our_errors():
            async with asyncio.timeout(self._limit):
                await self._opened()
                async with gate, engine.begin() as connection:
                    yield connection
