"""What operators decide at their desk, as the ledger keeps it: replays, pins, choices, deeds, notices. Values only.

Who may do what, and in which order, is `console/operations/`; what a pin or a choice means for a plan is
`shared/domain/plan.py` and `matching.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class ReplayState(StrEnum):
    """RUNNING: a worker hands the letters over, a few at once. CANCELLED: what was not handed over stays open."""

    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Replay:
    """One job: a frozen selection of failed changes that is tried again. `code`: what the operator saw and approved.

    `total`: letters in the selection. `handed_over`, `skipped`: how far it is (`skipped`: the user succeeded since, or
    somebody else settled the letter).
    """

    replay_id: str
    by: str
    code: str
    total: int
    began_at: datetime
    state: ReplayState = ReplayState.RUNNING
    handed_over: int = 0
    skipped: int = 0
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which failed changes; every part that is set must hold. `until`: the cut-off, letters recorded later stay out."""

    tenant_ids: tuple[str, ...] = ()
    error_class: str = ""
    detail: str = ""
    since: datetime | None = None
    until: datetime | None = None
    run_id: str = ""
    status: str | None = "open"
    replay_id: str = ""  # of the newest job that had it
    service: str = ""


@dataclass(frozen=True, slots=True)
class LetterCount:
    """How many failed changes of one cause are open for one tenant (None: their bytes name none)."""

    error_class: str
    tenant_id: str | None
    letters: int
    service: str = ""


@dataclass(frozen=True, slots=True)
class Pin:
    """A contact that nobody's change may write. `until`: None for good."""

    customer_id: int
    contact_id: int
    why: str
    by: str
    at: datetime
    until: datetime | None = None

    def holds(self, now: datetime) -> bool:
        return self.until is None or now < self.until


class Choice(StrEnum):
    """What a person chose for a user whose contact is not certain. A link is no choice: it stands in `Links`."""

    CREATE = "create"  # none of the candidates is this person: make a contact
    DISMISS = "dismiss"  # leave it; holds until the candidates change


@dataclass(frozen=True, slots=True)
class Chosen:
    """`candidates`: the contacts that the person saw (`shared.domain.choosing.seen`); others ask anew."""

    customer_id: int
    user_id: str
    choice: Choice
    candidates: str
    why: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Deed:
    """One act of an operator, for the record. `what`: a static word ("replay", "undo", "pin" ...); `facts`: ids and
    counts, never values."""

    by: str
    what: str
    at: datetime
    customer_id: int | None = None
    facts: Mapping[str, str | int] = field(default_factory=dict)
    id: int | None = None


@dataclass(frozen=True, slots=True)
class JournalFilter:
    """Which writes; every part that is set must hold. `field`: one of the fields changed. `before_id`: older ones."""

    customer_id: int | None = None
    user_id: str = ""
    contact_id: int | None = None
    field: str = ""
    run_id: str = ""
    trace_id: str = ""
    cause: str = ""
    since: datetime | None = None
    until: datetime | None = None
    before_id: int | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """One cause that somebody was told of. `key`: kind and what it is about ("held:34288070"), one open notice per key.

    `sentence` names customers and ids, never people: those are put in when something is sent. `told_at`: when the first
    message about it went out, None while none could be sent. `told_over`: names of the channels that sent it;
    `unsure_over`: those among them whose answer was lost. `meant_for`: the channels that were set when it was opened.
    """

    key: str
    kind: str
    customer_id: int | None
    sentence: str
    opened_at: datetime
    told_at: datetime | None = None
    cleared_at: datetime | None = None
    told_over: tuple[str, ...] = ()
    unsure_over: tuple[str, ...] = ()
    meant_for: tuple[str, ...] = ()
