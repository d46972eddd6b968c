"""A run that wrote, to be taken back: the worker on fakes, and what its contacts said before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from shared.domain.contact import Contact
from shared.domain.desk import JournalFilter
from shared.domain.messages import Lane, Reason
from shared.domain.records import ConnectionStatus
from shared.domain.undo_steps import Left, Undone, UndoPlan, Why
from tests.support.station import CUSTOMER, Station, person
from worker.sync import Sync
from worker.undoing import Undoing

RUN = "run-1"
OLD = Contact(0, CUSTOMER, name="Old Name", title="Clerk", properties={"title": "Clerk", "segment": "gold"})


class Killed(BaseException):
    """The process ends here."""


class Office(Station):
    """A run that wrote: `before` is how the contacts were."""

    def __init__(self) -> None:
        super().__init__()
        self.before: dict[int, Contact] = {}

    async def run(self, known: int = 2, new: int = 0) -> None:
        """u0 ... have the contacts 100 ..., out of step; the new ones have none."""
        users = [person(f"u{number}", job_title="Chief") for number in range(known + new)]
        for number, user in enumerate(users):
            self.hire(user)
            if number < known:
                self.linked(user, 100 + number)
                self.world.contacts.put(replace(OLD, id=100 + number, email=user.mail or ""))
        self.before = dict(self.world.contacts.held)
        message = self.hint(*(user.id for user in users), reason=Reason.RECONCILE, run_id=RUN)
        await self.sync_users(Sync(self.ports, self.settings, Lane.LIVE), message)
        assert {entry.run_id for entry in self.world.ledger.journal.written} == {RUN}

    @property
    def undoing(self) -> Undoing:
        return Undoing(self.ports, self.settings, self.world.ledger.journal_search)

    async def chosen(self, run_id: str = RUN) -> set[int]:
        found = await self.world.ledger.journal_search.search(JournalFilter(run_id=run_id), 1_000)
        return {entry.id for entry in found if entry.id is not None}

    async def plan(self) -> UndoPlan:
        return await self.undoing.plan(CUSTOMER, await self.chosen())

    async def undo(self, code: str) -> Undone:
        return await self.undoing.undo(CUSTOMER, await self.chosen(), code, "ada")

    def contact(self, contact_id: int) -> Contact:
        return self.world.contacts.held[contact_id]

    def touch(self, contact_id: int, **values: Any) -> None:
        self.world.contacts.put(replace(self.contact(contact_id), **values))

    def status(self) -> ConnectionStatus:
        return self.world.ledger.connections.held[CUSTOMER].status


def said(contacts: Mapping[int, Contact]) -> dict[int, dict[str, str]]:
    """Every field that is not blank."""
    names = ("name", "email", "title", "azure_license", "azure_account_status", "azure_object_id", "segment")
    return {key: {n: each.value(n) for n in names if each.value(n)} for key, each in contacts.items()}


def why(left: tuple[Left, ...]) -> list[tuple[int | None, str, Why]]:
    return [(each.contact_id, each.field, each.why) for each in left]


async def a_creation() -> tuple[Office, int, str]:
    office = Office()
    await office.run(0, new=1)
    (contact_id,) = office.world.contacts.held
    return office, contact_id, (await office.plan()).code


async def a_deletion() -> tuple[Office, set[int], str]:
    """A contact that we made was taken back: what is chosen now is its deletion."""
    office, _, code = await a_creation()
    done = await office.undo(code)
    chosen = await office.chosen(done.undo_id)
    return office, chosen, (await office.undoing.plan(CUSTOMER, chosen)).code
