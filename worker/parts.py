"""What the worker is built from: the ports it needs and the few numbers it is set to.

Only `shared.runtime.wiring` (through `worker.service.build`) and the tests fill these in. Next: `worker/service.py`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from shared.domain.credential import CredentialInfo
from shared.domain.nightly import BillingPolicy, BrakePolicy, NightlyPolicy
from shared.domain.notices import NoticePolicy
from shared.domain.policy import CoalescePolicy, RetryPolicy
from shared.domain.schedule import frozen
from shared.domain.watching import PollPolicy
from shared.ports import (
    Account,
    Approvals,
    Channel,
    Choices,
    Clock,
    Conflicts,
    Connections,
    Contacts,
    Customers,
    DeadLetters,
    Deeds,
    Depths,
    Directory,
    Groups,
    Holds,
    Inbox,
    Journal,
    Leases,
    Links,
    Memory,
    Notices,
    OwedMarks,
    Pace,
    Pins,
    Policies,
    Polls,
    Publisher,
    Replays,
    Runs,
    Sizes,
    SubscriptionStates,
    TenantReports,
    UserChanges,
)


@dataclass(frozen=True, slots=True)
class WorkerPorts:
    clock: Clock
    publisher: Publisher
    inbox: Inbox
    depths: Depths
    leases: Leases
    pace: Pace
    memory: Memory
    directory: Directory
    reports: TenantReports
    contacts: Contacts
    customers: Customers
    account: Account
    connections: Connections
    policies: Policies
    approvals: Approvals
    links: Links
    owed: OwedMarks
    journal: Journal
    dead_letters: DeadLetters
    conflicts: Conflicts
    runs: Runs
    holds: Holds
    sizes: Sizes
    changes: UserChanges
    polls: Polls
    subscription_states: SubscriptionStates
    groups: Groups
    replays: Replays
    pins: Pins
    choices: Choices
    deeds: Deeds
    notices: Notices
    channels: Sequence[Channel] = ()


@dataclass(frozen=True, slots=True)
class LookReport:
    """One attempt at one user and customer, for the log and the metrics: ids and field names, never a value.

    `outcome` is one of a closed set (`worker.report`); `age` is how long ago the hint was noticed (seconds).
    """

    event: str  # "user_synced" | "user_failed"
    lane: str
    tenant_id: str
    user_id: str
    customer_id: int | None
    reason: str
    outcome: str
    fields: tuple[str, ...]
    unstuck: tuple[str, ...]  # those of them that Syncro did not keep
    calls: int
    writes: int
    ms: int
    age: float
    attempt: int
    trace_id: str
    run_id: str | None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class FullSyncs:
    """How full syncs stand over all approved customers, for the metrics: counts and seconds alone.

    `holds`: brakes that stand open. `oldest`: how long ago the customer that waited longest had the last full sync
    that is done (or was connected, without any), in seconds; None without an approved customer.
    """

    customers: int
    holds: int
    oldest: float | None


@dataclass(frozen=True, slots=True)
class WatchFigures:
    """How all tenants of approved customers are watched, for the metrics. Seconds, shares 0 to 1; None: unknown.

    `announced`: share of the last day's changes that notifications told of, `announced_worst` of the tenant that is
    worst off. `oldest_poll`: a tenant that was never polled counts since its customer was last decided about.
    `unsubscribed`: tenants without a living subscription, 0 while no receiver has a public address.
    """

    announced: float | None
    announced_worst: float | None
    oldest_poll: float | None
    subscription_left: float | None
    unsubscribed: int


@dataclass(frozen=True, slots=True)
class PollReport:
    """One delta poll of one tenant, for the metrics: counts and seconds alone.

    `found`: users whom it found. `announced`, `unannounced`: of those whom earlier polls found, as judged by this one.
    `interval`: seconds to the next one (after a failure: until it is tried again). `code`: why it failed
    ("service:code"), "graph:resync_required" and the like when the link was void and full syncs make up for it, "" when
    all is well.
    """

    tenant_id: str
    found: int
    announced: int
    unannounced: int
    seconds: float
    interval: float
    code: str = ""


def _ignore(*_: object) -> None:
    """Nobody counts."""


def _nothing() -> None:
    """Nobody knows."""


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """`fingerprint_key` keys the digests in Memory, so that they say nothing about a person. Times in seconds."""

    fingerprint_key: bytes
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    coalesce: CoalescePolicy = field(default_factory=CoalescePolicy)
    brakes: BrakePolicy = field(default_factory=BrakePolicy)
    nightly: NightlyPolicy = field(default_factory=NightlyPolicy)
    billing: BillingPolicy = field(default_factory=BillingPolicy)
    backfill_per_minute: int = 80  # Syncro calls, for forecasts
    in_flight: int = 4  # users looked at once per lane, each of another tenant; keep it below `coalesce.slots`
    slice: float = 5.0  # one tenant's turn while others wait; also how old a directory read may be when acted on
    drain: float = 15.0  # shutdown waits this long for looks in flight
    lease_ttl: float = 30.0
    write_takes: float = 15.0  # longest a write may take: the lease must last as long when one is sent
    lease_wait: float = 10.0
    pace_wait: float = 60.0
    creation_quiet: float = 300.0  # no second POST within this time of one whose end is not known
    missing_for_good: float = 3600.0  # missing twice this far apart: deleted
    probe_first: float = 5.0  # account stop: first probe, doubling ...
    probe_last: float = 300.0  # ... up to this
    polls: PollPolicy = field(default_factory=PollPolicy)
    has_door: bool = True  # a public address is set here (a receiver elsewhere may have one as well)
    poll_every: float = 5.0  # between two looks at which tenants are due for a delta poll
    owed_every: float = 10.0
    owed_backoff: float = 300.0  # between two full passes that a worker makes of one customer
    schedule_every: float = 30.0  # between two looks at which customers are due
    replays_every: float = 2.0  # between two looks at whether failed changes are to be tried again
    replay_pause: float = 1.0  # between two failed changes that are tried again
    replay_room: int = 100  # no failed change is tried again while so many messages are on the slow lane
    jitter: Callable[[], float] = random.random
    on_look: Callable[[LookReport], None] = _ignore
    on_run: Callable[[float], None] = _ignore  # seconds that a full sync took, to the end of its last look
    on_schedule: Callable[[FullSyncs], None] = _ignore
    on_poll: Callable[[PollReport], None] = _ignore
    on_figures: Callable[[WatchFigures], None] = _ignore
    notices: NoticePolicy = field(default_factory=NoticePolicy)
    notices_every: float = 60.0  # between two looks at what somebody must be told of
    credential: Callable[[], CredentialInfo | None] = _nothing  # what proves us to Microsoft now, to announce its end
    on_letter: Callable[[str, str], None] = _ignore  # a channel's name, and "sent", "unsure" or "failed"

    def is_frozen(self, now: datetime) -> bool:
        """Do licences and counts wait on this day?"""
        return frozen(now, self.billing.freeze, self.nightly.zone)
