"""In-memory Entra with its reports, and Syncro. Every call is recorded; failures are queued up by tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count

from shared.domain.changes import FieldChange
from shared.domain.contact import Contact, Customer
from shared.domain.errors import Ambiguous, Permanent, SyncError
from shared.domain.facts import Facts
from shared.domain.plan import apply_to
from shared.domain.tenant import SecureScore, TenantReading
from shared.domain.user import DirectoryUser, Missing, UserRead
from shared.ports import Allowance, Clock, CustomerWritten, Written


@dataclass
class FakeDirectory:
    """`people[tenant][id]` is what a read gives; an id that is not there is Missing. `reads`: (time, tenant, ids).

    `roles`: those of every token.
    """

    clock: Clock
    people: dict[str, dict[str, UserRead]] = field(default_factory=dict)
    reads: list[tuple[float, str, tuple[str, ...]]] = field(default_factory=list)
    failures: list[SyncError] = field(default_factory=list)
    latency: float = 0.0  # seconds a call takes
    roles: frozenset[str] = frozenset({"User.Read.All"})
    absent: dict[str, tuple[str, ...]] = field(default_factory=dict)  # tenant -> attributes that rules want in vain

    def put(self, tenant_id: str, user: UserRead) -> None:
        self.people.setdefault(tenant_id, {})[user.id] = user

    async def users(self, tenant_id: str, user_ids: Sequence[str]) -> dict[str, UserRead]:
        self.reads.append((self.clock.monotonic(), tenant_id, tuple(user_ids)))
        await self.answer()
        known = self.people.get(tenant_id, {})
        return {user_id: known.get(user_id, Missing(user_id)) for user_id in user_ids}

    async def listing(self, tenant_id: str) -> AsyncIterator[DirectoryUser]:
        await self.answer()
        for user in self.living(tenant_id):
            yield user

    async def claimants(self, tenant_id: str, address: str) -> Sequence[DirectoryUser]:
        await self.answer()
        wanted = address.casefold()
        return [
            user
            for user in self.living(tenant_id)
            if wanted in {(user.mail or "").casefold(), (user.user_principal_name or "").casefold()}
        ]

    async def prove(self, tenant_id: str) -> frozenset[str]:
        await self.answer()
        return self.roles

    async def lacking(self, tenant_id: str, also: Sequence[str] = ()) -> Sequence[str]:
        await self.answer()
        return self.absent.get(tenant_id, ())

    def reads_of(self, user_id: str) -> list[float]:
        return [at for at, _, ids in self.reads if user_id in ids]

    def living(self, tenant_id: str) -> list[DirectoryUser]:
        return [u for u in self.people.get(tenant_id, {}).values() if isinstance(u, DirectoryUser)]

    async def answer(self) -> None:
        await asyncio.sleep(self.latency)
        if self.failures:
            raise self.failures.pop(0)


@dataclass
class FakeReports:
    """A reading gives the directory's living users, save those in `hidden`, and what tests said about them.

    The directory's `failures` and `latency` hold for it as well. What is said about a user is `read_at` the moment a
    reading begins, unless `stale` says another. `read_tenants`: (monotonic seconds, tenant) of every reading.
    """

    clock: Clock
    directory: FakeDirectory
    told: dict[str, dict[str, Mapping[str, str | None]]] = field(default_factory=dict)
    premium: bool | None = True
    part_numbers: dict[str, str] = field(default_factory=dict)
    scores: dict[str, SecureScore] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    requests: int = 3
    hidden: set[str] = field(default_factory=set)
    stale: datetime | None = None
    read_tenants: list[tuple[float, str]] = field(default_factory=list)
    failures: list[SyncError] = field(default_factory=list)
    also: list[tuple[str, ...]] = field(default_factory=list)  # of every reading

    def tell(self, tenant_id: str, user_id: str, **texts: str | None) -> None:
        """Facts about one user from now on: mfa_status, mfa_methods, last_activity, why_unknown."""
        self.told.setdefault(tenant_id, {})[user_id] = texts

    async def read(self, tenant_id: str, also: Sequence[str] = ()) -> TenantReading:
        began = self.clock.now()
        self.also.append(tuple(also))
        self.read_tenants.append((self.clock.monotonic(), tenant_id))
        await self.directory.answer()
        if self.failures:
            raise self.failures.pop(0)
        users = tuple(user for user in self.directory.living(tenant_id) if user.id not in self.hidden)
        told = self.told.get(tenant_id, {})
        return TenantReading(
            tenant_id=tenant_id,
            began=began,
            users=users,
            facts={user.id: self._facts(began, told[user.id]) for user in users if user.id in told},
            premium=self.premium,
            part_numbers=self.part_numbers,
            secure_score=self.scores.get(tenant_id),
            unknown=self.unknown,
            requests=self.requests,
        )

    def _facts(self, began: datetime, texts: Mapping[str, str | None]) -> Facts:
        return Facts(self.stale or began, **texts)  # type: ignore[arg-type]  # names and texts are the test's


@dataclass(frozen=True, slots=True)
class Call:
    """One request that reached Syncro, with a customer's or contact's id.

    "list", "get", "create", "update", "attached" or "delete".
    """

    at: float
    verb: str
    id: int


@dataclass
class _FakeSyncro:
    """What contacts and customers share: `failures` answer the next calls of a verb, an `outage` all of them.

    `swallow` are fields that never stick. `on_call` does something the moment a call of a verb arrives.
    """

    clock: Clock
    calls: list[Call] = field(default_factory=list)
    failures: dict[str, list[SyncError]] = field(default_factory=dict)
    on_call: dict[str, Callable[[], None]] = field(default_factory=dict)
    swallow: frozenset[str] = frozenset()
    outage: SyncError | None = None
    latency: float = 0.0  # seconds a call takes
    page: int = 100  # records a listing call gives

    def count(self, *verbs: str) -> int:
        return sum(call.verb in verbs for call in self.calls)

    async def _pages(self, allowance: Allowance, target: int, records: int) -> None:
        for _ in range(max(1, -(-records // self.page))):
            await self._call(allowance, "list", target)

    def _kept(self, changes: Sequence[FieldChange]) -> list[FieldChange]:
        return [change for change in changes if change.field not in self.swallow]

    def _unstuck(self, changes: Sequence[FieldChange]) -> tuple[str, ...]:
        return tuple(change.field for change in changes if change.field in self.swallow)

    async def _call(self, allowance: Allowance, verb: str, target: int) -> None:
        await allowance.spend()
        self.calls.append(Call(self.clock.monotonic(), verb, target))
        if verb in self.on_call:
            self.on_call[verb]()
        await asyncio.sleep(self.latency)
        if self.outage:
            raise self.outage
        if self.failures.get(verb):
            raise self.failures[verb].pop(0)


@dataclass
class FakeContacts(_FakeSyncro):
    """Syncro's contacts. A creation that fails as Ambiguous did happen, unless `lost_creations`."""

    held: dict[int, Contact] = field(default_factory=dict)
    lost_creations: bool = False
    hangs: dict[int, frozenset[str]] = field(default_factory=dict)  # contact id -> what hangs on it

    def __post_init__(self) -> None:
        self._ids = count(9_001)

    def put(self, contact: Contact) -> Contact:
        self.held[contact.id] = contact
        return contact

    def of(self, customer_id: int) -> list[Contact]:
        return [contact for contact in self.held.values() if contact.customer_id == customer_id]

    async def listing(self, allowance: Allowance, customer_id: int) -> Sequence[Contact]:
        await self._pages(allowance, customer_id, len(self.of(customer_id)))
        return self.of(customer_id)

    async def get(self, allowance: Allowance, contact_id: int) -> Contact | None:
        await self._call(allowance, "get", contact_id)
        return self.held.get(contact_id)

    async def create(self, allowance: Allowance, customer_id: int, changes: Sequence[FieldChange]) -> Written:
        try:
            await self._call(allowance, "create", customer_id)
        except Ambiguous:
            if not self.lost_creations:
                self._store(Contact(next(self._ids), customer_id), changes)
            raise
        return self._store(Contact(next(self._ids), customer_id), changes)

    async def update(self, allowance: Allowance, fresh: Contact, changes: Sequence[FieldChange]) -> Written:
        await self._call(allowance, "update", fresh.id)
        if fresh.id not in self.held:
            raise Permanent("syncro", "not_found")
        return self._store(fresh, changes)

    async def attached(
        self, allowance: Allowance, customer_id: int, contacts: Sequence[Contact]
    ) -> Mapping[int, frozenset[str]]:
        await self._call(allowance, "attached", customer_id)
        return {contact.id: self.hangs[contact.id] for contact in contacts if contact.id in self.hangs}

    async def delete(self, allowance: Allowance, contact_id: int) -> None:
        await self._call(allowance, "delete", contact_id)
        self.held.pop(contact_id, None)

    def _store(self, contact: Contact, changes: Sequence[FieldChange]) -> Written:
        return Written(self.put(apply_to(contact, self._kept(changes))), self._unstuck(changes))


@dataclass
class FakeCustomers(_FakeSyncro):
    """Syncro's customers. A listing counts as a call on customer 0."""

    held: dict[int, Customer] = field(default_factory=dict)

    def put(self, customer: Customer) -> Customer:
        self.held[customer.id] = customer
        return customer

    async def listing(self, allowance: Allowance) -> Sequence[Customer]:
        await self._pages(allowance, 0, len(self.held))
        return list(self.held.values())

    async def get(self, allowance: Allowance, customer_id: int) -> Customer | None:
        await self._call(allowance, "get", customer_id)
        return self.held.get(customer_id)

    async def update(self, allowance: Allowance, fresh: Customer, changes: Sequence[FieldChange]) -> CustomerWritten:
        await self._call(allowance, "update", fresh.id)
        values = {change.field: change.after for change in self._kept(changes)}
        stored = self.put(replace(fresh, properties={**fresh.properties, **values}))
        return CustomerWritten(stored, self._unstuck(changes))


@dataclass
class FakeAccount:
    """`failures` answer the next probes; an `outage` answers all of them."""

    clock: Clock
    failures: list[SyncError] = field(default_factory=list)
    outage: SyncError | None = None
    probes: list[float] = field(default_factory=list)

    async def whoami(self, allowance: Allowance) -> str:
        await allowance.spend()
        self.probes.append(self.clock.monotonic())
        if self.outage:
            raise self.outage
        if self.failures:
            raise self.failures.pop(0)
        return "acme"
