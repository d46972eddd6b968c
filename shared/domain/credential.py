"""What proves to Microsoft that we are the application, as far as people must know: its kind and its end.

Pure. When it ends, every customer stops at once; so it is announced while there is time to replace it at ease. Who
tells people: `console/operations/check`, `console/cli/status.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class CredentialKind(StrEnum):
    SECRET = "secret"  # noqa: S105 - the name of a kind
    CERTIFICATE = "certificate"
    FEDERATED = "federated"  # an assertion that the platform writes to a file, or a managed identity: no end of its own
    MANAGED_IDENTITY = "managed-identity"


@dataclass(frozen=True, slots=True)
class CredentialInfo:
    """`expires_at`: None when nobody can tell (a secret whose date was not set) or when there is no end."""

    kind: CredentialKind
    expires_at: datetime | None = None


class Urgency(StrEnum):
    NONE = ""
    WARN = "warn"
    RED = "red"


@dataclass(frozen=True, slots=True)
class Announcement:
    """`days`: whole days that are left, 0 on the last, negative once it ended, None when nobody can tell."""

    urgency: Urgency
    days: int | None


WARN_WITHIN = timedelta(days=30)
RED_WITHIN = timedelta(days=7)


def announce(info: CredentialInfo, now: datetime) -> Announcement:
    """Nothing while more than 30 days are left, then a warning; red in the last 7 days and ever after."""
    if info.expires_at is None:
        return Announcement(Urgency.NONE, None)
    left = info.expires_at - now
    if left > WARN_WITHIN:
        return Announcement(Urgency.NONE, left.days)
    return Announcement(Urgency.WARN if left > RED_WITHIN else Urgency.RED, left.days)
