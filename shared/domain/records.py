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
    """A Syncro customer tied to an Entra tenant, or explicitly to several: `more_tenants` are the others, in order.

    `paused_with_all`: of a paused one, that the switch for everything stopped it and no person did so alone.
    """

    customer_id: int
    customer_name: str
    tenant_id: str
    status: ConnectionStatus
    connected_at: datetime
    changed_at: datetime
    more_tenants: tuple[str, ...] = ()
    paused_with_all: bool = False

    @property
    def tenants(self) -> tuple[str, ...]:
        return (self.tenant_id, *self.more_tenants)


@dataclass(frozen=True, slots=True)
class Approval:
    """A preview that a person may approve. `rows`: user id -> row digest; `summary`: outcome -> count.

    `digest` is the approval code. `approved_at` is None while it waits. `connection_changed_at`: the connection's own,
    as it was before the plan was read; None of a proposal that an older release made.
    """

    customer_id: int
    digest: str
    rows: Mapping[str, str]
    summary: Mapping[str, int]
    proposed_at: datetime
    approved_at: datetime | None = None
    approved_by: str | None = None
    connection_changed_at: datetime | None = None


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
    """One write to one contact, or to the customer itself (action "customer": no contact, `user_id` "").

    `id` and `contact_id` are None until known (a creation). `user_id` is "" where no user stands behind the write.
    `noticed_at`: when the earliest hint that led to it was noticed, None where nobody hinted (a customer's own fields).
    `by`: the operator who ordered it, "" where nobody did. `undoes`: the entry that this write takes back.
    """

    customer_id: int
    user_id: str
    contact_id: int | None
    action: str  # "create" | "update" | "customer" | "delete"
    changes: tuple[FieldChange, ...]
    cause: Reason
    trace_id: str
    intended_at: datetime
    run_id: str | None = None
    state: WriteState = WriteState.INTENDED
    settled_at: datetime | None = None
    unstuck: tuple[str, ...] = ()
    id: int | None = None
    noticed_at: datetime | None = None
    by: str = ""
    undoes: int | None = None


@dataclass(frozen=True, slots=True)
class Delay:
    """One change that was written: why it was looked at, and the seconds from noticed to written."""

    customer_id: int
    cause: Reason
    seconds: float


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A failed change as an operator sees it. `body` is what lay in the queue; show it only through `decode`.

    `run_id`: of the full sync it came from, "" for none. `replay_id`: the replay that has claimed it; `replays`: how
    often it was tried again. `settled_by`, `why`: who replayed, discarded or parked it, and the reason that was given.
    `service`: who failed ("syncro", "graph" ...), "" in a letter of an older release and where no look was made.
    `last_run`: the full sync or replay in which it failed last, "" for a single change.
    """

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
    status: str  # "open" | "claimed" | "replayed" | "discarded" | "parked"
    settled_at: datetime | None = None
    run_id: str = ""
    replay_id: str = ""
    replays: int = 0
    settled_by: str = ""
    why: str = ""
    service: str = ""
    last_run: str = ""


@dataclass(frozen=True, slots=True)
class OpenConflict:
    customer_id: int
    user_id: str
    reason: ConflictReason
    candidates: tuple[Candidate, ...]
    first_seen: datetime
    last_seen: datetime


class RunState(StrEnum):
    """READING: users, contacts and reports are read. WORKING: changes were handed over. The others are final.

    A run that stays READING was killed: another takes its place. HALTED: a list was too short to be believed.
    """

    READING = "reading"
    WORKING = "working"
    DONE = "done"
    HALTED = "halted"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Run:
    """One pass over one customer, or over a single user (`full` False).

    `planned`: users handed over for a look. `considered`: users put through the planner, changed or not. `held`:
    users of whom something waits for a person. `outcomes`: outcome name -> count of users. `graph_calls`,
    `syncro_calls`: what the pass itself and its looks spent; `writes`: Syncro writes among them. `notes`: for a
    technician, why anything was skipped.
    """

    run_id: str
    customer_id: int
    reason: Reason
    planned: int
    started_at: datetime
    finished_at: datetime | None = None
    outcomes: Mapping[str, int] = field(default_factory=dict)
    state: RunState = RunState.WORKING
    full: bool = False
    considered: int = 0
    held: int = 0
    graph_calls: int = 0
    syncro_calls: int = 0
    writes: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LastFull:
    """When the newest full run of a customer began that got past reading, and the newest that is done."""

    begun_at: datetime
    done_began_at: datetime | None


class HoldState(StrEnum):
    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    LIFTED = "lifted"  # by itself: nothing is in excess any more, or a newer plan took its place


@dataclass(frozen=True, slots=True)
class HeldRow:
    """What waits for one user: its changes, and the digest by which a later plan is compared."""

    user_id: str
    user_label: str
    contact_id: int | None
    digest: str
    changes: tuple[FieldChange, ...]


@dataclass(frozen=True, slots=True)
class Hold:
    """A brake that stands: the stored plan of everything held for one customer. At most one is open per customer.

    `code` is what a person approves. `brakes`: class (`safety.Brake`) -> (contacts that would be touched, limit).
    `detail`: a sentence for a technician. A hold of the live path has no rows until the next full run stores them.
    """

    customer_id: int
    code: str
    run_id: str | None
    brakes: Mapping[str, tuple[int, int]]
    rows: tuple[HeldRow, ...]
    detail: str
    held_at: datetime
    expires_at: datetime
    state: HoldState = HoldState.OPEN
    settled_at: datetime | None = None
    settled_by: str | None = None


@dataclass(frozen=True, slots=True)
class ListSizes:
    """How many users and contacts a customer's last believed lists had."""

    customer_id: int
    users: int
    contacts: int
    at: datetime
