"""One fat log line per user and customer, and the same facts for the metrics. Ids and field names, never values."""

from __future__ import annotations

from dataclasses import asdict
from typing import assert_never

import structlog

from shared.domain.changes import CreateContact, UpdateContact
from shared.domain.outcome import Covered, Failed, Held, NotReplicated, Outcome, Synced
from shared.domain.preview import outcome_of
from worker.look import Cause
from worker.parts import LookReport

log = structlog.get_logger("worker")
RETRYING = "retrying"  # in run records, of a user whose look failed and will be made again


def name_of(outcome: Outcome) -> str:
    """One or two words for logs, metrics and run records: a closed set."""
    match outcome:
        case Synced(plan=plan):
            return outcome_of(plan)
        case Covered():
            return "covered"
        case Held():
            return "held"
        case NotReplicated():
            return "not yet known"
        case Failed():
            return "failed"
        case _:
            assert_never(outcome)


def report(cause: Cause, customer_id: int | None, outcome: Outcome, *, lane: str, ms: int, age: float) -> LookReport:
    """Say what happened. The report goes to the log here and back to the caller for counting."""
    said = LookReport(
        event="user_failed" if isinstance(outcome, Failed) else "user_synced",
        lane=lane,
        tenant_id=cause.tenant_id,
        user_id=cause.user_id,
        customer_id=customer_id,
        reason=cause.reason.value,
        outcome=name_of(outcome),
        fields=_fields(outcome),
        unstuck=outcome.unstuck if isinstance(outcome, Synced) else (),
        calls=outcome.calls if isinstance(outcome, Synced | Held | Failed) else 0,
        writes=outcome.writes if isinstance(outcome, Synced) else 0,
        ms=ms,
        age=round(age, 3),
        attempt=cause.attempt,
        trace_id=cause.trace_id,
        run_id=cause.run_id,
        code=f"{outcome.error.service}:{outcome.error.code}" if isinstance(outcome, Failed) else None,
    )
    facts = {name: value for name, value in asdict(said).items() if name != "event" and value is not None}
    if isinstance(outcome, Failed):
        log.warning("user_failed", **facts)
    else:
        log.info("user_synced", **facts)
    return said


def _fields(outcome: Outcome) -> tuple[str, ...]:
    if isinstance(outcome, Synced) and isinstance(outcome.plan, CreateContact | UpdateContact):
        return tuple(change.field for change in outcome.plan.changes)
    return ()
