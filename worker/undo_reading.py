"""What a plan to take writes back is made from: the journal, fresh contacts, what hangs on them, locks, links.

Reads only. Next: `worker/undoing.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import structlog

from shared.domain.contact import Contact
from shared.domain.desk import JournalFilter
from shared.domain.errors import Permanent, SyncError
from shared.domain.locks import standing
from shared.domain.messages import Lane
from shared.domain.records import JournalEntry
from shared.domain.undo import creations, undo_plan
from shared.domain.undo_contact import Attached, Facts
from shared.domain.undo_steps import UndoPlan
from shared.ports import Allowance, JournalSearch
from worker.parts import WorkerPorts, WorkerSettings

log = structlog.get_logger("worker")
_FEW = 5  # contacts that are read one by one; more are cheaper to list
_PAGE = 1_000  # entries of one look into the journal
_UNSEEN = frozenset({"permission", "forbidden", "unreadable_answer"})  # codes of an answer that shows nothing


class UndoReading:
    def __init__(self, ports: WorkerPorts, settings: WorkerSettings, search: JournalSearch, lane: Lane) -> None:
        self._ports = ports
        self._settings = settings
        self._search = search
        self._lane = lane

    async def plan(self, customer_id: int, chosen: Collection[int]) -> UndoPlan:
        """Of everything that was chosen, from contacts read now."""
        history = await self._history(customer_id, chosen)
        wanted = {e.contact_id for e in history if e.id in chosen and e.contact_id is not None}
        async with self._ports.pace.reserve(1, self._lane, wait=self._settings.pace_wait) as allowance:
            contacts = await self._contacts(allowance, customer_id, wanted)
            made = [contacts[each] for each in creations(chosen, history) if each in contacts]
            attached = await self._attached(allowance, customer_id, made)
        return undo_plan(customer_id, chosen, history, await self._facts(customer_id, contacts, attached))

    async def plan_of(
        self, customer_id: int, chosen: Collection[int], contact_id: int, fresh: Contact | None, attached: Attached
    ) -> UndoPlan:
        """Of one contact alone, as it was just read."""
        history = await self._history(customer_id, chosen, contact_id)
        facts = await self._facts(customer_id, {} if fresh is None else {fresh.id: fresh}, attached)
        return undo_plan(customer_id, chosen, history, facts)

    async def attached(self, customer_id: int, contact_id: int) -> Attached:
        """What hangs on one contact; asked without a lease, for three listings may take long."""
        async with self._ports.pace.reserve(4, self._lane, wait=self._settings.pace_wait) as allowance:
            fresh = await self._ports.contacts.get(allowance, contact_id)
            return await self._attached(allowance, customer_id, [fresh] if fresh is not None else [])

    async def of_user(self, customer_id: int, user_id: str, oldest: int) -> Sequence[JournalEntry]:
        """What was written for a user, newest first, down to the entry `oldest`."""
        return await self._down_to(oldest, JournalFilter(customer_id, user_id))

    async def _history(
        self, customer_id: int, chosen: Collection[int], contact_id: int | None = None
    ) -> Sequence[JournalEntry]:
        """Newest first, down to the oldest that was chosen."""
        wanted = JournalFilter(customer_id, contact_id=contact_id)
        return await self._down_to(min(chosen), wanted) if chosen else ()

    async def _down_to(self, oldest: int, wanted: JournalFilter) -> Sequence[JournalEntry]:
        found: list[JournalEntry] = []
        while True:
            page = await self._search.search(wanted, _PAGE)
            found += [entry for entry in page if (entry.id or 0) >= oldest]
            if len(page) < _PAGE or (page[-1].id or 0) <= oldest:
                return found
            wanted = replace(wanted, before_id=page[-1].id)

    async def _contacts(self, allowance: Allowance, customer_id: int, wanted: Collection[int]) -> Mapping[int, Contact]:
        """Those that are there: a contact that a listing lacks is gone only when a read of it alone says so."""
        contacts, listed = self._ports.contacts, dict[int, Contact]()
        if len(wanted) > _FEW:
            every = await contacts.listing(allowance, customer_id)
            listed = {each.id: each for each in every if each.id in wanted}
        alone = [await contacts.get(allowance, each) for each in sorted(set(wanted) - listed.keys())]
        return listed | {each.id: each for each in alone if each is not None}

    async def _attached(self, allowance: Allowance, customer_id: int, contacts: Sequence[Contact]) -> Attached:
        """A code where Syncro does not show it (to this token): then nobody knows, and nothing is deleted."""
        try:
            return await self._ports.contacts.attached(allowance, customer_id, contacts) if contacts else {}
        except SyncError as error:
            if error.code not in _UNSEEN and not isinstance(error, Permanent):
                raise
            log.warning("attachments_unknown", customer_id=customer_id, code=error.code)
            return error.code

    async def _facts(self, customer_id: int, contacts: Mapping[int, Contact], attached: Attached) -> Facts:
        pins = await self._ports.pins.all()
        links = await self._ports.links.of_customer(customer_id)
        return Facts(
            contacts,
            await self._ports.policies.policy(customer_id),
            standing(pins, self._ports.clock.now(), self._settings.nightly.zone).keys(),
            {link.user_id: link.contact_id for link in links},
            attached,
        )
