"""Who holds deliveries, and whether that owner still lives: one locked file per open broker handle.

The kernel drops a file lock the moment its process dies, however it dies, so an owner file that can be locked belongs
to a dead owner: sound after SIGKILL, after a reboot and across containers that share the volume, where a process id
says nothing. A frozen owner keeps its lock; its leases run out by time. Next: `embedded.py`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from uuid import uuid4


class Owners:
    """The folder of owner files beside the broker's file. Blocking calls: use it in the SQLite thread only."""

    def __init__(self, database_path: str) -> None:
        self._folder = Path(f"{database_path}-owners")
        self._own: int | None = None
        self.token = uuid4().hex

    def claim(self) -> None:
        """Create and lock our own file, and clear away what dead owners left."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in self._folder.iterdir():
            self.is_dead(path.name)
        while self._own is None:
            self._own = self._locked_file()

    def is_dead(self, token: str) -> bool:
        """True only when it is certain. Clears the dead owner's file away."""
        if token == self.token:
            return False
        path = self._folder / token
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        except OSError:  # another user's file, too many open files: not known
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
        except OSError:
            return False
        finally:
            os.close(descriptor)
        return True

    def resign(self) -> None:
        """Give up our own file: from now on whatever we still hold is anybody's."""
        if self._own is None:
            return
        with contextlib.suppress(OSError):
            (self._folder / self.token).unlink(missing_ok=True)
        os.close(self._own)
        self._own = None

    def _locked_file(self) -> int | None:
        path = self._folder / self.token
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # Between open and lock somebody who clears up may have locked and removed it: then it is nobody's file.
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        os.close(descriptor)
        return None
