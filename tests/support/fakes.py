"""In-memory fakes of every port that the rooms use, on the loop's (virtual) time.

They keep the "must" lines of `shared/ports.py` that a caller can notice, and nothing more; each lives in a file of
its own. `World` puts one of each on one clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.support.fake_broker import FakeBroker, FakeDelivery, Published
from tests.support.fake_changes import FakeUserChanges
from tests.support.fake_desk import FakeDeadLetters
from tests.support.fake_groups import FakeGroups
from tests.support.fake_ledger import (
    FakeApprovals,
    FakeConflicts,
    FakeConnections,
    FakeHolds,
    FakeJournal,
    FakeLedger,
    FakeLinks,
    FakeOwedMarks,
    FakePolicies,
    FakeRuns,
    FakeSizes,
)
from tests.support.fake_state import FakeAllowance, FakeLease, FakeLeases, FakeMemory, FakePace
from tests.support.fake_vendors import Call, FakeAccount, FakeContacts, FakeCustomers, FakeDirectory, FakeReports
from tests.support.virtual_time import LoopClock
from worker.parts import WorkerPorts

__all__ = [
    "Call",
    "FakeAccount",
    "FakeAllowance",
    "FakeApprovals",
    "FakeBroker",
    "FakeConflicts",
    "FakeConnections",
    "FakeContacts",
    "FakeCustomers",
    "FakeDeadLetters",
    "FakeDelivery",
    "FakeDirectory",
    "FakeGroups",
    "FakeHolds",
    "FakeJournal",
    "FakeLease",
    "FakeLeases",
    "FakeLedger",
    "FakeLinks",
    "FakeMemory",
    "FakeOwedMarks",
    "FakePace",
    "FakePolicies",
    "FakeReports",
    "FakeRuns",
    "FakeSizes",
    "FakeUserChanges",
    "Published",
    "World",
    "worker_ports",
]


@dataclass
class World:
    """One fake of everything, sharing one clock. Make it inside a running loop."""

    clock: LoopClock = field(default_factory=LoopClock)
    per_minute: float | None = None

    def __post_init__(self) -> None:
        self.broker = FakeBroker(self.clock)
        self.directory = FakeDirectory(self.clock)
        self.reports = FakeReports(self.clock, self.directory)
        self.changes = FakeUserChanges(self.clock, self.directory)
        self.groups = FakeGroups(self.directory)
        self.contacts = FakeContacts(self.clock)
        self.customers = FakeCustomers(self.clock)
        self.account = FakeAccount(self.clock)
        self.ledger = FakeLedger()
        self.leases = FakeLeases(self.clock)
        self.pace = FakePace(self.clock, per_minute=self.per_minute)
        self.memory = FakeMemory(self.clock)


def worker_ports(world: World) -> WorkerPorts:
    """Everything that a worker is built from, on the fakes of one world."""
    ledger = world.ledger
    return WorkerPorts(
        clock=world.clock,
        publisher=world.broker,
        inbox=world.broker,
        depths=world.broker,
        leases=world.leases,
        pace=world.pace,
        memory=world.memory,
        directory=world.directory,
        reports=world.reports,
        contacts=world.contacts,
        customers=world.customers,
        account=world.account,
        connections=ledger.connections,
        policies=ledger.policies,
        approvals=ledger.approvals,
        links=ledger.links,
        owed=ledger.owed,
        journal=ledger.journal,
        dead_letters=ledger.dead_letters,
        conflicts=ledger.conflicts,
        runs=ledger.runs,
        holds=ledger.holds,
        sizes=ledger.sizes,
        changes=world.changes,
        polls=ledger.polls,
        subscription_states=ledger.subscription_states,
        groups=world.groups,
        replays=ledger.replays,
        pins=ledger.pins,
        choices=ledger.choices,
        deeds=ledger.deeds,
        notices=ledger.notices,
    )
