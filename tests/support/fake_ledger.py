"""The ledger's parts in memory. One switch, `FakeLedger.away`, makes all of them refuse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from shared.domain.changes import Conflict
from shared.domain.errors import Permanent, Transient
from shared.domain.messages import Reason
from shared.domain.onboarding import Invite, InviteState, WithoutEntra
from shared.domain.policy import SyncPolicy
from shared.domain.records import (
    Approval,
    Connection,
    ConnectionStatus,
    Delay,
    Hold,
    HoldState,
    JournalEntry,
    LastFull,
    Link,
    ListSizes,
    OpenConflict,
    Owed,
    Run,
    RunState,
    WriteState,
)
from shared.domain.watching import Coverage, Poll, SubscriptionState
from tests.support.fake_desk import (
    FakeChoices,
    FakeDeadLetters,
    FakeDeeds,
    FakeJournalSearch,
    FakeNotices,
    FakePins,
    FakeReplays,
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

    async def change(self, connection: Connection, was: Connection | None) -> bool:
        self.switch.reach()
        now = self.held.get(connection.customer_id)
        if (now and now.changed_at) != (was and was.changed_at):
            return False
        self.held[connection.customer_id] = connection
        return True

    async def get(self, customer_id: int) -> Connection | None:
        self.switch.reach()
        return self.held.get(customer_id)

    async def of_tenant(self, tenant_id: str) -> Sequence[Connection]:
        self.switch.reach()
        return [c for c in self.held.values() if tenant_id in c.tenants]

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

    async def outside_passes(self, customer_id: int, since: datetime, *, or_in: str | None) -> Sequence[JournalEntry]:
        mine = await self.entries(customer_id=customer_id, limit=len(self.written))
        return [
            entry
            for entry in mine
            if entry.intended_at >= since and entry.undoes is None
            if entry.run_id in (None, or_in) or entry.run_id != entry.trace_id
        ]

    async def delays(self, since: datetime) -> Sequence[Delay]:
        self.switch.reach()
        return [
            Delay(e.customer_id, e.cause, max(0.0, (e.settled_at - e.noticed_at).total_seconds()))
            for e in self.written
            if e.settled_at is not None and e.settled_at >= since and e.noticed_at is not None
            if e.state is WriteState.WRITTEN and e.cause in (Reason.NOTIFICATION, Reason.DELTA)
        ]


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
    """`held`: runs as started; `results`: run -> user -> outcome; `spent`: run -> (calls, writes) of its looks."""

    switch: Switch
    held: dict[str, Run] = field(default_factory=dict)
    results: dict[str, dict[str, str]] = field(default_factory=dict)
    spent: dict[str, tuple[int, int]] = field(default_factory=dict)
    _noted: dict[tuple[str, str], datetime] = field(default_factory=dict)

    async def start(self, run: Run) -> None:
        self.switch.reach()
        known = self.held.get(run.run_id)
        self.held[run.run_id] = run if known is None else replace(run, started_at=known.started_at)

    async def outcome(
        self, run_id: str, user_id: str, outcome: str, at: datetime, *, calls: int = 0, writes: int = 0
    ) -> None:
        self.switch.reach()
        if self._noted.setdefault((run_id, user_id), at) <= at:
            self._noted[run_id, user_id] = at
            self.results.setdefault(run_id, {})[user_id] = outcome
        calls_before, writes_before = self.spent.get(run_id, (0, 0))
        self.spent[run_id] = (calls_before + calls, writes_before + writes)

    async def finish(self, run_id: str, at: datetime, state: RunState = RunState.DONE) -> None:
        self.switch.reach()
        run = self.held.get(run_id)
        if run is None or (state is RunState.DONE and run.state in (RunState.HALTED, RunState.FAILED)):
            return
        self.held[run_id] = replace(run, finished_at=at, state=state)

    async def get(self, run_id: str) -> Run | None:
        self.switch.reach()
        run = self.held.get(run_id)
        return None if run is None else self._counted(run)

    async def recent(self, customer_id: int | None = None, limit: int = 20) -> Sequence[Run]:
        self.switch.reach()
        mine = [run for run in reversed(self.held.values()) if customer_id in (None, run.customer_id)]
        return [self._counted(run) for run in mine[:limit]]

    async def outcomes(self, run_id: str) -> Mapping[str, str]:
        self.switch.reach()
        return dict(self.results.get(run_id, {}))

    async def full(self) -> Mapping[int, LastFull]:
        self.switch.reach()
        believed = (RunState.WORKING, RunState.DONE, RunState.HALTED)
        found: dict[int, LastFull] = {}
        for run in sorted(self.held.values(), key=lambda run: run.started_at):
            if run.full and run.state in believed:
                before = found[run.customer_id].done_began_at if run.customer_id in found else None
                done = run.started_at if run.state is RunState.DONE else before
                found[run.customer_id] = LastFull(run.started_at, done)
        return found

    def _counted(self, run: Run) -> Run:
        outcomes = list(self.results.get(run.run_id, {}).values())
        calls, writes = self.spent.get(run.run_id, (0, 0))
        return replace(
            run,
            outcomes={name: outcomes.count(name) for name in outcomes},
            syncro_calls=run.syncro_calls + calls,
            writes=run.writes + writes,
        )


_AllHolds = list[Hold]  # named out here: inside the class `list` is the port's method


@dataclass
class FakeHolds:
    """Every hold that there ever was, oldest first."""

    switch: Switch
    held: _AllHolds = field(default_factory=_AllHolds)

    async def open(self, hold: Hold) -> None:
        self.switch.reach()
        standing = await self.of_customer(hold.customer_id)
        if standing is None:
            self.held.append(hold)
        elif standing.code != hold.code:
            self._replace(standing, replace(standing, state=HoldState.LIFTED, settled_at=hold.held_at))
            self.held.append(hold)
        elif hold.rows or not standing.rows:
            self._replace(standing, replace(hold, held_at=standing.held_at))
        else:  # the live path knows no rows: those that a full sync stored stay
            self._replace(standing, replace(standing, expires_at=hold.expires_at))

    async def of_customer(self, customer_id: int) -> Hold | None:
        self.switch.reach()
        return next((h for h in self.held if h.customer_id == customer_id and h.state is HoldState.OPEN), None)

    async def list(self, *, code: str | None = None, state: HoldState | None = HoldState.OPEN) -> Sequence[Hold]:
        self.switch.reach()
        return [h for h in reversed(self.held) if code in (None, h.code) and state in (None, h.state)]

    async def settle(self, customer_id: int, code: str, state: HoldState, by: str, at: datetime) -> bool:
        standing = await self.of_customer(customer_id)
        if standing is None or standing.code != code:
            return False
        self._replace(standing, replace(standing, state=state, settled_at=at, settled_by=by))
        return True

    def _replace(self, old: Hold, new: Hold) -> None:
        self.held[self.held.index(old)] = new


@dataclass
class FakeSizes:
    switch: Switch
    held: dict[int, ListSizes] = field(default_factory=dict)

    async def last(self, customer_id: int) -> ListSizes | None:
        self.switch.reach()
        return self.held.get(customer_id)

    async def save(self, sizes: ListSizes) -> None:
        self.switch.reach()
        self.held[sizes.customer_id] = sizes


@dataclass
class FakeSubscriptionStates:
    switch: Switch
    held: dict[str, SubscriptionState] = field(default_factory=dict)

    async def save(self, state: SubscriptionState) -> None:
        self.switch.reach()
        self.held[state.tenant_id] = state

    async def forget(self, tenant_id: str) -> None:
        self.switch.reach()
        self.held.pop(tenant_id, None)

    async def all(self) -> Mapping[str, SubscriptionState]:
        self.switch.reach()
        return dict(self.held)


@dataclass
class FakePolls:
    """`counted`: (tenant, hour) -> what was found and announced."""

    switch: Switch
    held: dict[str, Poll] = field(default_factory=dict)
    counted: dict[tuple[str, datetime], Coverage] = field(default_factory=dict)

    async def save(self, poll: Poll) -> None:
        self.switch.reach()
        self.held[poll.tenant_id] = poll

    async def all(self) -> Mapping[str, Poll]:
        self.switch.reach()
        return dict(self.held)

    async def forget(self, tenant_id: str) -> None:
        self.switch.reach()
        self.held.pop(tenant_id, None)

    async def judged(self, tenant_id: str, hour: datetime, found: int, announced: int) -> None:
        self.switch.reach()
        before = self.counted.get((tenant_id, hour), Coverage(0, 0))
        self.counted[tenant_id, hour] = Coverage(before.found + found, before.announced + announced)

    async def coverage(self, since: datetime) -> Mapping[str, Coverage]:
        self.switch.reach()
        sums: dict[str, Coverage] = {}
        for (tenant_id, hour), each in self.counted.items():
            if hour >= since:
                before = sums.get(tenant_id, Coverage(0, 0))
                sums[tenant_id] = Coverage(before.found + each.found, before.announced + each.announced)
        return sums


_WAITING = (InviteState.OPEN, InviteState.TAKEN, InviteState.CONSENTED)


@dataclass
class FakeInvites:
    switch: Switch
    held: dict[str, Invite] = field(default_factory=dict)

    async def open(self, invite: Invite) -> None:
        self.switch.reach()
        for nonce, other in self.held.items():
            if other.customer_id == invite.customer_id and other.state in _WAITING:
                self.held[nonce] = replace(other, state=InviteState.REPLACED)
        self.held[invite.nonce] = invite

    async def take(self, nonce: str, at: datetime) -> Invite | None:
        self.switch.reach()
        found = self.held.get(nonce)
        if found is None or found.state is not InviteState.OPEN or found.expires_at <= at:
            return None
        self.held[nonce] = replace(found, state=InviteState.TAKEN)
        return self.held[nonce]

    async def settle(self, invite: Invite) -> None:
        self.switch.reach()
        if invite.nonce in self.held and self.held[invite.nonce].state is not InviteState.REPLACED:
            self.held[invite.nonce] = invite

    async def get(self, nonce: str) -> Invite | None:
        self.switch.reach()
        return self.held.get(nonce)

    async def of_customer(self, customer_id: int) -> Invite | None:
        return (await self.newest()).get(customer_id)

    async def newest(self) -> Mapping[int, Invite]:
        self.switch.reach()
        standing = [each for each in self.held.values() if each.state is not InviteState.REPLACED]
        return {each.customer_id: each for each in sorted(standing, key=lambda each: each.invited_at)}


@dataclass
class FakeApart:
    switch: Switch
    held: dict[int, WithoutEntra] = field(default_factory=dict)

    async def add(self, customer: WithoutEntra) -> None:
        self.switch.reach()
        self.held[customer.customer_id] = customer

    async def remove(self, customer_id: int) -> None:
        self.switch.reach()
        self.held.pop(customer_id, None)

    async def all(self) -> Sequence[WithoutEntra]:
        self.switch.reach()
        return [self.held[key] for key in sorted(self.held)]


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
        self.holds = FakeHolds(self.switch)
        self.sizes = FakeSizes(self.switch)
        self.subscription_states = FakeSubscriptionStates(self.switch)
        self.polls = FakePolls(self.switch)
        self.invites = FakeInvites(self.switch)
        self.apart = FakeApart(self.switch)
        self.replays = FakeReplays(self.switch, self.dead_letters)
        self.journal_search = FakeJournalSearch(self.switch, self.journal)
        self.pins = FakePins(self.switch)
        self.choices = FakeChoices(self.switch)
        self.deeds = FakeDeeds(self.switch)
        self.notices = FakeNotices(self.switch)

    @property
    def away(self) -> bool:
        return self.switch.away

    @away.setter
    def away(self, value: bool) -> None:
        self.switch.away = value
