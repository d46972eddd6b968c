"""Why one user's contact is, or will be, as it is: read, scope, match, plan, write, one sentence each; and every field.

The same rules as a look, from fresh reads, and nothing is written. Names and values are for the person who asked.
Next: `worker/customer.py`, which does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from shared.domain.changes import CreateContact, Plan, row_digest
from shared.domain.choosing import seen, standing_choices
from shared.domain.contact import Contact
from shared.domain.desk import Chosen
from shared.domain.facts import Facts
from shared.domain.freeze import without_frozen
from shared.domain.locks import standing
from shared.domain.matching import Found, Match, in_question, match
from shared.domain.messages import Lane
from shared.domain.plan import plan
from shared.domain.policy import SyncPolicy
from shared.domain.preview import is_write
from shared.domain.records import Connection
from shared.domain.ruling import Decision, Ruling, rulings
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
    """`steps`: all five, in their order. `fields`: the rule behind each, () where no contact is known or made."""

    user_id: str
    user_label: str
    steps: tuple[Step, ...]
    fields: tuple[Ruling, ...]


@dataclass(frozen=True, slots=True)
class Supposed:
    """What a decision that nobody made yet would change: the plan `now`, and `then`.

    `contact`: the one that it would then be, None without one. `seen`: the contacts in question now, as a choice keeps
    them.
    """

    user_label: str
    contact: Contact | None
    now: Plan
    then: Plan
    seen: str


@dataclass(frozen=True, slots=True)
class _Case:
    """What was read for one user."""

    connection: Connection
    tenant_id: str  # where the user lives
    user: UserRead
    policy: SyncPolicy
    facts: Facts | None
    found: Match
    lacking: frozenset[str]
    contacts: Sequence[Contact]


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
        return Explanation(user_id, _label(case.user), steps, await self._fields(case, planned))

    async def suppose(
        self, customer_id: int, user_id: str, *, contact_id: int | None = None, chosen: Chosen | None = None
    ) -> Supposed:
        """If this contact were the user's, or a person had chosen that for it. `explain`'s costs; nothing is changed.

        `chosen` is taken for a choice among the contacts that are in question now.
        """
        connection = await connected(self._ports, customer_id)
        case = await self._read(connection, user_id)
        asked = seen(in_question(case.found))
        choice = None if chosen is None else replace(chosen, candidates=asked)
        found = await self._match(
            connection, case.user, case.contacts, case.policy, contact_id=contact_id, chosen=choice
        )
        then = await self._plan(replace(case, found=found))
        contact = found.contact if isinstance(found, Found) else None
        return Supposed(_label(case.user), contact, await self._plan(case), then, asked)

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
        lacking = await self._marks.lacking(customer_id)
        return _Case(connection, tenant_id, user, policy, facts, matched, lacking, contacts)

    async def _facts(self, customer_id: int, tenant_id: str, user_id: str) -> Facts | None:
        told = await self._handover.facts(tenant_id, user_id)
        applied = await self._handover.applied(customer_id, user_id)
        return told.known_at(self._ports.clock.now(), applied) if told else None

    async def _match(
        self,
        connection: Connection,
        user: UserRead,
        contacts: Sequence[Contact],
        policy: SyncPolicy,
        *,
        contact_id: int | None = None,
        chosen: Chosen | None = None,
    ) -> Match:
        """`contact_id`, `chosen`: as if a person had said so."""
        ports, customer_id = self._ports, connection.customer_id
        links = await ports.links.of_customer(customer_id)
        linked = {link.contact_id: link.user_id for link in links}
        choices = dict(standing_choices(await ports.choices.of_customer(customer_id), links))
        if chosen is not None:
            choices[user.id] = chosen
        if contact_id is None:
            link = await ports.links.of_user(customer_id, user.id)
            contact_id = link.contact_id if link else None
        else:
            linked[contact_id] = user.id
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
            choices=choices,
        )

    async def _plan(self, case: _Case) -> Plan:
        return await self._marks.without_unstuck(await self._by_the_rules(case, case.lacking))

    async def _by_the_rules(self, case: _Case, missing_fields: frozenset[str]) -> Plan:
        pins = await self._ports.pins.all()
        return plan(
            case.user,
            case.found,
            customer_id=case.connection.customer_id,
            facts=case.facts,
            policy=case.policy,
            today=self._ports.clock.now().date(),
            missing_fields=missing_fields,
            locks=standing(pins, self._ports.clock.now(), self._settings.nightly.zone),
        )

    async def _fields(self, case: _Case, planned: Plan) -> tuple[Ruling, ...]:
        customer_id = case.connection.customer_id
        if isinstance(case.found, Found):
            contact = case.found.contact
        elif isinstance(planned, CreateContact):
            contact = Contact(0, customer_id)
        else:
            return ()
        hold = await self._ports.holds.of_customer(customer_id)
        return rulings(
            Decision(
                user=case.user,
                contact=contact,
                plan=planned,
                whole=await self._by_the_rules(case, frozenset()),
                facts=case.facts,
                policy=case.policy,
                lacking=case.lacking,
                held=frozenset(standing_of(hold)),
                is_frozen=self._settings.is_frozen(self._ports.clock.now()),
            )
        )

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


def _label(user: UserRead) -> str:
    return user_label(user) if isinstance(user, DirectoryUser) else user.id
