"""Contacts that we made go, those that we deleted come back: once, and only where nobody has a hand in them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.domain.contact import Contact
from shared.domain.desk import Choice, Chosen
from shared.domain.errors import Ambiguous, Permanent, Scope, StopTheLine, SyncError, Transient
from shared.domain.records import Link, ListSizes, WriteState
from shared.domain.undo_steps import Recreate, Remove, Restore, Undone, Why
from tests.support.clock import START
from tests.support.station import CUSTOMER
from tests.support.undo_office import Killed, Office, a_creation, a_deletion, said, why
from tests.support.virtual_time import run_virtual
from worker.undoing import Undoing


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


def _unanswered(office: Office, patch: pytest.MonkeyPatch) -> type[BaseException] | None:
    real = office.world.contacts.delete

    async def late(*arguments: Any) -> None:
        await real(*arguments)
        raise Ambiguous("syncro", "timeout")

    patch.setattr(office.world.contacts, "delete", late)
    return None


def _killed(office: Office, patch: pytest.MonkeyPatch) -> type[BaseException] | None:
    async def ending(*_: Any) -> None:
        raise Killed

    patch.setattr(office.world.ledger.sizes, "save", ending)
    return Killed


def _killed_before_the_unlinking(office: Office, patch: pytest.MonkeyPatch) -> type[BaseException] | None:
    async def ending(*_: Any) -> None:
        raise Killed

    patch.setattr(office.world.ledger.choices, "of_customer", ending)
    return Killed


@pytest.mark.parametrize(
    ("stopped", "contacts"),
    [(_unanswered, 4), (_killed, 4), (_killed_before_the_unlinking, 3)],  # one too few halts nobody
)
def test_whatever_stops_a_deletion_its_place_in_the_last_list_and_its_link_go_with_the_repetition(
    stopped: Callable[[Office, pytest.MonkeyPatch], type[BaseException] | None], contacts: int
) -> None:
    async def main() -> None:
        office, contact_id, code = await a_creation()
        await office.world.ledger.sizes.save(ListSizes(CUSTOMER, 5, 5, START))
        with pytest.MonkeyPatch.context() as patch:
            error = stopped(office, patch)
            with pytest.raises(error) if error is not None else nullcontext():
                await office.undo(code)
        assert (contact_id in office.world.contacts.held, len(office.world.ledger.links.held)) == (False, 1)
        for _ in range(2):
            await office.undo(code)
        last = await office.world.ledger.sizes.last(CUSTOMER)
        assert last is not None
        assert (last.contacts, office.world.ledger.links.held) == (contacts, {})
        assert office.world.contacts.count("delete") == 1

    run_virtual(main())


def test_a_contact_whose_link_a_kill_left_behind_comes_back_all_the_same() -> None:
    async def main() -> None:
        office, contact_id, code = await a_creation()
        with pytest.MonkeyPatch.context() as patch:
            _killed_before_the_unlinking(office, patch)
            with pytest.raises(Killed):
                await office.undo(code)
        chosen = await office.chosen(f"undo-{code}")
        plan = await office.undoing.plan(CUSTOMER, chosen)
        await office.undoing.undo(CUSTOMER, chosen, plan.code, "ada")
        (new_id,) = office.world.contacts.held
        assert new_id != contact_id
        assert office.world.ledger.links.held[CUSTOMER, "u0"].contact_id == new_id

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


def test_the_link_to_another_contact_stays() -> None:
    """A person gave the user another contact since; what we made is taken back all the same."""

    async def main() -> None:
        office, contact_id, code = await a_creation()
        office.world.contacts.put(Contact(55, CUSTOMER, name="The right one"))
        held = office.world.ledger.links.held
        held[CUSTOMER, "u0"] = replace(held[CUSTOMER, "u0"], contact_id=55)
        await office.undo(code)
        assert contact_id not in office.world.contacts.held
        assert held[CUSTOMER, "u0"].contact_id == 55

    run_virtual(main())


def test_a_choice_that_led_to_it_goes_with_it_and_a_later_one_stays() -> None:
    """Else the contact would be made again, unasked, as soon as the customer goes on."""

    async def main(days: int) -> int:
        office, _, code = await a_creation()
        at = START + timedelta(days=days)
        chosen = Chosen(CUSTOMER, "u0", Choice.CREATE, "", "asked her", "ada", at)
        office.world.ledger.choices.held[CUSTOMER, "u0"] = chosen
        await office.undo(code)
        return len(office.world.ledger.choices.held)

    assert (run_virtual(main(-1)), run_virtual(main(1))) == (0, 1)


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
        since = chosen | await office.chosen(again.undo_id)
        assert not (await office.undoing.plan(CUSTOMER, since)).steps, "what came back would go again"

    run_virtual(main())


def test_a_contact_that_the_plan_did_not_show_is_not_made() -> None:
    async def main() -> None:
        office = Office()
        await office.run(1, new=1)
        chosen = await office.chosen((await office.undo((await office.plan()).code)).undo_id)
        links = office.world.ledger.links
        await links.link(Link(CUSTOMER, "u1", 55, "person", START))  # so it does not come back, the plan says
        code = (await office.undoing.plan(CUSTOMER, chosen)).code
        await links.unlink(CUSTOMER, "u1")
        done = await office.undoing.undo(CUSTOMER, chosen, code, "ada")
        assert [type(step) for step in done.steps] == [Restore]
        assert [each.why for each in done.left] == [Why.CHANGED]
        assert office.world.contacts.count("create") == 1

    run_virtual(main())


@pytest.mark.parametrize(
    ("other", "is_person"),
    [
        (Contact(55, CUSTOMER, email="U0@contoso.example"), True),
        (Contact(55, CUSTOMER, email="new@contoso.example", properties={"azure_object_id": "U0"}), True),
        (Contact(55, CUSTOMER, email="new@contoso.example", properties={"azure_object_id": "u1"}), False),
    ],
)
def test_it_is_not_made_again_beside_another_contact_of_the_person(other: Contact, *, is_person: bool) -> None:
    async def main() -> None:
        office, _, code = await a_creation()
        done = await office.undo(code)
        chosen = await office.chosen(done.undo_id)
        plan = await office.undoing.plan(CUSTOMER, chosen)
        office.world.contacts.put(other)
        again = await office.undoing.undo(CUSTOMER, chosen, plan.code, "ada")
        assert [(each.why, each.detail) for each in again.left] == ([(Why.REPLACED, "contact 55")] if is_person else [])
        assert office.world.contacts.count("create") == (1 if is_person else 2)

    run_virtual(main())


@pytest.mark.parametrize("breaths", [0, 1, 2, 3, 5, 8, 13])
def test_two_operators_who_want_it_back_at_once_make_one_contact(breaths: int) -> None:
    async def main() -> None:
        office, chosen, code = await a_deletion()
        office.world.contacts.latency = 1.0

        async def operator(name: str, wait: float) -> Undone:
            await asyncio.sleep(wait)
            return await Undoing(office.ports, office.settings, office.world.ledger.journal_search).undo(
                CUSTOMER, chosen, code, name
            )

        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(operator(name, wait), name=name)
                for name, wait in (("ada", 0.0), ("ben", breaths / 4))
            ]
        done = [task.result() for task in tasks]
        assert (len(office.world.contacts.held), office.world.contacts.count("create")) == (1, 2)
        assert sorted(len(each.steps) for each in done) == [0, 1]
        assert {each.why for one in done for each in one.left} <= {Why.UNDONE, Why.REPLACED}

    run_virtual(main())


def test_whoever_links_or_resumes_while_the_list_is_read_ends_it() -> None:
    async def main(meddle: Callable[[Office], None]) -> Undone:
        office, chosen, code = await a_deletion()
        office.world.contacts.on_call["list"] = lambda: meddle(office)
        done = await office.undoing.undo(CUSTOMER, chosen, code, "ada")
        assert (done.steps, office.world.contacts.count("create")) == ((), 1)
        return done

    def link(office: Office) -> None:
        office.world.ledger.links.held[CUSTOMER, "u0"] = Link(CUSTOMER, "u0", 77, "person", START)

    assert [(each.why, each.detail) for each in run_virtual(main(link)).left] == [(Why.REPLACED, "contact 77")]
    stopped = run_virtual(main(lambda office: office.connect())).stopped
    assert stopped is not None
    assert stopped.code == "resumed_meanwhile"


@pytest.mark.parametrize("state", [WriteState.INTENDED, WriteState.AMBIGUOUS])
def test_a_creation_of_which_nobody_knows_the_end_is_not_repeated(state: WriteState) -> None:
    async def main() -> None:
        office, chosen, code = await a_deletion()

        async def ending(*_: object, **__: object) -> None:
            raise Killed

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(office.world.ledger.journal, "settle", ending)
            with pytest.raises(Killed):
                await office.undoing.undo(CUSTOMER, chosen, code, "ada")
        journal = office.world.ledger.journal.written
        journal[-1] = replace(journal[-1], state=state)
        office.world.ledger.links.held.clear()  # killed before the link
        office.world.contacts.held.clear()  # and Syncro does not list it yet
        again = await office.undoing.undo(CUSTOMER, chosen, code, "ada")
        assert (again.steps, [each.why for each in again.left]) == ((), [Why.UNKNOWN])
        assert office.world.contacts.count("create") == 2

    run_virtual(main())


@pytest.mark.parametrize(
    ("facts", "late", "left"),
    [
        ({"user_id": "u0-new"}, Contact(77, CUSTOMER, email="u0@contoso.example"), (Why.REPLACED, "contact 77")),
        ({"undoes": 2}, Contact(77, CUSTOMER, email="moved@contoso.example"), (Why.UNDONE, "")),
        ({"undoes": 2, "contact_id": None, "state": WriteState.AMBIGUOUS}, None, (Why.UNKNOWN, "")),
        ({"undoes": 2, "contact_id": None, "state": WriteState.REFUSED}, None, None),
        ({"contact_id": None, "state": WriteState.AMBIGUOUS}, None, (Why.UNKNOWN, "")),  # by a look
        # begun before the deletion: whatever became of it, the list would have it
        ({"id": 0, "contact_id": None, "state": WriteState.AMBIGUOUS}, None, None),
    ],
)
def test_what_we_did_while_the_list_was_read_counts(
    facts: dict[str, Any], late: Contact | None, left: tuple[Why, str] | None
) -> None:
    """Another operator, or a worker for another account of the person: the list that was read does not have it."""

    async def main() -> None:
        office, chosen, code = await a_deletion()
        real, journal = office.world.contacts.listing, office.world.ledger.journal.written

        async def listing(*arguments: Any) -> Any:
            found = await real(*arguments)
            journal.append(replace(journal[0], **{"id": len(journal) + 1, "contact_id": 77} | facts))
            if late is not None:
                office.world.contacts.put(late)
            return found

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(office.world.contacts, "listing", listing)
            done = await office.undoing.undo(CUSTOMER, chosen, code, "ada")
        assert [(each.why, each.detail) for each in done.left] == ([left] if left is not None else [])
        assert office.world.contacts.count("create") == (1 if left is not None else 2)

    run_virtual(main())
