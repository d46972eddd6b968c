"""The contacts of a customer as one complete listing, shared by the users of a message.

Matching an unlinked user and, above all, creating a contact need a listing that began after the message was taken;
one serves all of them. What this worker creates is laid into it. Next: `worker/look.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.contact import Contact
from shared.domain.messages import Lane
from shared.ports import Clock, Contacts, Pace

_KEPT = 8  # customers; a worker serves few at a time, and a listing is large


@dataclass(slots=True)
class Snapshot:
    """`began`: wall time before its first page. `calls`: what the listing cost."""

    began: datetime
    contacts: dict[int, Contact]
    calls: int


class Listings:
    def __init__(self, contacts: Contacts, pace: Pace, clock: Clock, lane: Lane, *, pace_wait: float, ttl: float):
        self._contacts = contacts
        self._pace = pace
        self._clock = clock
        self._lane = lane
        self._pace_wait = pace_wait
        self._ttl = timedelta(seconds=ttl)
        self._kept: dict[int, Snapshot] = {}

    async def of(self, customer_id: int, *, since: datetime) -> tuple[Snapshot, int]:
        """A listing begun at `since` or later, and how many calls it cost this time (0: it was at hand)."""
        kept = self._kept.get(customer_id)
        if kept is not None and kept.began >= since and self._clock.now() - kept.began < self._ttl:
            return kept, 0
        fresh = await self._read(customer_id)
        self._kept.pop(customer_id, None)
        self._kept[customer_id] = fresh
        if len(self._kept) > _KEPT:
            del self._kept[next(iter(self._kept))]
        return fresh, fresh.calls

    def lay_in(self, contact: Contact) -> None:
        """A contact as Syncro has it by now."""
        kept = self._kept.get(contact.customer_id)
        if kept is not None:
            kept.contacts[contact.id] = contact

    def forget(self, customer_id: int) -> None:
        """The listing proved wrong, or a write ended without an answer."""
        self._kept.pop(customer_id, None)

    async def _read(self, customer_id: int) -> Snapshot:
        async with self._pace.reserve(1, self._lane, wait=self._pace_wait) as allowance:
            began = self._clock.now()
            found = await self._contacts.listing(allowance, customer_id)
            return Snapshot(began, {contact.id: contact for contact in found}, allowance.spent)
