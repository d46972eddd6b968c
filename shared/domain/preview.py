"""A full plan for one customer as a person sees it: one row per user, an approval code over all of them.

Pure: made from plans by `worker.fullpass`, shown by `console.operations`, never executed. The code changes as soon
as any row would write something else, so an approval covers exactly what was shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import assert_never

from shared.domain.changes import (
    Conflict,
    CreateContact,
    Excluded,
    NoChange,
    NotYet,
    Pinned,
    Plan,
    UpdateContact,
    row_digest,
)
from shared.domain.contact import Contact


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """`user_label` and `contact_label` are for people's eyes only (names, addresses); `contact_label` may be ""."""

    user_label: str
    contact_label: str
    plan: Plan


@dataclass(frozen=True, slots=True)
class Preview:
    """`contacts` is everything Syncro held for the customer when the plan was made: saved before any write."""

    customer_id: int
    rows: tuple[PreviewRow, ...]
    contacts: tuple[Contact, ...]

    @property
    def code(self) -> str:
        """The approval code: eight hex digits over every row, whatever their order."""
        digests = sorted(row_digest(row.plan) for row in self.rows)
        return sha256("\n".join([str(self.customer_id), *digests]).encode()).hexdigest()[:8]

    @property
    def digests(self) -> Mapping[str, str]:
        """User id -> row digest, for the users that would be written."""
        return {row.plan.user_id: row_digest(row.plan) for row in self.rows if is_write(row.plan)}

    @property
    def summary(self) -> Mapping[str, int]:
        """Outcome in words -> count of users."""
        return summarise(row.plan for row in self.rows)


def summarise(plans: Iterable[Plan]) -> Mapping[str, int]:
    return dict(sorted(Counter(outcome_of(plan) for plan in plans).items()))


def is_write(plan: Plan) -> bool:
    return isinstance(plan, CreateContact | UpdateContact)


def has_contact_at_the_end(plan: Plan) -> bool:
    """In scope: by the plan this user has a contact when all is done. Conflicts and exclusions have none."""
    match plan:
        case CreateContact() | UpdateContact() | Pinned():
            return True
        case NoChange(contact_id=contact_id):
            return contact_id is not None
        case Excluded() | Conflict() | NotYet():
            return False
        case _:
            assert_never(plan)


def outcome_of(plan: Plan) -> str:
    """One or two words for tables, counts and run records."""
    match plan:
        case CreateContact():
            return "create"
        case UpdateContact():
            return "update"
        case NoChange():
            return "in step"
        case Excluded():
            return "excluded"
        case Conflict() if not plan.is_open:
            return "left alone"
        case Conflict():
            return "conflict"
        case Pinned():
            return "locked"
        case NotYet():
            return "not yet known"
        case _:
            assert_never(plan)
