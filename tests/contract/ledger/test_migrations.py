"""The schema of a ledger: made when it is opened, by whoever comes first, and never by an older release."""

from __future__ import annotations

import asyncio
import sys
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
from shared.domain.errors import Permanent, Transient
from tests.support.ledger import a_connection, an_entry


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
