"""A look at one user: why it is made (`Cause`), what was decided (`Decided`), what it gave (`Look`). Values only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from shared.domain.changes import CreateContact, Plan, UpdateContact, row_digest
from shared.domain.messages import Reason, UsersTouched
from shared.domain.outcome import Covered, Held, Outcome, Synced
from shared.domain.preview import is_write
from shared.domain.records import Connection, ConnectionStatus

NOBODY = 0  # stands for the customer in an outcome that none was asked for


@dataclass(frozen=True, slots=True)
class Cause:
    """`taken_at` is when the newest of the hints was taken: a listing for a creation begins after it.

    `confirm` asks for Entra alone, as long as it says what it said before. `facts_at`: when the reports were read that
    a full pass handed over for this user; None when no pass asks for this look.
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
    facts_at: datetime | None = None


def cause_of(user_id: str, messages: Sequence[UsersTouched], taken_at: datetime) -> Cause:
    """Several hints, one look: the oldest one names it, and only when all are confirms is it one."""
    first = min(messages, key=lambda message: (message.confirm, message.noticed_at))
    return Cause(
        tenant_id=first.tenant_id,
        user_id=user_id,
        reason=first.reason,
        trace_id=first.trace_id,
        run_id=first.run_id,
        attempt=first.attempt,
        noticed_at=first.noticed_at,
        taken_at=taken_at,
        confirm=first.confirm,
        facts_at=max((message.facts_at for message in messages if message.facts_at), default=None),
    )


@dataclass(frozen=True, slots=True)
class Decided:
    """`whole` is what the rules ask for, `possible` the same without what Syncro is known not to keep.

    `plan` is carried out: `possible` without what waits for the end of a freeze. Brakes come later.
    """

    plan: Plan
    possible: Plan
    whole: Plan

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
        return bool(self.outcomes) and all(
            isinstance(outcome, Synced) and not isinstance(outcome.plan, CreateContact | UpdateContact)
            for outcome in self.outcomes.values()
        )


def covered(user_id: str, at: datetime) -> Look:
    """No look was needed."""
    return Look(user_id, {NOBODY: Covered()}, at)


def held_by(connection: Connection | None, tenant_id: str) -> Held | None:
    """What people decided about a customer, where it forbids writing for this tenant."""
    if connection is None or connection.tenant_id != tenant_id:
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
