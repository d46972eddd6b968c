"""What a look knows from the reports that a full pass read, and what it may miss of them.

Facts that are lost or too old are unknown: the look syncs the rest, and the customer is owed a full pass if one had
handed them over. Next: `worker/customer.py`.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from shared.domain.changes import CreateContact, NoChange, Plan, UpdateContact
from shared.domain.errors import SyncError
from shared.domain.facts import Facts
from shared.domain.outcome import Held, Outcome, Synced
from shared.ports import Clock
from worker.handover import HandOver
from worker.look import Cause

LOST = "facts were lost"


@dataclass(frozen=True, slots=True)
class Known:
    """`facts`: None when unknown. `are_lost`: a full pass handed some over, and they are not there (any more).

    `applied`: when the reports were read that were written last.
    """

    facts: Facts | None
    are_lost: bool
    applied: datetime | None


class Reported:
    def __init__(self, handover: HandOver, clock: Clock) -> None:
        self._handover = handover
        self._clock = clock

    async def of(self, cause: Cause, customer_id: int) -> Known:
        """Raises what Memory raises."""
        now = self._clock.now()
        given = await self._handover.facts(cause.tenant_id, cause.user_id)
        applied = await self._handover.applied(customer_id, cause.user_id)
        known = given.known_at(now, applied) if given is not None else None
        return Known(known, _are_lost(given, cause.facts_at, now), applied)

    async def settle(self, known: Known, customer_id: int, user_id: str, outcome: Outcome) -> Outcome:
        """After the look: remember which reports the contact follows, and what it missed."""
        if isinstance(outcome, Synced) and _has_contact(outcome.plan):
            await self._note(known, customer_id, user_id)
            return replace(outcome, owed=outcome.owed or LOST) if known.are_lost else outcome
        if isinstance(outcome, Held) and known.are_lost:
            return replace(outcome, owed=True)
        return outcome

    async def _note(self, known: Known, customer_id: int, user_id: str) -> None:
        """The contact is written: a note that is lost must not fail the look."""
        if known.facts is not None and known.facts.read_at != known.applied:
            with suppress(SyncError):
                await self._handover.note_applied(customer_id, user_id, known.facts)


def _are_lost(given: Facts | None, facts_at: datetime | None, now: datetime) -> bool:
    if facts_at is None:
        return False
    return given is None or given.read_at < facts_at or given.known_at(now) is None


def _has_contact(plan: Plan) -> bool:
    match plan:
        case CreateContact() | UpdateContact():
            return True
        case NoChange(contact_id=contact_id):
            return contact_id is not None
        case _:
            return False
