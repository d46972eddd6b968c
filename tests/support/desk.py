"""The operator's desk on fakes: `OperatorPorts` over in-memory stores, with plans that a test chooses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from console.operations import OperatorPorts
from shared.domain.changes import CreateContact, FieldChange, Kind, Plan, UpdateContact
from shared.domain.contact import Contact, Customer
from shared.domain.errors import SyncError
from shared.domain.messages import Lane, Reason, UsersTouched, encode
from shared.domain.preview import Preview, PreviewRow
from shared.domain.records import Connection, ConnectionStatus, DeadLetter, Run
from shared.ports import Allowance
from tests.support.clock import START
from tests.support.fakes import World
from tests.support.receiver import TENANT, guid

CUSTOMER = 7


class FakeCustomers:
    """Syncro's customers. `get` spends a call, as the real one does."""

    def __init__(self) -> None:
        self.held = {CUSTOMER: Customer(CUSTOMER, "Contoso"), 8: Customer(8, "Contoso North")}

    async def listing(self, allowance: Allowance) -> Sequence[Customer]:
        await allowance.spend()
        return list(self.held.values())

    async def get(self, allowance: Allowance, customer_id: int) -> Customer | None:
        await allowance.spend()
        return self.held.get(customer_id)


@dataclass
class FakePasses:
    """`plans` is what the next preview shows; `broken` is raised by `begin`. `begun`: (customer, run id)."""

    runs: Any
    plans: list[Plan] = field(default_factory=list)
    contacts: tuple[Contact, ...] = ()
    broken: SyncError | None = None
    begun: list[tuple[int, str]] = field(default_factory=list)

    async def preview(self, customer_id: int) -> Preview:
        rows = tuple(PreviewRow(f"User {plan.user_id}", _label(plan), plan) for plan in self.plans)
        return Preview(customer_id, rows, self.contacts)

    async def begin(self, customer_id: int, *, reason: Reason, run_id: str) -> int:
        if self.broken:
            raise self.broken
        await self.runs.start(Run(run_id, customer_id, reason, len(self.plans), START))
        self.begun.append((customer_id, run_id))
        return len(self.plans)


def _label(plan: Plan) -> str:
    return f"Contact {plan.contact_id}" if isinstance(plan, UpdateContact) else ""


class Desk:
    """Make it inside a running loop. `roles` is what the tenant's token carries."""

    def __init__(self, data_dir: Path) -> None:
        self.world = World()
        self.customers = FakeCustomers()
        self.passes = FakePasses(self.world.ledger.runs)
        ledger = self.world.ledger
        self.ports = OperatorPorts(
            clock=self.world.clock,
            publisher=self.world.broker,
            depths=self.world.broker,
            pace=self.world.pace,
            directory=self.world.directory,
            syncro_customers=self.customers,
            connections=ledger.connections,
            approvals=ledger.approvals,
            links=ledger.links,
            memory=self.world.memory,
            owed=ledger.owed,
            dead_letters=ledger.dead_letters,
            conflicts=ledger.conflicts,
            runs=ledger.runs,
            passes=self.passes,
            data_dir=data_dir,
            public_url="https://hooks.example.net",
        )

    def tie(
        self,
        customer_id: int = CUSTOMER,
        tenant_id: str = TENANT,
        status: ConnectionStatus = ConnectionStatus.PREVIEW,
    ) -> Connection:
        tied = Connection(customer_id, f"Customer {customer_id}", tenant_id, status, START, START)
        self.world.ledger.connections.held[customer_id] = tied
        return tied

    def status_of(self, customer_id: int = CUSTOMER) -> ConnectionStatus:
        return self.world.ledger.connections.held[customer_id].status

    def letter(self, letter_id: str, body: bytes, status: str = "open") -> DeadLetter:
        letter = a_letter(letter_id, body, status)
        self.world.ledger.dead_letters.held[letter_id] = letter
        return letter


def a_letter(letter_id: str, body: bytes, status: str = "open") -> DeadLetter:
    return DeadLetter(
        letter_id=letter_id,
        body=body,
        lane=Lane.LIVE,
        tenant_id=TENANT,
        user_ids=(guid(1),),
        error_class="rejected",
        detail="Syncro refused the values",
        attempts=15,
        first_seen=START,
        last_seen=START,
        status=status,
    )


def a_body(user: int = 1, noticed_at: datetime = START) -> bytes:
    return encode(
        UsersTouched(
            tenant_id=TENANT,
            user_ids=(guid(user),),
            reason=Reason.NOTIFICATION,
            noticed_at=noticed_at,
            trace_id="old-trace",
            attempt=15,
        )
    )


def an_update(user_id: str = "u1", contact_id: int = 101, after: str = "+1 217 555 0111") -> UpdateContact:
    change = FieldChange("phone", "", after, Kind.PROFILE, "Empty in Syncro, filled from businessPhones in Entra.")
    return UpdateContact(user_id, CUSTOMER, contact_id, (change,), "mail")


def a_creation(user_id: str = "u2") -> CreateContact:
    change = FieldChange("name", "", "Noor Aziz", Kind.PROFILE, "Taken from name in Entra.")
    return CreateContact(user_id, CUSTOMER, (change,), "An enabled member.")
