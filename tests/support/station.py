"""The worker on fakes: one tenant and customer ready to be synced, and ways to hint, run and look at what came out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

from shared.domain.contact import Contact, Customer
from shared.domain.messages import Lane, Reason, UsersTouched
from shared.domain.outcome import Outcome
from shared.domain.records import Connection, ConnectionStatus, Link
from shared.domain.user import DirectoryUser
from tests.support.clock import START
from tests.support.fakes import World, worker_ports
from worker.consumer import Consumer
from worker.look import cause_of
from worker.parts import LookReport, WorkerPorts, WorkerSettings
from worker.sync import TOGETHER, Sync

TENANT = "tenant-a"
CUSTOMER = 7
_TRACES = count(1)


def person(user_id: str = "u1", **facts: object) -> DirectoryUser:
    """A licensed member whose name and address come from the id."""
    defaults: dict[str, object] = {
        "display_name": f"Person {user_id}",
        "given_name": "Person",
        "surname": user_id,
        "mail": f"{user_id}@contoso.example",
        "user_principal_name": f"{user_id}@contoso.example",
        "sku_ids": ("cbdc14ab-d96c-4c30-b9f4-6ada7cdc1d46",),
    }
    return DirectoryUser(id=user_id, **(defaults | facts))  # type: ignore[arg-type]  # facts are the caller's


@dataclass
class Station:
    """`settings` and `world` may be replaced before anything runs."""

    world: World = field(default_factory=World)

    def __post_init__(self) -> None:
        self.looks: list[LookReport] = []
        self.settings = WorkerSettings(fingerprint_key=b"test", jitter=lambda: 1.0, on_look=self.looks.append)
        self.connect()

    @property
    def ports(self) -> WorkerPorts:
        return worker_ports(self.world)

    def connect(
        self,
        customer_id: int = CUSTOMER,
        tenant_id: str = TENANT,
        status: ConnectionStatus = ConnectionStatus.APPROVED,
    ) -> None:
        connection = Connection(customer_id, f"Customer {customer_id}", tenant_id, status, START, START)
        self.world.ledger.connections.held[customer_id] = connection
        self.world.customers.put(Customer(customer_id, connection.customer_name))

    def hire(self, user: DirectoryUser, tenant_id: str = TENANT) -> DirectoryUser:
        self.world.directory.put(tenant_id, user)
        return user

    def linked(
        self, user: DirectoryUser, contact_id: int, *, customer_id: int = CUSTOMER, tenant_id: str = TENANT
    ) -> Contact:
        """A user with a linked contact that is not in step yet (it has the address alone)."""
        self.hire(user, tenant_id)
        self.world.ledger.links.held[customer_id, user.id] = Link(customer_id, user.id, contact_id, "mail", START)
        return self.world.contacts.put(Contact(contact_id, customer_id, email=user.mail or ""))

    def hint(
        self,
        *user_ids: str,
        tenant_id: str = TENANT,
        reason: Reason = Reason.NOTIFICATION,
        noticed_at: datetime | None = None,
        attempt: int = 0,
        run_id: str | None = None,
        confirm: bool = False,
    ) -> UsersTouched:
        """A message noticed now, unless said otherwise."""
        return UsersTouched(
            tenant_id=tenant_id,
            user_ids=user_ids,
            reason=reason,
            noticed_at=noticed_at or self.world.clock.now(),
            trace_id=f"trace-{next(_TRACES)}",
            attempt=attempt,
            run_id=run_id,
            confirm=confirm,
        )

    async def send(self, message: UsersTouched, lane: Lane = Lane.LIVE) -> None:
        await self.world.broker.publish(message, lane)

    @asynccontextmanager
    async def working(self, *lanes: Lane, workers: int = 1) -> AsyncIterator[Sequence[Consumer]]:
        """Consumers at work (of the live lane unless others are named); stopped in order at the end."""
        stop = asyncio.Event()
        consumers = [
            Consumer(self.ports, self.settings, lane) for _ in range(workers) for lane in lanes or (Lane.LIVE,)
        ]
        async with asyncio.TaskGroup() as group:
            for consumer in consumers:
                group.create_task(consumer.run(stop), name=consumer.name)
            try:
                yield consumers
            finally:
                stop.set()

    async def sync_users(self, sync: Sync, message: UsersTouched) -> Mapping[tuple[int, str], Outcome]:
        """All users of one message without a queue, (customer id, user id) -> outcome."""
        taken_at = self.world.clock.now()
        outcomes: dict[tuple[int, str], Outcome] = {}
        for start in range(0, len(message.user_ids), TOGETHER):
            ids = message.user_ids[start : start + TOGETHER]
            reading = await sync.read(message.tenant_id, ids)
            for user_id in ids:
                alone = await sync.alone(reading, user_id)
                look = await sync.look(cause_of(user_id, [message], taken_at), alone)
                await sync.remember(look, alone)
                outcomes |= {(customer_id, user_id): outcome for customer_id, outcome in look.outcomes.items()}
        return outcomes

    def outcomes(self) -> list[str]:
        return [look.outcome for look in self.looks]
