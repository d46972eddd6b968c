"""What the operations need from the outside, handed in by `console/cli/run.py`.

`Passes` is the worker's full pass seen from here: the console never imports the worker. Next: the operations
themselves, one file each.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from shared import ports
from shared.domain.billing import BillingReport
from shared.domain.changes import Plan
from shared.domain.consent import ConsentDesk
from shared.domain.contact import Contact
from shared.domain.credential import CredentialInfo
from shared.domain.desk import Chosen
from shared.domain.forecast import Forecast
from shared.domain.messages import Reason
from shared.domain.nightly import BillingPolicy, NightlyPolicy
from shared.domain.policy import SyncPolicy
from shared.domain.preview import Preview
from shared.domain.records import Hold
from shared.domain.ruling import Ruling
from shared.domain.undo_steps import Undone, UndoPlan


@dataclass(frozen=True, slots=True)
class Begun:
    """What a full sync did before its looks begin.

    `planned`: users handed over. `considered`: users put through the planner. `hold`: what a brake holds now, None:
    nothing. `halted`: a list was too short to be believed, nothing was handed over. `stale`: why a released code was
    not accepted, one sentence for each row that changed since; () when it was, or when none was given.
    """

    planned: int
    considered: int
    hold: Hold | None
    halted: bool
    stale: tuple[str, ...]
    forecast: Forecast


@dataclass(frozen=True, slots=True)
class Step:
    """One step of what happens to a user: "read", "scope", "match", "plan" or "write", and a sentence about it."""

    name: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a user's contact is, or will be, as it is: five steps in their order, and the rule behind every field.

    Nothing was written for it. `fields`: () where no contact is known or made.
    """

    user_label: str
    steps: tuple[Step, ...]
    fields: tuple[Ruling, ...] = ()


@dataclass(frozen=True, slots=True)
class Supposed:
    """What a decision that nobody made yet would change for one user: the plan `now`, and `then`.

    `contact`: the one that would then be the user's, None without one. `seen`: the contacts in question now, as a
    choice keeps them (`Chosen.candidates`).
    """

    user_label: str
    contact: Contact | None
    now: Plan
    then: Plan
    seen: str


class Passes(Protocol):
    """One full pass over one customer, and what else needs the worker's eyes."""

    async def preview(self, customer_id: int, policy: SyncPolicy | None = None) -> Preview:
        """By the customer's own rules, or by `policy` instead of them. must: write nothing, anywhere"""

    async def compare(self, customer_id: int, policy: SyncPolicy) -> tuple[Preview, Preview]:
        """By the customer's own rules, and by `policy`. must: plan both from one reading, and write nothing"""

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
        """Publish every user that differs.

        `release`: the approval code of what a brake holds, released only if it still is exactly that; the release is
        recorded as the decision of `by`. `first`: create at most so many contacts, the others wait for approval.
        must: start the run record first
        """

    async def explain(self, customer_id: int, user_id: str) -> Explanation:
        """must: write nothing, anywhere"""

    async def suppose(
        self, customer_id: int, user_id: str, *, contact_id: int | None = None, chosen: Chosen | None = None
    ) -> Supposed:
        """If this contact were the user's, or a person had chosen that for it. must: change nothing, anywhere"""

    async def billing(self, customer_id: int) -> BillingReport:
        """must: write nothing, anywhere"""

    async def clear(self, customer_id: int, code: str, by: str) -> int:
        """Clear the licence of the contacts that are billed without one, and give how many were.

        must: raise Permanent and write nothing unless the report's code still equals `code`
        """


class Undos(Protocol):
    """Taking writes back, one customer at a time. `chosen`: ids of journal entries."""

    async def plan(self, customer_id: int, chosen: Collection[int]) -> UndoPlan:
        """must: write nothing, anywhere"""

    async def undo(self, customer_id: int, chosen: Collection[int], code: str, by: str) -> Undone:
        """Pause the customer, and take back what the plan with this code showed and is still ours.

        must: raise Permanent "plan_changed" and write nothing for any other code
        must: be harmless when it is repeated, also after it was killed
        """


@dataclass(frozen=True, slots=True)
class OperatorPorts:
    """`data_dir` is where the contacts of a customer are saved before its first write; `public_url` may be "".

    `backfill_per_minute`: the pace of full syncs, in Syncro calls. `ledger_probe` returns when the ledger answers, and
    raises Transient or Permanent otherwise. `consent`: what consent links and their answers are made with. `rules`: the
    deployment's own, for customers that have none.
    """

    clock: ports.Clock
    publisher: ports.Publisher
    depths: ports.Depths
    pace: ports.Pace
    leases: ports.Leases
    directory: ports.Directory
    syncro_customers: ports.Customers
    connections: ports.Connections
    approvals: ports.Approvals
    links: ports.Links
    memory: ports.Memory
    owed: ports.OwedMarks
    journal: ports.JournalReads
    dead_letters: ports.DeadLetters
    conflicts: ports.Conflicts
    runs: ports.Runs
    holds: ports.Holds
    passes: Passes
    nightly: NightlyPolicy
    billing: BillingPolicy
    backfill_per_minute: int
    data_dir: Path
    public_url: str
    policies: ports.Policies
    polls: ports.Polls
    subscription_states: ports.SubscriptionStates
    invites: ports.Invites
    apart: ports.Apart
    organizations: ports.Organizations
    finder: ports.TenantFinder
    partner: ports.Partner
    door: ports.DoorProbe
    skews: ports.Skews
    account: ports.AccountReads
    contact_probe: ports.ContactProbe
    products: ports.Products
    ledger_probe: Callable[[], Awaitable[None]]
    credential: Callable[[], CredentialInfo]  # what proves us to Microsoft now: its file may be replaced
    consent: ConsentDesk
    rules: SyncPolicy
    replays: ports.Replays
    journal_search: ports.JournalSearch
    pins: ports.Pins
    choices: ports.Choices
    deeds: ports.Deeds
    notices: ports.Notices
    undos: Undos
    backups: ports.Backups
    channels: Sequence[ports.Channel]
