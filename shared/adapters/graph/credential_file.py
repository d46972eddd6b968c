"""A credential that lies in a file which people replace while we run: a certificate with its key, or a secret.

The file is looked at (its time, size and place) before a token is asked for, at most once a minute, and read anew when
it is another one. One that changed just now may be half written, which nobody can see of a secret: it is left for the
next look. One that cannot be used changes nothing: what was read last stays in use, the log says so, and the file is
tried again. Runs in MSAL's threads. Next: `auth.py`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import structlog

from shared.adapters.graph.credentials import Credential

EVERY_SECONDS = 60.0
SETTLED_SECONDS = 5.0  # a file that changed less long ago may still be written
Look = tuple[int, int, int]  # a write in place changes the first two, a rename over it the last

_NOWHERE: Look = (0, 0, 0)
_log = structlog.get_logger(__name__)


class CredentialFile:
    """`held`: what the file held when it was read first. `read`: a credential, or a sentence why there is none.

    No value is ever shown; the sentence must not hold any.
    """

    def __init__(
        self,
        file: Path,
        held: Credential,
        read: Callable[[], Credential | str],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._file = file
        self._held = held
        self._read = read
        self._monotonic = monotonic
        self._now = now  # seconds since 1970, as the file's own time is
        self._lock = threading.Lock()
        # None: nobody looked. The file may have changed since it was read first, so the first look reads it again.
        self._seen: Look | None = None
        self._complained_of: Look | None = None
        self._next = monotonic() + EVERY_SECONDS

    @property
    def held(self) -> Credential:
        """What is in use. Looks at no file."""
        return self._held

    def for_msal(self) -> str | Mapping[str, Any]:
        with self._lock:  # several tenants' threads at once
            now = self._monotonic()
            if now >= self._next:
                self._next = now + EVERY_SECONDS
                self._refresh()
            return self._held.for_msal()

    def _refresh(self) -> None:
        look = _look(self._file)
        if look == self._seen or abs(self._now() - look[0] / 1e9) < SETTLED_SECONDS:
            return
        found = self._tried()
        if look != _look(self._file):  # somebody writes it at this moment
            return
        if isinstance(found, str):
            if look != self._complained_of:
                _log.warning("credential_file_unusable", file=str(self._file), why=found, effect="the one before stays")
            self._complained_of = look
            return
        self._seen = self._complained_of = look
        if found != self._held:
            self._held = found
            _log.info("credential_file_taken", file=str(self._file))

    def _tried(self) -> Credential | str:
        try:
            return self._read()
        except Exception as error:  # a file is no reason to be without a credential; its text may quote the file
            return f"reading it failed ({type(error).__name__})"


def _look(file: Path) -> Look:
    try:
        found = file.stat()
    except OSError:
        return _NOWHERE
    return found.st_mtime_ns, found.st_size, found.st_ino
