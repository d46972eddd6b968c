"""What reports say about one user (MFA, last activity), with the time at which they said it.

A fact that is None is unknown, and unknown leaves Syncro untouched: never "disabled" or "" because a report was
late, refused or concealed. Who reads reports is the nightly run's business. Next: `shared/domain/plan.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

KEEPS_FOR = timedelta(hours=24)  # older than that, a report says nothing about today


@dataclass(frozen=True, slots=True)
class Facts:
    """Texts as the contact shows them; None: unknown. `read_at` is aware, UTC."""

    read_at: datetime
    mfa_status: str | None = None
    mfa_methods: str | None = None
    last_activity: str | None = None

    def known_at(self, now: datetime) -> Facts | None:
        """These facts, or None (all unknown) once they are more than 24 h old."""
        return self if now - self.read_at <= KEEPS_FOR else None
