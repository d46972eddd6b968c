"""What people chose for a user, and contacts they locked: a live look, a full pass, a preview and `explain` agree."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.domain.changes import Conflict, CreateContact, Pinned, Plan, UpdateContact
from shared.domain.choosing import seen
from shared.domain.contact import Contact
from shared.domain.desk import Choice, Chosen, Pin
from shared.domain.messages import Lane, Reason
from shared.domain.records import ConnectionStatus, Link
from shared.domain.user import DirectoryUser, SoftDeleted
from tests.support.clock import START
from tests.support.passes import CUSTOMER, TENANT, in_step, make_pass, unlicense
from tests.support.station import Station, person
from tests.support.virtual_time import run_virtual
from worker.billing import Billing
from worker.explaining import Explaining
from worker.fullpass import FullPass
from worker.noting import Noting
from worker.sync import Sync


def twice(station: Station, **facts: Any) -> DirectoryUser:
    """A user whose address two contacts have."""
    user = station.hire(person(**facts))
    for contact_id in (2, 3):
        station.world.contacts.put(Contact(contact_id, CUSTOMER, email="u1@contoso.example"))
    return user


def choose(station: Station, choice: Choice, *candidates: int) -> None:
    chosen = Chosen(CUSTOMER, "u1", choice, seen(candidates), "asked her", "ada", START)
    station.world.ledger.choices.held[CUSTOMER, "u1"] = chosen


def lock(station: Station, contact_id: int, hours: float | None = None) -> None:
    until = None if hours is None else station.world.clock.now() + timedelta(hours=hours)
    station.world.ledger.pins.held[CUSTOMER, contact_id] = Pin(CUSTOMER, contact_id, "VIP", "ada", START, until)


async def hint(station: Station, *users: str, seconds: float = 120.0) -> None:
    async with station.working():
        await station.send(station.hint(*users, reason=Reason.MANUAL))
        await asyncio.sleep(seconds)


async def full_pass(station: Station, run_id: str = "run-1") -> None:
    await make_pass(station, run_id)
    async with station.working(Lane.LIVE, Lane.BACKFILL):
        await asyncio.sleep(120.0)


async def previewed(station: Station) -> Sequence[Plan]:
    survey = await FullPass(station.ports, station.settings).preview(CUSTOMER)
    return survey.plans


async def told(station: Station) -> dict[str, str]:
    explanation = await Explaining(station.ports, station.settings).explain(CUSTOMER, "u1")
    return {step.name: step.sentence for step in explanation.steps}


def contacts_of(station: Station, user_id: str = "u1") -> list[int]:
    every = station.world.contacts.of(CUSTOMER)
    return [each.id for each in every if each.properties.get("azure_object_id") == user_id]


# --- a contact of its own -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [hint, full_pass])
def test_a_chosen_contact_is_made_once_by_every_path_and_the_question_ends(path: object) -> None:
    async def main() -> None:
        station = Station()
        twice(station)
        await hint(station, "u1")
        assert len(await station.world.ledger.conflicts.list()) == 1
        choose(station, Choice.CREATE, 2, 3)
        (plan,) = await previewed(station)
        assert isinstance(plan, CreateContact)
        assert "ada chose" in (await told(station))["match"]
        for _ in range(2):
            await (hint(station, "u1") if path is hint else full_pass(station))
        assert len(contacts_of(station)) == 1
        assert station.world.contacts.count("create") == 1
        assert not await station.world.ledger.conflicts.list()
        assert not station.world.ledger.choices.held, "one choice, one contact"

    run_virtual(main())


def test_a_chosen_contact_that_people_delete_is_a_question_again() -> None:
    async def main() -> None:
        station = Station()
        twice(station)
        choose(station, Choice.CREATE, 2, 3)
        await hint(station, "u1")
        (made,) = contacts_of(station)
        del station.world.contacts.held[made]
        await hint(station, "u1")
        assert contacts_of(station) == []
        assert len(await station.world.ledger.conflicts.list()) == 1

    run_virtual(main())


class Killed(BaseException):
    """The process ends here."""


async def _killed_before_it_forgets(station: Station) -> None:
    """The chosen contact is made, and the choice still stands."""
    twice(station)
    choose(station, Choice.CREATE, 2, 3)

    async def ending(*_: object) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(station.world.ledger.choices, "forget", ending)
        sync = Sync(station.ports, station.settings, Lane.LIVE)
        with pytest.raises(Killed):
            await station.sync_users(sync, station.hint("u1", reason=Reason.MANUAL))
    assert len(contacts_of(station)) == len(station.world.ledger.choices.held) == 1


async def _found_by_itself(station: Station) -> None:
    """Before the chosen contact is made, somebody writes the user's object id into one."""
    twice(station)
    choose(station, Choice.CREATE, 2, 3)
    station.world.contacts.put(Contact(5, CUSTOMER, properties={"azure_object_id": "u1"}))
    await hint(station, "u1")
    assert station.world.ledger.links.held[CUSTOMER, "u1"].contact_id == 5


async def _noted_by_a_full_sync(station: Station) -> None:
    """Killed before the link as well: the contact is in step, and nothing is to be written but the link."""
    await _killed_before_it_forgets(station)
    station.world.ledger.links.held.clear()
    await full_pass(station, "run-0")


async def _noted_by_a_look(station: Station) -> None:
    await _killed_before_it_forgets(station)
    station.world.ledger.links.held.clear()
    await hint(station, "u1")
    assert not station.world.ledger.choices.held


@pytest.mark.parametrize(
    "linked", [_killed_before_it_forgets, _found_by_itself, _noted_by_a_full_sync, _noted_by_a_look]
)
@pytest.mark.parametrize("path", [hint, full_pass])
@pytest.mark.parametrize("is_passed_over", [True, False])
def test_a_choice_is_good_for_one_contact_whatever_happened_in_between(
    linked: Callable[[Station], Awaitable[None]], path: object, *, is_passed_over: bool
) -> None:
    """Its contact goes later: then a person is asked anew, and every path and the preview say so."""

    async def look(station: Station, run_id: str) -> None:
        await (hint(station, "u1") if path is hint else full_pass(station, run_id))

    async def main() -> None:
        station = Station()
        await linked(station)
        if is_passed_over:
            await full_pass(station)
            assert not station.world.ledger.choices.held
        made = station.world.contacts.count("create")
        (mine,) = contacts_of(station)
        del station.world.contacts.held[mine]
        assert [type(plan) for plan in await previewed(station)] == [Conflict]
        assert "chose" not in (await told(station))["match"]
        await look(station, "run-2")
        assert (contacts_of(station), station.world.contacts.count("create")) == ([], made)
        assert len(await station.world.ledger.conflicts.list()) == 1
        assert not station.world.ledger.choices.held

    run_virtual(main())


@pytest.mark.parametrize("late", [-1, 1])
def test_a_choice_beside_a_link_that_leads_somewhere_is_used_up_whatever_the_clocks_say(late: int) -> None:
    """A look linked the user while the person chose, or the two machines' clocks differ."""

    async def main() -> None:
        station = Station()
        await _killed_before_it_forgets(station)
        ledger = station.world.ledger
        at = ledger.links.held[CUSTOMER, "u1"].linked_at + timedelta(seconds=late)
        ledger.choices.held[CUSTOMER, "u1"] = replace(ledger.choices.held[CUSTOMER, "u1"], at=at)
        assert "chose" not in (await told(station))["match"]
        await full_pass(station)
        assert not ledger.choices.held
        (mine,) = contacts_of(station)
        del station.world.contacts.held[mine]
        await hint(station, "u1")
        assert (contacts_of(station), station.world.contacts.count("create")) == ([], 1)

    run_virtual(main())


def test_what_a_person_chooses_anew_while_a_full_sync_reads_is_not_forgotten_with_the_old_choice() -> None:
    async def main() -> None:
        station = Station()
        await _killed_before_it_forgets(station)
        survey = await FullPass(station.ports, station.settings).preview(CUSTOMER)
        choose(station, Choice.DISMISS, 2, 3)
        await Noting(station.ports).note(survey, lambda _: False)
        assert [each.choice for each in station.world.ledger.choices.held.values()] == [Choice.DISMISS]

    run_virtual(main())


def test_a_choice_that_is_used_up_makes_nobody_a_rival() -> None:
    """A guest with the member's address had its chosen contact, which is gone: the member's is the member's."""

    async def main() -> None:
        station = Station()
        station.hire(person())
        station.hire(person("u2", mail="u1@contoso.example", user_type="Guest"))
        station.world.contacts.put(Contact(2, CUSTOMER, email="u1@contoso.example"))
        ledger = station.world.ledger
        ledger.choices.held[CUSTOMER, "u2"] = Chosen(CUSTOMER, "u2", Choice.CREATE, "2", "", "ada", START)
        await ledger.links.link(Link(CUSTOMER, "u2", 77, "created", START))
        await hint(station, "u1")
        assert contacts_of(station) == [2]

    run_virtual(main())


def test_a_choice_made_after_the_link_holds_and_so_does_a_question_that_was_left_alone() -> None:
    async def main() -> None:
        station = Station()
        user = twice(station)
        await station.world.ledger.links.link(Link(CUSTOMER, user.id, 77, "mail", START - timedelta(days=1)))
        choose(station, Choice.DISMISS, 2, 3)
        await hint(station, user.id)
        await full_pass(station)
        assert (contacts_of(station), len(station.world.ledger.choices.held)) == ([], 1)
        await station.world.ledger.links.link(Link(CUSTOMER, user.id, 77, "mail", START - timedelta(days=1)))
        choose(station, Choice.CREATE, 2, 3)
        await full_pass(station, "run-2")
        assert len(contacts_of(station)) == 1

    run_virtual(main())


def test_the_scope_does_not_stand_against_a_chosen_contact_but_a_blocked_account_does() -> None:
    async def main() -> None:
        station = Station()
        user = twice(station, sku_ids=(), account_enabled=False)
        choose(station, Choice.CREATE, 2, 3)
        await hint(station, "u1")
        assert contacts_of(station) == []
        station.hire(replace(user, account_enabled=True))
        await hint(station, "u1")
        assert len(contacts_of(station)) == 1

    run_virtual(main())


def test_more_chosen_contacts_than_an_hour_passes_wait_for_a_person() -> None:
    async def main() -> None:
        station = Station()
        station.settings = replace(
            station.settings, brakes=station.settings.brakes.model_copy(update={"creations_per_hour": 0})
        )
        twice(station)
        choose(station, Choice.CREATE, 2, 3)
        await hint(station, "u1", seconds=30.0)
        assert contacts_of(station) == []
        hold = await station.world.ledger.holds.of_customer(CUSTOMER)
        assert hold is not None
        assert hold.brakes == {"creations": (1, 0)}

    run_virtual(main())


def test_a_rebuilt_memory_forgets_no_choice_and_no_lock() -> None:
    async def main() -> None:
        station = Station()
        twice(station)
        in_step(station, person("u2", mail="u2@contoso.example"), 9)
        station.hire(person("u2", city="Basel"))
        choose(station, Choice.DISMISS, 2, 3)
        lock(station, 9)
        station.world.memory.wipe()
        await full_pass(station)
        assert not await station.world.ledger.conflicts.list()
        assert station.world.contacts.count("update", "create") == 0

    run_virtual(main())


# --- left alone ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [hint, full_pass])
def test_what_a_person_left_alone_is_no_question_until_another_contact_comes_up(path: object) -> None:
    async def look(station: Station, run_id: str) -> None:
        await (hint(station, "u1") if path is hint else full_pass(station, run_id))

    async def main() -> None:
        station = Station()
        twice(station)
        await look(station, "run-1")
        assert len(await station.world.ledger.conflicts.list()) == 1
        choose(station, Choice.DISMISS, 2, 3)
        await look(station, "run-2")
        assert not await station.world.ledger.conflicts.list()
        (plan,) = await previewed(station)
        assert isinstance(plan, Conflict)
        assert not plan.is_open
        assert "ada left it alone" in (await told(station))["match"]
        station.world.contacts.put(Contact(4, CUSTOMER, email="U1@contoso.example"))
        await look(station, "run-3")
        assert len(await station.world.ledger.conflicts.list()) == 1
        assert station.world.contacts.count("update", "create") == 0

    run_virtual(main())


# --- a link -------------------------------------------------------------------------------------------------------


def test_a_link_that_a_person_made_is_followed_and_the_question_ends() -> None:
    async def main() -> None:
        station = Station()
        twice(station)
        await hint(station, "u1")
        await station.world.ledger.links.link(Link(CUSTOMER, "u1", 3, "person", START))
        await hint(station, "u1")
        assert contacts_of(station) == [3]
        assert not await station.world.ledger.conflicts.list()

    run_virtual(main())


def test_what_a_decision_would_change_is_told_and_nothing_is_changed() -> None:
    async def main() -> None:
        station = Station()
        twice(station)
        explaining = Explaining(station.ports, station.settings)
        linked = await explaining.suppose(CUSTOMER, "u1", contact_id=3)
        chosen = Chosen(CUSTOMER, "u1", Choice.CREATE, "", "", "ada", START)
        created = await explaining.suppose(CUSTOMER, "u1", chosen=chosen)
        assert isinstance(linked.now, Conflict)
        assert isinstance(linked.then, UpdateContact)
        assert linked.then.contact_id == 3
        assert linked.contact == station.world.contacts.held[3]
        assert isinstance(created.then, CreateContact)
        assert (created.seen, created.contact) == ("2 3", None)
        ledger = station.world.ledger
        assert not ledger.links.held
        assert not ledger.choices.held
        assert station.world.contacts.count("update", "create") == 0

    run_virtual(main())


# --- locked contacts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [hint, full_pass])
def test_a_locked_contact_is_written_by_no_path_and_caught_up_on_when_it_is_unlocked(path: object) -> None:
    async def look(station: Station, run_id: str) -> None:
        await (hint(station, "u1") if path is hint else full_pass(station, run_id))

    async def main() -> None:
        station = Station()
        in_step(station, person(), 1)
        lock(station, 1)
        station.hire(person(city="Basel"))
        await look(station, "run-1")
        (plan,) = await previewed(station)
        assert plan == Pinned("u1", CUSTOMER, 1, "ada", None, "VIP")
        assert "locked by ada: VIP" in (await told(station))["plan"]
        assert station.world.contacts.count("update") == 0
        await station.world.ledger.pins.unpin(CUSTOMER, 1)
        await look(station, "run-2")
        assert station.world.contacts.held[1].city == "Basel"

    run_virtual(main())


def test_a_lock_ends_by_itself() -> None:
    async def main() -> None:
        station = Station()
        in_step(station, person(), 1)
        lock(station, 1, hours=2)
        station.hire(person(city="Basel"))
        await hint(station, "u1")
        assert station.world.contacts.count("update") == 0
        await asyncio.sleep(2 * 3600)
        await hint(station, "u1")
        assert station.world.contacts.held[1].city == "Basel"

    run_virtual(main())


def test_a_contact_found_by_its_address_is_not_written_while_it_is_locked() -> None:
    async def main() -> None:
        station = Station()
        station.hire(person())
        station.world.contacts.put(Contact(5, CUSTOMER, email="u1@contoso.example"))
        lock(station, 5)
        await hint(station, "u1")
        assert station.world.contacts.count("update", "create") == 0

    run_virtual(main())


def test_a_lock_set_while_a_look_waits_for_its_turn_holds() -> None:
    async def main() -> None:
        station = Station()
        in_step(station, person(), 1)
        station.hire(person(city="Basel"))
        async with station.working():
            async with station.world.leases.hold(f"customer:{CUSTOMER}", ttl=600.0):
                await station.send(station.hint("u1"))
                await asyncio.sleep(5.0)
                lock(station, 1)
            await asyncio.sleep(60.0)
        assert station.outcomes() == ["locked"]
        assert station.world.contacts.count("update") == 0

    run_virtual(main())


def test_a_leaver_whose_contact_is_locked_is_left_as_it_is() -> None:
    async def main() -> None:
        station = Station()
        in_step(station, person(), 1)
        in_step(station, person("u2"), 2)
        await full_pass(station)
        lock(station, 1)
        station.world.directory.put(TENANT, SoftDeleted("u1", START))
        await full_pass(station, "run-2")
        assert station.world.contacts.held[1].properties["azure_account_status"] == "Active"

    run_virtual(main())


def test_what_is_billed_on_a_locked_contact_is_cleared_by_nobody() -> None:
    async def main() -> None:
        station = Station()
        in_step(station, person(), 1)
        unlicense(station, person())
        books = Billing(station.ports, station.settings)
        (row,) = (await books.report(CUSTOMER)).without_licence
        assert row.can_clear
        lock(station, 1)
        report = await books.report(CUSTOMER)
        (row,) = report.without_licence
        assert not row.can_clear
        assert "locked" in row.why
        assert await books.clear(CUSTOMER, report.code, "ada") == 0

    run_virtual(main())


def test_a_preview_before_the_approval_shows_what_was_chosen() -> None:
    async def main() -> None:
        station = Station()
        station.connect(status=ConnectionStatus.PREVIEW)
        twice(station)
        choose(station, Choice.CREATE, 2, 3)
        (plan,) = await previewed(station)
        assert isinstance(plan, CreateContact)
        assert (plan.chosen_by, plan.why) == ("ada", "ada chose a contact of its own for this user: asked her")

    run_virtual(main())
