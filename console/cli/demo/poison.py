"""Act three of the demo: a change that Syncro refuses. It becomes a failed change, a technician cures the cause, and
the change is tried again: a plan first, then for real, then the proof.

Everything else goes on meanwhile. Judged from the simulated Syncro's own store and from the journal. Next: `night.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from console import operations
from console.cli.demo.arrival import until, value_of
from console.cli.demo.people import Administrator, Subject, open_administrator
from console.cli.demo.stage import Stage
from console.cli.letters import group_lines
from console.cli.letters_replay import customer_lines
from console.cli.letters_watching import watch_replay
from console.cli.output import say
from console.operations import LetterWish, ShownReplay
from sandbox.syncro import contacts
from sandbox.syncro.account import Contact
from shared.domain.changes import FieldChange
from shared.domain.letters import Result
from shared.domain.records import WriteState

ADDRESS = "front.desk@alpenrose.example"
ELSEWHERE = "reception@harborlane.test"
FILED_WITHIN = 20.0  # seconds from the change to the failed change
POLL = 0.2  # seconds


@dataclass(frozen=True, slots=True)
class Poison:
    """Counts of letters: that `failed`, that were `tried_again`, that were `synced` by it. `wrong`: what went wrong."""

    failed: int
    tried_again: int
    synced: int
    wrong: tuple[str, ...]

    def document(self) -> dict[str, int]:
        return {"failed": self.failed, "tried_again": self.tried_again, "synced": self.synced}


async def play_poison(stage: Stage, subject: Subject, customer_id: int, elsewhere: int) -> Poison:
    """`elsewhere`: the customer whose contact holds the address that `subject` is about to get."""
    act = _Act(stage, subject, customer_id)
    say("\nA change that Syncro refuses: somebody gets an address that a contact of another customer still has.")
    other = _occupied(stage, elsewhere)
    with _unique_addresses(stage):
        async with open_administrator(stage.world.info()) as admin:
            return await act.play(admin, other)


class _Act:
    def __init__(self, stage: Stage, subject: Subject, customer_id: int) -> None:
        self._stage = stage
        self._ports = stage.ports
        self._subject = subject
        self._customer_id = customer_id

    async def play(self, admin: Administrator, other: Contact) -> Poison:
        await admin.patch(self._subject.tenant_id, self._subject.user_id, mail=ADDRESS)
        if not await self._filed():
            return Poison(0, 0, 0, ("The refused change was not filed as a failed change.",))
        groups = await operations.letter_groups(self._ports, LetterWish())
        say("It is kept as a failed change. entra-syncro dead-letters list shows it:")
        for line in [line for group in groups for line in group_lines(group)]:
            say(line)
        say(
            "A technician corrects the other contact in Syncro. Then the failed change is tried again, as a plan first:"
        )
        other.values["email"] = ELSEWHERE
        shown = await self._tried_again()
        return Poison(
            failed=sum(group.letters for group in groups),
            tried_again=shown.replay.handed_over,
            synced=shown.counts.get(Result.SYNCED, 0),
            wrong=tuple([sentence async for sentence in self._wrong(shown)]),
        )

    async def _filed(self) -> bool:
        """Looks into the ledger, as an operator would, until the failed change is there."""
        try:
            async with asyncio.timeout(FILED_WITHIN):
                while not await operations.letters(self._ports):  # noqa: ASYNC110 - a ledger has no events
                    await asyncio.sleep(POLL)
        except TimeoutError:
            return False
        return True

    async def _tried_again(self) -> ShownReplay:
        plan = await operations.plan_replay(self._ports, LetterWish())
        for line in [line for customer in plan.customers for line in customer_lines(customer)]:
            say(line)
        say(f"  entra-syncro dead-letters replay --all --apply {plan.code}")
        begun = await operations.begin_replay(self._ports, LetterWish(), plan.code, by="demo")
        return await watch_replay(self._ports, begun.replay)

    async def _wrong(self, shown: ShownReplay) -> AsyncIterator[str]:
        told = ", ".join(f"{count} {result.value}" for result, count in shown.counts.items())
        say(f"Tried again: {told}. Failed changes left: {len(await operations.letters(self._ports))}.")
        if not await until(lambda: self._address() == ADDRESS, within=2.0):
            yield "The change that was tried again did not arrive."
        else:
            say(f"Syncro: the contact has the address {ADDRESS} now.")
        entries = await self._ports.journal.entries(user_id=self._subject.user_id, limit=5)
        mine = [entry for entry in entries if entry.run_id == shown.replay.replay_id]
        if [entry.state for entry in mine] != [WriteState.WRITTEN]:
            yield "The journal does not show one write of the change that was tried again."
        else:
            say(f"The journal: contact {mine[0].contact_id}, {_told(mine[0].changes)}, by this replay.")

    def _address(self) -> str:
        stored = self._stage.world.syncro.account.contacts.values()
        mine = [each for each in stored if value_of(each, "azure_object_id") == self._subject.user_id]
        return value_of(mine[0], "email") if len(mine) == 1 else ""


def _told(changes: Sequence[FieldChange]) -> str:
    return ", ".join(f"{each.field} {each.before} -> {each.after}" for each in changes)


@contextmanager
def _unique_addresses(stage: Stage) -> Iterator[None]:
    """The simulated Syncro refuses an address that another contact has, as some accounts do."""
    switches = stage.world.syncro.account.switches
    before = switches["duplicate_email"]
    switches.set("duplicate_email", "422")
    try:
        yield
    finally:
        switches.set("duplicate_email", before)


def _occupied(stage: Stage, customer_id: int) -> Contact:
    """A contact of somebody else that has the address."""
    account = stage.world.syncro.account
    body = {"customer_id": customer_id, "name": "Front Desk", "email": ADDRESS}
    contact = contacts.draft(account, body)
    contacts.fill_draft(account, contact, body)
    contacts.create(account, contact)
    return contact
