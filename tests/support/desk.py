"""The operator's desk on fakes: `OperatorPorts` over in-memory stores, with plans that a test chooses."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from console.operations import Begun, Explanation, OperatorPorts, Step, Supposed
from shared.domain.billing import BillingReport
from shared.domain.changes import CreateContact, FieldChange, Kind, NoChange, Plan, UpdateContact
from shared.domain.consent import ConsentDesk
from shared.domain.contact import Contact, Customer
from shared.domain.credential import CredentialInfo, CredentialKind
from shared.domain.desk import Chosen
from shared.domain.errors import Permanent, SyncError
from shared.domain.forecast import Forecast
from shared.domain.messages import Lane, Reason, UsersTouched, encode
from shared.domain.nightly import BillingPolicy, NightlyPolicy
from shared.domain.policy import SyncPolicy
from shared.domain.preview import Preview, PreviewRow
from shared.domain.records import Connection, ConnectionStatus, DeadLetter, HeldRow, Hold, HoldState, Run
from tests.support.clock import START
from tests.support.fake_backups import FakeBackups
from tests.support.fake_channel import FakeChannel
from tests.support.fake_onboarding import (
    FakeAccountReads,
    FakeDoor,
    FakeFinder,
    FakeOrganizations,
    FakePartner,
    FakeSkews,
)
from tests.support.fake_probe import FakeContactProbe, FakeProducts
from tests.support.fakes import World, worker_ports
from tests.support.receiver import TENANT, guid
from worker.parts import WorkerSettings
from worker.undoing import Undoing

CUSTOMER = 7
APP_ID = "24d3b144-21ae-4080-943f-7067b395b913"
_FORECAST = Forecast(4_300, 54)
_EXPLANATION = Explanation("Anna Meier", (Step("read", "An enabled member."),))
_NOTHING_WRONG = BillingReport(CUSTOMER, (), (), (), "")
_NOTHING_SUPPOSED = Supposed("", None, NoChange("u1", CUSTOMER, None), NoChange("u1", CUSTOMER, None), "")


@dataclass
class FakePasses:
    """`plans` is what the next preview shows, of one customer alone if `plans_of` has some for it.

    `broken` is raised by `begin` (only for the customers in `broken_for`, if there are any). `begun`: (customer, run
    id); `asked`: what `begin` was asked besides. `hold`, `halted`, `stale` and `forecast` are what it answers. A
    release settles the hold, as the real pass does. `outcome`: what every user comes to at once, None: never.
    `refusal` is raised by `clear`. `supposed` is what `suppose` answers, `suppositions` what it was asked.
    """

    runs: Any
    holds: Any
    plans: list[Plan] = field(default_factory=list)
    plans_of: dict[int, list[Plan]] = field(default_factory=dict)
    plans_after: list[Plan] | None = None
    compared: list[SyncPolicy] = field(default_factory=list)
    contacts: tuple[Contact, ...] = ()
    broken: SyncError | None = None
    broken_for: frozenset[int] = frozenset()
    begun: list[tuple[int, str]] = field(default_factory=list)
    asked: list[tuple[str | None, int | None, str]] = field(default_factory=list)
    hold: Hold | None = None
    halted: bool = False
    stale: tuple[str, ...] = ()
    forecast: Forecast = _FORECAST
    explanation: Explanation = _EXPLANATION
    report: BillingReport = _NOTHING_WRONG
    cleared: list[tuple[int, str, str]] = field(default_factory=list)
    refusal: SyncError | None = None
    outcome: str | None = None
    supposed: Supposed = _NOTHING_SUPPOSED
    suppositions: list[tuple[int, str, int | None, Chosen | None]] = field(default_factory=list)

    async def preview(self, customer_id: int, policy: SyncPolicy | None = None) -> Preview:
        self._break(customer_id)
        plans = self.plans_of.get(customer_id, self.plans)
        return Preview(customer_id, tuple(map(_row, plans)), self.contacts)

    async def compare(self, customer_id: int, policy: SyncPolicy) -> tuple[Preview, Preview]:
        """By any other rules `plans_after`, if there are some."""
        before = await self.preview(customer_id)
        self.compared.append(policy)
        rows = before.rows if self.plans_after is None else tuple(map(_row, self.plans_after))
        return before, Preview(customer_id, rows, self.contacts)

    async def begin(
        self,
        customer_id: int,
        *,
        reason: Reason,
        run_id: str,
        release: str | None = None,
        first: int | None = None,
        by: str = "",
    ) -> Begun:
        if self.broken and not self.broken_for:
            raise self.broken
        self._break(customer_id)
        planned = 0 if self.halted else len(self.plans)
        await self.runs.start(Run(run_id, customer_id, reason, planned, START, full=True))
        self.begun.append((customer_id, run_id))
        self.asked.append((release, first, by))
        for plan in self.plans[:planned] if self.outcome else ():
            await self.runs.outcome(run_id, plan.user_id, self.outcome, START)
        if release and not self.stale:
            await self.holds.settle(customer_id, release, HoldState.APPROVED, by, START)
        return Begun(planned, len(self.plans) + 5, self.hold, self.halted, self.stale, self.forecast)

    async def explain(self, customer_id: int, user_id: str) -> Explanation:
        return self.explanation

    async def suppose(
        self, customer_id: int, user_id: str, *, contact_id: int | None = None, chosen: Chosen | None = None
    ) -> Supposed:
        self.suppositions.append((customer_id, user_id, contact_id, chosen))
        return self.supposed

    async def billing(self, customer_id: int) -> BillingReport:
        return self.report

    async def clear(self, customer_id: int, code: str, by: str) -> int:
        if self.refusal is not None:
            raise self.refusal
        if code != self.report.code:
            raise Permanent("worker", "report_changed", "the report is another one now")
        self.cleared.append((customer_id, code, by))
        return len(self.report.without_licence)

    def _break(self, customer_id: int) -> None:
        if self.broken and customer_id in self.broken_for:
            raise self.broken


def _row(plan: Plan) -> PreviewRow:
    return PreviewRow(f"User {plan.user_id}", _label(plan), plan)


def _label(plan: Plan) -> str:
    return f"Contact {plan.contact_id}" if isinstance(plan, UpdateContact) else ""


class Desk:
    """Make it inside a running loop. `roles` is what the tenant's token carries."""

    def __init__(self, data_dir: Path) -> None:
        self.world = World()
        self.world.clock.ahead = -timedelta(seconds=self.world.clock.monotonic())  # it is START now
        self.customers = self.world.customers
        for customer in (Customer(CUSTOMER, "Contoso"), Customer(8, "Contoso North")):
            self.customers.put(customer)
        self.passes = FakePasses(self.world.ledger.runs, self.world.ledger.holds)
        ledger = self.world.ledger
        self.backups = FakeBackups()
        self.channels: list[FakeChannel] = []
        self.organizations, self.finder, self.partner = FakeOrganizations(), FakeFinder(), FakePartner()
        self.door, self.skews, self.account = FakeDoor(), FakeSkews(), FakeAccountReads()
        self.contact_probe, self.products = FakeContactProbe(), FakeProducts()
        self.ports = OperatorPorts(
            clock=self.world.clock,
            publisher=self.world.broker,
            depths=self.world.broker,
            pace=self.world.pace,
            leases=self.world.leases,
            directory=self.world.directory,
            syncro_customers=self.customers,
            connections=ledger.connections,
            approvals=ledger.approvals,
            links=ledger.links,
            memory=self.world.memory,
            owed=ledger.owed,
            journal=ledger.journal,
            dead_letters=ledger.dead_letters,
            conflicts=ledger.conflicts,
            runs=ledger.runs,
            holds=ledger.holds,
            passes=self.passes,
            nightly=NightlyPolicy(),
            billing=BillingPolicy(),
            backfill_per_minute=80,
            data_dir=data_dir,
            public_url="https://hooks.example.net",
            policies=ledger.policies,
            polls=ledger.polls,
            subscription_states=ledger.subscription_states,
            invites=ledger.invites,
            apart=ledger.apart,
            organizations=self.organizations,
            finder=self.finder,
            partner=self.partner,
            door=self.door,
            skews=self.skews,
            account=self.account,
            contact_probe=self.contact_probe,
            products=self.products,
            ledger_probe=self._ledger_probe,
            credential=lambda: CredentialInfo(CredentialKind.SECRET, START + timedelta(days=300)),
            consent=ConsentDesk(
                secrets={1: b"a secret of sixteen bytes and more"},
                app_id=APP_ID,
                login_url="https://login.example",
                scope="https://graph.example/.default",
                public_url="https://hooks.example.net",
            ),
            rules=SyncPolicy(),
            replays=ledger.replays,
            journal_search=ledger.journal_search,
            pins=ledger.pins,
            choices=ledger.choices,
            deeds=ledger.deeds,
            notices=ledger.notices,
            undos=Undoing(worker_ports(self.world), WorkerSettings(fingerprint_key=b"test"), ledger.journal_search),
            backups=self.backups,
            channels=self.channels,
        )

    async def _ledger_probe(self) -> None:
        self.world.ledger.switch.reach()

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


def an_update(
    user_id: str = "u1", contact_id: int = 101, after: str = "+1 217 555 0111", before: str = ""
) -> UpdateContact:
    change = FieldChange("phone", before, after, Kind.PROFILE, "Empty in Syncro, filled from businessPhones in Entra.")
    return UpdateContact(user_id, CUSTOMER, contact_id, (change,), "mail")


def a_creation(user_id: str = "u2") -> CreateContact:
    change = FieldChange("name", "", "Noor Aziz", Kind.PROFILE, "Taken from name in Entra.")
    return CreateContact(user_id, CUSTOMER, (change,), "An enabled member.")


def a_hold(code: str = "0b9a8ac4", *, run_id: str | None = "run1", rows: int = 1, **facts: Any) -> Hold:
    """A full sync that would clear too much; valid for three days."""
    change = FieldChange("azure_license", "Microsoft 365 Business Basic", "", Kind.OWNED, "No licence is assigned.")
    held = tuple(HeldRow(f"u{n}", f"User u{n}", 100 + n, f"digest{n}", (change,)) for n in range(rows))
    defaults: dict[str, Any] = {
        "customer_id": CUSTOMER,
        "brakes": {"clears": (max(1, rows), 0)},
        "detail": "Too much at once.",
        "held_at": START,
        "expires_at": START + timedelta(hours=72),
    }
    return Hold(code=code, run_id=run_id, rows=held, **{**defaults, **facts})
