"""Taking writes back on fakes: by the plan's code alone, still ours or not at all, and killed at any step."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.contact import Contact
from shared.domain.desk import JournalFilter, Pin
from shared.domain.errors import Ambiguous, Permanent, Scope, StopTheLine, SyncError, Transient
from shared.domain.messages import Lane, Reason
from shared.domain.outcome import Held
from shared.domain.records import ConnectionStatus, ListSizes, WriteState
from shared.domain.undo_steps import Left, Recreate, Remove, Restore, Undone, UndoPlan, Why
from tests.support.clock import START
from tests.support.station import CUSTOMER, Station, person
from tests.support.virtual_time import run_virtual
from worker.sync import Sync
from worker.undoing import Undoing

RUN = "run-1"
_PIN = Pin(CUSTOMER, 100, "hands off", "ben", START)
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


def test_a_run_taken_back_gives_the_contacts_as_they_were_and_says_who_did_it() -> None:
    async def main() -> None:
        office = Office()
        await office.run()
        written = len(office.world.ledger.journal.written)
        plan = await office.plan()
        assert office.status() is ConnectionStatus.APPROVED
        assert office.world.contacts.count("update") == written == 2
        done = await office.undo(plan.code)
        assert said(office.world.contacts.held) == said(office.before)
        assert (len(done.steps), done.left, done.paused, done.stopped) == (2, (), True, None)
        assert office.status() is ConnectionStatus.PAUSED
        entries = office.world.ledger.journal.written[written:]
        assert [(e.by, e.undoes, e.run_id, e.cause, e.state) for e in entries] == [
            ("ada", 2, done.undo_id, Reason.MANUAL, WriteState.WRITTEN),  # the newest first
            ("ada", 1, done.undo_id, Reason.MANUAL, WriteState.WRITTEN),
        ]
        assert [(deed.by, deed.what) for deed in office.world.ledger.deeds.noted] == [("ada", "pause")]

    run_virtual(main())


def test_what_was_taken_back_is_not_written_again_while_the_customer_is_paused() -> None:
    async def main() -> None:
        office = Office()
        await office.run(1)
        await office.undo((await office.plan()).code)
        outcomes = await office.sync_users(Sync(office.ports, office.settings, Lane.LIVE), office.hint("u0"))
        assert outcomes == {(CUSTOMER, "u0"): Held("paused", owed=True)}
        assert said(office.world.contacts.held) == said(office.before)

    run_virtual(main())


@pytest.mark.parametrize("code", ["", "00000000"])
def test_another_code_writes_nothing_and_pauses_nobody(code: str) -> None:
    async def main() -> None:
        office = Office()
        await office.run()
        await office.plan()
        with pytest.raises(Permanent, match="plan_changed"):
            await office.undo(code)
        assert (office.status(), office.world.contacts.count("update")) == (ConnectionStatus.APPROVED, 2)

    run_virtual(main())


def test_a_plan_that_memory_forgot_holds_as_long_as_nothing_changed() -> None:
    async def main() -> None:
        office = Office()
        await office.run()
        code = (await office.plan()).code
        office.world.memory.wipe()
        office.touch(100, title="Boss")
        with pytest.raises(Permanent, match="plan_changed"):
            await office.undo(code)
        office.touch(100, title="Chief", properties={**office.contact(100).properties, "title": "Chief"})
        assert len((await office.undo(code)).steps) == 2

    run_virtual(main())


def test_a_field_that_changed_since_the_plan_is_left_alone_and_listed() -> None:
    async def main() -> None:
        office = Office()
        await office.run()
        code = (await office.plan()).code
        office.touch(100, title="Boss")
        done = await office.undo(code)
        assert why(done.left) == [(100, "title", Why.TOUCHED)]
        assert (office.contact(100).title, office.contact(100).name) == ("Boss", "Old Name")
        assert said(office.world.contacts.held)[101] == said(office.before)[101]

    run_virtual(main())


def test_what_the_plan_did_not_show_is_not_done() -> None:
    async def main() -> None:
        office = Office()
        await office.run()
        office.touch(100, title="Boss")
        code = (await office.plan()).code
        office.touch(100, title="Chief")  # ours again, and nobody approved that row
        done = await office.undo(code)
        assert (100, "title", Why.CHANGED) in why(done.left)
        assert office.contact(100).title == "Chief"

    run_virtual(main())


@pytest.mark.parametrize(
    ("meddle", "reason"),
    [
        (lambda office: office.touch(100, name="New Name"), Why.TOUCHED),
        (lambda office: office.world.contacts.held.pop(100), Why.GONE),
        (lambda office: office.touch(100, customer_id=8), Why.MOVED),
        (lambda office: office.touch(100, properties={"azure_sync_off": "Ben"}), Why.LOCKED),
        (lambda office: office.world.ledger.pins.held.update({(CUSTOMER, 100): _PIN}), Why.LOCKED),
    ],
)
def test_the_fresh_read_under_the_lease_decides(meddle: Callable[[Office], object], reason: Why) -> None:
    async def main() -> None:
        office = Office()
        await office.run(1)
        code = (await office.plan()).code
        gets: list[None] = []

        def second_read() -> None:
            gets.append(None)
            if len(gets) == 2:  # the plan of `undo` read first
                meddle(office)

        office.world.contacts.on_call["get"] = second_read
        done = await office.undo(code)
        assert reason in {each.why for each in done.left}
        if reason is not Why.TOUCHED:
            assert (done.steps, office.world.contacts.count("update")) == ((), 1)
        else:
            assert office.contact(100).name == "New Name"

    run_virtual(main())


def test_repeated_it_writes_nothing_and_pauses_nobody() -> None:
    async def main() -> None:
        office = Office()
        await office.run()
        code = (await office.plan()).code
        await office.undo(code)
        office.connect()  # somebody went on
        again = await office.undo(code)
        assert (again.steps, {each.why for each in again.left}) == ((), {Why.UNDONE})
        assert (office.world.contacts.count("update"), office.status()) == (4, ConnectionStatus.APPROVED)

    run_virtual(main())


@pytest.mark.parametrize("place", ["intend", "settle"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_killed_anywhere_the_same_command_finishes(place: str, when: str, number: int) -> None:
    async def main() -> None:
        office = Office()
        await office.run(2, new=1)
        code = (await office.plan()).code
        with pytest.MonkeyPatch.context() as patch:
            kill(office, patch, place, when, number)
            with pytest.raises(Killed):
                await office.undo(code)
        assert office.status() is ConnectionStatus.PAUSED
        await office.undo(code)
        assert said(office.world.contacts.held) == said(office.before)
        assert set(office.world.ledger.links.held) == {(CUSTOMER, "u0"), (CUSTOMER, "u1")}
        sent = office.world.contacts.count("update", "delete") - 2  # those of the run
        assert sent == 3

    run_virtual(main())


def kill(office: Office, patch: pytest.MonkeyPatch, place: str, when: str, number: int) -> None:
    """The `number`-th journal write from now on ends the process, before or after it is done."""
    real, calls = getattr(office.world.ledger.journal, place), list[None]()

    async def ending(*arguments: Any, **options: Any) -> Any:
        calls.append(None)
        if len(calls) == number and when == "before":
            raise Killed
        answer = await real(*arguments, **options)
        if len(calls) == number:
            raise Killed
        return answer

    patch.setattr(office.world.ledger.journal, place, ending)


def test_cancelled_at_any_await_the_same_command_finishes() -> None:
    async def main(steps: int) -> bool:
        """Was it still under way after so many steps of the loop?"""
        office = Office()
        await office.run(2, new=1)
        code = (await office.plan()).code
        task = asyncio.create_task(office.undo(code), name="undo")
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        await office.undo(code)
        assert said(office.world.contacts.held) == said(office.before)
        assert office.status() is ConnectionStatus.PAUSED
        assert all(entry.undoes for entry in office.world.ledger.journal.written[3:])
        return task.cancelled()

    steps = 0
    while run_virtual(main(steps)):
        steps += 1
    assert steps > 10


def test_killed_before_the_unlinking_the_link_still_goes() -> None:
    async def main() -> None:
        office = Office()
        await office.run(0, new=1)
        code = (await office.plan()).code

        async def ending(*_: object) -> None:
            raise Killed

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(office.world.ledger.links, "unlink", ending)
            with pytest.raises(Killed):
                await office.undo(code)
        assert office.world.ledger.links.held
        await office.undo(code)
        assert not office.world.ledger.links.held

    run_virtual(main())


# --- creations --------------------------------------------------------------------------------------------------------


async def a_creation() -> tuple[Office, int, str]:
    office = Office()
    await office.run(0, new=1)
    (contact_id,) = office.world.contacts.held
    return office, contact_id, (await office.plan()).code


def test_a_contact_that_we_made_goes_with_its_link_and_its_place_in_the_last_list() -> None:
    async def main() -> None:
        office, contact_id, code = await a_creation()
        await office.world.ledger.sizes.save(ListSizes(CUSTOMER, 5, 5, START))
        (step,) = (await office.undo(code)).steps
        assert isinstance(step, Remove)
        assert (office.world.contacts.held, office.world.ledger.links.held) == ({}, {})
        last = await office.world.ledger.sizes.last(CUSTOMER)
        assert last is not None
        assert (last.users, last.contacts) == (5, 4)
        entry = office.world.ledger.journal.written[-1]
        assert (entry.action, entry.contact_id, entry.undoes) == ("delete", contact_id, 1)
        assert {"name", "email"} <= {change.field for change in entry.changes}

    run_virtual(main())


def test_what_hangs_on_it_keeps_it_also_when_it_came_after_the_plan() -> None:
    async def main() -> None:
        office, contact_id, code = await a_creation()
        asked: list[None] = []

        def later() -> None:
            asked.append(None)
            if len(asked) == 2:
                office.world.contacts.hangs[contact_id] = frozenset({"ticket"})

        office.world.contacts.on_call["attached"] = later
        done = await office.undo(code)
        assert why(done.left) == [(contact_id, "", Why.ATTACHED)]
        assert contact_id in office.world.contacts.held
        assert not (await office.plan()).steps

    run_virtual(main())


@pytest.mark.parametrize(
    "blind",
    [
        StopTheLine("syncro", "permission", scope=Scope.ACCOUNT),
        StopTheLine("syncro", "forbidden", scope=Scope.ACCOUNT),
        Permanent("syncro", "not_found"),
        Transient("syncro", "unreadable_answer"),
    ],
)
def test_what_syncro_does_not_show_deletes_nobody(blind: SyncError) -> None:
    async def main() -> None:
        office, contact_id, _ = await a_creation()
        office.world.contacts.failures["attached"] = [blind]
        plan = await office.plan()
        assert (plan.steps, why(plan.left)) == ((), [(contact_id, "", Why.UNSEEN)])
        office.world.contacts.failures["attached"] = [StopTheLine("syncro", "token", scope=Scope.ACCOUNT)]
        with pytest.raises(StopTheLine):
            await office.plan()

    run_virtual(main())


def test_a_customer_that_the_switch_for_everything_stopped_is_stopped_on_its_own_now() -> None:
    async def main() -> None:
        office = Office()
        await office.run(1)
        code = (await office.plan()).code
        office.connect(status=ConnectionStatus.PAUSED)
        done = await office.undo(code)
        assert (done.paused, [deed.what for deed in office.world.ledger.deeds.noted]) == (True, ["pause"])

    run_virtual(main())


def test_a_deletion_taken_back_makes_the_contact_again_under_a_new_number() -> None:
    async def main() -> None:
        office, contact_id, code = await a_creation()
        before = office.contact(contact_id)
        done = await office.undo(code)
        chosen = await office.chosen(done.undo_id)
        plan = await office.undoing.plan(CUSTOMER, chosen)
        assert isinstance(plan.steps[0], Recreate)
        again = await office.undoing.undo(CUSTOMER, chosen, plan.code, "ada")
        ((new_id, now),) = office.world.contacts.held.items()
        assert new_id != contact_id
        assert [step.new_id for step in again.steps if isinstance(step, Recreate)] == [new_id]
        assert said({1: now}) == said({1: before})
        assert office.world.ledger.links.held[CUSTOMER, "u0"].contact_id == new_id
        repeated = await office.undoing.undo(CUSTOMER, chosen, plan.code, "ada")
        assert (repeated.steps, office.world.contacts.count("create")) == ((), 2)

    run_virtual(main())


def test_it_is_not_made_again_beside_another_contact_of_the_person() -> None:
    async def main() -> None:
        office, _, code = await a_creation()
        done = await office.undo(code)
        chosen = await office.chosen(done.undo_id)
        plan = await office.undoing.plan(CUSTOMER, chosen)
        office.world.contacts.put(Contact(55, CUSTOMER, email="U0@contoso.example"))
        again = await office.undoing.undo(CUSTOMER, chosen, plan.code, "ada")
        assert [(each.why, each.detail) for each in again.left] == [(Why.REPLACED, "contact 55")]
        assert office.world.contacts.count("create") == 1

    run_virtual(main())


# --- trouble ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "reason"),
    [(Permanent("syncro", "rejected", "no"), Why.REFUSED), (Ambiguous("syncro", "service_fault"), Why.UNSURE)],
)
def test_the_trouble_of_one_contact_is_its_own(error: SyncError, reason: Why) -> None:
    async def main() -> None:
        office = Office()
        await office.run()
        code = (await office.plan()).code
        office.world.contacts.failures["update"] = [error]
        done = await office.undo(code)
        assert (why(done.left), [step.contact_id for step in done.steps]) == ([(101, "", reason)], [100])
        assert len((await office.undo(code)).steps) == 1
        assert said(office.world.contacts.held) == said(office.before)

    run_virtual(main())


def test_what_stops_everything_is_told_with_what_was_done() -> None:
    async def main() -> None:
        office = Office()
        await office.run()
        code = (await office.plan()).code
        office.world.contacts.on_call["update"] = lambda: office.world.contacts.failures.update(
            {"get": [Transient("syncro", "service_fault")]}
        )
        done = await office.undo(code)
        assert ([step.contact_id for step in done.steps], done.paused) == ([101], True)
        assert isinstance(done.stopped, Transient)
        office.world.contacts.on_call.clear()
        assert [step.contact_id for step in (await office.undo(code)).steps] == [100]

    run_virtual(main())


def test_an_old_value_that_syncro_does_not_keep_is_listed() -> None:
    async def main() -> None:
        office = Office()
        await office.run(1)
        code = (await office.plan()).code
        office.world.contacts.swallow = frozenset({"title"})
        done = await office.undo(code)
        assert why(done.left) == [(100, "title", Why.REFUSED)]
        (step,) = done.steps
        assert isinstance(step, Restore)
        assert "title" not in {change.field for change in step.changes}

    run_virtual(main())


def test_without_the_ledger_nothing_is_written() -> None:
    async def main() -> None:
        office = Office()
        await office.run(1)
        code = (await office.plan()).code

        def away() -> None:
            office.world.ledger.away = True

        office.world.contacts.on_call["get"] = away
        with pytest.raises(Transient):
            await office.undo(code)
        assert office.world.contacts.count("update") == 1

    run_virtual(main())


def test_many_contacts_are_listed_and_one_that_is_missing_is_asked_for() -> None:
    async def main() -> None:
        office = Office()
        await office.run(8)
        del office.world.contacts.held[103]
        gets, lists = (office.world.contacts.count(verb) for verb in ("get", "list"))
        plan = await office.plan()
        assert (office.world.contacts.count("get") - gets, office.world.contacts.count("list") - lists) == (1, 1)
        assert (len(plan.steps), why(plan.left)) == (7, [(103, "", Why.GONE)])

    run_virtual(main())
