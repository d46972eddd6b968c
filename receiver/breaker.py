"""When the broker fails, later POSTs are refused at once instead of each waiting for its own timeout.

Pure: times are arguments (monotonic seconds). Opens after three failures in a row; after a pause one trial is let
through, whose end closes it again or opens it anew. Next: `receiver/group_commit.py`.
"""

from __future__ import annotations


class Breaker:
    """`allows` asks before a publish; `succeeded` and `failed` report its end."""

    def __init__(self, *, failures: int = 3, pause: float = 1.0) -> None:
        self._limit = failures
        self._pause = pause
        self._failed = 0
        self._open_until: float | None = None

    @property
    def closed(self) -> bool:
        return self._open_until is None

    def allows(self, now: float) -> bool:
        """May this publish be tried? While open: only one per pause."""
        if self._open_until is None:
            return True
        if now < self._open_until:
            return False
        self._open_until = now + self._pause
        return True

    def succeeded(self) -> None:
        self._failed = 0
        self._open_until = None

    def failed(self, now: float) -> None:
        self._failed += 1
        if self._failed >= self._limit:
            self._open_until = now + self._pause

    def trust(self) -> None:
        """Something else proved that the broker answers: close, but open again at the very next failure."""
        self._failed = self._limit - 1
        self._open_until = None
