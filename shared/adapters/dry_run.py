"""Contacts that are read truly and never written: a write is recorded and answered as if Syncro had done it.

Wraps any `shared.ports.Contacts`. A read after a recorded write shows the old truth, since nothing happened. It spends
nothing for what it does not send. Next: `console/operations.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.domain.changes import FieldChange
from shared.domain.contact import Contact
from shared.domain.plan import apply_to
from shared.ports import Allowance, Contacts, Written


@dataclass(frozen=True, slots=True)
class Recorded:
    """A write that was not made. `contact_id` is None for a creation."""

    customer_id: int
    contact_id: int | None
    changes: tuple[FieldChange, ...]


class DryRunContacts:
    def __init__(self, inner: Contacts) -> None:
        self._inner = inner
        self._recorded: list[Recorded] = []

    @property
    def recorded(self) -> Sequence[Recorded]:
        """What would have been written, oldest first."""
        return tuple(self._recorded)

    async def listing(self, allowance: Allowance, customer_id: int) -> Sequence[Contact]:
        return await self._inner.listing(allowance, customer_id)

    async def get(self, allowance: Allowance, contact_id: int) -> Contact | None:
        return await self._inner.get(allowance, contact_id)

    async def create(self, allowance: Allowance, customer_id: int, changes: Sequence[FieldChange]) -> Written:
        """A contact with a negative id, which Syncro never gives: nothing can mistake it for a real one."""
        self._recorded.append(Recorded(customer_id, None, tuple(changes)))
        return Written(apply_to(Contact(-len(self._recorded), customer_id), changes), ())

    async def update(self, allowance: Allowance, fresh: Contact, changes: Sequence[FieldChange]) -> Written:
        self._recorded.append(Recorded(fresh.customer_id, fresh.id, tuple(changes)))
        return Written(apply_to(fresh, changes), ())

    async def attached(
        self, allowance: Allowance, customer_id: int, contacts: Sequence[Contact]
    ) -> Mapping[int, frozenset[str]]:
        return await self._inner.attached(allowance, customer_id, contacts)

    async def delete(self, allowance: Allowance, contact_id: int) -> None:
        """Recorded as a write without changes."""
        self._recorded.append(Recorded(0, contact_id, ()))
