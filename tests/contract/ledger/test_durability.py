"""Several handles, kills, locks and cancellation: what the ledger promises when things go wrong."""

from __future__ import annotations

import asyncio
import resource
import signal
import sqlite3
import stat
import sys
import threading
import traceback
from contextlib import closing
from pathlib import Path

import pytest

from shared.adapters.ledger import Ledger, open_ledger
from shared.domain.errors import Permanent, Transient
from shared.domain.records import WriteState
from tests.support.clock import START
from tests.support.ledger import CUSTOMER, a_connection, a_link, a_proposal, an_entry


async def test_must_return_only_after_the_entry_is_durable(shared_ledger_url: str) -> None:
    """must: return only after the entry is durable; the write comes after it"""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.ledger", shared_ledger_url, stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    entry_id = int(await asyncio.wait_for(child.stdout.readline(), 30))
    child.send_signal(signal.SIGKILL)
    assert await asyncio.wait_for(child.wait(), 10) == -signal.SIGKILL
    async with open_ledger(shared_ledger_url) as ledger:
        assert [entry.id for entry in await ledger.journal.entries()] == [entry_id]


async def test_everything_outlives_its_handle(shared_ledger_url: str) -> None:
    async with open_ledger(shared_ledger_url) as ledger:
        await ledger.connections.save(a_connection())
        entry_id = await ledger.journal.intend(an_entry())
        await ledger.owed.mark(CUSTOMER, "paused", START)
    async with open_ledger(shared_ledger_url) as ledger:
        assert await ledger.connections.get(CUSTOMER) == a_connection()
        assert await ledger.journal.intend(an_entry()) > entry_id
        assert await ledger.owed.mark(CUSTOMER, "paused", START) == 2


async def test_two_handles_see_each_other_at_once(shared_ledger_url: str) -> None:
    async with open_ledger(shared_ledger_url) as one, open_ledger(shared_ledger_url) as two:
        entry_id = await one.journal.intend(an_entry(action="create"))
        assert await two.journal.open_creation(CUSTOMER, "anna") is not None
        await two.journal.settle(entry_id, WriteState.WRITTEN, at=START, contact_id=1)
        assert await one.journal.open_creation(CUSTOMER, "anna") is None


async def test_two_handles_write_at_once_without_a_refusal(shared_ledger_url: str) -> None:
    async with open_ledger(shared_ledger_url) as one, open_ledger(shared_ledger_url) as two:
        marks = await asyncio.gather(*(h.owed.mark(CUSTOMER, "paused", START) for h in (one, two) for _ in range(25)))
        assert sorted(marks) == list(range(1, 51))
        await one.approvals.propose(a_proposal("d1", {"anna": "r1"}))
        answers = await asyncio.gather(*(h.approvals.approve(CUSTOMER, "d1", "kim", START) for h in (one, two)))
        assert answers[0] == answers[1]


async def test_of_two_handles_that_race_for_a_contact_one_wins(shared_ledger_url: str) -> None:
    async with open_ledger(shared_ledger_url) as one, open_ledger(shared_ledger_url) as two:
        answers = await asyncio.gather(
            one.links.link(a_link("anna", 7)), two.links.link(a_link("bert", 7)), return_exceptions=True
        )
        assert sorted(type(answer).__name__ for answer in answers) == ["NoneType", "Permanent"]


async def test_memory_ledgers_are_strangers() -> None:
    async with open_ledger("embedded::memory:") as one, open_ledger("embedded::memory:") as two:
        await one.connections.save(a_connection())
        assert await two.connections.list() == []


async def test_cancelled_callers_leave_a_ledger_that_works(ledger: Ledger) -> None:
    await ledger.connections.save(a_connection())
    for patience in range(30):
        writing = asyncio.create_task(ledger.owed.mark(CUSTOMER, "paused", START), name="write to be cancelled")
        for _ in range(patience):
            await asyncio.sleep(0)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
    assert await ledger.connections.list() == [a_connection()]
    before = [owed.generation for owed in await ledger.owed.owed()] or [0]
    assert await ledger.owed.mark(CUSTOMER, "paused", START) == before[0] + 1


async def test_closing_ends_every_thread(ledger_url: str) -> None:
    before = set(threading.enumerate())
    async with open_ledger(ledger_url) as ledger:
        await asyncio.gather(*(ledger.connections.list() for _ in range(10)))
    started = [thread for thread in set(threading.enumerate()) - before if "asyncio" not in thread.name]
    for thread in started:  # closed, but perhaps still on its last instructions
        thread.join(5)
    assert not any(thread.is_alive() for thread in started)


async def test_failure_of_the_caller_passes_unchanged(ledger_url: str) -> None:
    async def use() -> None:
        async with open_ledger(ledger_url) as ledger:
            await ledger.connections.list()
            raise FileNotFoundError("the caller's own")

    with pytest.raises(FileNotFoundError, match="the caller's own"):
        await use()


async def test_lock_of_another_process_is_transient(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    async with open_ledger(f"embedded:{path}", patience=0.1) as ledger:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(Transient) as failure:
                await ledger.journal.intend(an_entry())
            assert failure.value.code == "locked"
            assert await ledger.journal.entries() == []  # reading needs no lock
            with pytest.raises(Transient):
                await ledger.approvals.approve(CUSTOMER, "d1", "kim", START)
            other.execute("ROLLBACK")
        await ledger.journal.intend(an_entry())


async def test_disk_that_takes_no_more_is_transient_and_heals(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with open_ledger(f"embedded:{path}") as ledger:
        entry_id = await ledger.journal.intend(an_entry())
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.with_name("ledger.db-wal").stat().st_size, hard))
        try:
            with pytest.raises(Transient) as failure:
                await ledger.journal.intend(an_entry())
            assert [entry.id for entry in await ledger.journal.entries()] == [entry_id]
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert failure.value.code in ("unavailable", "disk_full")
        await ledger.journal.intend(an_entry())


async def test_unreachable_directory_is_transient(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    with pytest.raises(Transient) as failure:
        async with open_ledger(f"embedded:{tmp_path}/file/ledger.db"):
            pass
    assert failure.value.code == "unavailable"


async def test_file_that_is_no_ledger_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_text("not a database, " * 500)
    with pytest.raises(Permanent) as refusal:
        async with open_ledger(f"embedded:{path}"):
            pass
    assert refusal.value.code == "ledger_unreadable"
    assert path.read_text() == "not a database, " * 500


@pytest.mark.parametrize(
    "address",
    [
        "",
        "embedded:",
        "embedded",
        "sqlite:///x.db",
        "mysql://kim:hunter2@host/db",
        "postgresql://kim:hunter2@host:port/db",
    ],
)
async def test_unknown_address_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(Permanent) as refusal:
        async with open_ledger(address):
            pass
    assert refusal.value.code == "ledger_url"
    assert "hunter2" not in "".join(traceback.format_exception(refusal.value))


async def test_errors_carry_nothing_personal(ledger: Ledger) -> None:
    anna, bert = a_link("anna@contoso.com", 7), a_link("bert@contoso.com", 7)
    await ledger.links.link(anna)
    with pytest.raises(Permanent) as refusal:
        await ledger.links.link(bert)
    assert "contoso" not in "".join(traceback.format_exception(refusal.value))


async def test_file_is_for_its_owner_only_and_syncs_fully(tmp_path: Path) -> None:
    path = tmp_path / "var" / "lib" / "ledger.db"
    async with open_ledger(f"embedded:{path}") as ledger:
        await ledger.connections.save(a_connection())
        for file in path.parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
        with closing(sqlite3.connect(path)) as other:
            assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
