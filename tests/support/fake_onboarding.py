"""What connecting customers asks of the outside, in memory: organizations, domains, a partner, a door, an account."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from shared.domain.contact import Contact
from shared.domain.door import DoorAnswer, DoorFault
from shared.domain.errors import Permanent, Scope, StopTheLine, SyncError
from shared.domain.onboarding import Organization, PartnerCustomer
from shared.ports import Allowance, FieldDefinition, TokenOwner

GOOD = DoorAnswer(DoorFault.NONE, 200, 0.1)
TERRY = TokenOwner("acme", "Terry Technician", is_admin=True)


@dataclass
class FakeOrganizations:
    """`known`: tenant -> what it says of itself; any other has not consented."""

    known: dict[str, Organization] = field(default_factory=dict)

    async def organization(self, tenant_id: str) -> Organization:
        if tenant_id not in self.known:
            raise StopTheLine("login", "consent_missing", scope=Scope.TENANT)
        return self.known[tenant_id]


@dataclass
class FakeFinder:
    """`tenants`: domain -> tenant."""

    tenants: dict[str, str] = field(default_factory=dict)
    failure: SyncError | None = None
    asked: list[str] = field(default_factory=list)

    async def tenant_of(self, domain: str) -> str | None:
        self.asked.append(domain)
        if self.failure is not None:
            raise self.failure
        return self.tenants.get(domain)


@dataclass
class FakePartner:
    """`granted`: tenant -> roles. A tenant outside `related` has no relationship."""

    related: list[PartnerCustomer] = field(default_factory=list)
    granted: dict[str, frozenset[str]] = field(default_factory=dict)
    failures: dict[str, SyncError] = field(default_factory=dict)

    async def sign_in(self, tell: Callable[[str, str], None]) -> str:
        tell("https://login.example/device", "ABCD-EFGH")
        return "Pat Partner"

    async def customers(self) -> Sequence[PartnerCustomer]:
        return list(self.related)

    async def consent(self, tenant_id: str, roles: Sequence[str]) -> frozenset[str]:
        if tenant_id in self.failures:
            raise self.failures[tenant_id]
        if tenant_id not in {each.tenant_id for each in self.related}:
            raise Permanent("partner", "no_relationship")
        self.granted[tenant_id] = self.granted.get(tenant_id, frozenset()) | set(roles)
        return self.granted[tenant_id]


@dataclass
class FakeDoor:
    answer: DoorAnswer = GOOD
    knocked: list[str] = field(default_factory=list)

    async def knock(self, url: str) -> DoorAnswer:
        self.knocked.append(url)
        return self.answer


@dataclass
class FakeSkews:
    known: dict[str, float] = field(default_factory=dict)

    def skews(self) -> Mapping[str, float]:
        return dict(self.known)


@dataclass
class FakeAccountReads:
    """`failure` is raised by every call."""

    who: TokenOwner = TERRY
    fields: list[FieldDefinition] = field(default_factory=list)
    contacts: list[Contact] = field(default_factory=list)
    edit: bool | None = True
    failure: SyncError | None = None

    async def owner(self, allowance: Allowance) -> TokenOwner:
        await self._spend(allowance)
        return self.who

    async def customer_fields(self, allowance: Allowance) -> Sequence[FieldDefinition]:
        await self._spend(allowance)
        return list(self.fields)

    async def some_contacts(self, allowance: Allowance) -> Sequence[Contact]:
        await self._spend(allowance)
        return list(self.contacts)

    async def may_edit(self, allowance: Allowance) -> bool | None:
        await self._spend(allowance)
        return self.edit

    async def _spend(self, allowance: Allowance) -> None:
        await allowance.spend()
        if self.failure is not None:
            raise self.failure
