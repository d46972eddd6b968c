"""Billing truth for one customer: the three reports from a fresh survey, and clearing what is billed for nobody.

Only the first report can be cleared, by the code of exactly that report, as a person's decision. Each contact is read
afresh under the customer's lease, journaled, written and read back; one that says something else by now is left
alone. Next: `shared/domain/billing.py` for what is reported and why.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from uuid import uuid4

import structlog

from shared.domain import normalise
from shared.domain.billing import BillingReport, WithoutLicence, report
from shared.domain.changes import Excluded, FieldChange, Kind, UpdateContact
from shared.domain.contact import Contact
from shared.domain.errors import Permanent, SyncError
from shared.domain.messages import Lane, Reason
from shared.domain.policy import SyncPolicy
from shared.domain.records import ConnectionStatus, Run, RunState
from shared.domain.scope import belongs
from shared.domain.user import DirectoryUser
from worker.apply import Applier
from worker.connected import connected
from worker.holding import short_lists, sizes_of
from worker.look import Cause
from worker.marks import Marks
from worker.parts import WorkerPorts, WorkerSettings
from worker.survey import Survey, Surveyor
from worker.turns import turn_at

log = structlog.get_logger("worker")
_CALLS = 3  # GET, PUT, and the GET that proves it


@dataclass(frozen=True, slots=True)
class _Clearing:
    """What is fixed while one report is cleared."""

    survey: Survey
    run: Run
    by: str

    @property
    def policy(self) -> SyncPolicy:
        return self.survey.policy


class Billing:
    def __init__(self, ports: WorkerPorts, settings: WorkerSettings, lane: Lane = Lane.BACKFILL) -> None:
        self._ports = ports
        self._settings = settings
        self._lane = lane
        self._surveyor = Surveyor(ports, settings, lane)
        marks = Marks(ports.memory, ports.clock, settings.fingerprint_key)
        self._applier = Applier(ports.contacts, ports.journal, ports.links, marks, ports.clock)

    async def report(self, customer_id: int) -> BillingReport:
        """As of now; nothing is written. Permanent "unknown_customer" without a tenant."""
        return _report(await self._survey(customer_id))

    async def clear(self, customer_id: int, code: str, by: str) -> int:
        """Clear the licence of the contacts "billed without a licence" and give how many are proved clear.

        Permanent: "not_approved" customer, "frozen" billing, "halted" or short lists, "report_changed" when the report
        is no longer the one with this code. A run record says who decided it.
        """
        await self._may_clear(customer_id)
        survey = await self._survey(customer_id)
        await self._believed(survey)
        told = _report(survey)
        if not told.code or told.code != code:
            raise Permanent("worker", "report_changed", "the report is another one now: look at it and use its code")
        rows = [row for row in told.without_licence if row.can_clear]
        return await self._clear_all(survey, rows, by)

    async def _survey(self, customer_id: int) -> Survey:
        return await self._surveyor.survey(await connected(self._ports, customer_id))

    async def _may_clear(self, customer_id: int) -> None:
        connection = await self._ports.connections.get(customer_id)
        if connection is None or connection.status is not ConnectionStatus.APPROVED:
            raise Permanent("worker", "not_approved", "this customer is waiting for approval or paused")
        if self._settings.is_frozen(self._ports.clock.now()):
            raise Permanent("worker", "frozen", "licences are not written until the freeze is over")

    async def _believed(self, survey: Survey) -> None:
        """In a list that lacks users, everybody looks as if billed for nothing."""
        last = await self._ports.sizes.last(survey.customer_id)
        if short_lists(last, sizes_of(survey, self._ports.clock.now()), self._settings.brakes):
            raise Permanent("worker", "halted", "a list is much shorter than at the last full sync")

    async def _clear_all(self, survey: Survey, rows: Sequence[WithoutLicence], by: str) -> int:
        run = self._run(survey, len(rows), by)
        clearing = _Clearing(survey, run, by)
        await self._ports.runs.start(run)
        cleared = 0
        try:
            for row in rows:
                cleared += await self._clear(clearing, row)
        except SyncError as error:
            log.warning("billing_clear_failed", customer_id=survey.customer_id, run_id=run.run_id, code=error.code)
            with suppress(SyncError):  # the journal knows what was written; the first trouble is the one to tell
                await self._end(run, cleared, RunState.FAILED)
            raise
        await self._end(run, cleared, RunState.DONE)
        log.info("billing_cleared", customer_id=survey.customer_id, run_id=run.run_id, contacts=cleared)
        return cleared

    async def _end(self, run: Run, cleared: int, state: RunState) -> None:
        await self._ports.runs.start(replace(run, writes=cleared))
        await self._ports.runs.finish(run.run_id, self._ports.clock.now(), state)

    def _run(self, survey: Survey, rows: int, by: str) -> Run:
        notes = (f"Licences of {rows} contacts billed without one, cleared by {by or 'somebody'}.",)
        now = self._ports.clock.now()
        return Run(
            uuid4().hex, survey.customer_id, Reason.MANUAL, 0, now, state=RunState.READING, considered=rows, notes=notes
        )

    async def _clear(self, clearing: _Clearing, row: WithoutLicence) -> bool:
        async with turn_at(
            self._ports, self._settings, clearing.survey.customer_id, calls=_CALLS, lane=self._lane
        ) as turn:
            contacts, field = self._ports.contacts, clearing.policy.fields.license
            fresh = await contacts.get(turn.allowance, row.contact_id)
            if fresh is None or not _still_says(fresh, row, clearing) or await self._is_locked(fresh.id, clearing):
                return False
            why = f"Billed without a licence; cleared by {clearing.by or 'somebody'}."
            change = FieldChange(field, fresh.value(field), "", Kind.OWNED, why)
            plan = UpdateContact(row.user_id, clearing.survey.customer_id, fresh.id, (change,), "person")
            await self._applier.update(turn, plan, fresh, self._cause(clearing, row))
            after = await contacts.get(turn.allowance, row.contact_id)
            return after is not None and not normalise.text(after.value(field))

    async def _is_locked(self, contact_id: int, clearing: _Clearing) -> bool:
        now = self._ports.clock.now()
        pins = await self._ports.pins.all()
        return any(pin.contact_id == contact_id and pin.holds(now) for pin in pins)

    def _cause(self, clearing: _Clearing, row: WithoutLicence) -> Cause:
        run_id, now = clearing.run.run_id, self._ports.clock.now()
        return Cause(
            tenant_id=clearing.survey.tenant_of(row.user_id),
            user_id=row.user_id,
            reason=Reason.MANUAL,
            trace_id=run_id,
            run_id=run_id,
            attempt=0,
            noticed_at=clearing.survey.began,
            taken_at=now,
        )


def _report(survey: Survey) -> BillingReport:
    return report(
        survey.customer_id,
        _ours(survey),
        survey.preview.contacts,
        survey.plans,
        survey.links,
        survey.policy,
        survey.reading.part_numbers,
        locked=survey.locks.keys(),
    )


def _ours(survey: Survey) -> Sequence[DirectoryUser]:
    """Of a shared tenant, whoever is of this customer's part or has a contact here; the others are billed elsewhere."""
    users = survey.reading.users
    if not survey.is_shared:
        return users
    left_out = {plan.user_id for plan in survey.plans if isinstance(plan, Excluded)}
    return [user for user in users if user.id not in left_out or belongs(user, survey.policy) is not False]


def _still_says(fresh: Contact, row: WithoutLicence, clearing: _Clearing) -> bool:
    """The same value, the same customer, and nobody locked it meanwhile."""
    fields = clearing.policy.fields
    is_same = normalise.same_text(fresh.value(fields.license), row.value)
    is_theirs = fresh.customer_id in (clearing.survey.customer_id, 0)
    return is_same and is_theirs and not normalise.text(fresh.value(fields.pin))
