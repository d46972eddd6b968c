"""The customer's own fields (Secure Score, counts, tenant id): written by the full pass itself, at its end.

The same discipline as for a contact: calls of the slow lane, the customer's lease, a fresh read, a journal entry
before the write, the answer compared. What agreed last is remembered for a week as a keyed digest, so that a customer
of whom nothing changed costs no call. While billing is frozen the counts wait, and so they do while a brake holds
licences: invoices must not follow what nobody has approved. Next: `shared/domain/totals.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import structlog

from shared.domain.changes import FieldChange
from shared.domain.contact import Customer
from shared.domain.errors import Permanent, SyncError
from shared.domain.messages import Lane, Reason
from shared.domain.records import Hold, JournalEntry, WriteState
from shared.domain.safety import Brake, brake_of
from shared.domain.totals import customer_changes, wanted_totals
from worker.apply import Guarded, Turn, state_of
from worker.marks import Marks
from worker.parts import WorkerPorts, WorkerSettings
from worker.survey import Survey
from worker.turns import turn_at

log = structlog.get_logger("worker")
COUNTS_WAIT = "The counts of users wait with the licences that are held."
_CALLS = 2  # GET and PUT
_WEEK = 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class TotalsReport:
    """Syncro calls made, writes among them, and for a technician what could not be written and why."""

    calls: int = 0
    writes: int = 0
    notes: tuple[str, ...] = ()


def holds_licences(hold: Hold, field: str) -> bool:
    """Does a hold keep the licence on a contact that would lose it?"""
    changes = (change for row in hold.rows for change in row.changes)
    return any(change.field == field and brake_of(change) is Brake.CLEARS for change in changes)


class Totals:
    def __init__(self, ports: WorkerPorts, settings: WorkerSettings) -> None:
        self._ports = ports
        self._settings = settings
        self._marks = Marks(ports.memory, ports.clock, settings.fingerprint_key)

    async def write(self, survey: Survey, *, reason: Reason, run_id: str, hold: Hold | None = None) -> TotalsReport:
        """Bring the customer's fields in step. `hold`: what waits for a person.

        A refusal of Syncro's is a note; other errors leave here.
        """
        licences_wait = hold is not None and holds_licences(hold, survey.policy.fields.license)
        report = await self._written(survey, self._wanted(survey, licences_wait), reason, run_id)
        return replace(report, notes=(*report.notes, COUNTS_WAIT)) if licences_wait else report

    async def _written(self, survey: Survey, wanted: Mapping[str, str], reason: Reason, run_id: str) -> TotalsReport:
        key, digest = f"totals:{survey.customer_id}", self._marks.digest(sorted(wanted.items()))
        if await self._ports.memory.recall(key) == digest:
            return TotalsReport()
        try:
            report = await self._in_turn(survey, wanted, reason, run_id)
        except Permanent as error:
            log.warning("totals_refused", customer_id=survey.customer_id, code=error.code)
            return TotalsReport(_CALLS, 0, (f"Syncro refused the customer's own fields ({error.code}).",))
        await self._ports.memory.remember(key, digest, ttl=_WEEK)
        return report

    def _wanted(self, survey: Survey, licences_wait: bool) -> Mapping[str, str]:
        settings, now = self._settings, self._ports.clock.now()
        first, *more = survey.readings
        source = settings.billing.counts
        wanted = wanted_totals(first, survey.policy, source, now=now, more=more, is_shared=survey.is_shared)
        if not licences_wait and not settings.is_frozen(now):
            return wanted
        counts = {survey.policy.fields.licensed_users, survey.policy.fields.active_users}
        return {field: value for field, value in wanted.items() if field not in counts}

    async def _in_turn(self, survey: Survey, wanted: Mapping[str, str], reason: Reason, run_id: str) -> TotalsReport:
        customer_id = survey.customer_id
        async with turn_at(self._ports, self._settings, customer_id, calls=_CALLS, lane=Lane.BACKFILL) as turn:
            allowance = turn.allowance
            fresh = await self._ports.customers.get(allowance, customer_id)
            if fresh is None:
                return TotalsReport(allowance.spent, 0, ("Syncro does not know this customer any more.",))
            changes = customer_changes(fresh, wanted, await self._marks.lacking(customer_id))
            if not changes:
                return TotalsReport(allowance.spent)
            notes = await self._write(turn, fresh, changes, reason, run_id)
            return TotalsReport(allowance.spent, 1, notes)

    async def _write(
        self, turn: Turn, fresh: Customer, changes: tuple[FieldChange, ...], reason: Reason, run_id: str
    ) -> tuple[str, ...]:
        journal, clock = self._ports.journal, self._ports.clock
        turn.lease.ensure(turn.write_takes)
        entry = JournalEntry(fresh.id, "", None, "customer", changes, reason, run_id, clock.now(), run_id)
        entry_id = await journal.intend(entry)
        try:
            written = await self._ports.customers.update(Guarded(turn), fresh, changes)
        except SyncError as error:
            await journal.settle(entry_id, state_of(error), at=clock.now())
            raise
        await journal.settle(entry_id, WriteState.WRITTEN, at=clock.now(), unstuck=written.unstuck)
        return await self._note_unstuck(fresh.id, written.unstuck)

    async def _note_unstuck(self, customer_id: int, unstuck: tuple[str, ...]) -> tuple[str, ...]:
        """What Syncro does not keep is said once, and not sent again for a day."""
        if not unstuck:
            return ()
        await self._marks.lacks(customer_id, unstuck)
        names = ", ".join(unstuck)
        return (f"Syncro did not keep these fields of the customer: {names}. Create them as custom fields in Syncro.",)
