"""One look at everything: connections, full syncs, queues, what is owed, what failed and what waits for a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from console.operations.freshness import all_freshness
from console.operations.pins import ShownPin, pins
from console.operations.ports import OperatorPorts
from console.operations.rejections import rejection
from console.operations.waiting import Waiting, listed
from shared.domain.credential import CredentialInfo
from shared.domain.freshness import Freshness
from shared.domain.onboarding import WithoutEntra
from shared.domain.records import STOPPED_KEY, Connection, ConnectionStatus, Hold, LastFull, Owed, Run, RunState

_BELIEVED = frozenset({RunState.WORKING, RunState.DONE})
_LONGEST_READING = timedelta(hours=1)  # a run that reads for longer was killed
_RUNS_LOOKED_AT = 500  # the newest of all customers: a customer whose full sync is older has no notes to show


@dataclass(frozen=True, slots=True)
class WaitingConsent:
    """A consent that is asked for and is no connection yet. `next`: who does what, one sentence."""

    customer_id: int
    customer_name: str
    state: str
    next: str


@dataclass(frozen=True, slots=True)
class Status:
    """`waiting`: lane -> messages that wait, are delayed or are being worked on.

    `unwritten`: customer id -> changes that were approved and are not written yet, where there are any. Either a full
    sync is still at them, or they changed since and wait for a new preview. `stopped`: why nothing can be written
    anywhere ("token", "permission", "too_many" ...), "" when all is well. `public_url`: "" means no notifications.
    `holds`: what the brakes hold for a person. `last_full`: customer id -> its newest full syncs; `notes`: customer
    id -> what that full sync could not know or skipped, where there is anything. `choices`: customer id -> its part of
    `conflicts`. `reading`: customers of which a full sync is reading now. `rejections`: approval code -> a sentence
    about who rejected exactly the same before, where somebody did. `freshness`: customer id -> how fresh it is, of
    those that are or were approved; `freshness_all`: the same over all of them. `without_entra`: customers that have no
    tenant, counted apart. `credential`: what proves us to Microsoft, and its end. `consents` that wait or came to
    nothing. `locked`: contacts that a person locked and that are not free again. `silent_since`: since when no service
    has asked for anybody's changes, None while one does.
    """

    seen_at: datetime
    connections: Sequence[Connection]
    waiting: Mapping[str, int]
    owed: Sequence[Owed]
    failed_changes: int
    conflicts: int
    unwritten: Mapping[int, int]
    stopped: str
    public_url: str
    holds: Sequence[Hold]
    last_full: Mapping[int, LastFull]
    notes: Mapping[int, tuple[str, ...]]
    choices: Mapping[int, int] = field(default_factory=dict)
    reading: Sequence[int] = ()
    rejections: Mapping[str, str] = field(default_factory=dict)
    freshness: Mapping[int, Freshness] = field(default_factory=dict)
    freshness_all: Freshness | None = None
    without_entra: Sequence[WithoutEntra] = ()
    credential: CredentialInfo | None = None
    consents: Sequence[WaitingConsent] = ()
    locked: Sequence[ShownPin] = ()
    silent_since: datetime | None = None


async def status(ports: OperatorPorts) -> Status:
    found, now = await listed(ports), ports.clock.now()
    connections = found.connections
    conflicts, holds = await ports.conflicts.list(), await ports.holds.list()
    runs = await ports.runs.recent(limit=_RUNS_LOOKED_AT)
    fresh = await all_freshness(ports, connections)
    return Status(
        seen_at=now,
        connections=connections,
        waiting={lane.value: count for lane, count in (await ports.depths.depths()).items()},
        owed=await ports.owed.owed(),
        failed_changes=sum(each.letters for each in await ports.dead_letters.counts()),
        conflicts=len(conflicts),
        unwritten=await _unwritten(ports, connections),
        stopped=await ports.memory.recall(STOPPED_KEY) or "",
        public_url=ports.public_url,
        holds=holds,
        last_full=await ports.runs.full(),
        notes=_notes(runs, connections),
        choices=dict(Counter(each.customer_id for each in conflicts)),
        reading=_reading(runs, now),
        rejections={hold.code: told for hold in holds if (told := await rejection(ports, hold))},
        freshness=fresh.by_customer,
        freshness_all=fresh.together,
        silent_since=fresh.silent_since,
        without_entra=found.without_entra,
        locked=[each for each in await pins(ports) if each.holds],
        credential=ports.credential(),
        consents=[_consent(each) for each in found.consents],
    )


def _consent(each: Waiting) -> WaitingConsent:
    return WaitingConsent(each.invite.customer_id, each.invite.customer_name, each.state, each.next)


async def _unwritten(ports: OperatorPorts, connections: Sequence[Connection]) -> Mapping[int, int]:
    approved = [each.customer_id for each in connections if each.status is ConnectionStatus.APPROVED]
    counts = {customer_id: await ports.approvals.pending(customer_id) for customer_id in approved}
    return {customer_id: count for customer_id, count in counts.items() if count}


def _reading(runs: Sequence[Run], now: datetime) -> Sequence[int]:
    """`runs`: newest first. A full sync that was begun later took the place of one that never ended."""
    newest: dict[int, Run] = {}
    for run in runs:
        if run.full:
            newest.setdefault(run.customer_id, run)
    return [
        run.customer_id
        for run in newest.values()
        if run.state is RunState.READING and now - run.started_at < _LONGEST_READING
    ]


def _notes(runs: Sequence[Run], connections: Sequence[Connection]) -> Mapping[int, tuple[str, ...]]:
    """Of each approved customer's newest full sync that was read to its end. `runs`: newest first."""
    approved = {each.customer_id for each in connections if each.status is ConnectionStatus.APPROVED}
    newest: dict[int, Run] = {}
    for run in runs:
        if run.full and run.state in _BELIEVED and run.customer_id in approved:
            newest.setdefault(run.customer_id, run)
    return {customer_id: run.notes for customer_id, run in newest.items() if run.notes}
