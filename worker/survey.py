"""A whole customer as of now: every user, what reports say, every contact, every plan. Reads only.

One reading of each of its tenants and one listing of the contacts (`worker/material.py`); the same planner as for one
hint, so that a preview shows what a look would do. A run keeps only the rows that ask for something, for a tenant may
have 100,000 users. Next: `worker/fullpass.py`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from shared.domain.changes import Excluded, ExclusionReason, Plan
from shared.domain.choosing import NO_CHOICES
from shared.domain.contact import Contact
from shared.domain.desk import Chosen, Pin
from shared.domain.facts import Facts
from shared.domain.locks import NO_LOCKS
from shared.domain.mapping import extensions_of
from shared.domain.matching import Found, assigner
from shared.domain.messages import Lane
from shared.domain.plan import DELETED_SINCE, plan
from shared.domain.policy import SyncPolicy
from shared.domain.preview import Preview, PreviewRow
from shared.domain.records import Connection
from shared.domain.tenant import TenantReading, merged
from shared.domain.user import DirectoryUser
from worker.marks import Marks
from worker.material import Material, read_material
from worker.membership import Memberships, Told
from worker.parts import WorkerPorts, WorkerSettings

Keep = Callable[[Plan], bool]
_BREATH = 100  # users planned before others on this loop get their turn: leases have to be renewed meanwhile


@dataclass(frozen=True, slots=True)
class Survey:
    """`began`: before the first read. `preview`: the rows that were kept, and all contacts.

    `readings`: one for each tenant of the customer, in their order; `reading`: all of them as one. `links`: contact
    id -> user id. `unseen`: linked users that the reading does not have and nobody knows gone. `excluded`: reason ->
    users that get no contact. `loose`: contacts without a user. `lacking`: custom fields that Syncro is known to lack.
    `calls`: Syncro calls of the listing. `homes`: user id -> tenant, of users outside the first one. `is_shared`:
    another customer has a part of a tenant. `inherited`: users linked before this connection was made. `notes`: why
    groups could not be read. `locks`: contact id -> a person's pin that holds. `used_up`: user id -> a choice that
    a link ended.
    """

    connection: Connection
    policy: SyncPolicy
    reading: TenantReading
    links: Mapping[int, str]
    preview: Preview
    unseen: tuple[str, ...]
    excluded: Mapping[ExclusionReason, int]
    loose: int
    lacking: frozenset[str]
    began: datetime
    calls: int
    readings: tuple[TenantReading, ...]
    homes: Mapping[str, str] = field(default_factory=dict)
    is_shared: bool = False
    inherited: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    locks: Mapping[int, Pin] = field(default_factory=dict)
    used_up: Mapping[str, Chosen] = field(default_factory=dict)

    def tenant_of(self, user_id: str) -> str:
        return self.homes.get(user_id, self.connection.tenant_id)

    @property
    def customer_id(self) -> int:
        return self.connection.customer_id

    @property
    def considered(self) -> int:
        """Users put through the planner, changed or not."""
        return len(self.reading.users)

    @property
    def plans(self) -> tuple[Plan, ...]:
        return tuple(row.plan for row in self.preview.rows)


@dataclass(slots=True)
class _Planned:
    """What a walk over all users leaves behind."""

    rows: list[PreviewRow] = field(default_factory=list)
    excluded: Counter[ExclusionReason] = field(default_factory=Counter)
    found: set[int] = field(default_factory=set)  # contact ids


class Surveyor:
    def __init__(self, ports: WorkerPorts, settings: WorkerSettings, lane: Lane = Lane.BACKFILL) -> None:
        self._ports = ports
        self._settings = settings
        self._lane = lane
        self._marks = Marks(ports.memory, ports.clock, settings.fingerprint_key)
        self._memberships = Memberships(ports.groups)

    async def survey(
        self, connection: Connection, keep: Keep = lambda _: True, *, policy: SyncPolicy | None = None
    ) -> Survey:
        """Read everything and plan, by the customer's own rules or by `policy`.

        Raises what the ports raise; lists are complete or there is no survey.
        """
        material = await self._read(connection, policy)
        policy = policy or await self._ports.policies.policy(connection.customer_id)
        told = await self._memberships.of_readings(material.readings, policy.groups)
        return await self._planned(connection, material, told, policy, keep)

    async def compared(self, connection: Connection, policy: SyncPolicy) -> tuple[Survey, Survey]:
        """The plans of one and the same reading by the customer's own rules, and by `policy`."""
        material = await self._read(connection, policy)
        own = await self._ports.policies.policy(connection.customer_id)
        told = await self._memberships.of_readings(material.readings, {*own.groups, *policy.groups})
        before, after = [
            await self._planned(connection, material, told, rules, lambda _: True) for rules in (own, policy)
        ]
        return before, after

    async def _read(self, connection: Connection, policy: SyncPolicy | None) -> Material:
        """`policy`: rules that may not be saved yet, None: the customer's own."""
        also = extensions_of(policy) if policy is not None else ()
        return await read_material(self._ports, self._settings, self._lane, self._marks, connection, also)

    async def _planned(
        self, connection: Connection, material: Material, told: Told, policy: SyncPolicy, keep: Keep
    ) -> Survey:
        reading, contacts, links = merged(told.readings), material.contacts, material.links
        rows = planned_rows(
            reading.users,
            contacts,
            links,
            policy,
            customer_id=connection.customer_id,
            facts=reading.facts,
            today=material.began.date(),
            created=material.created,
            lacking=material.lacking,
            locks=material.locks,
            choices=material.choices,
        )
        planned = await self._walk(rows, keep)
        by_id = {contact.id: contact for contact in contacts}
        return Survey(
            connection,
            policy,
            reading,
            links,
            Preview(connection.customer_id, tuple(planned.rows), tuple(contacts)),
            _unseen(reading.users, by_id, links, policy),
            planned.excluded,
            len(by_id.keys() - planned.found - links.keys()),
            material.lacking,
            material.began,
            material.calls,
            told.readings,
            _homes(told.readings),
            material.is_shared,
            material.inherited,
            told.notes(connection.customer_id),
            material.locks,
            material.used_up,
        )

    async def _walk(self, rows: Iterator[tuple[PreviewRow, int | None]], keep: Keep) -> _Planned:
        planned = _Planned()
        for number, (row, contact_id) in enumerate(rows):
            if number % _BREATH == 0:
                await asyncio.sleep(0)
            if contact_id is not None:
                planned.found.add(contact_id)
            possible = await self._marks.without_unstuck(row.plan)
            if isinstance(possible, Excluded):
                planned.excluded[possible.reason] += 1
            if keep(possible):
                planned.rows.append(replace(row, plan=possible))
        return planned


def planned_rows(
    users: Sequence[DirectoryUser],
    contacts: Sequence[Contact],
    links: Mapping[int, str],
    policy: SyncPolicy,
    *,
    customer_id: int,
    facts: Mapping[str, Facts],
    today: date,
    created: Mapping[int, str],
    lacking: frozenset[str] = frozenset(),
    locks: Mapping[int, Pin] = NO_LOCKS,
    choices: Mapping[str, Chosen] = NO_CHOICES,
) -> Iterator[tuple[PreviewRow, int | None]]:
    """One row per user, and the contact that was found for it. `links` and `created`: contact id -> user id."""
    answer_for = assigner(users, contacts, links, policy, created=created, choices=choices)
    for user in users:
        answer = answer_for(user)
        decided = plan(
            user,
            answer,
            customer_id=customer_id,
            facts=facts.get(user.id),
            policy=policy,
            today=today,
            missing_fields=lacking,
            locks=locks,
        )
        contact = answer.contact if isinstance(answer, Found) else None
        yield PreviewRow(user_label(user), _contact_label(contact), decided), contact.id if contact else None


def _homes(readings: Sequence[TenantReading]) -> Mapping[str, str]:
    """Of users outside the first tenant. Whoever is in two is at home in the first of them."""
    first = {user.id for user in readings[0].users} if len(readings) > 1 else set()
    later = {user.id: reading.tenant_id for reading in reversed(readings[1:]) for user in reading.users}
    return {user_id: tenant_id for user_id, tenant_id in later.items() if user_id not in first}


def user_label(user: DirectoryUser) -> str:
    """What a person calls this user."""
    return user.display_name or user.mail or user.user_principal_name or user.id


def _unseen(
    users: Sequence[DirectoryUser], contacts: Mapping[int, Contact], links: Mapping[int, str], policy: SyncPolicy
) -> tuple[str, ...]:
    """Known leavers are left out: their contact says so, and reading them every night would tell nothing."""
    seen = {user.id for user in users}
    return tuple(
        user_id
        for contact_id, user_id in sorted(links.items())
        if user_id not in seen and not _says_deleted(contacts.get(contact_id), policy)
    )


def _says_deleted(contact: Contact | None, policy: SyncPolicy) -> bool:
    """And holds no licence any more: during a freeze the one is written without the other."""
    if contact is None or contact.value(policy.fields.license):
        return False
    return contact.value(policy.fields.account_status).startswith(DELETED_SINCE)


def _contact_label(contact: Contact | None) -> str:
    return (contact.name or contact.email) if contact else ""
