"""In-memory Entra, contacts and Syncro account. Every call is recorded; failures are queued up by tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

from shared.domain.changes import FieldChange
from shared.domain.contact import Contact
from shared.domain.errors import Ambiguous, SyncError
from shared.domain.plan import apply_to
from shared.domain.user import DirectoryUser, Missing, UserRead
from shared.ports import Allowance, Clock, Written


@dataclass
class FakeDirectory:
    """`people[tenant][id]` is what a read gives; an id that is not there is Missing. `reads`: (time, tenant, ids)."""

    clock: Clock
    people: dict[str, dict[str, UserRead]] = field(default_factory=dict)
    reads: list[tuple[float, str, tuple[str, ...]]] = field(default_factory=list)
    failures: list[SyncError] = field(default_factory=list)
    latency: float = 0.0  # seconds a call takes

    def put(self, tenant_id: str, user: UserRead) -> None:
        self.people.setdefault(tenant_id, {})[user.id] = user

    async def users(self, tenant_id: str, user_ids: Sequence[str]) -> dict[str, UserRead]:
        self.reads.append((self.clock.monotonic(), tenant_id, tuple(user_ids)))
        await self._answer()
        known = self.people.get(tenant_id, {})
        return {user_id: known.get(user_id, Missing(user_id)) for user_id in user_ids}

    async def listing(self, tenant_id: str) -> AsyncIterator[DirectoryUser]:
        await self._answer()
        for user in self._living(tenant_id):
            yield user

    async def claimants(self, tenant_id: str, address: str) -> Sequence[DirectoryUser]:
        await self._answer()
        wanted = address.casefold()
        return [
            user
            for user in self._living(tenant_id)
            if wanted in {(user.mail or "").casefold(), (user.user_principal_name or "").casefold()}
        ]

    async def prove(self, tenant_id: str) -> frozenset[str]:
        await self._answer()
        return frozenset({"User.Read.All"})

    def reads_of(self, user_id: str) -> list[float]:
        return [at for at, _, ids in self.reads if user_id in ids]

    def _living(self, tenant_id: str) -> list[DirectoryUser]:
        return [u for u in self.people.get(tenant_id, {}).values() if isinstance(u, DirectoryUser)]

    async def _answer(self) -> None:
        await asyncio.sleep(self.latency)
        if self.failures:
            raise self.failures.pop(0)


@dataclass(frozen=True, slots=True)
class Call:
    """One request that reached Syncro: "list", "get", "create" or "update", with a customer's or contact's id."""

    at: float
    verb: str
    id: int


@dataclass
class FakeContacts:
    """Syncro's contacts. `failures` answer the next calls of a verb; `swallow` are fields that never stick.

    `on_call` does something the moment a call of a verb arrives. A creation that fails as Ambiguous did happen,
    unless `lost_creations`. While there is an `outage`, every call ends in it.
    """

    clock: Clock
    held: dict[int, Contact] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    failures: dict[str, list[SyncError]] = field(default_factory=dict)
    on_call: dict[str, Callable[[], None]] = field(default_factory=dict)
    swallow: frozenset[str] = frozenset()
    lost_creations: bool = False
    outage: SyncError | None = None
    latency: float = 0.0  # seconds a call takes
    page: int = 100  # contacts a listing call gives

    def __post_init__(self) -> None:
        self._ids = count(9_001)

    def put(self, contact: Contact) -> Contact:
        self.held[contact.id] = contact
        return contact

    def of(self, customer_id: int) -> list[Contact]:
        return [contact for contact in self.held.values() if contact.customer_id == customer_id]

    def count(self, *verbs: str) -> int:
        return sum(call.verb in verbs for call in self.calls)

    async def listing(self, allowance: Allowance, customer_id: int) -> Sequence[Contact]:
        found = self.of(customer_id)
        for _ in range(max(1, -(-len(found) // self.page))):
            await self._call(allowance, "list", customer_id)
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
        return self._store(fresh, changes)

    def _store(self, contact: Contact, changes: Sequence[FieldChange]) -> Written:
        kept = [change for change in changes if change.field not in self.swallow]
        return Written(self.put(apply_to(contact, kept)), tuple(c.field for c in changes if c.field in self.swallow))

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
