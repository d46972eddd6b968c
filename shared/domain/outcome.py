"""What became of one look at one user: the value that `decide` turns into a verdict and a run counts.

`Outcome` says what happened; whether that means done, later, dead letter or owed is `shared.domain.retry`'s
business. Next: `shared/domain/retry.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.domain.changes import Plan
from shared.domain.errors import SyncError


@dataclass(frozen=True, slots=True)
class Synced:
    """The plan was carried out (or asked for nothing). `unstuck`: fields that Syncro did not keep.

    `calls` and `writes` are Syncro calls spent on this look. `owed`: why the customer needs a full pass nevertheless,
    "" when it does not (facts from reports were lost, or a brake holds a part).
    """

    plan: Plan
    calls: int = 0
    writes: int = 0
    unstuck: tuple[str, ...] = ()
    owed: str = ""


@dataclass(frozen=True, slots=True)
class Covered:
    """A successful read of this user began after the hint (plus a second): nothing to do."""


@dataclass(frozen=True, slots=True)
class Held:
    """Not written on purpose, `why` for a person: paused, waiting for approval, or a row that changed since."""

    why: str
    owed: bool  # True: the customer must get a full pass before it counts as in step
    calls: int = field(default=0, compare=False)  # Syncro calls spent before it was known


@dataclass(frozen=True, slots=True)
class NotReplicated:
    """Graph knows no such user yet (or no more): read again later."""


@dataclass(frozen=True, slots=True)
class Failed:
    error: SyncError
    calls: int = field(default=0, compare=False)  # Syncro calls spent on it


Outcome = Synced | Covered | Held | NotReplicated | Failed
