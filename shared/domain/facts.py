"""What reports say about one user (MFA, last activity), with the time at which they said it.

A fact that is None is unknown, and unknown leaves Syncro untouched: never "disabled" or "" because a report was
late, refused or concealed. Reports are read once a night for a whole tenant (`shared/domain/tenant.py`) and handed to
the looks through Memory. Next: `shared/domain/plan.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

KEEPS_FOR = timedelta(hours=24)  # older than that, a report says nothing about today


@dataclass(frozen=True, slots=True)
class Facts:
    """Texts as the contact shows them; None: unknown. `read_at` is aware, UTC.

    `last_activity` is an ISO date. `why_unknown` says for a technician why the MFA facts are None ("" when they are
    known, or when the tenant's own reasons say it already).
    """

    read_at: datetime
    mfa_status: str | None = None
    mfa_methods: str | None = None
    last_activity: str | None = None
    why_unknown: str = ""

    def known_at(self, now: datetime, applied: datetime | None = None) -> Facts | None:
        """These facts, or None (all unknown) once they are over 24 h old or older than those `applied` last."""
        is_outdated = applied is not None and self.read_at < applied
        return None if is_outdated or now - self.read_at > KEEPS_FOR else self
