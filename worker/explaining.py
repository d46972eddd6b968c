"""Why one user's contact is, or will be, as it is: read, scope, match, plan, write, one sentence each.

The same rules as a look, from fresh reads, and nothing is written. Names and values are for the person who asked.
Next: `worker/customer.py`, which does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.domain.changes import Plan, row_digest
from shared.domain.contact import Contact
from shared.domain.facts import Facts
from shared.domain.freeze import without_frozen
from shared.domain.matching import Match, match
from shared.domain.messages import Lane
from shared.domain.plan import plan
from shared.domain.policy import SyncPolicy
from shared.domain.preview import is_write
from shared.domain.records import Connection
from shared.domain.safety import Brake, brakes_of
from shared.domain.user import DirectoryUser, UserRead
from worker.connected import connected
from worker.divided import standing_of
from worker.handover import HandOver
from worker.homes import housed
from worker.look import held_by
from worker.marks import Marks
from worker.membership import Memberships
from worker.parts import WorkerPorts, WorkerSettings
from worker.rivals import rivals_of
from worker.survey import user_label
from worker.telling import told_match, told_plan, told_read, told_scope


@dataclass(frozen=True, slots=True)
class Step:
    """`name`: "read", "scope", "match", "plan" or "write"."""

    name: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """`steps`: all five, in their order."""

    user_id: str
    user_label: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class _Case:
    """What was read for one user."""

    connection: Connection
    tenant_id: str  # where the user lives
    user: UserRead
    policy: SyncPolicy
    facts: Facts | None
    found: Match


class Explaining:
    def __init__(self, ports: WorkerPorts, settings: WorkerSettings, lane: Lane = Lane.LIVE) -> None:
        self._ports = ports
        self._settings = settings
        self._lane = lane
        self._marks = Marks(ports.memory, ports.clock, settings.fingerprint_key)
        self._handover = HandOver(ports.memory)
        self._memberships = Memberships(ports.groups)

    async def explain(self, customer_id: int, user_id: str) -> Explanation:
        """Permanent "unknown_customer" without a tenant; costs one listing of the customer's contacts."""
        connection = await connected(self._ports, customer_id)
        case = await self._read(connection, user_id)
        planned = await self._plan(case)
        steps = (
            Step("read", told_read(case.user, case.facts, case.policy)),
            Step("scope", told_scope(case.user, case.policy)),
            Step("match", told_match(case.found)),
            Step("plan", told_plan(planned)),
            Step("write", await self._told_write(case, planned)),
        )
        label = user_label(case.user) if isinstance(case.user, DirectoryUser) else user_id
        return Explanation(user_id, label, steps)

    async def _read(self, connection: Connection, user_id: str) -> _Case:
        ports, customer_id = self._ports, connection.customer_id
        found = await housed(ports.directory, connection.tenants, [user_id])
        tenant_id, user = found.homes[user_id], found.reads[user_id]
        async with ports.pace.reserve(1, self._lane, wait=self._settings.pace_wait) as allowance:
            contacts = await ports.contacts.listing(allowance, customer_id)
        policy = await ports.policies.policy(customer_id)
        if isinstance(user, DirectoryUser):
            (user,) = await self._memberships.of_users(tenant_id, [user], policy)
        facts = await self._facts(customer_id, tenant_id, user_id)
        matched = await self._match(connection, user, contacts, policy)
        return _Case(connection, tenant_id, user, policy, facts, matched)

    async def _facts(self, customer_id: int, tenant_id: str, user_id: str) -> Facts | None:
        told = await self._handover.facts(tenant_id, user_id)
        applied = await self._handover.applied(customer_id, user_id)
        return told.known_at(self._ports.clock.now(), applied) if told else None

    async def _match(
        self, connection: Connection, user: UserRead, contacts: Sequence[Contact], policy: SyncPolicy
    ) -> Match:
        ports, customer_id = self._ports, connection.customer_id
        linked = {link.contact_id: link.user_id for link in await ports.links.of_customer(customer_id)}
        link = await ports.links.of_user(customer_id, user.id)
        contact_id = link.contact_id if link else None
        rivals = await rivals_of(
            ports.directory,
            self._memberships,
            connection.tenants,
            user,
            contacts,
            link=contact_id,
            linked=linked,
            policy=policy,
        )
        created = await ports.journal.created(customer_id, user_id=user.id)
        return match(
            user,
            contacts,
            link=contact_id,
            linked=linked,
            rivals=rivals,
            policy=policy,
            created_by_us=created.keys(),
        )

    async def _plan(self, case: _Case) -> Plan:
        customer_id = case.connection.customer_id
        decided = plan(
            case.user,
            case.found,
            customer_id=customer_id,
            facts=case.facts,
            policy=case.policy,
            today=self._ports.clock.now().date(),
            missing_fields=await self._marks.lacking(customer_id),
        )
        return await self._marks.without_unstuck(decided)

    async def _told_write(self, case: _Case, planned: Plan) -> str:
        if not is_write(planned):
            return "Nothing is written."
        stopped = await self._stopped(case, planned)
        if stopped:
            return stopped
        now, settings = self._ports.clock.now(), self._settings
        if settings.is_frozen(now) and without_frozen(planned, case.policy.fields.license) != planned:
            return "The licence waits until the freeze is over; whatever else is planned is written with the next look."
        return "It is written with the next look at this user."

    async def _stopped(self, case: _Case, planned: Plan) -> str:
        """What a person has to do first, "" when nothing is in the way."""
        held = held_by(case.connection, case.tenant_id)
        if held is not None:
            return f"Nothing is written: this customer is {held.why}."
        hold = await self._ports.holds.of_customer(case.connection.customer_id)
        if hold is not None and Brake.LISTING.value in hold.brakes:
            return f"Nothing is written: {hold.detail} Look: entra-syncro runs show {hold.code}"
        if hold is not None and brakes_of(planned) & standing_of(hold).keys():
            return f"Waiting for approval: {hold.detail} Look: entra-syncro runs show {hold.code}"
        return await self._not_as_approved(planned)

    async def _not_as_approved(self, planned: Plan) -> str:
        approved = await self._ports.approvals.approved_row(planned.customer_id, planned.user_id)
        if approved in (None, row_digest(planned)):
            return ""
        return f"Changed since it was approved. See the new plan: entra-syncro preview --customer {planned.customer_id}"
