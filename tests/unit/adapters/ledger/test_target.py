"""How a ledger's address is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.adapters.ledger.target import PostgresTarget, SqliteTarget, target_of


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("embedded:ledger.db", Path("ledger.db")),
        ("embedded:/var/lib/entra syncro/ledger.db", Path("/var/lib/entra syncro/ledger.db")),
        ("embedded:C:/data/ledger.db", Path("C:/data/ledger.db")),
        ("embedded:~/ledger.db", Path.home() / "ledger.db"),
    ],
)
def test_embedded_path(address: str, path: Path) -> None:
    assert target_of(address) == SqliteTarget(path)


def test_every_ledger_in_memory_has_its_own_name() -> None:
    one, two = target_of("embedded::memory:"), target_of("embedded::memory:")
    assert isinstance(one, SqliteTarget)
    assert one.path is None
    assert one != two


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_postgresql_keeps_who_where_and_what(scheme: str) -> None:
    target = target_of(f"{scheme}://kim:p%40ss@db.example:5433/ledger?sslmode=require")
    assert isinstance(target, PostgresTarget)
    url = target.url
    assert (url.drivername, url.username, url.password) == ("postgresql+asyncpg", "kim", "p@ss")
    assert (url.host, url.port, url.database, dict(url.query)) == ("db.example", 5433, "ledger", {"ssl": "require"})
