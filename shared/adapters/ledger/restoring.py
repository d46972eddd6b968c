"""Whether a restore is under way in a ledger that somebody wants to open. Next: `alone.py`, which says so."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from shared.domain.errors import Transient

_UNDER_WAY = "a restore is under way, and nobody else may open it until that has ended"


def refused() -> Transient:
    return Transient("ledger", "ledger_restoring", _UNDER_WAY)


def sign_of(ledger: Path) -> Path:
    """The file that a restore holds locked while it has this ledger alone."""
    return ledger.with_name(f"{ledger.name}.restoring")


def refuse_meanwhile(ledger: Path) -> None:
    """Raises Transient "ledger_restoring". A file that a killed restore left behind is locked by nobody."""
    try:
        descriptor = os.open(sign_of(ledger), os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):  # of another user: the ledger's own lock holds us up all the same
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        raise refused() from None
    finally:
        os.close(descriptor)
