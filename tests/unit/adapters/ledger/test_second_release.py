"""A ledger of the first release, with data in it, opened by this one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, column, create_engine, insert, table
from sqlalchemy.pool import NullPool

from shared.adapters.ledger import open_ledger
from shared.domain.messages import Reason
from shared.domain.records import LastFull, Run, RunState, WriteState
from tests.support.clock import START
from tests.support.ledger import CUSTOMER, RENAMED, a_hold

NIGHT, NOON = START - timedelta(hours=9), START - timedelta(hours=2)


@dataclass(frozen=True)
class OldLedger:
    path: Path

    @property
    def url(self) -> str:
        return f"embedded:{self.path}"

    def add(self, name: str, row: Mapping[str, object]) -> None:
        """As the first release would: it knows its own columns alone."""
        with self._begin() as connection:
            connection.execute(insert(table(name, *map(column, row))).values(row))

    def migrate(self, revision: str) -> None:
        """Up or down."""
        config = Config()
        config.set_main_option("script_location", "shared.adapters.ledger:migrations")
        is_there = "runs" in _tables(self.path)
        with self._begin() as connection:
            config.attributes["connection"] = connection
            (command.downgrade if is_there else command.upgrade)(config, revision)

    @contextmanager
    def _begin(self) -> Iterator[Connection]:
        with create_engine(f"sqlite:///{self.path}", poolclass=NullPool).begin() as connection:
            yield connection


def _tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}


def _moment(value: object) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S.%f}"


def _old_run(run_id: str, reason: str, *, finished: bool) -> dict[str, object]:
    return {
        "run_id": run_id,
        "customer_id": CUSTOMER,
        "reason": reason,
        "planned": 2,
        "started_at": _moment(NIGHT if finished else NOON),
        "finished_at": _moment(START) if finished else None,
    }


@pytest.fixture
def old(tmp_path: Path) -> OldLedger:
    made = OldLedger(tmp_path / "ledger.db")
    made.migrate("0001")
    made.add("runs", _old_run("nightly", "reconcile", finished=True))
    made.add("runs", _old_run("killed", "reconcile", finished=False))
    made.add("runs", _old_run("by-hand", "manual", finished=True))
    made.add("run_outcomes", {"run_id": "nightly", "user_id": "anna", "outcome": "update", "at": _moment(NIGHT)})
    change = '[{"field":"name","before":"Anna Muller","after":"Anna Müller","kind":"profile","why":"Entra says so"}]'
    made.add(
        "journal",
        {
            "customer_id": CUSTOMER,
            "user_id": "anna",
            "contact_id": 7,
            "action": "update",
            "changes": change,
            "cause": "notification",
            "trace_id": "t",
            "intended_at": _moment(START),
            "state": "written",
            "unstuck": "[]",
        },
    )
    return made


async def test_runs_of_the_first_release_are_read_as_what_they_were(old: OldLedger) -> None:
    nightly = Run("nightly", CUSTOMER, Reason.RECONCILE, 2, NIGHT, START, {"update": 1}, RunState.DONE, full=True)
    async with open_ledger(old.url) as ledger:
        assert await ledger.runs.get("nightly") == nightly
        assert await ledger.runs.get("killed") == Run("killed", CUSTOMER, Reason.RECONCILE, 2, NOON, full=True)
        assert await ledger.runs.get("by-hand") == Run(
            "by-hand", CUSTOMER, Reason.MANUAL, 2, NIGHT, START, state=RunState.DONE
        )
        assert await ledger.runs.full() == {CUSTOMER: LastFull(NOON, NIGHT)}


async def test_journal_of_the_first_release_counts_for_the_last_hour(old: OldLedger) -> None:
    async with open_ledger(old.url) as ledger:
        (entry,) = await ledger.journal.outside_passes(CUSTOMER, START - timedelta(hours=1), or_in=None)
        assert (entry.changes, entry.state) == ((RENAMED,), WriteState.WRITTEN)


async def test_run_of_the_first_release_goes_on_in_this_one(old: OldLedger) -> None:
    async with open_ledger(old.url) as ledger:
        await ledger.runs.outcome("nightly", "anna", "update", START, calls=2, writes=1)
        await ledger.runs.finish("killed", START)
        await ledger.holds.open(a_hold())
        nightly, killed = await ledger.runs.get("nightly"), await ledger.runs.get("killed")
        assert nightly is not None
        assert killed is not None
        assert (nightly.syncro_calls, nightly.writes, killed.state) == (2, 1, RunState.DONE)


async def test_first_release_may_go_on_writing(old: OldLedger) -> None:
    async with open_ledger(old.url) as ledger:
        old.add("runs", _old_run("straggler", "reconcile", finished=False))
        old.add("run_outcomes", {"run_id": "straggler", "user_id": "bert", "outcome": "update", "at": _moment(NOON)})
        assert await ledger.runs.get("straggler") == Run(
            "straggler", CUSTOMER, Reason.RECONCILE, 2, NOON, outcomes={"update": 1}
        )


async def test_first_releases_tables_come_back_whole(old: OldLedger) -> None:
    async with open_ledger(old.url) as ledger:
        await ledger.holds.open(a_hold())
    old.migrate("0001")
    assert not {"holds", "list_sizes"} & _tables(old.path)
    with closing(sqlite3.connect(old.path)) as connection:
        assert {name for _, name, *_ in connection.execute("PRAGMA table_info(runs)")} == set(
            _old_run("any", "manual", finished=True)
        )
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (3,)
