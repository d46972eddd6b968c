"""Carries a plan out: lease checked, intention journaled, then the one write. The only place that writes to Syncro.

It refuses to decide anything: what is written is what the plan says. A write without an answer is journaled as
ambiguous; a crash in between leaves the intention standing, which blocks a second creation for a while.
Next: `worker/look.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from shared.domain.changes import CreateContact, FieldChange, UpdateContact
from shared.domain.contact import PLAIN_FIELDS, Contact
from shared.domain.errors import Ambiguous, SyncError
from shared.domain.records import JournalEntry, Link, WriteState
from shared.ports import Allowance, Clock, Contacts, JournalWrites, Lease, Links, Written
from worker.look import Cause
from worker.marks import Marks


@dataclass(frozen=True, slots=True)
class Turn:
    """What a write needs: some calls and the customer's lease, which must last as long as a write may take (s).

    `read_at`: when the directory read that is to be written began.
    """

    allowance: Allowance
    lease: Lease
    write_takes: float
    read_at: datetime


class Guarded:
    """Asks the lease once more when a call may be made: waiting for the pace may have outlasted it."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn

    @property
    def spent(self) -> int:
        return self._turn.allowance.spent

    async def spend(self) -> None:
        await self._turn.allowance.spend()
        self._turn.lease.ensure(self._turn.write_takes)


def state_of(error: SyncError) -> WriteState:
    """How a write that failed like this ended."""
    return WriteState.AMBIGUOUS if isinstance(error, Ambiguous) else WriteState.REFUSED


class Applier:
    def __init__(self, contacts: Contacts, journal: JournalWrites, links: Links, marks: Marks, clock: Clock) -> None:
        self._contacts = contacts
        self._journal = journal
        self._links = links
        self._marks = marks
        self._clock = clock

    async def update(self, turn: Turn, plan: UpdateContact, fresh: Contact, cause: Cause) -> Written:
        entry_id = await self._intend(turn, plan, plan.contact_id, cause)
        try:
            written = await self._contacts.update(Guarded(turn), fresh, plan.changes)
        except SyncError as error:
            await self._settle_failed(entry_id, error)
            raise
        await self._settle(entry_id, written)
        await self._note_unstuck(plan, written)
        return written

    async def create(self, turn: Turn, plan: CreateContact, cause: Cause) -> Written:
        entry_id = await self._intend(turn, plan, None, cause)
        try:
            written = await self._contacts.create(Guarded(turn), plan.customer_id, plan.changes)
        except SyncError as error:
            await self._settle_failed(entry_id, error)
            raise
        # The link comes first: between the two a crash leaves an open creation, which is looked for, not repeated.
        await self._links.link(
            Link(plan.customer_id, plan.user_id, written.contact.id, "created", self._clock.now()),
        )
        await self._settle(entry_id, written)
        await self._note_unstuck(plan, written)
        return written

    async def delete(self, turn: Turn, fresh: Contact, changes: Sequence[FieldChange], cause: Cause) -> None:
        """For good. `changes`: everything that is known of the contact, so that it can be made again."""
        plan = UpdateContact(cause.user_id, fresh.customer_id, fresh.id, tuple(changes), "")
        entry_id = await self._intend(turn, plan, fresh.id, cause, action="delete")
        try:
            await self._contacts.delete(Guarded(turn), fresh.id)
        except SyncError as error:
            await self._settle_failed(entry_id, error)
            raise
        await self._journal.settle(entry_id, WriteState.WRITTEN, at=self._clock.now(), contact_id=fresh.id)

    async def _intend(
        self,
        turn: Turn,
        plan: CreateContact | UpdateContact,
        contact_id: int | None,
        cause: Cause,
        *,
        action: str = "",
    ) -> int:
        turn.lease.ensure(turn.write_takes)
        return await self._journal.intend(
            JournalEntry(
                customer_id=plan.customer_id,
                user_id=plan.user_id,
                contact_id=contact_id,
                action=action or ("create" if contact_id is None else "update"),
                changes=plan.changes,
                cause=cause.reason,
                trace_id=cause.trace_id,
                intended_at=self._clock.now(),
                run_id=cause.run_id,
                # What a confirm finds was served late by Entra, which is no delay of ours.
                noticed_at=None if cause.confirm else cause.noticed_at,
                by=cause.by,
                undoes=cause.undoes,
            )
        )

    async def _settle(self, entry_id: int, written: Written) -> None:
        await self._journal.settle(
            entry_id,
            WriteState.WRITTEN,
            at=self._clock.now(),
            contact_id=written.contact.id,
            unstuck=written.unstuck,
        )

    async def _settle_failed(self, entry_id: int, error: SyncError) -> None:
        await self._journal.settle(entry_id, state_of(error), at=self._clock.now())

    async def _note_unstuck(self, plan: CreateContact | UpdateContact, written: Written) -> None:
        """A custom field that is not even there after the write does not exist in Syncro: skip it for everybody.

        What else did not stick is left out for this contact alone. The write is done: a note that is lost costs
        one write too many, and must not fail the look.
        """
        custom = {name for name in written.unstuck if name not in PLAIN_FIELDS}
        lacking = custom - written.contact.properties.keys()
        with suppress(SyncError):
            if lacking:
                await self._marks.lacks(plan.customer_id, lacking)
            unstuck = set(written.unstuck) - lacking
            await self._marks.written(plan.customer_id, written.contact.id, plan.changes, unstuck)
