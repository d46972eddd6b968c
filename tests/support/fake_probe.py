"""A Syncro account as the doctor's probe meets it, every unknown of it switchable; and what a tenant has bought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from shared.domain.contact import Contact
from shared.domain.errors import Permanent, SyncError
from shared.ports import Allowance


@dataclass
class FakeContactProbe:
    """`defined`: the custom fields there are. `merges`: PUT keeps the custom fields that were not sent.

    `undefined`: what becomes of another key ("dropped", "stored", "422"). `answers`: text -> how a drop-down answers
    it. `digits`: phones are stripped. `failures`: raised by the next writes in turn, None: that one works. `puts`:
    every write that came.
    """

    contacts: dict[int, Contact] = field(default_factory=dict)
    defined: set[str] = field(default_factory=set)
    merges: bool = False
    undefined: str = "dropped"
    answers: dict[str, str] = field(default_factory=dict)
    digits: bool = False
    failures: list[SyncError | None] = field(default_factory=list)
    puts: list[tuple[Mapping[str, str], Mapping[str, str]]] = field(default_factory=list)

    async def get(self, allowance: Allowance, contact_id: int) -> Contact | None:
        await allowance.spend()
        return self.contacts.get(contact_id)

    async def put(
        self, allowance: Allowance, contact_id: int, plain: Mapping[str, str], properties: Mapping[str, str]
    ) -> None:
        await allowance.spend()
        self.puts.append((dict(plain), dict(properties)))
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        if self.undefined == "422" and not set(properties) <= self.defined:
            raise Permanent("syncro", "unknown_field")
        kept = {name: self.answers.get(value, value) for name, value in properties.items() if self._keeps(name)}
        standing = self.contacts[contact_id]
        values: dict[str, Any] = {name: self._number(name, value) for name, value in plain.items()}
        self.contacts[contact_id] = replace(
            standing, **values, properties={**standing.properties, **kept} if self.merges else kept
        )

    def _keeps(self, name: str) -> bool:
        return name in self.defined or self.undefined == "stored"

    def _number(self, name: str, value: str) -> str:
        return "".join(filter(str.isdigit, value)) if self.digits and name in {"phone", "mobile"} else value


@dataclass
class FakeProducts:
    """`premium`: tenant -> what it says; any other holds Entra ID P1."""

    premium: dict[str, bool | None] = field(default_factory=dict)
    failure: SyncError | None = None

    async def has_premium(self, tenant_id: str) -> bool | None:
        if self.failure is not None:
            raise self.failure
        return self.premium.get(tenant_id, True)
