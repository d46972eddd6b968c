"""What the ledger keeps, as values: connections, approvals, links, owed marks, journal, dead letters, runs.

Plain facts about decisions of people and writes of ours. Nothing here knows SQL (`shared/adapters/ledger/`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from shared.domain.changes import Candidate, ConflictReason, FieldChange
from shared.domain.messages import Lane, Reason

# Memory key under which the workers say why nothing can be written anywhere ("syncro:token"); absent: all is well.
STOPPED_KEY = "account:stopped"


class ConnectionStatus(StrEnum):
    """PREVIEW: shown, nothing written. APPROVED: written. PAUSED: a person stopped it; hints are owed."""

    PREVIEW = "preview"
    APPROVED = "approved"
    PAUSED = "paused"
    DISCONNECTED = "disconnected"


@dataclass(frozen=True, slots=True)
class Connection:
    """A Syncro customer tied to an Entra tenant."""

    customer_id: int
    customer_name: str
    tenant_id: str
    status: ConnectionStatus
    connected_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Approval:
    """A preview that a person may approve. `rows`: user id -> row digest; `summary`: outcome -> count.

    `digest` is the approval code. `approved_at` is None while it waits.
    """

    customer_id: int
    digest: str
    rows: Mapping[str, str]
    summary: Mapping[str, int]
    proposed_at: datetime
    approved_at: datetime | None = None
    approved_by: str | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """`how` is the level that made the link: "object-id", "mail", "upn", "created", "person"."""

    customer_id: int
    user_id: str
    contact_id: int
    how: str
    linked_at: datetime


@dataclass(frozen=True, slots=True)
class Owed:
    """A customer that missed something; only a full pass begun after `generation` clears it."""

    customer_id: int
    generation: int
    reason: str
    since: datetime


class WriteState(StrEnum):
    INTENDED = "intended"  # journaled, maybe sent
    WRITTEN = "written"
    REFUSED = "refused"  # Syncro answered that it did not write
    AMBIGUOUS = "ambiguous"  # sent, no answer


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One write to one contact. `id` and `contact_id` are None until known (a creation)."""

    customer_id: int
    user_id: str
    contact_id: int | None
    action: str  # "create" | "update"
    changes: tuple[FieldChange, ...]
    cause: Reason
    trace_id: str
    intended_at: datetime
    run_id: str | None = None
    state: WriteState = WriteState.INTENDED
    settled_at: datetime | None = None
    unstuck: tuple[str, ...] = ()
    id: int | None = None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A failed change as an operator sees it. `body` is what lay in the queue; show it only through `decode`."""

    letter_id: str
    body: bytes
    lane: Lane
    tenant_id: str | None
    user_ids: tuple[str, ...]
    error_class: str
    detail: str
    attempts: int
    first_seen: datetime
    last_seen: datetime
    status: str  # "open" | "replayed" | "discarded"
    settled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OpenConflict:
    customer_id: int
    user_id: str
    reason: ConflictReason
    candidates: tuple[Candidate, ...]
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class Run:
    """One pass over one customer. `outcomes`: outcome name -> count of users."""

    run_id: str
    customer_id: int
    reason: Reason
    planned: int
    started_at: datetime
    finished_at: datetime | None = None
    outcomes: Mapping[str, int] = field(default_factory=dict)
