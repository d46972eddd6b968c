"""Copying a ledger from one engine to the other and back: every decision and every deed, or nothing at all."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from sandbox.servers import PostgresServer
from shared.adapters.ledger import Ledger, open_ledger
from shared.adapters.ledger.copy import BATCH, copy_ledger
from shared.adapters.ledger.engines import open_engines
from shared.adapters.ledger.schema import metadata
from shared.adapters.ledger.target import target_of
from shared.domain.changes import Conflict, ConflictReason
from shared.domain.desk import Choice, Chosen, Deed, Notice, Pin, Replay
from shared.domain.errors import Permanent
from shared.domain.onboarding import Invite, Organization, WithoutEntra
from shared.domain.policy import SyncPolicy
from shared.domain.records import ConnectionStatus, HoldState, ListSizes, WriteState
from shared.domain.watching import Poll, SubscriptionState
from tests.support.clock import START
from tests.support.ledger import CUSTOMER, a_connection, a_hold, a_letter, a_link, a_proposal, a_run, an_entry

TENANT = "84bd8158-6d4d-4958-8b9f-9d6445542f95"
CONTENT = dict[str, list[tuple[object, ...]]]
ENTRIES = BATCH + 20  # of the journal: more than one batch


async def fill(ledger: Ledger) -> None:
    """Something in every table."""
    await ledger.connections.save(a_connection(status=ConnectionStatus.APPROVED))
    await ledger.policies.save_policy(CUSTOMER, SyncPolicy())
    await ledger.approvals.propose(a_proposal("d1", {"anna": "r1", "bert": "r2"}))
    await ledger.approvals.approve(CUSTOMER, "d1", "kim", START)
    await ledger.approvals.propose(a_proposal("d2", {"cora": "r3"}))
    await ledger.links.link(a_link("anna", 7))
    await ledger.owed.mark(CUSTOMER, "paused", START)
    for number in range(ENTRIES):
        await ledger.journal.intend(an_entry(f"user-{number}"))
    await ledger.journal.settle(1, WriteState.WRITTEN, at=START, contact_id=7)
    await ledger.dead_letters.record(a_letter(body=b"\x00\xff not a message"))
    await ledger.conflicts.open(Conflict("dora", CUSTOMER, ConflictReason.SEVERAL_USERS, ()), START)
    await ledger.runs.start(a_run())
    await ledger.runs.outcome("run-1", "anna", "update", START, calls=2, writes=1)
    await ledger.holds.open(a_hold("first"))
    await ledger.holds.open(a_hold("second"))
    await ledger.sizes.save(ListSizes(CUSTOMER, 40, 38, START))
    await ledger.subscription_states.save(SubscriptionState(TENANT, "sub-1", START, "graph:quota", START, START, 60.0))
    await ledger.polls.save(Poll(TENANT, "https://graph.example/delta?t=1", START, 300.0, {"anna": START}))
    await ledger.polls.judged(TENANT, START, 3, 2)
    who = Organization(TENANT, "Contoso Ltd", ("contoso.example",))
    await ledger.invites.open(Invite("n", CUSTOMER, "Contoso", "", START, START, answered_by=who, missing=("A.Read",)))
    await ledger.apart.add(WithoutEntra(CUSTOMER + 1, "Garage", START))
    await ledger.dead_letters.record(a_letter("letter-2"))
    await ledger.replays.begin(Replay("job-1", "kim", "c0de", 1, START), ["letter-2"])
    await ledger.pins.pin(Pin(CUSTOMER, 101, "the owner's own number", "kim", START, START))
    await ledger.choices.choose(Chosen(CUSTOMER, "anna", Choice.DISMISS, "d1", "two Annas", "kim", START))
    await ledger.deeds.note(Deed("kim", "pin", START, CUSTOMER, {"contact": 101}))
    await ledger.notices.open(Notice("held:4711", "held", CUSTOMER, "A full sync waits.", START, meant_for=("ticket",)))
    await ledger.notices.told("held:4711", START, "ticket", unsure=True)


async def content(url: str) -> CONTENT:
    async with open_engines(target_of(url), patience=5.0) as engines, engines.single.connect() as connection:
        return {
            table.name: [
                tuple(row) for row in await connection.execute(select(table).order_by(*table.primary_key.columns))
            ]
            for table in metadata.sorted_tables
        }


async def test_every_row_of_every_table_goes_there_and_back(tmp_path: Path, postgres_server: PostgresServer) -> None:
    first, there = f"embedded:{tmp_path / 'first.db'}", postgres_server.fresh_url()
    second = f"embedded:{tmp_path / 'second.db'}"
    async with open_ledger(first) as ledger:
        await fill(ledger)
    original = await content(first)
    assert all(original.values()), "a table without a row proves nothing"
    assert await copy_ledger(first, there) == {name: len(rows) for name, rows in original.items()}
    assert await content(there) == original
    await copy_ledger(there, second)
    assert await content(second) == original


async def test_copied_ledger_counts_on_where_the_other_stopped(tmp_path: Path, postgres_server: PostgresServer) -> None:
    first, there = f"embedded:{tmp_path / 'first.db'}", postgres_server.fresh_url()
    async with open_ledger(first) as ledger:
        last = [await ledger.journal.intend(an_entry()) for _ in range(3)][-1]
        await ledger.holds.open(a_hold("first"))
        await ledger.owed.mark(CUSTOMER, "paused", START)
    await copy_ledger(first, there)
    async with open_ledger(there) as ledger:
        assert await ledger.journal.intend(an_entry()) == last + 1
        assert await ledger.owed.mark(CUSTOMER, "paused", START) == 2
        await ledger.holds.open(a_hold("second"))
        assert [(hold.code, hold.state) for hold in await ledger.holds.list(state=None)] == [
            ("second", HoldState.OPEN),
            ("first", HoldState.LIFTED),
        ]


async def test_target_that_holds_anything_is_refused_and_left_alone(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    first, there = f"embedded:{tmp_path / 'first.db'}", postgres_server.fresh_url()
    async with open_ledger(first) as ledger:
        await ledger.connections.save(a_connection())
        await ledger.journal.intend(an_entry())
    async with open_ledger(there) as ledger:
        await ledger.runs.start(a_run())
    before = await content(there)
    with pytest.raises(Permanent) as refusal:
        await copy_ledger(first, there)
    assert refusal.value.code == "ledger_not_empty"
    assert await content(there) == before


async def test_source_that_is_no_ledger_is_refused_and_not_made(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    target = tmp_path / "target.db"
    for source in (f"embedded:{tmp_path / 'misspelt.db'}", "embedded::memory:", postgres_server.fresh_url()):
        with pytest.raises(Permanent) as refusal:
            await copy_ledger(source, f"embedded:{target}")
        assert "no ledger at the source" in refusal.value.detail
    assert not await asyncio.to_thread(target.exists)


async def test_command_says_what_it_copied_and_repeats_no_address(tmp_path: Path) -> None:
    async with open_ledger(f"embedded:{tmp_path / 'first.db'}") as ledger:
        await ledger.connections.save(a_connection())
    code, said = await command(f"embedded:{tmp_path / 'first.db'}", f"embedded:{tmp_path / 'second.db'}")
    assert (code, said.splitlines()[-1]) == (0, "The ledger is copied.")
    assert "1  connections" in said
    code, said = await command("postgresql://kim:hunter2@host:port/db", f"embedded:{tmp_path / 'third.db'}")
    assert code == 2
    assert said.startswith("Nothing was copied: ")
    assert "hunter2" not in said


async def command(*arguments: str) -> tuple[int | None, str]:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "shared.adapters.ledger.copy", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(child.communicate(), 30)
    return child.returncode, said.decode()
