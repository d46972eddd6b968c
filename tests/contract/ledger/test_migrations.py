"""The schema of a ledger: made when it is opened, by whoever comes first, and never by an older release."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, event, inspect
from sqlalchemy.pool import NullPool

from shared.adapters.ledger import open_ledger, upgrade
from shared.adapters.ledger.engines import open_engines
from shared.adapters.ledger.migrations import HEAD
from shared.adapters.ledger.schema import metadata
from shared.adapters.ledger.target import target_of
from shared.domain.desk import Deed, LetterFilter, Notice, Replay
from shared.domain.errors import Permanent, Transient
from shared.domain.messages import Reason, UsersTouched, encode
from shared.domain.records import ConnectionStatus
from tests.support.clock import START
from tests.support.ledger import a_connection, a_letter, an_entry
from worker.replays import IN_STEP

pytestmark = pytest.mark.usefixtures("real_migrations")


async def test_fresh_ledger_is_at_the_newest_revision(shared_ledger_url: str) -> None:
    async with open_ledger(shared_ledger_url) as ledger:
        assert await ledger.connections.list() == []
    async with open_engines(target_of(shared_ledger_url), patience=5.0) as engines, engines.single.connect() as opened:
        assert await opened.run_sync(upgrade.revision) == HEAD


async def test_migrations_make_exactly_the_schema(shared_ledger_url: str) -> None:
    async with open_ledger(shared_ledger_url):
        pass
    async with open_engines(target_of(shared_ledger_url), patience=5.0) as engines, engines.single.connect() as opened:
        assert await opened.run_sync(_differences) == []


def _differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(context, metadata))


def test_head_is_the_newest_revision() -> None:
    config = Config()
    config.set_main_option("script_location", "shared.adapters.ledger:migrations")
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_migrations_can_be_taken_back(tmp_path: Path) -> None:
    from alembic import command

    engine = create_engine(f"sqlite:///{tmp_path / 'ledger.db'}", poolclass=NullPool)
    config = Config()
    config.set_main_option("script_location", "shared.adapters.ledger:migrations")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        command.downgrade(config, "base")
        tables = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars().all()
    assert set(tables) <= {"alembic_version", "sqlite_sequence"}


async def test_failed_changes_keep_their_run_and_their_state_through_revisions(shared_ledger_url: str) -> None:
    """Up to 0005 they get the run that their bytes name; down to 0003 nobody is left in a state unknown there."""
    bodies = {f"{number:04}": _of_run(f"run-{number}") for number in range(1_100)}  # more than two batches
    bodies |= {"no-run": _of_run(None), "bytes": b"\xff", "list": b"[1]", "odd": _of_run("x" * 64).replace(b"x", b"xy")}
    bodies |= {"deep": b"[" * 200_000, "nul": _of_run("a\0b"), "half": _of_run("a").replace(b'"a"', b'"\\ud800"')}
    async with open_ledger(shared_ledger_url) as ledger:
        for name, body in bodies.items():
            await ledger.dead_letters.record(a_letter(name, body=body))
        assert await ledger.replays.begin(Replay("r", "kim", "code", 1, START), ["0000"]) == 1
        assert await ledger.dead_letters.settle("0001", "parked", START, by="kim", why="three times")
        assert await ledger.dead_letters.settle("0002", "discarded", START, by="kim", why="left")
        assert await ledger.replays.begin(Replay("s", "kim", "code", 1, START), ["0004"]) == 1
        await ledger.replays.advance("s", "0004", "discarded", START, why=IN_STEP)
    async with open_engines(target_of(shared_ledger_url), patience=5.0) as engines, engines.atomic.begin() as opened:
        await opened.run_sync(_down_to, "0004")
    async with open_ledger(shared_ledger_url) as ledger:
        for name in ("0002", "0004"):
            await ledger.dead_letters.record(a_letter(name, last_seen=START + timedelta(minutes=1)))
        assert {each.letter_id for each in await ledger.dead_letters.list(limit=9_999)} & {"0002", "0004"} == {"0004"}
    async with open_engines(target_of(shared_ledger_url), patience=5.0) as engines, engines.atomic.begin() as opened:
        await opened.run_sync(_down_to, "0003")
        states = await opened.exec_driver_sql("SELECT letter_id, status FROM dead_letters WHERE letter_id < '0003'")
        assert {row.letter_id: row.status for row in states} == {"0000": "open", "0001": "open", "0002": "discarded"}
    async with open_ledger(shared_ledger_url) as ledger:
        found = {each.letter_id: each for each in await ledger.dead_letters.find(LetterFilter(status=None))}
        assert {name: each.run_id for name, each in found.items() if each.run_id} == {
            f"{number:04}": f"run-{number}" for number in range(1_100)
        }
        assert {name: each.body for name, each in found.items()} == bodies
        assert (found["0001"].status, found["0001"].settled_at) == ("open", None)


async def test_what_an_older_release_kept_of_held_changes_names_nobody_any_more(shared_ledger_url: str) -> None:
    said = "Contoso (7): waiting for approval: 1 new contact. Anna Meier. Look at it: entra-syncro runs show c0de"
    async with open_ledger(shared_ledger_url) as ledger:
        for kind in ("held", "still-held", "conflicts"):
            await ledger.notices.open(Notice(f"{kind}:7", kind, 7, said, START))
    async with open_engines(target_of(shared_ledger_url), patience=5.0) as engines, engines.atomic.begin() as opened:
        await opened.run_sync(_down_to, "0004")
    async with open_ledger(shared_ledger_url) as ledger:
        sentences = {notice.kind: notice.sentence for notice in await ledger.notices.standing()}
    told = "Customer 7: changes wait for approval: entra-syncro status"
    assert sentences == {"held": told, "still-held": told, "conflicts": said}


async def test_who_was_stopped_by_the_switch_of_the_release_before_goes_on_with_it(shared_ledger_url: str) -> None:
    deeds = {
        1: ("pause-all",),
        2: ("pause-all", "pause"),
        3: ("pause-all", "resume", "pause"),
        4: ("pause", "pin"),
        5: (),
    }
    deeds |= {6: ("pause", "resume-all", "pause-all", "pin"), 7: ("pause-all", "resume")}
    async with open_ledger(shared_ledger_url) as ledger:
        for number, acts in deeds.items():
            status = ConnectionStatus.APPROVED if number == 7 else ConnectionStatus.PAUSED
            await ledger.connections.save(a_connection(number, status=status))
            for what in acts:
                await ledger.deeds.note(Deed("kim", what, START, number))
    async with open_engines(target_of(shared_ledger_url), patience=5.0) as engines, engines.atomic.begin() as opened:
        await opened.run_sync(_down_to, "0004")
    async with open_ledger(shared_ledger_url) as ledger:
        assert [each.customer_id for each in await ledger.connections.list() if each.paused_with_all] == [1, 6]


def _of_run(run_id: str | None) -> bytes:
    return encode(
        UsersTouched(
            tenant_id="t", user_ids=("u",), reason=Reason.DELTA, noticed_at=START, trace_id="trace", run_id=run_id
        )
    )


def _down_to(connection: Connection, revision: str) -> None:
    from alembic import command

    config = Config()
    config.set_main_option("script_location", "shared.adapters.ledger:migrations")
    config.attributes["connection"] = connection
    command.downgrade(config, revision)


async def test_current_ledger_is_opened_without_a_migration(
    shared_ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_ledger(shared_ledger_url) as ledger:
        await ledger.connections.save(a_connection())

    def never(_connection: Connection) -> None:
        raise AssertionError("migrated again")

    monkeypatch.setattr(upgrade, "migrate", never)
    async with open_ledger(shared_ledger_url) as ledger:
        assert await ledger.connections.list() == [a_connection()]


async def test_newer_schema_is_refused_and_left_alone(shared_ledger_url: str) -> None:
    async with open_ledger(shared_ledger_url) as ledger:
        await ledger.connections.save(a_connection())
    async with open_engines(target_of(shared_ledger_url), patience=5.0) as engines:
        async with engines.atomic.begin() as other:
            await other.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        with pytest.raises(Permanent) as refusal:
            async with open_ledger(shared_ledger_url):
                pass
        assert refusal.value.code == "ledger_newer"
        assert "newer release" in refusal.value.detail
        async with engines.single.connect() as other:
            assert await other.run_sync(upgrade.revision) == "9999"
            assert (await other.exec_driver_sql("SELECT count(*) FROM connections")).scalar() == 1


async def test_failed_migration_leaves_nothing_behind(shared_ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    complete = upgrade.migrate

    def breaks_off(connection: Connection) -> None:
        complete(connection)
        raise OSError("the power went")

    monkeypatch.setattr(upgrade, "migrate", breaks_off)
    with pytest.raises(Transient):
        async with open_ledger(shared_ledger_url):
            pass
    async with open_engines(target_of(shared_ledger_url), patience=5.0) as engines, engines.single.connect() as other:
        assert await other.run_sync(lambda connection: inspect(connection).get_table_names()) == []
    monkeypatch.setattr(upgrade, "migrate", complete)
    async with open_ledger(shared_ledger_url) as ledger:
        assert await ledger.connections.list() == []


async def test_one_new_ledger_opened_by_four_tasks(shared_ledger_url: str) -> None:
    async def use(number: int) -> None:
        async with open_ledger(shared_ledger_url) as ledger:
            await ledger.connections.save(a_connection(number))

    await asyncio.gather(*(use(number) for number in range(4)))
    async with open_ledger(shared_ledger_url) as ledger:
        assert len(await ledger.connections.list()) == 4


async def test_one_new_ledger_opened_by_four_processes(shared_ledger_url: str) -> None:
    children = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.support.ledger", shared_ledger_url, stdout=asyncio.subprocess.PIPE
        )
        for _ in range(4)
    ]
    try:
        for child in children:
            assert child.stdout is not None
            assert int(await asyncio.wait_for(child.stdout.readline(), 60)) > 0
    finally:
        for child in children:
            if child.returncode is None:
                child.kill()
            await child.communicate()
    async with open_ledger(shared_ledger_url) as ledger:
        assert len(await ledger.journal.entries()) == 4
        await ledger.journal.intend(an_entry())


async def test_connections_are_durable_and_wait_for_locks(tmp_path: Path) -> None:
    target = target_of(f"embedded:{tmp_path / 'ledger.db'}")
    async with open_engines(target, patience=5.0) as engines, engines.single.connect() as opened:
        found = {
            name: (await opened.exec_driver_sql(f"PRAGMA {name}")).scalar()
            for name in ("synchronous", "foreign_keys", "busy_timeout")
        }
    assert found == {"synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}


async def test_one_write_is_one_statement(tmp_path: Path) -> None:
    url = f"embedded:{tmp_path / 'ledger.db'}"
    sent: list[str] = []
    async with open_ledger(url) as ledger:
        journal = ledger.journal
        await journal.entries()
        engine = journal._database._engines.single.sync_engine  # type: ignore[attr-defined]  # what is sent is private
        event.listen(engine, "before_cursor_execute", lambda *seen: sent.append(seen[2].split()[0]))
        await journal.intend(an_entry())
    assert sent == ["INSERT"]
