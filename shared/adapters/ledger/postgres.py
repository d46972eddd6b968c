"""The engine over PostgreSQL: every wait bounded on both sides, a connection checked before it is used.

Loaded where a ledger is on a server only. Next: `database.py`.
"""

from __future__ import annotations

from contextlib import suppress

import asyncpg
from sqlalchemy import event
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from shared.adapters.ledger.engines import APPLICATION, RESTORE_LOCK
from shared.adapters.ledger.restoring import refused
from shared.adapters.ledger.target import PostgresTarget

__all__ = ["FAREWELL", "POOL", "insert", "postgres_engine"]

POOL = 8  # connections per process; the server's default of 100 then serves a dozen processes
FAREWELL = 0.5  # seconds for the server to take note of the end of a connection


def postgres_engine(target: PostgresTarget, *, patience: float, lock_patience: float | None = None) -> AsyncEngine:
    """Checked before use, since a server or a firewall drops idle connections without telling.

    Waits are bounded twice: by the server (a frozen client must not hold its locks for ever) and, a little later,
    by the client (a frozen server cannot bound anything). `lock_patience`: seconds, when others may hold a lock for
    longer than `patience`, as a migration does.
    """
    statement = lock_patience or patience
    engine = create_async_engine(
        target.url,
        pool_size=POOL,
        max_overflow=0,
        pool_timeout=patience,
        pool_pre_ping=True,
        pool_recycle=1800,
        connect_args={
            "connection_class": _Bounded,
            "timeout": patience,
            "command_timeout": statement + 1.0,
            "server_settings": _server_settings(statement),
        },
        hide_parameters=True,
    )
    event.listen(engine.sync_engine, "connect", _share)
    return engine


def _share(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    """No restore begins while this connection lives; while one is under way, there is no connection."""
    cursor = connection.cursor()
    cursor.execute(f"SELECT pg_try_advisory_lock_shared({RESTORE_LOCK})")
    row = cursor.fetchone()
    cursor.close()
    connection.commit()  # the lock belongs to the session, not to this transaction
    if row is None or not row[0]:
        connection.close()
        raise refused()


class _Bounded(asyncpg.Connection):  # type: ignore[misc]  # asyncpg carries no types
    """A frozen server answers no farewell: wait a moment and hang up. asyncpg would wait for long, and raise."""

    async def close(self, *, timeout: float | None = None) -> None:
        with suppress(TimeoutError):
            await super().close(timeout=FAREWELL)


def _server_settings(statement: float) -> dict[str, str]:
    """As `SET`: times in milliseconds."""
    return {
        "application_name": APPLICATION,
        "timezone": "UTC",
        "statement_timeout": str(int(statement * 1000)),
        "lock_timeout": str(int(statement * 1000)),
        "idle_in_transaction_session_timeout": str(int(3 * statement * 1000)),
    }
