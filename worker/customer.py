"""One user at one customer: pace, lease, fresh contact, match, plan, apply. What comes back is an `Outcome`.

A linked user costs one read of its contact (and one write if something changed). An unlinked one needs the
customer's whole listing first, outside the lease; everything that decides is read again under it. A customer that is
halted costs nothing. No error of the three families leaves here. Next: `worker/carry.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, datetime

import structlog

from shared.domain.activity import settled
from shared.domain.changes import Plan, UpdateContact
from shared.domain.choosing import standing_choices
from shared.domain.contact import Contact
from shared.domain.desk import Pin
from shared.domain.errors import SyncError, Transient
from shared.domain.freeze import without_frozen
from shared.domain.locks import standing
from shared.domain.matching import Found, Match, match
from shared.domain.messages import Lane
from shared.domain.outcome import Failed, Held, Outcome, Synced
from shared.domain.plan import plan
from shared.domain.user import AnyUser, DirectoryUser
from worker.apply import Turn
from worker.braking import HALTED, Braking
from worker.carry import Carrier
from worker.case import Case, Spent
from worker.choosing import forget_if_used_up
from worker.handover import HandOver
from worker.listings import Listings, Snapshot
from worker.look import Cause, Decided
from worker.marks import Marks
from worker.membership import Memberships
from worker.parts import WorkerPorts, WorkerSettings
from worker.reported import Reported
from worker.rivals import rivals_of
from worker.turns import turn_at

log = structlog.get_logger("worker")
_VENDORS = frozenset({"graph", "login", "syncro"})
_CALLS = 2  # GET and PUT, or POST and the PUT that follows it
_ACTIVITY_DAYS = 1  # how far a last activity must have moved: a contact that is read anyway may say the newest


class CustomerLook:
    def __init__(self, ports: WorkerPorts, settings: WorkerSettings, lane: Lane, marks: Marks) -> None:
        self._ports = ports
        self._settings = settings
        self._lane = lane
        self._marks = marks
        self._listings = Listings(
            ports.contacts,
            ports.pace,
            ports.clock,
            lane,
            pace_wait=settings.pace_wait,
            ttl=settings.creation_quiet,
        )
        handover = HandOver(ports.memory)
        self._reported = Reported(handover, ports.clock)
        self._braking = Braking(ports, settings, handover)
        self._memberships = Memberships(ports.groups)
        self._carrier = Carrier(ports, settings, marks, self._listings, self._braking)

    async def look(self, user: AnyUser, customer_id: int, cause: Cause, read_at: datetime) -> Outcome:
        spent = Spent()
        try:
            if await self._braking.is_halted(customer_id):
                return HALTED
            case = await self._case(user, customer_id, cause, read_at, spent)
            outcome = await self._by_link(case) or await self._by_listing(case)
            return _counted(await self._reported.settle(case.known, customer_id, user.id, outcome), spent)
        except SyncError as error:
            return Failed(blame(error), spent.calls)

    async def _case(self, user: AnyUser, customer_id: int, cause: Cause, read_at: datetime, spent: Spent) -> Case:
        settings = self._settings
        return Case(
            user=user,
            customer_id=customer_id,
            cause=cause,
            read_at=read_at,
            policy=await self._ports.policies.policy(customer_id),
            lacking=await self._marks.lacking(customer_id),
            today=await self._today(customer_id, user.id),
            known=await self._reported.of(cause, customer_id),
            is_frozen=settings.is_frozen(self._ports.clock.now()),
            spent=spent,
        )

    # --- a linked user ------------------------------------------------------------------------------------------

    async def _by_link(self, case: Case) -> Outcome | None:
        """None: there is no link, or its contact is gone."""
        if await self._ports.links.of_user(case.customer_id, case.user.id) is None:
            return None
        async with self._turn(case) as turn:
            link = await self._ports.links.of_user(case.customer_id, case.user.id)  # only under the lease it counts
            return await self._at_contact(case, turn, link.contact_id) if link else None

    async def _at_contact(self, case: Case, turn: Turn, contact_id: int) -> Outcome | None:
        contact = await self._contact(case, turn, contact_id)
        if contact is None:
            return None
        linked = {contact_id: case.user.id}
        found = match(case.user, [contact], link=contact_id, linked=linked, rivals=(), policy=case.policy)
        return await self._carrier.carry_out(case.cause, turn, await self._plan(case, found), contact)

    # --- an unlinked user ---------------------------------------------------------------------------------------

    async def _by_listing(self, case: Case) -> Outcome:
        case = await self._in_groups(case)
        snapshot, calls = await self._listings.of(case.customer_id, since=case.cause.taken_at)
        case.spent.calls += calls
        rivals = await self._rivals(case, snapshot)
        async with self._turn(case) as turn:
            outcome = await self._newly_linked(case, turn, snapshot)
            if outcome is not None:
                return outcome
            decided = await self._decide(case, snapshot, rivals)
            fresh = None
            if isinstance(decided.plan, UpdateContact):
                fresh = await self._fresh(case, turn, snapshot, decided.plan.contact_id)
                decided = await self._decide(case, snapshot, rivals)
            return await self._carrier.carry_out(case.cause, turn, decided, fresh, listed=snapshot.began)

    async def _newly_linked(self, case: Case, turn: Turn, snapshot: Snapshot) -> Outcome | None:
        """Another worker linked this user meanwhile, or its old link leads nowhere and ends here."""
        link = await self._ports.links.of_user(case.customer_id, case.user.id)
        if link is None:
            return None
        outcome = await self._at_contact(case, turn, link.contact_id)
        if outcome is None and link.contact_id in snapshot.contacts:
            raise self._outdated(case.customer_id)
        if outcome is None:
            await forget_if_used_up(self._ports, link)
            await self._ports.links.unlink(case.customer_id, case.user.id)
        return outcome

    async def _decide(self, case: Case, snapshot: Snapshot, rivals: Sequence[DirectoryUser]) -> Decided:
        links = await self._ports.links.of_customer(case.customer_id)
        choices = standing_choices(await self._ports.choices.of_customer(case.customer_id), links)
        found = match(
            case.user,
            snapshot.contacts.values(),
            link=None,
            linked={link.contact_id: link.user_id for link in links},
            rivals=rivals,
            policy=case.policy,
            created_by_us=await self._created(case),
            choices=choices,
        )
        if isinstance(found, Found) and found.duplicates:
            log.warning("duplicate_contacts", customer_id=case.customer_id, user_id=case.user.id, ids=found.duplicates)
        return replace(await self._plan(case, found), chosen=choices.get(case.user.id))

    async def _in_groups(self, case: Case) -> Case:
        """Whoever may get a contact says in which of the chosen groups it is."""
        if not isinstance(case.user, DirectoryUser):
            return case
        (user,) = await self._memberships.of_users(case.cause.tenant_id, [case.user], case.policy)
        return replace(case, user=user)

    async def _rivals(self, case: Case, snapshot: Snapshot) -> Sequence[DirectoryUser]:
        connection = await self._ports.connections.get(case.customer_id)
        return await rivals_of(
            self._ports.directory,
            self._memberships,
            connection.tenants if connection is not None else (case.cause.tenant_id,),
            case.user,
            snapshot.contacts.values(),
            link=None,
            linked=await self._linked(case.customer_id),
            policy=case.policy,
        )

    async def _fresh(self, case: Case, turn: Turn, snapshot: Snapshot, contact_id: int) -> Contact:
        """The contact as it is now, laid into the listing, so that the plan is made anew from it."""
        fresh = await self._contact(case, turn, contact_id)
        if fresh is None:
            raise self._outdated(case.customer_id)
        snapshot.contacts[contact_id] = fresh
        return fresh

    async def _contact(self, case: Case, turn: Turn, contact_id: int) -> Contact | None:
        """None as well when people moved it to another customer, for whom nobody has said yes to anything."""
        found = await self._ports.contacts.get(turn.allowance, contact_id)
        return found if found is not None and found.customer_id in (case.customer_id, 0) else None

    def _outdated(self, customer_id: int) -> Transient:
        self._listings.forget(customer_id)
        return Transient("syncro", "listing_outdated", "the listing and a single read disagree")

    # --- what both need -----------------------------------------------------------------------------------------

    async def _today(self, customer_id: int, user_id: str) -> date:
        """A row that a person approved keeps the date that its preview showed, however late it is carried out."""
        approvals = self._ports.approvals
        approved = await approvals.approved_row(customer_id, user_id)
        proposal = await approvals.latest(customer_id) if approved is not None else None
        is_shown = proposal is not None and proposal.rows.get(user_id) == approved
        return (proposal.proposed_at if proposal is not None and is_shown else self._ports.clock.now()).date()

    async def _linked(self, customer_id: int) -> Mapping[int, str]:
        return {link.contact_id: link.user_id for link in await self._ports.links.of_customer(customer_id)}

    async def _created(self, case: Case) -> Collection[int]:
        """Contacts that our journal made for this user: of several the lowest is adopted, the others reported."""
        return (await self._ports.journal.created(case.customer_id, user_id=case.user.id)).keys()

    async def _plan(self, case: Case, found: Match) -> Decided:
        locks, names = await self._locks(case.customer_id), case.policy.fields
        whole = _by_the_rules(case, found, frozenset(), locks)
        kept = await self._marks.without_unstuck(_by_the_rules(case, found, case.lacking, locks))
        possible = settled(kept, names.last_activity, _ACTIVITY_DAYS)
        return Decided(without_frozen(possible, names.license) if case.is_frozen else possible, possible, whole)

    async def _locks(self, customer_id: int) -> Mapping[int, Pin]:
        """Asked under the lease: a person may have locked the contact while this look waited for its turn."""
        pins = await self._ports.pins.all()
        return standing(pins, self._ports.clock.now(), self._settings.nightly.zone)

    @asynccontextmanager
    async def _turn(self, case: Case) -> AsyncIterator[Turn]:
        ports, settings = self._ports, self._settings
        async with turn_at(
            ports, settings, case.customer_id, calls=_CALLS, lane=self._lane, read_at=case.read_at
        ) as turn:
            try:
                yield turn
            finally:
                case.spent.calls += turn.allowance.spent


def _by_the_rules(case: Case, found: Match, missing_fields: frozenset[str], locks: Mapping[int, Pin]) -> Plan:
    return plan(
        case.user,
        found,
        customer_id=case.customer_id,
        facts=case.known.facts,  # reports are read once a night, never for one hint
        policy=case.policy,
        today=case.today,
        missing_fields=missing_fields,
        locks=locks,
    )


def _counted(outcome: Outcome, spent: Spent) -> Outcome:
    return replace(outcome, calls=spent.calls) if isinstance(outcome, Synced | Held) else outcome


def blame(error: SyncError) -> SyncError:
    """Trouble with our own stores is nobody's failure: it must never burn a hint into a dead letter."""
    if isinstance(error, Transient) and error.service not in _VENDORS:
        return Transient(error.service, error.code, error.detail, retry_after=error.retry_after, counted=False)
    return error
