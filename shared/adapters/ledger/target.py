"""Reads a ledger address into a target: a SQLite file, a SQLite database in memory, or a PostgreSQL database.

Opens nothing. It refuses an address of any other form, without repeating it (it may hold a password).
Next: `engines.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from shared.domain.errors import Permanent

_FORMS = "write embedded:PATH, embedded::memory: or postgresql://USER@HOST/DATABASE"


@dataclass(frozen=True, slots=True)
class SqliteTarget:
    """`path` is None for a database in memory, which then lives under `name` in this process only."""

    path: Path | None
    name: str = ""

    @property
    def dsn(self) -> str:
        # The memdb VFS (SQLite 3.36) gives a database in memory to several connections of one process, with the
        # ordinary locks; a plain ":memory:" would be private to one connection, and lost with it.
        return str(self.path) if self.path else f"file:/{self.name}?vfs=memdb"

    def url(self, driver: str) -> URL:
        if self.path:
            return URL.create(f"sqlite+{driver}", database=str(self.path))
        return URL.create(f"sqlite+{driver}", database=f"file:/{self.name}", query={"vfs": "memdb", "uri": "true"})


@dataclass(frozen=True, slots=True)
class PostgresTarget:
    url: URL


Target = SqliteTarget | PostgresTarget


def target_of(address: str) -> Target:
    """Raises Permanent "ledger_url" for an address of no known form."""
    scheme, _, rest = address.partition(":")
    if scheme == "embedded" and rest == ":memory:":
        return SqliteTarget(None, f"ledger-{uuid4().hex}")
    if scheme == "embedded" and rest:
        return SqliteTarget(Path(rest).expanduser())
    if scheme in ("postgresql", "postgres"):
        return PostgresTarget(_postgres_url(address))
    raise Permanent("ledger", "ledger_url", _FORMS)


def _postgres_url(address: str) -> URL:
    try:
        url = make_url(address).set(drivername="postgresql+asyncpg")
    except (ArgumentError, ValueError):
        raise Permanent("ledger", "ledger_url", _FORMS) from None
    # libpq's word for it is sslmode, and that is what people copy from their provider; asyncpg's is ssl.
    mode = url.query.get("sslmode")
    return url if mode is None else url.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})
