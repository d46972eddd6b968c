"""Every port on one page: what the rooms may ask of the outside world, in our types and our three error families.

Each method carries its "must / may" lines; the contract suites in `tests/contract/` repeat them word for word and
run over every adapter. Adapters live in `shared/adapters/`, and only `shared/runtime/wiring.py` builds them. All
methods may raise `Transient`, `Permanent` or `StopTheLine`, nothing else.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from shared.domain.changes import Conflict, FieldChange
from shared.domain.contact import Contact, Customer
from shared.domain.desk import Chosen, Deed, JournalFilter, LetterCount, LetterFilter, Notice, Pin, Replay, ReplayState
from shared.domain.door import DoorAnswer
from shared.domain.messages import DeadLettered, Lane, SubscriptionTouched, Unreadable, UsersTouched
from shared.domain.notice_letters import NoticeLetter, Purpose
from shared.domain.onboarding import Invite, Organization, PartnerCustomer, WithoutEntra
from shared.domain.policy import SyncPolicy
from shared.domain.protections import Protection
from shared.domain.records import (
    Approval,
    Connection,
    ConnectionStatus,
    DeadLetter,
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
from shared.domain.tenant import TenantReading
from shared.domain.user import DirectoryUser, UserRead
from shared.domain.watching import Coverage, Poll, SubscriptionState

AnyMessage = UsersTouched | SubscriptionTouched | DeadLettered


class Clock(Protocol):
    """Wall time for what is recorded, monotonic time for what is awaited."""

    def now(self) -> datetime: ...  # aware, UTC
    def monotonic(self) -> float: ...  # seconds, never steps back


# --- the broker -----------------------------------------------------------------------------------------------


class Publisher(Protocol):
    async def publish(self, message: AnyMessage, lane: Lane, *, delay: float = 0.0) -> None:
        """Hand a message over.

        must: return only after the message is safe against the death of every process
        must: raise Transient when that cannot be said, within 1.6 s
        must: not deliver before `delay` seconds have passed
        may: deliver a message more than once
        may: deliver in any order
        """


class Delivery(Protocol):
    """One message in the hands of one consumer."""

    @property
    def message(self) -> AnyMessage | Unreadable: ...

    @property
    def lane(self) -> Lane: ...

    async def ack(self) -> None:
        """must: end the message for good; a second ack is harmless"""

    async def release(self) -> None:
        """must: give the message back at once, for any consumer"""


class Inbox(Protocol):
    def deliveries(self, lane: Lane, *, prefetch: int) -> AbstractAsyncContextManager[AsyncIterator[Delivery]]:
        """Take messages of one lane.

        must: hold at most `prefetch` deliveries that are neither acked nor released
        must: never give one message to two consumers at once while the first is alive
        must: deliver again what a dead consumer held, within 60 s
        must: on leaving the context, give back what was neither acked nor released
        must: give unreadable bytes as Unreadable, and never stop because of them
        """


class Depths(Protocol):
    async def depths(self) -> Mapping[Lane, int]:
        """must: count what waits or is delayed or is held, per lane"""


# --- coordination ---------------------------------------------------------------------------------------------


class Lease(Protocol):
    def ensure(self, seconds: float = 0.0) -> None:
        """Ask right before a write. must: raise Transient unless `seconds` remain, by the monotonic clock"""


LEASE_TAKEN = "lease_taken"  # the code of what `hold` raises when somebody else has the key, as opposed to any outage


class Leases(Protocol):
    def hold(
        self, key: str, *, ttl: float, wait: float = 0.0, lane: Lane = Lane.LIVE
    ) -> AbstractAsyncContextManager[Lease]:
        """One holder per key over all processes.

        must: give a key to one owner at a time until its ttl (seconds) ran out or it was released
        must: release only by the owner that holds it
        must: raise Transient(counted=False) when the key is not free within `wait` seconds
        must: let a live request go before every backfill request that waits at the same time
        must: not renew by itself; a frozen holder loses the key
        """


class Allowance(Protocol):
    """Some Syncro calls that may be made now. Every Syncro adapter method takes one and spends from it."""

    async def spend(self) -> None:
        """Count one call; wait for a new slot if this one grew older than 1 s. Call right before the request."""

    @property
    def spent(self) -> int:
        """Calls made so far under this allowance."""


class Pace(Protocol):
    def reserve(
        self, calls: int, lane: Lane = Lane.LIVE, *, wait: float = 60.0
    ) -> AbstractAsyncContextManager[Allowance]:
        """Reserve calls to Syncro against the pace that all processes share (GCRA).

        must: never grant more than pace plus burst in any 60 s, over all processes
        must: keep half the burst for the live lane, and the backfill lane within its own lower pace
        must: give unspent calls back on leaving the context
        must: raise Transient(counted=False) when nothing is granted within `wait` seconds
        must: treat a missing record as "burst spent"
        """

    async def refused(self) -> None:
        """Syncro said "too many". must: halve the pace for 10 minutes, for every process"""


class Memory(Protocol):
    """Small facts that may be lost at any moment and are then rebuilt: watermarks, fingerprints, caches."""

    async def recall(self, key: str) -> str | None:
        """must: give the last remembered value until its ttl; may: forget it earlier"""

    async def remember(self, key: str, value: str, *, ttl: float) -> None: ...


# --- Microsoft ------------------------------------------------------------------------------------------------


class Directory(Protocol):
    async def users(self, tenant_id: str, user_ids: Sequence[str]) -> Mapping[str, UserRead]:
        """Fresh reads, 20 a call.

        must: answer for every id asked, or raise
        must: look into deletedItems before calling a user Missing
        """

    def listing(self, tenant_id: str) -> AsyncIterator[DirectoryUser]:
        """must: give every user once, or raise; never end early as if it were complete"""

    async def claimants(self, tenant_id: str, address: str) -> Sequence[DirectoryUser]:
        """must: give every user whose mail or user principal name equals the address, case-insensitive"""

    async def prove(self, tenant_id: str) -> frozenset[str]:
        """Acquire a token and name the application roles in it. must: raise StopTheLine(tenant) without consent"""

    async def lacking(self, tenant_id: str, also: Sequence[str] = ()) -> Sequence[str]:
        """Directory extensions that the rules of the tenant's customers (and `also`) ask for and that it does not have.

        must: cost no call where no rule asks for any
        must: read every user all the same, with what the tenant has
        """


class Groups(Protocol):
    """Who is a member of Entra groups, through nested groups too.

    must: raise StopTheLine(tenant) "permission_missing" or "forbidden" where the tenant does not let us see groups
    """

    async def members(self, tenant_id: str, group_ids: Sequence[str]) -> Mapping[str, frozenset[str]]:
        """Group id -> ids of the users in it, for a full reading.

        must: give every member, or raise; never end early as if it were complete
        must: leave out a group that the tenant does not have
        """

    async def of_users(
        self, tenant_id: str, user_ids: Sequence[str], group_ids: Sequence[str]
    ) -> Mapping[str, frozenset[str]]:
        """User id -> those of the groups it is in, 20 users a call.

        must: answer for every id asked, or raise; a user or a group that is not there has no membership
        """


class Organizations(Protocol):
    async def organization(self, tenant_id: str) -> Organization:
        """What the tenant says of itself, by a token of that tenant. must: raise StopTheLine(tenant) without consent"""


class TenantFinder(Protocol):
    async def tenant_of(self, domain: str) -> str | None:
        """The tenant that holds a domain, without any consent.

        must: give None only when Microsoft says that no tenant holds it
        """


RESYNC = "resync_required"  # the code of what `since` raises when a link is void: only a full pass tells what it missed


class UserChanges(Protocol):
    """Which users changed, by Graph's delta query."""

    async def now(self, tenant_id: str) -> str:
        """A link from which on changes are told. must: cost one request, however many users there are"""

    async def since(self, tenant_id: str, link: str) -> ChangedUsers:
        """must: give every user that changed once, or raise; never end early as if it were complete
        must: raise Transient "resync_required" when the link is void
        may: tell of users that did not change, and again of those of an earlier round
        """


@dataclass(frozen=True, slots=True)
class ChangedUsers:
    """`link`: where the next round begins. `requests`: how many pages it took."""

    user_ids: tuple[str, ...]
    link: str
    requests: int


class Products(Protocol):
    async def has_premium(self, tenant_id: str) -> bool | None:
        """Whether the tenant holds Entra ID P1 or P2. must: give None when a permission to tell is missing"""


class Partner(Protocol):
    """The partner relationship (GDAP) of the managed service provider, in the name of a person who signs in."""

    async def sign_in(self, tell: Callable[[str, str], None]) -> str:
        """Let a person sign in elsewhere: `tell(address, code)` is called once. Gives the person's name.

        must: end within 15 minutes; raise Permanent "sign_in_declined" or "sign_in_expired"
        """

    async def customers(self) -> Sequence[PartnerCustomer]:
        """Tenants under a relationship, after `sign_in`."""

    async def consent(self, tenant_id: str, roles: Sequence[str]) -> frozenset[str]:
        """Make the tenant know our application and grant it these roles; gives those it has now.

        must: be harmless when some or all are granted already
        must: raise Permanent "no_relationship" for a tenant outside every relationship
        """


class DoorProbe(Protocol):
    async def knock(self, url: str) -> DoorAnswer:
        """Play Microsoft's handshake against our own address. must: never raise; end within 12 s"""


class Skews(Protocol):
    def skews(self) -> Mapping[str, float]:
        """Service -> seconds by which this machine's clock is ahead of the service's, as its last answer told."""


class TenantReports(Protocol):
    async def read(self, tenant_id: str, also: Sequence[str] = ()) -> TenantReading:
        """Everything that a full run wants of one tenant, with the least requests.

        `also`: directory extensions to read besides those that the rules of its customers ask for.

        must: give every user once, or raise; never end early as if it were complete
        must: leave unknown what a report could not say, with its reason, and go on
        must: never take a refusal for "no": not for "no MFA", "no activity" or "no Entra ID P1"
        may: wait for minutes where Graph limits the requests
        """


@dataclass(frozen=True, slots=True)
class Subscription:
    """A Graph subscription as the service reports it. `resource` without leading slash, lower case."""

    id: str
    resource: str
    change_type: str
    notification_url: str
    lifecycle_url: str | None
    expires_at: datetime


class SubscriptionReads(Protocol):
    async def get(self, tenant_id: str, subscription_id: str) -> Subscription | None:
        """must: give None for one that is unknown or expired"""

    async def list(self, tenant_id: str) -> Sequence[Subscription]:
        """may: omit some (seen in 2019); trust `get` by id"""


@dataclass(frozen=True, slots=True)
class AlreadyExists:
    """Graph's 409: this very combination lives under `subscription_id` (maybe an orphan of ours)."""

    subscription_id: str


class SubscriptionWrites(Protocol):
    async def create(self, tenant_id: str, wish: SubscriptionWish) -> Subscription | AlreadyExists:
        """must: never block the event loop: the service calls our handshake while this waits"""

    async def renew(self, tenant_id: str, subscription_id: str, expires_at: datetime) -> Subscription | None:
        """must: give None when it is gone (then create anew)"""

    async def delete(self, tenant_id: str, subscription_id: str) -> None:
        """must: be content when it is gone already"""


@dataclass(frozen=True, slots=True)
class SubscriptionWish:
    notification_url: str
    lifecycle_url: str
    client_state: str
    expires_at: datetime
    change_type: str = "updated,deleted"  # `created` alone is a silent dead subscription
    resource: str = "users"


# --- Syncro ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Written:
    """A write's answer: the record as Syncro has it now, and the fields in which it differs from what was sent."""

    contact: Contact
    unstuck: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CustomerWritten:
    """The same for a customer."""

    customer: Customer
    unstuck: tuple[str, ...]


class Contacts(Protocol):
    async def listing(self, allowance: Allowance, customer_id: int) -> Sequence[Contact]:
        """All contacts of one customer.

        must: collect by id and read again until the unique ids equal total_entries, else raise Transient
        """

    async def get(self, allowance: Allowance, contact_id: int) -> Contact | None:
        """must: give None only for a 404"""

    async def create(self, allowance: Allowance, customer_id: int, changes: Sequence[FieldChange]) -> Written:
        """must: raise Ambiguous when the request went out and no readable answer came back"""

    async def update(self, allowance: Allowance, fresh: Contact, changes: Sequence[FieldChange]) -> Written:
        """must: send the name and the whole properties of `fresh` with the changes laid over"""

    async def attached(
        self, allowance: Allowance, customer_id: int, contacts: Sequence[Contact]
    ) -> Mapping[int, frozenset[str]]:
        """Contact id -> what hangs on it: "ticket", "asset", "portal login"; of a few contacts or of many at once.

        must: raise StopTheLine "permission" rather than leave out what the token may not see
        """

    async def delete(self, allowance: Allowance, contact_id: int) -> None:
        """For good. Ask first what is `attached`: nobody knows what Syncro does to it.

        must: be content when it is gone already
        must: raise Ambiguous when the request went out and no readable answer came back
        """


class Customers(Protocol):
    async def listing(self, allowance: Allowance) -> Sequence[Customer]:
        """All customers the token may see. may: be a subset of the account (a limited token sees fewer, silently)"""

    async def get(self, allowance: Allowance, customer_id: int) -> Customer | None: ...

    async def update(self, allowance: Allowance, fresh: Customer, changes: Sequence[FieldChange]) -> CustomerWritten:
        """Custom fields of the customer.

        must: send the whole properties of `fresh` with the changes laid over
        """


@dataclass(frozen=True, slots=True)
class TokenOwner:
    """Whose API token it is: when this person is deactivated in Syncro, everything stops."""

    subdomain: str
    user_name: str
    is_admin: bool


@dataclass(frozen=True, slots=True)
class FieldDefinition:
    """A custom field of customers. `answers`: the choices of a drop-down, () for any other kind."""

    name: str
    field_type: str
    answers: tuple[str, ...] = ()


class AccountReads(Protocol):
    """What the doctor asks of a Syncro account. Contact fields have no definition anywhere in the API."""

    async def owner(self, allowance: Allowance) -> TokenOwner:
        """must: never keep the answer's body (it holds a secret)"""

    async def customer_fields(self, allowance: Allowance) -> Sequence[FieldDefinition]: ...

    async def some_contacts(self, allowance: Allowance) -> Sequence[Contact]:
        """One page of contacts of any customer."""

    async def may_edit(self, allowance: Allowance) -> bool | None:
        """By a write to a contact that cannot exist. must: change nothing; give None when the answer does not tell"""


class ContactProbe(Protocol):
    """Bare writes to one contact, for the doctor alone: what an account does with custom fields is learnt by them."""

    async def get(self, allowance: Allowance, contact_id: int) -> Contact | None:
        """must: give None only for a 404"""

    async def put(
        self, allowance: Allowance, contact_id: int, plain: Mapping[str, str], properties: Mapping[str, str]
    ) -> None:
        """must: send exactly these plain fields and these custom fields"""


class Account(Protocol):
    async def whoami(self, allowance: Allowance) -> str:
        """The account's subdomain; proves the token. must: never keep the answer's body (it holds a secret)"""


# --- notices: how people are told -----------------------------------------------------------------------------


class Channel(Protocol):
    """One way by which letters reach people. `name` is a static word."""

    @property
    def name(self) -> str: ...

    def wants(self, purpose: Purpose) -> bool:
        """Is this kind of letter for this channel at all?"""

    async def send(self, letter: NoticeLetter) -> None:
        """must: return only after the other side took the letter
        must: end within 60 s, and raise Transient or Permanent, nothing else
        must: raise Ambiguous when the whole letter went out and no answer came back
        must: put no address, no secret and no text of the other side's into an error
        """


class Beacon(Protocol):
    async def beat(self) -> None:
        """Tell somebody else's watch that we are alive. must: end within 60 s, and raise Transient or Permanent"""


# --- the ledger (SQL): what people decided and what we did ----------------------------------------------------


class Connections(Protocol):
    """Which Syncro customer belongs to which tenant, and what people allowed."""

    async def save(self, connection: Connection) -> None: ...

    async def change(self, connection: Connection, was: Connection | None) -> bool:
        """Save what was decided by what was read, `was`; None: that there was none.

        must: give False and change nothing when somebody decided otherwise meanwhile (another `changed_at`)
        """

    async def get(self, customer_id: int) -> Connection | None: ...
    async def of_tenant(self, tenant_id: str) -> Sequence[Connection]: ...
    async def list(self, status: ConnectionStatus | None = None) -> Sequence[Connection]: ...


class Invites(Protocol):
    """Consents that are asked for. `nonce` is what makes an answer single-use."""

    async def open(self, invite: Invite) -> None:
        """must: replace the customer's earlier open or consented one"""

    async def take(self, nonce: str, at: datetime) -> Invite | None:
        """must: give it to one caller only, while it is open and not expired at `at`; None to everybody else"""

    async def settle(self, invite: Invite) -> None:
        """Store state, answered_by, code, missing and settled_at of this nonce. must: leave a replaced one replaced"""

    async def get(self, nonce: str) -> Invite | None: ...

    async def of_customer(self, customer_id: int) -> Invite | None:
        """The customer's newest that was not replaced."""

    async def newest(self) -> Mapping[int, Invite]:
        """Customer id -> its newest invite that was not replaced."""


class Apart(Protocol):
    """Customers that a person said have no Entra tenant."""

    async def add(self, customer: WithoutEntra) -> None: ...
    async def remove(self, customer_id: int) -> None: ...
    async def all(self) -> Sequence[WithoutEntra]: ...


class SubscriptionStates(Protocol):
    """How each tenant's subscription stands, for people; the registrar trusts Graph, never this."""

    async def save(self, state: SubscriptionState) -> None: ...
    async def forget(self, tenant_id: str) -> None: ...
    async def all(self) -> Mapping[str, SubscriptionState]:
        """By tenant id."""


class Polls(Protocol):
    """How each tenant's delta polls stand, and what they found."""

    async def save(self, poll: Poll) -> None:
        """must: be durable when it returns; the link moves on only by this"""

    async def all(self) -> Mapping[str, Poll]:
        """By tenant id."""

    async def forget(self, tenant_id: str) -> None:
        """must: leave what was counted; be content when nothing is kept"""

    async def judged(self, tenant_id: str, hour: datetime, found: int, announced: int) -> None:
        """must: add to what was counted for the same hour"""

    async def coverage(self, since: datetime) -> Mapping[str, Coverage]:
        """Sums by tenant id, of hours that began at `since` or later."""


class Policies(Protocol):
    async def policy(self, customer_id: int) -> SyncPolicy:
        """must: give the default policy when none was saved

        may: take the deployment's own rules for the default
        """

    async def save_policy(self, customer_id: int, policy: SyncPolicy) -> None: ...


class Proposals(Protocol):
    """Previews, and a person's yes to the latest of them."""

    async def propose(self, approval: Approval) -> None:
        """must: replace the customer's earlier open proposal, never an approved row"""

    async def latest(self, customer_id: int) -> Approval | None: ...

    async def approve(self, customer_id: int, digest: str, by: str, at: datetime) -> Approval:
        """Let the rows of the latest proposal be carried out.

        must: refuse (Permanent "digest_mismatch") a digest that is not the latest proposal's
        must: retire the customer's earlier rows, also of users whom this proposal does not name
        """


class ApprovedRows(Protocol):
    """What a person said yes to, until it is carried out."""

    async def approved_row(self, customer_id: int, user_id: str) -> str | None:
        """The row digest that a person approved and that is still to be carried out, else None."""

    async def settle_row(self, customer_id: int, user_id: str) -> None:
        """must: let later changes of this user pass as ordinary ones"""

    async def pending(self, customer_id: int) -> int:
        """must: count the rows that were approved and are not carried out yet"""


class Approvals(Proposals, ApprovedRows, Protocol):
    """Both, as one store keeps them."""


class Links(Protocol):
    """Which contact belongs to which Entra user. One contact has one user, one user one contact per customer."""

    async def link(self, link: Link) -> None:
        """must: refuse (Permanent "linked_elsewhere") a contact that another user holds"""

    async def of_user(self, customer_id: int, user_id: str) -> Link | None: ...
    async def of_customer(self, customer_id: int) -> Sequence[Link]: ...
    async def unlink(self, customer_id: int, user_id: str) -> None: ...


class OwedMarks(Protocol):
    async def mark(self, customer_id: int, reason: str, at: datetime) -> int:
        """must: raise the customer's generation by one and give it"""

    async def owed(self) -> Sequence[Owed]: ...

    async def clear(self, customer_id: int, generation: int) -> bool:
        """must: clear only if no mark came after `generation`"""


class JournalWrites(Protocol):
    """Every write, before it is sent."""

    async def intend(self, entry: JournalEntry) -> int:
        """must: return only after the entry is durable; the write comes after it"""

    async def settle(
        self,
        entry_id: int,
        state: WriteState,
        *,
        at: datetime,
        contact_id: int | None = None,
        unstuck: Sequence[str] = (),
    ) -> None: ...


class JournalReads(Protocol):
    """What we wrote, or may have written."""

    async def open_creation(self, customer_id: int, user_id: str) -> JournalEntry | None:
        """The newest creation for this user whose end is not known (intended or ambiguous)."""

    async def entries(
        self, *, customer_id: int | None = None, user_id: str | None = None, limit: int = 100
    ) -> Sequence[JournalEntry]:
        """Newest first."""

    async def created(self, customer_id: int, *, user_id: str | None = None) -> Mapping[int, str]:
        """must: give every contact that we made for the customer, contact id -> user id; those of one user alone"""

    async def outside_passes(self, customer_id: int, since: datetime, *, or_in: str | None) -> Sequence[JournalEntry]:
        """Newest first. Looks that a full pass asked for carry its run as their trace, all others a trace of their own.

        must: give all entries intended at `since` or later that no full pass asked for, or that the run `or_in` did
        must: leave out what takes a write back
        """

    async def delays(self, since: datetime) -> Sequence[Delay]:
        """must: give every entry written at `since` or later whose hint was noticed, notifications and polls alone"""


class Journal(JournalWrites, JournalReads, Protocol):
    """Both, as one store keeps them."""


class DeadLetters(Protocol):
    async def record(self, letter: DeadLettered) -> None:
        """must: be harmless when the same letter_id comes twice

        must: open a replayed letter again that failed again (its newer `last_seen`), and count nothing else
        must: open a letter again that a replay skipped and that failed after that
        must: open it, whatever the clocks say, when the failure is of the replay that tried it (its run_id)
        """

    async def list(self, *, status: str | None = "open", limit: int = 100) -> Sequence[DeadLetter]: ...
    async def get(self, letter_id: str) -> DeadLetter | None: ...

    async def settle(self, letter_id: str, status: str, at: datetime, *, by: str = "", why: str = "") -> bool:
        """must: give False when it was settled already (two operators, one replay)"""

    async def find(self, wanted: LetterFilter, *, limit: int = 10_000) -> Sequence[DeadLetter]:
        """The latest failure first. must: change nothing, however often it is asked"""

    async def counts(self) -> Sequence[LetterCount]:
        """The open ones by service, cause and tenant. must: read no bodies"""


class Replays(Protocol):
    """Jobs that try failed changes again."""

    async def begin(self, replay: Replay, letter_ids: Sequence[str]) -> int:
        """Claim the letters, open or parked, for this job, and give how many it has: all of them, or 0.

        must: let one job at a time have a letter (atomic: two operators, one group)
        must: claim every letter, or none and then keep no job
        """

    async def claimed(self, replay_id: str, limit: int) -> Sequence[DeadLetter]:
        """Letters of the job that were not handed over yet. must: give them in an order that stays"""

    async def advance(self, replay_id: str, letter_id: str, status: str, at: datetime, *, why: str = "") -> None:
        """One letter is "replayed", "parked" or, skipped, "discarded".

        must: count it once, however often it is told
        must: leave a letter open that failed again meanwhile
        """

    async def finish(self, replay_id: str, at: datetime, state: ReplayState) -> bool:
        """False: it had ended before, or is unknown. must: open again what the job had claimed and not handed over"""

    async def get(self, replay_id: str) -> Replay | None: ...
    async def running(self) -> Sequence[Replay]:
        """must: give every job that has not ended, the oldest first, however many came after it"""

    async def recent(self, limit: int = 20) -> Sequence[Replay]:
        """Newest first."""


class JournalSearch(Protocol):
    async def search(self, wanted: JournalFilter, limit: int = 100) -> Sequence[JournalEntry]:
        """Newest first."""

    async def get(self, entry_id: int) -> JournalEntry | None: ...


class Pins(Protocol):
    """Contacts that nobody's change may write, by a person's word (besides the text in the contact's own field)."""

    async def pin(self, pin: Pin) -> None:
        """must: replace an earlier pin of the contact"""

    async def unpin(self, customer_id: int, contact_id: int) -> bool:
        """must: give False when there was none"""

    async def of_customer(self, customer_id: int) -> Sequence[Pin]:
        """Also those that hold no more."""

    async def all(self) -> Sequence[Pin]: ...


class Choices(Protocol):
    """What people chose for users whose contact is not certain."""

    async def choose(self, chosen: Chosen) -> None:
        """must: replace an earlier choice for the user"""

    async def of_customer(self, customer_id: int) -> Mapping[str, Chosen]:
        """By user id."""

    async def forget(self, customer_id: int, user_id: str) -> None: ...


class Deeds(Protocol):
    """What operators did."""

    async def note(self, deed: Deed) -> None: ...
    async def recent(self, *, customer_id: int | None = None, limit: int = 100) -> Sequence[Deed]:
        """Newest first."""


class Notices(Protocol):
    async def open(self, notice: Notice) -> bool:
        """must: give False and keep the first when one with this key is open"""

    async def told(self, key: str, at: datetime, channel: str, *, unsure: bool = False) -> None:
        """`unsure`: it was sent, and the answer was lost.

        must: keep the moment of the first channel, and name every channel once
        must: lose no channel when two are told at once
        """

    async def restate(self, key: str, sentence: str) -> None:
        """What stands is said in other words now."""

    async def openings(self, since: datetime) -> Mapping[str, int]:
        """Key -> how often a notice with it was opened since then, those that are over among them."""

    async def clear(self, key: str, at: datetime) -> None: ...
    async def standing(self) -> Sequence[Notice]:
        """The open ones, oldest first."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """`rows`: by table. `before`: where the ledger that had to go was saved, None when it was empty.

    `full_syncs`: approved customers, each owed one. `protections`: what the ledger had and the backup had not.
    """

    rows: Mapping[str, int]
    before: Path | None
    full_syncs: int
    protections: tuple[Protection, ...] = ()


class Backups(Protocol):
    """The whole ledger as one file, and back."""

    async def save(self, path: Path) -> Mapping[str, int]:
        """Rows saved, by table.

        must: be one snapshot, also while others write
        must: refuse (Permanent "backup_exists") a name that is taken, and leave nothing behind when it fails
        must: let nobody else read the file
        """

    async def load(self, path: Path, deed: Deed, *, before: Path | None = None, as_it_was: bool = False) -> Loaded:
        """Put the backup in the ledger's place. `before`: a new name under which to save what the ledger holds.

        must: refuse (Permanent "ledger_not_empty") a ledger that holds something, unless `before` says where to save it
        must: refuse (Transient "ledger_in_use") while another process has the ledger open
        must: keep everybody else out (Transient "ledger_restoring") until it is over
        must: refuse (Permanent "backup_newer") a backup of a newer release, and bring an older one up to date
        must: refuse (Permanent "ledger_newer") to take the place of a ledger that a newer release made
        must: change nothing, or all of it, and never the backup
        must: owe every approved customer a full sync and note `deed`, in the same step
        must: lay what protects over it (`shared.domain.restoring`), unless it is to be `as_it_was`
        """


class Conflicts(Protocol):
    async def open(self, conflict: Conflict, at: datetime) -> None:
        """must: keep first_seen when the conflict is known"""

    async def close(self, customer_id: int, user_id: str) -> None: ...
    async def list(self, customer_id: int | None = None) -> Sequence[OpenConflict]: ...


class RunWrites(Protocol):
    """A pass over a customer as it goes."""

    async def start(self, run: Run) -> None:
        """must: started again, take over everything but the time it started and its outcomes"""

    async def outcome(
        self, run_id: str, user_id: str, outcome: str, at: datetime, *, calls: int = 0, writes: int = 0
    ) -> None:
        """must: keep one outcome per user, the newest, and add up calls and writes of all of them"""

    async def finish(self, run_id: str, at: datetime, state: RunState = RunState.DONE) -> None:
        """must: never turn a run that was halted or failed into one that is done"""


class RunReads(Protocol):
    """Passes, and what became of their users."""

    async def get(self, run_id: str) -> Run | None: ...

    async def recent(self, customer_id: int | None = None, limit: int = 20) -> Sequence[Run]:
        """Newest first; those of every customer with None."""

    async def outcomes(self, run_id: str) -> Mapping[str, str]:
        """User id -> the newest outcome in that run. must: know them also where the run was never started"""

    async def full(self) -> Mapping[int, LastFull]:
        """Customer id -> its newest full runs. must: leave out runs that are still reading or that failed"""


class Runs(RunWrites, RunReads, Protocol):
    """Both, as one store keeps them."""


class Holds(Protocol):
    """What the brakes hold, and what people said about it."""

    async def open(self, hold: Hold) -> None:
        """must: lift the customer's earlier open hold; the same code again keeps held_at and renews expires_at"""

    async def of_customer(self, customer_id: int) -> Hold | None:
        """The open one."""

    async def list(self, *, code: str | None = None, state: HoldState | None = HoldState.OPEN) -> Sequence[Hold]:
        """Newest first; of every state with None."""

    async def settle(self, customer_id: int, code: str, state: HoldState, by: str, at: datetime) -> bool:
        """must: give False when it is not open any more (two operators, one hold)"""


class Sizes(Protocol):
    """How long a customer's lists were when they were last believed."""

    async def last(self, customer_id: int) -> ListSizes | None: ...
    async def save(self, sizes: ListSizes) -> None: ...
