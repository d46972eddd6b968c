"""What is read of one customer before any rules: every tenant, every contact, what the ledger knows. Reads only.

A tenant that cannot be read fails the whole: half a customer would look like leavers. Next: `worker/survey.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.domain.choosing import standing_choices, used_up
from shared.domain.contact import Contact
from shared.domain.desk import Chosen, Pin
from shared.domain.locks import standing
from shared.domain.messages import Lane
from shared.domain.records import Connection, ConnectionStatus
from shared.domain.tenant import TenantReading
from shared.ports import Connections
from worker.homes import is_inherited
from worker.marks import Marks
from worker.parts import WorkerPorts, WorkerSettings


@dataclass(frozen=True, slots=True)
class Material:
    """`readings`: one for each tenant, in their order. `links` and `created`: contact id -> user id.

    `lacking`: custom fields that Syncro is known to lack. `is_shared`: another customer has a part of a tenant.
    `inherited`: users linked before this connection was made. `calls`: Syncro calls of the listing. `locks`: contact id
    -> a person's pin that holds. `choices`: user id -> what a person chose for it, and it stands; `used_up`: those that
    a link ended.
    """

    readings: tuple[TenantReading, ...]
    contacts: Sequence[Contact]
    links: Mapping[int, str]
    created: Mapping[int, str]
    lacking: frozenset[str]
    is_shared: bool
    inherited: frozenset[str]
    began: datetime
    calls: int
    locks: Mapping[int, Pin]
    choices: Mapping[str, Chosen]
    used_up: Mapping[str, Chosen]


async def read_material(
    ports: WorkerPorts,
    settings: WorkerSettings,
    lane: Lane,
    marks: Marks,
    connection: Connection,
    also: Sequence[str] = (),
) -> Material:
    """Raises what the ports raise; lists are complete or there is no material.

    `also`: directory extensions that rules which nobody saved yet ask for.
    """
    customer_id, began = connection.customer_id, ports.clock.now()
    readings = [await ports.reports.read(tenant_id, also) for tenant_id in connection.tenants]
    async with ports.pace.reserve(1, lane, wait=settings.pace_wait) as allowance:
        contacts = await ports.contacts.listing(allowance, customer_id)
        calls = allowance.spent
    links = await ports.links.of_customer(customer_id)
    choices, there = await ports.choices.of_customer(customer_id), {contact.id for contact in contacts}
    return Material(
        tuple(readings),
        contacts,
        {link.contact_id: link.user_id for link in links},
        await ports.journal.created(customer_id),
        await marks.lacking(customer_id),
        await _is_shared(ports.connections, connection),
        frozenset(link.user_id for link in links if is_inherited(connection, link)),
        began,
        calls,
        standing(await ports.pins.all(), ports.clock.now(), settings.nightly.zone),
        standing_choices(choices, links, there),
        used_up(choices, links, there),
    )


async def _is_shared(connections: Connections, connection: Connection) -> bool:
    others = [other for tenant_id in connection.tenants for other in await connections.of_tenant(tenant_id)]
    return any(
        other.customer_id != connection.customer_id and other.status is not ConnectionStatus.DISCONNECTED
        for other in others
    )
