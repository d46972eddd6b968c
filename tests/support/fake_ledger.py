"""The ledger's parts in memory. One switch, `FakeLedger.away`, makes all of them refuse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from shared.domain.changes import Conflict
from shared.domain.errors import Permanent, Transient
from shared.domain.messages import DeadLettered, UsersTouched, decode
from shared.domain.policy import SyncPolicy
from shared.domain.records import (
    Approval,
    Connection,
    ConnectionStatus,
    DeadLetter,
    JournalEntry,
    Link,
    OpenConflict,
    Owed,
    Run,
    WriteState,
)


class Switch:
    """Shared by all parts: away or not."""

    away = False

    def reach(self) -> None:
        if self.away:
            raise Transient("ledger", "unreachable")


@dataclass
class FakeConnections:
    switch: Switch
    held: dict[int, Connection] = field(default_factory=dict)

    async def save(self, connection: Connection) -> None:
        self.switch.reach()
        self.held[connection.customer_id] = connection

    async def get(self, customer_id: int) -> Connection | None:
        self.switch.reach()
        return self.held.get(customer_id)

    async def of_tenant(self, tenant_id: str) -> Sequence[Connection]:
        self.switch.reach()
        return [c for c in self.held.values() if c.tenant_id == tenant_id]

    async def list(self, status: ConnectionStatus | None = None) -> Sequence[Connection]:
        self.switch.reach()
        return [c for c in self.held.values() if status is None or c.status is status]


@dataclass
class FakePolicies:
    switch: Switch
    held: dict[int, SyncPolicy] = field(default_factory=dict)

    async def policy(self, customer_id: int) -> SyncPolicy:
        self.switch.reach()
        return self.held.get(customer_id, SyncPolicy())

    async def save_policy(self, customer_id: int, policy: SyncPolicy) -> None:
        self.switch.reach()
        self.held[customer_id] = policy


@dataclass
class FakeApprovals:
    switch: Switch
    proposals: dict[int, Approval] = field(default_factory=dict)
    rows: dict[tuple[int, str], str] = field(default_factory=dict)

    async def propose(self, approval: Approval) -> None:
        self.switch.reach()
        self.proposals[approval.customer_id] = approval

    async def latest(self, customer_id: int) -> Approval | None:
        self.switch.reach()
        return self.proposals.get(customer_id)

    async def approve(self, customer_id: int, digest: str, by: str, at: datetime) -> Approval:
        self.switch.reach()
        proposal = self.proposals.get(customer_id)
        if proposal is None or proposal.digest != digest:
            raise Permanent("ledger", "digest_mismatch")
        self.rows = {key: row for key, row in self.rows.items() if key[0] != customer_id}
        self.rows |= {(customer_id, user_id): row for user_id, row in proposal.rows.items()}
        approved = replace(proposal, approved_at=at, approved_by=by)
        self.proposals[customer_id] = approved
        return approved

    async def approved_row(self, customer_id: int, user_id: str) -> str | None:
        self.switch.reach()
        return self.rows.get((customer_id, user_id))

    async def settle_row(self, customer_id: int, user_id: str) -> None:
        self.switch.reach()
        self.rows.pop((customer_id, user_id), None)

    async def pending(self, customer_id: int) -> int:
        self.switch.reach()
        return sum(customer == customer_id for customer, _ in self.rows)


@dataclass
class FakeLinks:
    switch: Switch
    held: dict[tuple[int, str], Link] = field(default_factory=dict)

    async def link(self, link: Link) -> None:
        self.switch.reach()
        for other in self.held.values():
            if other.contact_id == link.contact_id and other.user_id != link.user_id:
                raise Permanent("ledger", "linked_elsewhere")
        self.held[link.customer_id, link.user_id] = link

    async def of_user(self, customer_id: int, user_id: str) -> Link | None:
        self.switch.reach()
        return self.held.get((customer_id, user_id))

    async def of_customer(self, customer_id: int) -> Sequence[Link]:
        self.switch.reach()
        return [link for link in self.held.values() if link.customer_id == customer_id]

    async def unlink(self, customer_id: int, user_id: str) -> None:
        self.switch.reach()
        self.held.pop((customer_id, user_id), None)


@dataclass
class FakeOwedMarks:
    switch: Switch
    held: dict[int, Owed] = field(default_factory=dict)
    generations: dict[int, int] = field(default_factory=dict)

    async def mark(self, customer_id: int, reason: str, at: datetime) -> int:
        self.switch.reach()
        generation = self.generations.get(customer_id, 0) + 1
        self.generations[customer_id] = generation
        self.held[customer_id] = Owed(customer_id, generation, reason, at)
        return generation

    async def owed(self) -> Sequence[Owed]:
        self.switch.reach()
        return list(self.held.values())

    async def clear(self, customer_id: int, generation: int) -> bool:
        self.switch.reach()
        mark = self.held.get(customer_id)
        if mark is None or mark.generation > generation:
            return False
        del self.held[customer_id]
        return True


@dataclass
class FakeJournal:
    switch: Switch
    written: list[JournalEntry] = field(default_factory=list)

    async def intend(self, entry: JournalEntry) -> int:
        self.switch.reach()
        self.written.append(replace(entry, id=len(self.written) + 1))
        return len(self.written)

    async def settle(
        self,
        entry_id: int,
        state: WriteState,
        *,
        at: datetime,
        contact_id: int | None = None,
        unstuck: Sequence[str] = (),
    ) -> None:
        self.switch.reach()
        entry = self.written[entry_id - 1]
        self.written[entry_id - 1] = replace(
            entry,
            state=state,
            settled_at=at,
            contact_id=contact_id if contact_id is not None else entry.contact_id,
            unstuck=tuple(unstuck),
        )

    async def open_creation(self, customer_id: int, user_id: str) -> JournalEntry | None:
        unknown = (WriteState.INTENDED, WriteState.AMBIGUOUS)
        mine = await self.entries(customer_id=customer_id, user_id=user_id, limit=len(self.written))
        return next((entry for entry in mine if entry.action == "create" and entry.state in unknown), None)

    async def entries(
        self, *, customer_id: int | None = None, user_id: str | None = None, limit: int = 100
    ) -> Sequence[JournalEntry]:
        self.switch.reach()
        mine = [
            entry
            for entry in reversed(self.written)
            if customer_id in (None, entry.customer_id) and user_id in (None, entry.user_id)
        ]
        return mine[:limit]

    async def created(self, customer_id: int, *, user_id: str | None = None) -> Mapping[int, str]:
        mine = await self.entries(customer_id=customer_id, user_id=user_id, limit=len(self.written))
        return {e.contact_id: e.user_id for e in mine if e.action == "create" and e.contact_id is not None}


@dataclass
class FakeDeadLetters:
    switch: Switch
    held: dict[str, DeadLetter] = field(default_factory=dict)

    async def record(self, letter: DeadLettered) -> None:
        self.switch.reach()
        message = decode(letter.body)
        users = message.user_ids if isinstance(message, UsersTouched) else ()
        tenant = message.tenant_id if isinstance(message, UsersTouched) else None
        self.held.setdefault(
            letter.letter_id,
            DeadLetter(
                letter.letter_id, letter.body, letter.lane, tenant, users, letter.error_class,
                letter.detail, letter.attempts, letter.first_seen, letter.last_seen, "open",
            ),
        )  # fmt: skip

    async def list(self, *, status: str | None = "open", limit: int = 100) -> Sequence[DeadLetter]:
        self.switch.reach()
        return [letter for letter in self.held.values() if status in (None, letter.status)][:limit]

    async def get(self, letter_id: str) -> DeadLetter | None:
        self.switch.reach()
        return self.held.get(letter_id)

    async def settle(self, letter_id: str, status: str, at: datetime) -> bool:
        self.switch.reach()
        letter = self.held.get(letter_id)
        if letter is None or letter.status != "open":
            return False
        self.held[letter_id] = replace(letter, status=status, settled_at=at)
        return True


@dataclass
class FakeConflicts:
    switch: Switch
    held: dict[tuple[int, str], OpenConflict] = field(default_factory=dict)

    async def open(self, conflict: Conflict, at: datetime) -> None:
        self.switch.reach()
        key = (conflict.customer_id, conflict.user_id)
        first = self.held[key].first_seen if key in self.held else at
        self.held[key] = OpenConflict(*key, conflict.reason, conflict.candidates, first, at)

    async def close(self, customer_id: int, user_id: str) -> None:
        self.switch.reach()
        self.held.pop((customer_id, user_id), None)

    async def list(self, customer_id: int | None = None) -> Sequence[OpenConflict]:
        self.switch.reach()
        return [c for c in self.held.values() if customer_id in (None, c.customer_id)]


@dataclass
class FakeRuns:
    switch: Switch
    held: dict[str, Run] = field(default_factory=dict)
    results: dict[str, dict[str, str]] = field(default_factory=dict)

    async def start(self, run: Run) -> None:
        self.switch.reach()
        self.held[run.run_id] = run

    async def outcome(self, run_id: str, user_id: str, outcome: str, at: datetime) -> None:
        self.switch.reach()
        self.results.setdefault(run_id, {})[user_id] = outcome

    async def finish(self, run_id: str, at: datetime) -> None:
        self.switch.reach()
        self.held[run_id] = replace(self.held[run_id], finished_at=at)

    async def get(self, run_id: str) -> Run | None:
        self.switch.reach()
        run = self.held.get(run_id)
        outcomes = list(self.results.get(run_id, {}).values())
        return run and replace(run, outcomes={name: outcomes.count(name) for name in outcomes})

    async def recent(self, customer_id: int | None = None, limit: int = 20) -> Sequence[Run]:
        self.switch.reach()
        mine = [run for run in reversed(self.held.values()) if customer_id in (None, run.customer_id)]
        return mine[:limit]


class FakeLedger:
    """All parts behind one switch."""

    def __init__(self) -> None:
        self.switch = Switch()
        self.connections = FakeConnections(self.switch)
        self.policies = FakePolicies(self.switch)
        self.approvals = FakeApprovals(self.switch)
        self.links = FakeLinks(self.switch)
        self.owed = FakeOwedMarks(self.switch)
        self.journal = FakeJournal(self.switch)
        self.dead_letters = FakeDeadLetters(self.switch)
        self.conflicts = FakeConflicts(self.switch)
        self.runs = FakeRuns(self.switch)

    @property
    def away(self) -> bool:
        return self.switch.away

    @away.setter
    def away(self, value: bool) -> None:
        self.switch.away = value
