"""A whole customer as of now: every user, every contact, every plan. Reads only; `plan_all` is the pure part.

The same planner as for one hint, so that a preview shows what a look would do. Next: `worker/fullpass.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from shared.domain.changes import Plan
from shared.domain.contact import Contact
from shared.domain.matching import Found, assign
from shared.domain.messages import Lane
from shared.domain.plan import DELETED_SINCE, plan
from shared.domain.policy import SyncPolicy
from shared.domain.preview import Preview, PreviewRow, is_write
from shared.domain.records import Connection
from shared.domain.user import DirectoryUser
from worker.marks import Marks
from worker.parts import WorkerPorts, WorkerSettings


@dataclass(frozen=True, slots=True)
class Survey:
    """`began`: before the first read. `unseen`: linked users that the listing does not have and nobody knows gone."""

    connection: Connection
    preview: Preview
    unseen: tuple[str, ...]
    began: datetime

    @property
    def differing(self) -> tuple[str, ...]:
        """Users that would be written; absence says nothing, so the unseen are looked at too."""
        writes = (row.plan.user_id for row in self.preview.rows if is_write(row.plan))
        return (*writes, *self.unseen)

    @property
    def plans(self) -> tuple[Plan, ...]:
        return tuple(row.plan for row in self.preview.rows)


class Surveyor:
    def __init__(self, ports: WorkerPorts, settings: WorkerSettings, lane: Lane = Lane.BACKFILL) -> None:
        self._ports = ports
        self._settings = settings
        self._lane = lane
        self._marks = Marks(ports.memory, ports.clock, settings.fingerprint_key)

    async def survey(self, connection: Connection) -> Survey:
        """Read everything and plan. Raises what the ports raise; a listing is complete or there is no survey."""
        ports, customer_id = self._ports, connection.customer_id
        began = ports.clock.now()
        users = [user async for user in ports.directory.listing(connection.tenant_id)]
        async with ports.pace.reserve(1, self._lane, wait=self._settings.pace_wait) as allowance:
            contacts = await ports.contacts.listing(allowance, customer_id)
        links = {link.contact_id: link.user_id for link in await ports.links.of_customer(customer_id)}
        policy = await ports.policies.policy(customer_id)
        planned = plan_all(
            users,
            contacts,
            links,
            policy,
            customer_id=customer_id,
            today=began.date(),
            created=await ports.journal.created(customer_id),
            lacking=await self._marks.lacking(customer_id),
        )
        rows = tuple([replace(row, plan=await self._marks.without_unstuck(row.plan)) for row in planned])
        unseen = _unseen(users, {contact.id: contact for contact in contacts}, links, policy)
        return Survey(connection, Preview(customer_id, rows, tuple(contacts)), unseen, began)


def plan_all(
    users: Sequence[DirectoryUser],
    contacts: Sequence[Contact],
    links: Mapping[int, str],
    policy: SyncPolicy,
    *,
    customer_id: int,
    today: date,
    created: Mapping[int, str],
    lacking: frozenset[str] = frozenset(),
) -> tuple[PreviewRow, ...]:
    """One row per user. `links` and `created`: contact id -> user id."""
    found = assign(users, contacts, links, policy, created=created)
    rows = []
    for user in users:
        answer = found[user.id]
        decided = plan(
            user,
            answer,
            customer_id=customer_id,
            facts=None,
            policy=policy,
            today=today,
            missing_fields=lacking,
        )
        contact = answer.contact if isinstance(answer, Found) else None
        rows.append(PreviewRow(_user_label(user), _contact_label(contact), decided))
    return tuple(rows)


def _unseen(
    users: Sequence[DirectoryUser], contacts: Mapping[int, Contact], links: Mapping[int, str], policy: SyncPolicy
) -> tuple[str, ...]:
    """Known leavers are left out: their contact says so, and reading them again every night would tell nothing."""
    seen = {user.id for user in users}
    return tuple(
        user_id
        for contact_id, user_id in sorted(links.items())
        if user_id not in seen and not _says_deleted(contacts.get(contact_id), policy)
    )


def _says_deleted(contact: Contact | None, policy: SyncPolicy) -> bool:
    return contact is not None and contact.value(policy.fields.account_status).startswith(DELETED_SINCE)


def _user_label(user: DirectoryUser) -> str:
    return user.display_name or user.mail or user.user_principal_name or user.id


def _contact_label(contact: Contact | None) -> str:
    return (contact.name or contact.email) if contact else ""
