"""From a plan to its outcome: approvals and conflicts in the ledger, creations that may not be hasty, links.

Decides only whether the plan may be carried out now; what is written is the plan's business, and the write itself
is `worker/apply.py`'s.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from shared.domain.changes import Conflict, CreateContact, NoChange, NotYet, Plan, UpdateContact, row_digest
from shared.domain.contact import Contact
from shared.domain.errors import Ambiguous, Transient
from shared.domain.outcome import Held, NotReplicated, Outcome, Synced
from shared.domain.records import JournalEntry, Link, WriteState
from shared.ports import Written
from worker.apply import Applier, Turn
from worker.listings import Listings
from worker.look import Cause, Decided, held_by
from worker.marks import Marks
from worker.parts import WorkerPorts, WorkerSettings

CHANGED_SINCE = "changed since the approval: approve a new preview"


class Carrier:
    def __init__(self, ports: WorkerPorts, settings: WorkerSettings, marks: Marks, listings: Listings) -> None:
        self._ports = ports
        self._quiet = timedelta(seconds=settings.creation_quiet)
        self._listings = listings
        self._applier = Applier(ports.contacts, ports.journal, ports.links, marks, ports.clock)

    async def carry_out(
        self,
        cause: Cause,
        turn: Turn,
        decided: Decided,
        fresh: Contact | None,
        *,
        listed: datetime | None = None,
        calls: int = 0,
    ) -> Outcome:
        """`fresh`: the contact as just read. `listed`: when the listing began. `calls`: what it cost."""
        plan = decided.plan
        await self._note_conflict(plan)
        match plan:
            case CreateContact() | UpdateContact():
                held = await self._held_back(cause, plan, decided.whole)
                if held is not None:
                    return held
                await self._not_outdated(turn, plan)
                before = turn.allowance.spent
                written = await self._write(cause, turn, plan, fresh, listed)
                self._listings.lay_in(written.contact)
                await self._ports.approvals.settle_row(plan.customer_id, plan.user_id)
                spent = turn.allowance.spent
                return Synced(plan, calls + spent, spent - before, written.unstuck)
            case NoChange(contact_id=int()):
                await self._in_step(plan)
            case NotYet():
                return NotReplicated()
            case _:
                pass  # excluded, pinned or a conflict: nothing to do in Syncro
        return Synced(plan, calls + turn.allowance.spent)

    async def _write(
        self,
        cause: Cause,
        turn: Turn,
        plan: CreateContact | UpdateContact,
        fresh: Contact | None,
        listed: datetime | None,
    ) -> Written:
        if isinstance(plan, CreateContact):
            return await self._create(cause, turn, plan, listed)
        if fresh is None or fresh.id != plan.contact_id:  # it matched another contact once the first was read anew
            raise Transient("syncro", "listing_outdated", "the listing and a single read disagree")
        await self._link(plan.customer_id, plan.user_id, plan.contact_id, plan.link)
        return await self._applier.update(turn, plan, fresh, cause)

    async def _create(self, cause: Cause, turn: Turn, plan: CreateContact, listed: datetime | None) -> Written:
        await self._not_hasty(plan, listed)
        try:
            return await self._applier.create(turn, plan, cause)
        except Ambiguous as error:
            self._listings.forget(plan.customer_id)
            wait = self._quiet.total_seconds()
            raise Transient(error.service, "creation_unanswered", error.detail, retry_after=wait) from error

    async def _not_hasty(self, plan: CreateContact, listed: datetime | None) -> None:
        """A creation whose end is not known may still show up: only a listing begun long after it tells."""
        begun = await self._ports.journal.open_creation(plan.customer_id, plan.user_id)
        if begun is None:
            return
        left = begun.intended_at + self._quiet - (listed or begun.intended_at)
        if left > timedelta(0):
            self._listings.forget(plan.customer_id)
            raise Transient("syncro", "creation_open", retry_after=left.total_seconds(), counted=False)

    async def _held_back(self, cause: Cause, plan: CreateContact | UpdateContact, whole: Plan) -> Held | None:
        """Asked again right before the write: a person may have said stop while this look waited for its turn.

        An approval covers the row that was shown, also when Syncro was found to keep only a part of it since; a user
        without an open row is ordinary.
        """
        held = held_by(await self._ports.connections.get(plan.customer_id), cause.tenant_id)
        if held is not None:
            return held
        approved = await self._ports.approvals.approved_row(plan.customer_id, plan.user_id)
        if approved in (None, row_digest(plan), row_digest(whole)):
            return None
        return None if await self._is_carried_out(plan, approved) else Held(CHANGED_SINCE, owed=False)

    async def _is_carried_out(self, plan: CreateContact | UpdateContact, approved: str | None) -> bool:
        """A crash came between the write and the settling of its row: what was written since the approval was it."""
        latest = await self._ports.approvals.latest(plan.customer_id)
        if latest is None or latest.approved_at is None or latest.rows.get(plan.user_id) != approved:
            return False
        newest = await self._newest_write(plan)
        return newest is not None and newest.state is WriteState.WRITTEN and newest.intended_at >= latest.approved_at

    async def _not_outdated(self, turn: Turn, plan: CreateContact | UpdateContact) -> None:
        """Another worker may have read later and written sooner: what was read before that must not undo it."""
        newest = await self._newest_write(plan)
        if newest is not None and turn.read_at < newest.intended_at <= self._ports.clock.now():
            raise Transient("worker", "read_outdated", "the contact was written since the read", counted=False)

    async def _newest_write(self, plan: CreateContact | UpdateContact) -> JournalEntry | None:
        found = await self._ports.journal.entries(customer_id=plan.customer_id, user_id=plan.user_id, limit=1)
        return found[0] if found else None

    async def _in_step(self, plan: NoChange) -> None:
        """Nothing to write, so the approved row is carried out (maybe just before a crash)."""
        if plan.contact_id is not None:
            await self._link(plan.customer_id, plan.user_id, plan.contact_id, plan.link)
        await self._ports.approvals.settle_row(plan.customer_id, plan.user_id)

    async def _link(self, customer_id: int, user_id: str, contact_id: int, how: str) -> None:
        if how != "link":
            await self._ports.links.link(Link(customer_id, user_id, contact_id, how, self._ports.clock.now()))

    async def _note_conflict(self, plan: Plan) -> None:
        if isinstance(plan, Conflict):
            await self._ports.conflicts.open(plan, self._ports.clock.now())
        else:
            await self._ports.conflicts.close(plan.customer_id, plan.user_id)
