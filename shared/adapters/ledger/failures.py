"""Every failure of the database becomes one of our error families here; no driver's exception goes further.

What waiting may cure is Transient, and so is anything unexpected: a ledger in trouble must never burn a hint into a
dead letter. Only a value that the database will never take is Permanent. Neither messages nor parameters of the
database are passed on (they hold personal data), hence `from None` as well. Next: `database.py`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DataError as SqlDataError
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.domain.errors import Permanent, SyncError, Transient

CONSTRAINT = "ledger_constraint"  # for the classes here, which know what their constraints mean

_LOCKED = ("locked", "the ledger is busy with another process")
_FULL = ("disk_full", "the ledger's disk is full: free some space, waiting work then goes on by itself")
_AWAY = ("unavailable", "the ledger cannot be reached")
_UNWELCOME = ("unavailable", "the ledger's server refuses this user, password or database: check the ledger's address")
_DAMAGED = ("damaged", "the ledger file is damaged: stop everything, move it away, then entra-syncro restore BACKUP")

_SQLITE = {
    "SQLITE_BUSY": _LOCKED,
    "SQLITE_LOCKED": _LOCKED,
    "SQLITE_FULL": _FULL,
    "SQLITE_CORRUPT": _DAMAGED,
    "SQLITE_CANTOPEN": _AWAY,
    "SQLITE_IOERR": _AWAY,
    "SQLITE_READONLY": _AWAY,
    "SQLITE_PERM": _AWAY,
}
_POSTGRES = {
    "55P03": _LOCKED,  # lock_not_available
    "40P01": _LOCKED,  # deadlock_detected
    "40001": _LOCKED,  # serialization_failure
    "53100": _FULL,  # disk_full
    "28000": _UNWELCOME,  # invalid_authorization_specification
    "28P01": _UNWELCOME,  # invalid_password
    "3D000": _UNWELCOME,  # invalid_catalog_name
    "42501": _UNWELCOME,  # insufficient_privilege
}
_UNREADABLE = "this file is not a ledger: name another file, or move it away and entra-syncro restore BACKUP"


@contextmanager
def our_errors() -> Iterator[None]:
    """Lets our own families through and translates everything that a database or the system may raise."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:  # TimeoutError is an OSError
        raise translate(error) from None


def translate(error: Exception) -> SyncError:
    """The family of one failure, with a static code; of the cause only its class or its own code is kept."""
    cause: object = error.orig if isinstance(error, StatementError) and error.orig is not None else error
    name = str(getattr(cause, "sqlite_errorname", ""))
    if name == "SQLITE_NOTADB":
        return Permanent("ledger", "ledger_unreadable", _UNREADABLE)
    if isinstance(error, IntegrityError):
        return Permanent("ledger", CONSTRAINT, "the ledger holds something that excludes this")
    if _never_accepted(error):
        return Permanent("ledger", "ledger_refused", f"the ledger does not accept this value: {type(cause).__name__}")
    state = str(getattr(cause, "sqlstate", None) or "")
    code, detail = _meaning(error, name, state)
    return Transient("ledger", code, f"{detail} ({name or state or type(cause).__name__})")


def _never_accepted(error: Exception) -> bool:
    # a StatementError that no driver raised is a value that SQLAlchemy could not even hand over
    return isinstance(error, SqlDataError) or (isinstance(error, StatementError) and not isinstance(error, DBAPIError))


def _meaning(error: Exception, name: str, state: str) -> tuple[str, str]:
    if isinstance(error, PoolTimeout | TimeoutError):
        return _LOCKED
    # extended names look like SQLITE_IOERR_WRITE or SQLITE_BUSY_SNAPSHOT
    for known, meaning in _SQLITE.items():
        if name.startswith(known):
            return meaning
    return _POSTGRES.get(state, _AWAY)
