"""From a plan to its outcome: approvals, brakes and conflicts, creations that may not be hasty, links.

Decides only whether the plan may be carried out now; what is written is the plan's business, and the write itself
is `worker/apply.py`'s.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum, auto

from shared.domain.changes import Conflict, CreateContact, NoChange, NotYet, Plan, UpdateContact
from shared.domain.contact import Contact
from shared.domain.desk import Choice
from shared.domain.errors import Ambiguous, Transient
from shared.domain.outcome import Held, NotReplicated, Outcome, Synced
from shared.domain.records import JournalEntry, Link, WriteState
from shared.ports import Written
from worker.apply import Applier, Turn
from worker.braking import Allowed, Braking
from worker.listings import Listings
from worker.look import Cause, Decided, held_by
from worker.marks import Marks
from worker.parts import WorkerPorts, WorkerSettings

CHANGED_SINCE = "changed since the approval: approve a new preview"


class _Row(Enum):
    """What a person said about this user's row."""

    NOTHING = auto()  # or nothing any more: an ordinary change
    APPROVED = auto()
    CHANGED = auto()  # something else was approved


class Carrier:
    def __init__(
        self, ports: WorkerPorts, settings: WorkerSettings, marks: Marks, listings: Listings, braking: Braking
    ) -> None:
        self._ports = ports
        self._quiet = timedelta(seconds=settings.creation_quiet)
        self._listings = listings
        self._braking = braking
        self._applier = Applier(ports.contacts, ports.journal, ports.links, marks, ports.clock)

    async def carry_out(
        self, cause: Cause, turn: Turn, decided: Decided, fresh: Contact | None, *, listed: datetime | None = None
    ) -> Outcome:
        """`fresh`: the contact as just read. `listed`: when the listing began. Calls are counted by the caller."""
        plan = decided.plan
        await self._note_conflict(plan)
        match plan:
            case CreateContact() | UpdateContact():
                allowed = await self._allowed(cause, plan, decided)
                if isinstance(allowed, Held):
                    return allowed
                done = await self._do(cause, turn, allowed, fresh, listed)
                await self._use_up(plan, decided)
                return done
            case NoChange(contact_id=int()):
                await self._in_step(plan, decided)
            case NotYet():
                return NotReplicated()
            case _:
                pass  # excluded, pinned or a conflict: nothing to do in Syncro
        return Synced(plan)

    async def _do(
        self, cause: Cause, turn: Turn, allowed: Allowed, fresh: Contact | None, listed: datetime | None
    ) -> Synced:
        plan, before = allowed.plan, turn.allowance.spent
        await self._not_outdated(turn, plan)
        written = await self._write(cause, turn, plan, fresh, listed)
        self._listings.lay_in(written.contact)
        await self._braking.written(plan)
        await self._ports.approvals.settle_row(plan.customer_id, plan.user_id)
        return Synced(plan, writes=turn.allowance.spent - before, unstuck=written.unstuck, owed=allowed.owed)

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

    async def _allowed(self, cause: Cause, plan: CreateContact | UpdateContact, decided: Decided) -> Allowed | Held:
        """Asked again right before the write: a person may have said stop while this look waited for its turn."""
        held = held_by(await self._ports.connections.get(plan.customer_id), cause.tenant_id)
        if held is not None:
            return held
        row = await self._row(plan, decided)
        if row is _Row.CHANGED:
            return Held(CHANGED_SINCE, owed=False)
        return await self._braking.judge(cause, plan, is_approved=row is _Row.APPROVED)

    async def _row(self, plan: CreateContact | UpdateContact, decided: Decided) -> _Row:
        """An approval covers the row that was shown, also when only a part of it can be written by now."""
        approved = await self._ports.approvals.approved_row(plan.customer_id, plan.user_id)
        if approved is None or approved in decided.digests:
            return _Row.NOTHING if approved is None else _Row.APPROVED
        return _Row.NOTHING if await self._is_carried_out(plan, approved) else _Row.CHANGED

    async def _is_carried_out(self, plan: CreateContact | UpdateContact, approved: str) -> bool:
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

    async def _in_step(self, plan: NoChange, decided: Decided) -> None:
        """Nothing to write: the approved row is carried out (maybe just before a crash), unless a freeze holds it."""
        if plan.contact_id is not None:
            await self._link(plan.customer_id, plan.user_id, plan.contact_id, plan.link)
            await self._use_up(plan, decided)
        if not decided.is_put_off:
            await self._ports.approvals.settle_row(plan.customer_id, plan.user_id)

    async def _use_up(self, plan: CreateContact | UpdateContact | NoChange, decided: Decided) -> None:
        """The user has its contact now, the chosen one or another: a choice is good for one, then a person is asked."""
        if decided.chosen is not None and decided.chosen.choice is Choice.CREATE:
            await self._ports.choices.forget(plan.customer_id, plan.user_id)

    async def _link(self, customer_id: int, user_id: str, contact_id: int, how: str) -> None:
        if how != "link":
            await self._ports.links.link(Link(customer_id, user_id, contact_id, how, self._ports.clock.now()))

    async def _note_conflict(self, plan: Plan) -> None:
        if isinstance(plan, Conflict) and plan.is_open:
            await self._ports.conflicts.open(plan, self._ports.clock.now())
        else:
            await self._ports.conflicts.close(plan.customer_id, plan.user_id)
