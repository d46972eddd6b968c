"""What a brake holds, in the words of technicians: how much, why, and which command comes next. Pure.

Deciding about it is `console/operations/runs.py`'s business.
"""

from __future__ import annotations

from datetime import datetime

from shared.domain.records import Hold
from shared.domain.safety import Brake

REJECTED = "Rejected by "  # begins the detail of a hold that a person rejected and that goes on standing

_CLASSES = {
    Brake.CLEARS: " with cleared values or deleted users",
    Brake.IDENTITY: " with changed names or e-mail addresses",
    Brake.CREATIONS: "",
}


def what_is_held(hold: Hold) -> str:
    """Such as "12 contacts with cleared values or deleted users (3 pass without a question)"."""
    return "; ".join(_one_class(brake, *counts) for brake, counts in sorted(hold.brakes.items()))


def _one_class(brake: str, count: int, limit: int) -> str:
    if brake == Brake.LISTING:
        return f"everything, for a list has {count} entries where {limit} were seen before"
    contacts = ("new " if brake == Brake.CREATIONS else "") + ("contact" if count == 1 else "contacts")
    return f"{count} {contacts}{_CLASSES[Brake(brake)]} ({_why(count, limit)})"


def _why(count: int, limit: int) -> str:
    """Fewer than the limit may wait: an hour, an earlier full sync or `--first` had used it up."""
    if count > limit:
        return f"{limit} pass without a question"
    return f"the limit of {limit} was reached before, the rest waits"


def is_halt(hold: Hold) -> bool:
    """A list was too short to be believed: the whole customer stands still."""
    return Brake.LISTING in hold.brakes


def is_rejected(hold: Hold, now: datetime) -> bool:
    """A person said no, and no full sync has looked since (it would have renewed the code)."""
    return has_expired(hold, now) and hold.detail.startswith(REJECTED)


def has_expired(hold: Hold, now: datetime) -> bool:
    return now >= hold.expires_at


def rejected_before(rejected: Hold) -> str:
    """Of a settled hold whose code waits again: who said no to the very same, when and why."""
    when = f", {rejected.settled_at:%Y-%m-%d %H:%M} UTC" if rejected.settled_at else ""
    return f"Exactly this was rejected before by {rejected.settled_by or 'somebody'} (code {rejected.code}{when})."


def next_step(hold: Hold, now: datetime) -> str:
    """Who does what next about an open hold, on one line."""
    if has_expired(hold, now):
        why = f"{hold.detail.rstrip('.')}." if is_rejected(hold, now) else "Its approval code is no longer valid."
        return f"{why} A full sync looks at it anew: entra-syncro reconcile --customer {hold.customer_id}"
    if not hold.rows and not is_halt(hold):  # the hour's brake knows its class, a full sync finds all of its rows
        return (
            "It has no approval code yet; a full sync lists all of it and gives one: "
            f"entra-syncro reconcile --customer {hold.customer_id}"
        )
    return f"Look at it: entra-syncro runs show {hold.code}"


def decisions(hold: Hold, now: datetime) -> tuple[str, ...]:
    """The commands that decide about an open hold, one a line; () while nobody can."""
    if has_expired(hold, now) or (not hold.rows and not is_halt(hold)):
        return ()
    return (
        f"Approve: entra-syncro runs approve {hold.code}",
        f"Reject:  entra-syncro runs reject {hold.code} --why REASON",
    )


def waiting_sentence(hold: Hold, name: str, now: datetime) -> str:
    state = "held" if has_expired(hold, now) else "waiting for approval"
    return f"{name}: {state}: {what_is_held(hold)}. {next_step(hold, now)}"


def waiting_lines(hold: Hold, name: str, now: datetime) -> str:
    """The sentence, and the commands that decide about it."""
    return "\n  ".join([waiting_sentence(hold, name, now), *decisions(hold, now)])
