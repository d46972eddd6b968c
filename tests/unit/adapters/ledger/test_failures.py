"""Which family a failure of a database belongs to. The SQLite errors are real ones, made in memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest
from sqlalchemy.exc import DataError, IntegrityError, OperationalError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.adapters.ledger.failures import our_errors, translate
from shared.domain.errors import Permanent, SyncError, Transient

SECRET = "anna@contoso.com"


class ServerError(Exception):
    """What asyncpg's errors look like to us: a class name and a five-letter state."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(f"Key (email)=({SECRET}) is the reason")
        self.sqlstate = sqlstate


def _full(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE t (x)")
    connection.execute("PRAGMA max_page_count = 2")
    connection.execute("INSERT INTO t VALUES (zeroblob(100000))")


def _read_only(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA query_only = 1")
    connection.execute("CREATE TABLE t (x)")


def _no_such_directory(_connection: sqlite3.Connection) -> None:
    sqlite3.connect("/nowhere/at/all/ledger.db")


def _no_such_table(connection: sqlite3.Connection) -> None:
    connection.execute("SELECT * FROM t")


@pytest.mark.parametrize(
    ("provoke", "code"),
    [
        (_full, "disk_full"),
        (_read_only, "unavailable"),
        (_no_such_directory, "unavailable"),
        (_no_such_table, "unavailable"),
    ],
)
def test_failure_of_sqlite_is_transient(provoke: Callable[[sqlite3.Connection], None], code: str) -> None:
    with closing(sqlite3.connect(":memory:")) as connection, pytest.raises(sqlite3.Error) as seen:
        provoke(connection)
    for error in (seen.value, OperationalError("INSERT", {"mail": SECRET}, seen.value)):
        _is(translate(error), Transient, code)


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("55P03", "locked"),
        ("40P01", "locked"),
        ("40001", "locked"),
        ("53100", "disk_full"),
        ("57P01", "unavailable"),  # the server shuts down
        ("28P01", "unavailable"),  # a password that was changed will be put right
        ("53300", "unavailable"),  # too many connections
        ("42P01", "unavailable"),  # no such table: nothing that waiting hints should die of
    ],
)
def test_failure_of_postgresql_is_transient(state: str, code: str) -> None:
    _is(translate(OperationalError("INSERT", {"mail": SECRET}, ServerError(state))), Transient, code)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConnectionRefusedError("refused"), "unavailable"),
        (TimeoutError(), "locked"),
        (PoolTimeout("no connection is free"), "locked"),
    ],
)
def test_failure_of_the_way_to_the_database_is_transient(error: Exception, code: str) -> None:
    _is(translate(error), Transient, code)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (IntegrityError("INSERT", {"mail": SECRET}, ServerError("23505")), "ledger_constraint"),
        (DataError("INSERT", {"mail": SECRET}, ServerError("22001")), "ledger_refused"),
        (StatementError(SECRET, "INSERT", {"mail": SECRET}, ValueError(SECRET)), "ledger_refused"),
    ],
)
def test_value_that_is_never_accepted_is_permanent(error: Exception, code: str) -> None:
    _is(translate(error), Permanent, code)


@pytest.mark.parametrize("error", [Permanent("syncro", "refused"), ValueError("a bug"), KeyboardInterrupt()])
def test_our_own_families_and_bugs_pass_unchanged(error: BaseException) -> None:
    with pytest.raises(type(error)) as seen, our_errors():
        raise error
    assert seen.value is error


def _is(translated: SyncError, family: type[SyncError], code: str) -> None:
    assert (type(translated), translated.service, translated.code) == (family, "ledger", code)
    assert SECRET not in str(translated)
