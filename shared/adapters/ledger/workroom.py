"""The folder in which a restore keeps its private copies of whole ledgers: for our eyes only, gone when it ends.

Beside the ledger or among the backups, never in the system's own folder for such things: that may be small, or in
memory. What a killed restore left behind is locked by nobody, and the next one takes it away. Next: `backup.py`.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp

_NAME = ".entra-syncro-restore-"


@contextmanager
def workroom(within: Path) -> Iterator[Path]:
    within.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(within):  # nobody takes ours away before it is locked
        _sweep(within)
        folder = Path(mkdtemp(prefix=_NAME, dir=within))
        ours = _opened(folder)
        fcntl.flock(ours, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(ours)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = _opened(folder)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sweep(within: Path) -> None:
    for left in within.glob(f"{_NAME}*"):
        with suppress(OSError):  # of a restore that is under way, or of another user
            descriptor = _opened(left)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left)
            finally:
                os.close(descriptor)


def _opened(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
