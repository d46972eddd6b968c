"""A failure in the words of a technician: what it was, and who does what next.

Codes are ours and static; nothing of a vendor's own text is shown. What they mean stands in `shared/domain/cures.py`.
Next: `console/cli/__init__.py`, which prints it.
"""

from __future__ import annotations

from shared.domain.cure import for_customer
from shared.domain.cures import TABLE, Action, cure_of
from shared.domain.errors import Permanent, StopTheLine, SyncError, Transient

PLACES = {
    "graph": "Microsoft Graph",
    "login": "Microsoft sign-in",
    "syncro": "Syncro",
    "broker": "The queue",
    "state": "The short-lived state",
    "ledger": "The ledger",
    "worker": "The full sync",
    "undo": "Taking changes back",
    "partner": "Partner Center",
}
# What the store says of itself tells who does what, and no waiting helps.
ANSWERED = frozenset({"damaged", "ledger_unreadable", "ledger_newer"})
TELLING = frozenset({"graph", "login"})  # whose details (a status, a tenant) add something to our own sentence


def explain(error: SyncError, customer_id: int | None = None) -> str:
    """A vendor's or a store's failure for a technician: what it was, and who does what next.

    `customer_id`: whose failure it was, for the command in the sentence.
    """
    return f"{_what(error).rstrip('.')}. {for_customer(_what_next(error), customer_id)}".rstrip()


def _what(error: SyncError) -> str:
    if f"{error.service}:{error.code}" not in TABLE:
        return _placed(PLACES.get(error.service, error.service), cure_of(error).what)
    known = cure_of(error).what.rstrip(".")
    return f"{known} ({error.detail})" if error.detail and error.service in TELLING else known


def _placed(place: str, what: str) -> str:
    """A store that names itself is not named twice."""
    named = place.startswith("The ") and place.removeprefix("The ") in what
    return f"{what[:1].upper()}{what[1:]}" if named else f"{place}: {what}"


def _what_next(error: SyncError) -> str:
    cure = cure_of(error)
    match error:
        case Transient(service="ledger", code=code) | Permanent(service="ledger", code=code) if code in ANSWERED:
            return ""
        case StopTheLine(retry_after=float() | int() as seconds):
            return _again(seconds)
        case StopTheLine():
            return f"{cure.who_does_what} Then try again."
        case Transient(retry_after=seconds):
            patience = _again(seconds)
            return patience if cure.action is Action.RETRY_SOON else f"{cure.who_does_what} {patience}"
        case Permanent(code="unsupported_url" | "ledger_url", service=service):
            return f"Correct {service}.url in the settings (ENTRA_SYNCRO_{service.upper()}__URL)."
        case Permanent(service="ledger" | "state" | "broker" as service):
            return f"Waiting will not help; see that {service}.url in the settings names the right place."
        case _ if f"{error.service}:{error.code}" in TABLE:
            return cure.who_does_what
        case _:
            return "Waiting will not help; entra-syncro status shows what is connected, the log has the details."


def _again(seconds: float | None) -> str:
    if seconds is None:
        return "Nothing was lost; try again in a moment."
    return f"Nothing was lost; try again in {max(1, round(seconds))} s."
