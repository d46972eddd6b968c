"""In-memory fakes of every port that the rooms use, on the loop's (virtual) time.

They keep the "must" lines of `shared/ports.py` that a caller can notice, and nothing more; each lives in a file of
its own. `World` puts one of each on one clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.support.fake_broker import FakeBroker, FakeDelivery, Published
from tests.support.fake_ledger import (
    FakeApprovals,
    FakeConflicts,
    FakeConnections,
    FakeDeadLetters,
    FakeJournal,
    FakeLedger,
    FakeLinks,
    FakeOwedMarks,
    FakePolicies,
    FakeRuns,
)
from tests.support.fake_state import FakeAllowance, FakeLease, FakeLeases, FakeMemory, FakePace
from tests.support.fake_vendors import Call, FakeAccount, FakeContacts, FakeDirectory
from tests.support.virtual_time import LoopClock

__all__ = [
    "Call",
    "FakeAccount",
    "FakeAllowance",
    "FakeApprovals",
    "FakeBroker",
    "FakeConflicts",
    "FakeConnections",
    "FakeContacts",
    "FakeDeadLetters",
    "FakeDelivery",
    "FakeDirectory",
    "FakeJournal",
    "FakeLease",
    "FakeLeases",
    "FakeLedger",
    "FakeLinks",
    "FakeMemory",
    "FakeOwedMarks",
    "FakePace",
    "FakePolicies",
    "FakeRuns",
    "Published",
    "World",
]


@dataclass
class World:
    """One fake of everything, sharing one clock. Make it inside a running loop."""

    clock: LoopClock = field(default_factory=LoopClock)
    per_minute: float | None = None

    def __post_init__(self) -> None:
        self.broker = FakeBroker(self.clock)
        self.directory = FakeDirectory(self.clock)
        self.contacts = FakeContacts(self.clock)
        self.account = FakeAccount(self.clock)
        self.ledger = FakeLedger()
        self.leases = FakeLeases(self.clock)
        self.pace = FakePace(self.clock, per_minute=self.per_minute)
        self.memory = FakeMemory(self.clock)
