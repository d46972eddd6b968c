"""The SQLite helper: jobs share a commit, yet each stands and falls alone."""

from __future__ import annotations

import asyncio
import sqlite3
from functools import partial

import pytest

from shared.adapters.sqlite import MEMORY, Database, Plan, open_database
from shared.domain.errors import Transient

PLAN = Plan("test", "CREATE TABLE IF NOT EXISTS item (name TEXT PRIMARY KEY)", version=1, synchronous="NORMAL")


def insert(connection: sqlite3.Connection, name: str) -> None:
    connection.execute("INSERT INTO item (name) VALUES (?)", (name,))


async def names(database: Database) -> list[str]:
    rows = await database.read(lambda connection: connection.execute("SELECT name FROM item ORDER BY name").fetchall())
    return [name for (name,) in rows]


async def test_a_job_that_fails_takes_only_itself_back() -> None:
    def half_done(connection: sqlite3.Connection) -> None:
        insert(connection, "half")
        raise LookupError("a bug")

    async with open_database(MEMORY, PLAN) as database:
        results = await asyncio.gather(
            database.write(lambda connection: insert(connection, "a")),
            database.write(half_done),
            database.write(lambda connection: insert(connection, "a")),
            database.write(lambda connection: insert(connection, "b")),
            return_exceptions=True,
        )
        assert await names(database) == ["a", "b"]
    assert [type(result) for result in results] == [type(None), LookupError, Transient, type(None)]
    assert isinstance(results[2], Transient)
    assert results[2].code == "sqlite_constraint_primarykey"


async def test_jobs_that_wait_together_share_a_commit() -> None:
    async with open_database(MEMORY, PLAN) as database:
        async with asyncio.TaskGroup() as group:
            for number in range(300):
                group.create_task(database.write(partial(insert, name=str(number))))
        assert len(await names(database)) == 300
        assert database.commits <= 10


async def test_closing_finishes_what_was_asked_and_refuses_the_rest() -> None:
    seen: list[str] = []
    async with open_database(MEMORY, PLAN) as database:
        writing = asyncio.create_task(database.write(lambda connection: seen.append("done")))
        await asyncio.sleep(0)
    await writing
    assert seen == ["done"]
    with pytest.raises(Transient, match="closed"):
        await database.read(lambda connection: None)
