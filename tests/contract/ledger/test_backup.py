"""Backups (`shared/ports.py`), over both engines and between them."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import sys
from contextlib import closing
from pathlib import Path

import pytest

from sandbox.servers import PostgresServer
from shared.adapters.ledger import open_ledger
from shared.adapters.ledger.backup import LedgerBackups
from shared.domain.errors import Permanent, Transient
from tests.contract.ledger.test_copy import content, fill
from tests.support.ledger import CUSTOMER, a_connection, an_entry


@pytest.fixture(params=["file", "postgresql"])
def other_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty ledger to restore into."""
    if request.param == "file":
        return f"embedded:{tmp_path / 'elsewhere.db'}"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.fresh_url()


async def saved(url: str, path: Path) -> Path:
    """A backup of a ledger with one customer and one change."""
    async with open_ledger(url) as ledger:
        await ledger.connections.save(a_connection())
        await ledger.journal.intend(an_entry())
    await LedgerBackups(url).save(path)
    return path


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


async def test_everything_is_saved_on_either_engine_and_restored_on_the_other(
    shared_ledger_url: str, other_url: str, tmp_path: Path
) -> None:
    async with open_ledger(shared_ledger_url) as ledger:
        await fill(ledger)
    original = await content(shared_ledger_url)
    counts = {name: len(rows) for name, rows in original.items()}
    assert all(counts.values()), "a table without a row proves nothing"
    path = tmp_path / "backup.db"
    assert await LedgerBackups(shared_ledger_url).save(path) == counts
    before = await asyncio.to_thread(path.read_bytes)
    assert await LedgerBackups(other_url).load(path) == counts
    assert await content(other_url) == original
    assert await asyncio.to_thread(path.read_bytes) == before
    async with open_ledger(other_url) as ledger:  # and it counts on
        assert await ledger.journal.intend(an_entry()) == 1201


async def test_must_let_nobody_else_read_the_file(shared_ledger_url: str, tmp_path: Path) -> None:
    """must: let nobody else read the file"""
    folder = tmp_path / "backups"
    await asyncio.to_thread(folder.mkdir)
    path = await saved(shared_ledger_url, folder / "backup.db")
    assert stat.S_IMODE((await asyncio.to_thread(path.stat)).st_mode) == 0o600
    assert await asyncio.to_thread(names, folder) == {"backup.db"}


async def test_must_be_one_snapshot_also_while_others_write(shared_ledger_url: str, tmp_path: Path) -> None:
    """must: be one snapshot, also while others write"""
    async with open_ledger(shared_ledger_url) as ledger:
        stop = asyncio.Event()

        async def write() -> int:
            """Each change first, the mark that it was made after it: no snapshot has more marks than changes."""
            written = 0
            while not stop.is_set():
                await ledger.journal.intend(an_entry())
                written = await ledger.owed.mark(CUSTOMER, "written", a_connection().changed_at)
            return written

        writer = asyncio.create_task(write(), name="writer")
        rows = []
        for number in range(3):
            path = tmp_path / f"backup-{number}.db"
            rows.append((await LedgerBackups(shared_ledger_url).save(path))["journal"])
            assert await asyncio.to_thread(_marks_and_entries, path) in [(rows[-1], rows[-1]), (rows[-1] - 1, rows[-1])]
        stop.set()
        assert await writer >= rows[-1] - 1
    assert rows == sorted(rows)


def _marks_and_entries(path: Path) -> tuple[int, int]:
    with closing(sqlite3.connect(path)) as connection:
        (marks,) = connection.execute("SELECT coalesce(max(generation), 0) FROM owed_marks").fetchone()
        (entries,) = connection.execute("SELECT count(*) FROM journal").fetchone()
    return marks, entries


async def test_must_refuse_a_name_that_is_taken(shared_ledger_url: str, tmp_path: Path) -> None:
    """must: refuse (Permanent "backup_exists") a name that is taken, and leave nothing behind when it fails"""
    folder = tmp_path / "backups"
    path = folder / "backup.db"
    await asyncio.to_thread(folder.mkdir)
    await asyncio.to_thread(path.write_bytes, b"precious")
    with pytest.raises(Permanent) as refusal:
        await saved(shared_ledger_url, path)
    assert refusal.value.code == "backup_exists"
    assert await asyncio.to_thread(path.read_bytes) == b"precious"
    with pytest.raises(Permanent) as refusal:
        await LedgerBackups(shared_ledger_url).save(folder / "nowhere" / "backup.db")
    assert refusal.value.code == "backup_no_folder"
    assert await asyncio.to_thread(names, folder) == {"backup.db"}


async def test_backup_that_cannot_be_read_back_gets_no_name(
    shared_ledger_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "backups"
    await asyncio.to_thread(folder.mkdir)
    monkeypatch.setattr("shared.adapters.ledger.backup._is_whole", lambda _connection: False)
    with pytest.raises(Transient) as failure:
        await saved(shared_ledger_url, folder / "backup.db")
    assert failure.value.code == "backup_failed"
    assert await asyncio.to_thread(names, folder) == set()


async def test_of_two_backups_under_one_name_one_is_made(shared_ledger_url: str, tmp_path: Path) -> None:
    path = tmp_path / "backup.db"
    async with open_ledger(shared_ledger_url) as ledger:
        await ledger.connections.save(a_connection())
    two = [LedgerBackups(shared_ledger_url).save(path) for _ in range(2)]
    ends = await asyncio.gather(*two, return_exceptions=True)
    refused = [end for end in ends if isinstance(end, Permanent)]
    assert [end.code for end in refused] == ["backup_exists"]
    assert (await LedgerBackups(f"embedded:{tmp_path / 'new.db'}").load(path))["connections"] == 1


async def test_must_refuse_a_ledger_that_holds_something_unless_it_may_go(
    shared_ledger_url: str, other_url: str, tmp_path: Path
) -> None:
    """must: refuse (Permanent "ledger_not_empty") a ledger that holds something, unless `replace` lets it go"""
    path = await saved(shared_ledger_url, tmp_path / "backup.db")
    original = await content(shared_ledger_url)
    async with open_ledger(other_url) as ledger:
        for number in range(3):
            await ledger.connections.save(a_connection(number))
            await ledger.journal.intend(an_entry())
    present = await content(other_url)
    with pytest.raises(Permanent) as refusal:
        await LedgerBackups(other_url).load(path)
    assert refusal.value.code == "ledger_not_empty"
    assert await content(other_url) == present
    await LedgerBackups(other_url).load(path, replace=True)
    assert await content(other_url) == original


async def test_must_refuse_while_another_process_has_the_ledger_open(
    shared_ledger_url: str, other_url: str, tmp_path: Path
) -> None:
    """must: refuse (Transient "ledger_in_use") while another process has the ledger open"""
    path = await saved(shared_ledger_url, tmp_path / "backup.db")
    async with open_ledger(other_url) as ledger:
        await ledger.connections.save(a_connection(1))  # idle from here on, with its connection open
        with pytest.raises(Transient) as refusal:
            await LedgerBackups(other_url).load(path, replace=True)
        assert refusal.value.code == "ledger_in_use"
        assert [each.customer_id for each in await ledger.connections.list()] == [1]
    await LedgerBackups(other_url).load(path, replace=True)


async def test_service_of_another_process_is_in_the_way_and_its_end_clears_it(
    shared_ledger_url: str, tmp_path: Path
) -> None:
    path = await saved(shared_ledger_url, tmp_path / "backup.db")
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.ledger", shared_ledger_url, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        assert int(await asyncio.wait_for(child.stdout.readline(), 60)) == 2
        await LedgerBackups(shared_ledger_url).save(tmp_path / "meanwhile.db")
        with pytest.raises(Transient) as refusal:
            await LedgerBackups(shared_ledger_url).load(path, replace=True)
        assert refusal.value.code == "ledger_in_use"
    finally:
        child.kill()
        await child.communicate()
    async with asyncio.timeout(30):  # the server may take a moment to notice
        while (await _load(shared_ledger_url, path)) is None:  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.1)
    assert len((await content(shared_ledger_url))["journal"]) == 1


async def _load(url: str, path: Path) -> int | None:
    try:
        return (await LedgerBackups(url).load(path, replace=True))["journal"]
    except Transient:
        return None


async def test_must_change_nothing_or_all_of_it(
    shared_ledger_url: str, other_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """must: change nothing, or all of it, and never the backup"""
    path = await saved(shared_ledger_url, tmp_path / "backup.db")
    async with open_ledger(other_url) as ledger:
        await ledger.connections.save(a_connection(1))
    present = await content(other_url)
    from shared.adapters.ledger import copy

    whole, done = copy._copy, []

    async def breaks_off(*arguments: object) -> int:
        done.append(await whole(*arguments))  # type: ignore[arg-type]  # whatever it is called with
        if len(done) == 5:
            raise OSError("the power went")
        return done[-1]

    monkeypatch.setattr(copy, "_copy", breaks_off)
    with pytest.raises(Transient):
        await LedgerBackups(other_url).load(path, replace=True)
    assert await content(other_url) == present


def _at_revision(path: Path, revision: str) -> None:
    """As the release of that revision would have saved it."""
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine, text
    from sqlalchemy.pool import NullPool

    config = Config()
    config.set_main_option("script_location", "shared.adapters.ledger:migrations")
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        if revision == "9999":
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        else:
            command.downgrade(config, revision)


async def test_must_refuse_a_backup_of_a_newer_release_and_bring_an_older_one_up_to_date(
    other_url: str, tmp_path: Path
) -> None:
    """must: refuse (Permanent "ledger_newer") a backup of a newer release, and bring an older one up to date"""
    source = f"embedded:{tmp_path / 'source.db'}"
    older, newer = [await saved(source, tmp_path / name) for name in ("older.db", "newer.db")]
    await asyncio.to_thread(_at_revision, older, "0002")
    await asyncio.to_thread(_at_revision, newer, "9999")
    with pytest.raises(Permanent) as refusal:
        await LedgerBackups(other_url).load(newer)
    assert refusal.value.code == "ledger_newer"
    before = await asyncio.to_thread(older.read_bytes)
    restored = await LedgerBackups(other_url).load(older)
    assert (restored["connections"], restored["journal"], restored["pins"]) == (1, 1, 0)
    async with open_ledger(other_url) as ledger:
        assert await ledger.connections.list() == [a_connection()]
    assert await asyncio.to_thread(older.read_bytes) == before


async def test_what_is_no_backup_is_refused(other_url: str, tmp_path: Path) -> None:
    backups = LedgerBackups(other_url)
    text, empty, foreign = tmp_path / "text.db", tmp_path / "empty.db", tmp_path / "foreign.db"
    await asyncio.to_thread(text.write_text, "not a database at all, but longer than a header of one: " * 20)
    await asyncio.to_thread(empty.touch)
    with closing(sqlite3.connect(foreign)) as connection:
        connection.execute("CREATE TABLE journal (id INTEGER)")
    for path, code in (
        (tmp_path / "nothing.db", "backup_missing"),
        (tmp_path, "backup_missing"),
        (text, "backup_other"),
        (empty, "backup_other"),
        (foreign, "backup_other"),
    ):
        with pytest.raises(Permanent) as refusal:
            await backups.load(path)
        assert refusal.value.code == code


async def test_damaged_backup_is_refused(other_url: str, tmp_path: Path) -> None:
    source = f"embedded:{tmp_path / 'source.db'}"
    async with open_ledger(source) as ledger:
        await fill(ledger)
    path = tmp_path / "backup.db"
    await LedgerBackups(source).save(path)
    whole = await asyncio.to_thread(path.read_bytes)
    middle = len(whole) // 2
    await asyncio.to_thread(path.write_bytes, whole[:middle] + b"\xff" * 8192 + whole[middle + 8192 :])
    with pytest.raises(Permanent) as refusal:
        await LedgerBackups(other_url).load(path)
    assert refusal.value.code == "backup_damaged"


async def test_ledger_in_memory_cannot_be_saved(tmp_path: Path) -> None:
    backups = LedgerBackups("embedded::memory:")
    for refused in (backups.save(tmp_path / "backup.db"), backups.load(tmp_path / "backup.db")):
        with pytest.raises(Permanent) as refusal:
            await refused
        assert refusal.value.code == "ledger_memory"
