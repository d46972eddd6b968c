"""A look at one user: why it is made (`Cause`), what was decided (`Decided`), what it gave (`Look`). Values only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from shared.domain.changes import CreateContact, Plan, UpdateContact, row_digest
from shared.domain.desk import Chosen
from shared.domain.messages import Reason, UsersTouched
from shared.domain.outcome import Covered, Held, Outcome, Synced
from shared.domain.preview import is_write
from shared.domain.records import Connection, ConnectionStatus

NOBODY = 0  # stands for the customer in an outcome that none was asked for


@dataclass(frozen=True, slots=True)
class Cause:
    """`noticed_at` is that of the earliest hint; `taken_at` is when the newest was taken: a listing for a creation
    begins after it.

    `entra_alone`: Syncro is not asked as long as Entra says what it said before. `confirm`: this is the second look at
    something noticed. `facts_at`: when the reports were read that a full pass handed over for this user; None when no
    pass asks for this look. `by`, `undoes`: who ordered the write, and the journal entry that it takes back, where it
    is one of those.
    """

    tenant_id: str
    user_id: str
    reason: Reason
    trace_id: str
    run_id: str | None
    attempt: int
    noticed_at: datetime
    taken_at: datetime
    confirm: bool = False
    entra_alone: bool = False
    facts_at: datetime | None = None
    by: str = ""
    undoes: int | None = None


def cause_of(user_id: str, messages: Sequence[UsersTouched], taken_at: datetime) -> Cause:
    """Several hints, one look: the oldest one names it, and only when none asks for Syncro does it do with Entra.

    It is as late as the earliest of them says, also when that is a poll's and a notification came after it.
    """
    first = min(messages, key=lambda message: (message.asks_entra_alone, message.confirm, message.since))
    return Cause(
        tenant_id=first.tenant_id,
        user_id=user_id,
        reason=first.reason,
        trace_id=first.trace_id,
        run_id=first.run_id,
        attempt=first.attempt,
        noticed_at=min(message.since for message in messages),
        taken_at=taken_at,
        confirm=first.confirm,
        entra_alone=first.asks_entra_alone,
        facts_at=max((message.facts_at for message in messages if message.facts_at), default=None),
    )


@dataclass(frozen=True, slots=True)
class Decided:
    """`whole` is what the rules ask for, `possible` the same without what Syncro is known not to keep.

    `plan` is carried out: `possible` without what waits for the end of a freeze. Brakes come later. `chosen`: what a
    person chose for the user, where that was asked.
    """

    plan: Plan
    possible: Plan
    whole: Plan
    chosen: Chosen | None = None

    @property
    def digests(self) -> frozenset[str]:
        """Rows that a person may have approved and meant this."""
        return frozenset(map(row_digest, (self.plan, self.possible, self.whole)))

    @property
    def is_put_off(self) -> bool:
        """There is something to write, though not today."""
        return is_write(self.possible) and not is_write(self.plan)


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at one user gave, per customer of the tenant. `read_at` is when the directory read began."""

    user_id: str
    outcomes: Mapping[int, Outcome]
    read_at: datetime

    @property
    def succeeded(self) -> bool:
        """Every customer is in step as far as this read goes."""
        return all(isinstance(outcome, Synced | Covered) for outcome in self.outcomes.values())

    @property
    def quiet(self) -> bool:
        """Everything went well and nothing had changed: Entra may have answered with yesterday."""
        return bool(self.outcomes) and all(map(_found_nothing, self.outcomes.values()))


def _found_nothing(outcome: Outcome) -> bool:
    if isinstance(outcome, Synced):
        return not isinstance(outcome.plan, CreateContact | UpdateContact)
    return isinstance(outcome, Covered)


def covered(user_id: str, at: datetime) -> Look:
    """No look was needed."""
    return Look(user_id, {NOBODY: Covered()}, at)


def held_by(connection: Connection | None, tenant_id: str) -> Held | None:
    """What people decided about a customer, where it forbids writing for this tenant."""
    if connection is None or tenant_id not in connection.tenants:
        return Held("disconnected", owed=False)
    match connection.status:
        case ConnectionStatus.APPROVED:
            return None
        case ConnectionStatus.PREVIEW:
            return Held("waiting for approval", owed=True)
        case ConnectionStatus.PAUSED:
            return Held("paused", owed=True)
        case ConnectionStatus.DISCONNECTED:
            return Held("disconnected", owed=False)
        case _:
            assert_never(connection.status)
