"""The ledger on a PostgreSQL that is killed, restarted, frozen, locked or crowded: bounded waits, nothing forgotten."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest

from sandbox.servers import PostgresServer
from shared.adapters.ledger import Ledger, open_ledger
from shared.adapters.ledger.postgres import FAREWELL, POOL
from shared.domain.errors import Transient
from tests.support.clock import START
from tests.support.ledger import CUSTOMER, a_connection, a_proposal, an_entry

PATIENCE = 1.0  # seconds, as given to the ledger
BOUND = 2 * PATIENCE + 1.0 + FAREWELL + 1.0  # seconds: a connection, a statement, a farewell, and a slow machine


async def refused(ledger: Ledger) -> float:
    """Seconds until a write was refused as Transient."""
    began = time.monotonic()
    with pytest.raises(Transient):
        await ledger.journal.intend(an_entry())
    return time.monotonic() - began


async def journaling(ledger: Ledger, stop: asyncio.Event) -> list[int]:
    """Write until told to stop; gives the ids that the ledger returned, for those are durable."""
    confirmed: list[int] = []
    while not stop.is_set():
        try:
            confirmed.append(await ledger.journal.intend(an_entry()))
        except Transient:
            await asyncio.sleep(0.02)
    return confirmed


@pytest.mark.parametrize("how", ["kill", "stop"])
async def test_restart_under_load_loses_nothing_that_was_confirmed(postgres_server: PostgresServer, how: str) -> None:
    async with open_ledger(postgres_server.fresh_url(), patience=PATIENCE) as ledger:
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            writers = [group.create_task(journaling(ledger, stop), name=f"writer {n}") for n in range(6)]
            await asyncio.sleep(0.5)
            await asyncio.to_thread(getattr(postgres_server, how))
            await asyncio.sleep(0.3)
            await asyncio.to_thread(postgres_server.start)
            before = len(await ledger.journal.entries(limit=100_000))
            await asyncio.sleep(0.5)
            stop.set()
        confirmed = {entry_id for writer in writers for entry_id in writer.result()}
        kept = {entry.id for entry in await ledger.journal.entries(limit=100_000)}
    assert len(confirmed) > before  # writing went on after the restart
    assert confirmed <= kept


async def test_dead_server_is_transient_at_once_and_again_until_it_lives(postgres_server: PostgresServer) -> None:
    async with open_ledger(postgres_server.fresh_url(), patience=PATIENCE) as ledger:
        await ledger.connections.save(a_connection())
        await asyncio.to_thread(postgres_server.kill)
        assert max([await refused(ledger) for _ in range(5)]) < 1.0
        await asyncio.to_thread(postgres_server.start)
        assert await ledger.connections.list() == [a_connection()]


async def test_frozen_server_holds_nobody_longer_than_the_bound(
    postgres_server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    async with open_ledger(postgres_server.fresh_url(), patience=PATIENCE) as ledger:
        await asyncio.gather(*(ledger.journal.intend(an_entry()) for _ in range(2 * POOL)))
        postgres_server.freeze()
        # more callers than connections: some wait for the pool, the others for the server
        assert max(await asyncio.gather(*(refused(ledger) for _ in range(2 * POOL)))) < BOUND
        postgres_server.thaw()
        assert len(await asyncio.gather(*(ledger.journal.intend(an_entry()) for _ in range(2 * POOL)))) == 2 * POOL
        postgres_server.freeze()
        closing = time.monotonic()
    assert time.monotonic() - closing < POOL * FAREWELL + 1.0
    postgres_server.thaw()
    assert [record.message for record in caplog.records] == []  # no task's exception was forgotten


async def test_opening_on_a_frozen_server_is_transient(postgres_server: PostgresServer) -> None:
    url = postgres_server.fresh_url()
    postgres_server.freeze()
    began = time.monotonic()
    with pytest.raises(Transient):
        async with open_ledger(url, patience=PATIENCE):
            pass
    assert time.monotonic() - began < 10.0


async def test_lock_of_another_client_is_transient_within_the_patience(postgres_server: PostgresServer) -> None:
    url = postgres_server.fresh_url()
    async with open_ledger(url, patience=PATIENCE) as ledger:
        lock = "BEGIN; LOCK TABLE journal; SELECT pg_sleep(4); COMMIT"
        locking = asyncio.create_task(
            asyncio.to_thread(postgres_server.sql, lock, url.rpartition("/")[2]), name="another client"
        )
        await asyncio.sleep(0.5)
        assert await refused(ledger) < BOUND
        await locking
        assert await ledger.journal.intend(an_entry()) > 0


async def test_frozen_client_does_not_hold_its_locks_for_ever(postgres_server: PostgresServer) -> None:
    """The server ends a transaction whose client has fallen silent."""
    url = postgres_server.fresh_url()
    async with open_ledger(url, patience=PATIENCE) as frozen, open_ledger(url, patience=PATIENCE) as other:
        database = frozen.approvals._database  # type: ignore[attr-defined]  # a client that stops in the middle

        async def fall_silent() -> None:
            async with database.atomic() as connection:
                await connection.exec_driver_sql("LOCK TABLE journal")
                await asyncio.sleep(3 * PATIENCE + 0.5)
                await connection.exec_driver_sql("SELECT 1")

        with pytest.raises(Transient):
            await fall_silent()
        assert await other.journal.intend(an_entry()) > 0


async def test_more_callers_than_connections_take_turns(postgres_server: PostgresServer) -> None:
    url = postgres_server.fresh_url()
    async with open_ledger(url) as ledger:
        ids = await asyncio.gather(*(ledger.journal.intend(an_entry()) for _ in range(200)))
        assert len(set(ids)) == 200
        mine = "datname = current_database() AND application_name = 'entra-syncro'"
        used = postgres_server.sql(f"SELECT count(*) FROM pg_stat_activity WHERE {mine}", url.rpartition("/")[2])  # noqa: S608 - the line above
        assert 1 <= int(used) <= POOL


@pytest.mark.every_run
async def test_approval_is_not_forgotten_by_a_kill(postgres_server: PostgresServer) -> None:
    url = postgres_server.fresh_url()
    async with open_ledger(url) as ledger:
        await ledger.approvals.propose(a_proposal("d1", {"anna": "r1"}))
        await ledger.approvals.approve(CUSTOMER, "d1", "kim", START)
        await asyncio.to_thread(postgres_server.kill)
        await asyncio.to_thread(postgres_server.start)
        kept = await ledger.approvals.latest(CUSTOMER)
        assert kept is not None
        assert (kept.digest, kept.approved_by) == ("d1", "kim")
