"""Brakes on the path of a single look: what stands, what an hour has seen, and what a person or a pass let through."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from shared.domain.changes import FieldChange, Kind, row_digest
from shared.domain.facts import Facts
from shared.domain.messages import Lane, Reason
from shared.domain.outcome import Held, Outcome, Synced
from shared.domain.records import HeldRow, Hold, JournalEntry, ListSizes, WriteState
from shared.domain.retry import MarkOwed, decide
from shared.domain.safety import Brake, code_of
from shared.domain.user import DirectoryUser
from tests.support.clock import START
from tests.support.station import CUSTOMER, TENANT, Station, person
from tests.support.virtual_time import run_virtual
from worker.braking import HALTED, TOO_MANY, WAITING, touched
from worker.handover import HandOver
from worker.sync import Sync

NO_CREATIONS = {"creations_per_hour": 0}


async def look(station: Station, user_id: str = "u1", *, run_id: str | None = None, of_pass: bool = False) -> Outcome:
    sync = Sync(station.ports, station.settings, Lane.LIVE)
    hint = station.hint(user_id, run_id=run_id)
    if of_pass:  # as `worker/handing.py` hands over
        hint = hint.model_copy(update={"trace_id": run_id})
    outcomes = await station.sync_users(sync, hint)
    return next(iter(outcomes.values()))


async def in_step(station: Station, *users: DirectoryUser) -> None:
    """Linked users whose contacts say what Entra says."""
    for number, user in enumerate(users, 1):
        station.linked(user, number)
        await look(station, user.id)
    station.world.contacts.calls.clear()
    station.world.ledger.journal.written.clear()


def stands(station: Station, *brakes: Brake, rows: tuple[HeldRow, ...] = ()) -> Hold:
    hold = Hold(CUSTOMER, "0badc0de", "run-0", {b.value: (9, 3) for b in brakes}, rows, "", START, START)
    station.world.ledger.holds.held.append(hold)
    return hold


def begins(station: Station, brake: Brake) -> None:
    stands(station, brake)


def writes(station: Station) -> int:
    return station.world.contacts.count("update", "create")


def renamed(user_id: str = "u1", **facts: object) -> DirectoryUser:
    return person(user_id, given_name="Other", **facts)


async def open_hold(station: Station) -> Hold | None:
    return await station.world.ledger.holds.of_customer(CUSTOMER)


# --- a hold that stands -----------------------------------------------------------------------------------------


def test_a_halted_customer_is_owed_and_costs_no_call_to_syncro() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        stands(station, Brake.LISTING, Brake.CLEARS)
        outcome = await look(station)
        assert outcome == HALTED == Held("halted", owed=True)
        assert not station.world.contacts.calls

    run_virtual(main())


def test_a_list_that_turns_short_while_a_look_waits_holds_what_needs_a_brake() -> None:
    async def main() -> None:
        station = Station()
        await in_step(station, person())
        station.hire(renamed())
        station.world.contacts.on_call["get"] = partial(begins, station, Brake.LISTING)
        assert await look(station) == HALTED
        assert writes(station) == 0

    run_virtual(main())


def test_the_class_that_is_held_waits_and_the_rest_is_written() -> None:
    async def main() -> None:
        station = Station()
        await in_step(station, person())
        stands(station, Brake.IDENTITY)
        station.hire(renamed(city="Basel"))
        outcome = await look(station)
        assert isinstance(outcome, Synced)
        assert not outcome.owed
        assert (outcome.calls, outcome.writes) == (2, 1)
        contact = station.world.contacts.held[1]
        assert (contact.name, contact.city) == ("Person u1", "Basel")

    run_virtual(main())


def test_a_user_of_whom_everything_is_held_is_not_written_and_owes_nothing() -> None:
    async def main() -> None:
        station = Station()
        await in_step(station, person())
        stands(station, Brake.IDENTITY)
        station.hire(renamed())
        outcome = await look(station)
        assert outcome == Held(WAITING, owed=False)
        assert isinstance(outcome, Held)
        assert outcome.calls == 1
        assert writes(station) == 0

    run_virtual(main())


def test_a_hold_made_while_a_look_waits_for_its_turn_counts() -> None:
    async def main() -> None:
        station = Station()
        await in_step(station, person())
        station.hire(renamed())
        station.world.contacts.on_call["get"] = partial(begins, station, Brake.IDENTITY)
        assert await look(station) == Held(WAITING, owed=False)

    run_virtual(main())


def test_what_a_pass_let_through_is_written_once_although_the_class_is_held() -> None:
    async def main() -> None:
        station = Station()
        await in_step(station, person())
        stands(station, Brake.IDENTITY)
        handover = HandOver(station.world.memory)
        await handover.give(TENANT, CUSTOMER, "u1", Facts(station.world.clock.now()), [Brake.IDENTITY])
        station.hire(renamed())
        assert isinstance(await look(station), Synced)
        assert station.world.contacts.held[1].name == "Other u1"
        station.hire(person(given_name="Third"))
        assert await look(station) == Held(WAITING, owed=False)

    run_virtual(main())


def test_a_change_that_needs_no_brake_asks_neither_the_journal_nor_the_list_sizes() -> None:
    async def main() -> None:
        station = Station()
        await in_step(station, person())

        async def never(*_: object, **__: object) -> Sequence[JournalEntry]:
            raise AssertionError("asked without need")

        station.world.ledger.journal.outside_passes = never  # type: ignore[method-assign]  # that is the test
        station.world.ledger.sizes.last = never  # type: ignore[method-assign,assignment]  # that is the test
        station.hire(person(city="Basel"))
        assert isinstance(await look(station), Synced)

    run_virtual(main())


# --- an hour's limits -------------------------------------------------------------------------------------------


async def created(station: Station, users: int) -> list[Outcome]:
    outcomes = []
    for number in range(users):
        station.hire(person(f"new{number}"))
        outcomes.append(await look(station, f"new{number}"))
    return outcomes


def test_the_sixteenth_creation_within_an_hour_is_held_and_the_customer_is_owed_a_pass() -> None:
    async def main() -> None:
        station = Station()
        outcomes = await created(station, 17)
        assert all(isinstance(outcome, Synced) for outcome in outcomes[:15])
        assert outcomes[15:] == [Held(TOO_MANY, owed=True), Held(WAITING, owed=False)]
        assert station.world.contacts.count("create") == 15
        hold = await open_hold(station)
        assert hold is not None
        assert hold.brakes == {"creations": (16, 15)}
        assert (hold.rows, hold.run_id) == ((), None)
        assert hold.expires_at - hold.held_at == timedelta(hours=72)
        assert "16 contacts would be created within an hour" in hold.detail

    run_virtual(main())


def test_the_code_of_a_live_hold_is_that_of_what_it_holds() -> None:
    async def main() -> None:
        free = Station()
        (outcome,) = await created(free, 1)
        assert isinstance(outcome, Synced)
        station = Station()
        station.settings = replace(station.settings, brakes=station.settings.brakes.model_copy(update=NO_CREATIONS))
        await created(station, 1)
        hold = await open_hold(station)
        assert hold is not None
        assert hold.code == code_of(CUSTOMER, [outcome.plan])

    run_virtual(main())


def test_an_hour_later_as_many_may_be_created_again() -> None:
    async def main() -> None:
        station = Station()
        await created(station, 15)
        station.world.clock.ahead += timedelta(minutes=61)
        station.hire(person("later"))
        assert isinstance(await look(station, "later"), Synced)
        assert await open_hold(station) is None

    run_virtual(main())


@pytest.mark.parametrize(("contacts", "passing"), [(0, 3), (5, 3), (50, 5), (500, 25), (5_000, 25)])
def test_clears_within_an_hour_pass_up_to_the_limit_of_the_customers_size(contacts: int, passing: int) -> None:
    async def main() -> None:
        station = Station()
        users = [person(f"u{n}") for n in range(passing + 1)]
        await in_step(station, *users)
        await station.world.ledger.sizes.save(ListSizes(CUSTOMER, contacts, contacts, START))
        for user in users:
            station.hire(replace(user, sku_ids=()))
        outcomes = [await look(station, user.id) for user in users]
        assert outcomes[:-1] == [o for o in outcomes if isinstance(o, Synced)]
        assert outcomes[-1] == Held(TOO_MANY, owed=True)
        cleared = [c for c in station.world.contacts.held.values() if not c.properties["azure_license"]]
        assert len(cleared) == passing

    run_virtual(main())


def test_without_a_known_size_five_names_may_change_within_an_hour() -> None:
    async def main() -> None:
        station = Station()
        users = [person(f"u{n}") for n in range(6)]
        await in_step(station, *users)
        for user in users:
            station.hire(renamed(user.id, city="Basel"))
        outcomes = [await look(station, user.id) for user in users]
        last = outcomes[-1]
        assert isinstance(last, Synced)  # its city is no question for anybody
        assert last.owed == TOO_MANY
        assert isinstance(decide(last, 0, station.settings.retry), MarkOwed)
        assert [station.world.contacts.held[n].city for n in range(1, 7)] == ["Basel"] * 6
        assert station.world.contacts.held[6].name == "Person u5"

    run_virtual(main())


def test_one_user_counts_once_however_often_the_name_changes() -> None:
    async def main() -> None:
        station = Station()
        await in_step(station, person())
        for number in range(9):
            station.hire(person(given_name=f"Name {number}"))
            assert isinstance(await look(station), Synced)

    run_virtual(main())


def test_what_another_full_sync_wrote_does_not_count_and_what_the_own_one_wrote_does() -> None:
    async def main() -> None:
        station = Station()
        for number in range(15):
            station.hire(person(f"new{number}"))
            await look(station, f"new{number}", run_id="run-1", of_pass=True)
        station.hire(person("live"))
        assert isinstance(await look(station, "live"), Synced)
        station.hire(person("late"))
        assert await look(station, "late", run_id="run-1", of_pass=True) == Held(TOO_MANY, owed=True)

    run_virtual(main())


def test_replays_syncs_by_hand_and_live_changes_have_one_hour_together() -> None:
    """Five names may change: as many letters of two replays, users synced by hand and live changes as there are."""

    async def main() -> None:
        station = Station()
        users = [person(f"u{n}") for n in range(8)]
        await in_step(station, *users)
        for user in users:
            station.hire(renamed(user.id))
        runs = ("replay-1", "replay-1", "replay-2", "by-hand", None, "replay-1", "by-hand-2", None)
        outcomes = [await look(station, user.id, run_id=run_id) for user, run_id in zip(users, runs, strict=True)]
        assert all(isinstance(outcome, Synced) for outcome in outcomes[:5])
        assert outcomes[5:] == [Held(TOO_MANY, owed=True), *[Held(WAITING, owed=False)] * 2]

    run_virtual(main())


def test_a_row_that_a_person_approved_is_no_question_of_the_hour() -> None:
    async def main() -> None:
        free = Station()
        free.hire(person("approved"))
        shown = await look(free, "approved")
        assert isinstance(shown, Synced)
        station = Station()
        await created(station, 15)
        station.world.ledger.approvals.rows[CUSTOMER, "approved"] = row_digest(shown.plan)
        station.hire(person("approved"))
        assert isinstance(await look(station, "approved"), Synced)

    run_virtual(main())


def test_an_approved_row_does_not_lift_a_brake_that_stands() -> None:
    async def main() -> None:
        free = Station()
        await in_step(free, person())
        free.hire(renamed())
        shown = await look(free)
        assert isinstance(shown, Synced)
        station = Station()
        await in_step(station, person())
        stands(station, Brake.IDENTITY)
        station.hire(renamed())
        station.world.ledger.approvals.rows[CUSTOMER, "u1"] = row_digest(shown.plan)
        assert await look(station) == Held(WAITING, owed=False)
        assert (CUSTOMER, "u1") in station.world.ledger.approvals.rows

    run_virtual(main())


def test_a_second_class_in_excess_joins_the_hold_that_stands_and_its_code_covers_no_row() -> None:
    async def main() -> None:
        station = Station()
        users = [person(f"u{n}") for n in range(6)]
        await in_step(station, *users)
        row = HeldRow("u9", "Person u9", 9, "d", ())
        stands(station, Brake.CLEARS, rows=(row,))
        for user in users:
            station.hire(renamed(user.id))
            await look(station, user.id)
        hold = await open_hold(station)
        assert hold is not None
        assert hold.brakes == {"clears": (9, 3), "identity": (6, 5)}
        assert hold.rows == (), "the new code says nothing about what an earlier one showed"

    run_virtual(main())


def test_a_held_change_reaches_the_ledger_as_an_owed_customer() -> None:
    async def main() -> None:
        station = Station()
        station.settings = replace(station.settings, brakes=station.settings.brakes.model_copy(update=NO_CREATIONS))
        station.hire(person())
        await station.send(station.hint("u1"))
        async with station.working():
            await asyncio.sleep(10.0)
        mark = station.world.ledger.owed.held[CUSTOMER]
        assert mark.reason == TOO_MANY
        assert writes(station) == 0

    run_virtual(main())


# --- what counts as touched -------------------------------------------------------------------------------------


def entry(
    action: str = "update",
    *changes: tuple[str, str, str],
    user_id: str = "u1",
    state: WriteState = WriteState.WRITTEN,
) -> JournalEntry:
    told = tuple(FieldChange(field, before, after, Kind.OWNED, "") for field, before, after in changes)
    return JournalEntry(CUSTOMER, user_id, 1, action, told, Reason.NOTIFICATION, "t", START, state=state)


CLEARED = ("azure_license", "Microsoft 365 Business Basic", "")
FILLED = ("azure_license", "", "Microsoft 365 Business Basic")


@pytest.mark.parametrize(
    ("given", "brake", "count"),
    [
        (entry("create"), Brake.CREATIONS, 1),
        (entry("create", FILLED), Brake.CLEARS, 0),
        (entry("update", CLEARED), Brake.CLEARS, 1),
        (entry("update", CLEARED), Brake.CREATIONS, 0),
        (entry("update", FILLED), Brake.CLEARS, 0),
        (entry("update", ("name", "Ann", "Anna")), Brake.IDENTITY, 1),
        (entry("update", ("name", "Ann", "Anna"), CLEARED), Brake.CLEARS, 1),
        (entry("update", ("azure_account_status", "Active", "Deleted since 2026-11-24")), Brake.CLEARS, 1),
        (entry("customer", CLEARED, user_id=""), Brake.CLEARS, 0),
        (entry("update", CLEARED, user_id=""), Brake.CLEARS, 1),
        (entry("update", CLEARED, state=WriteState.REFUSED), Brake.CLEARS, 0),
        (entry("update", CLEARED, state=WriteState.AMBIGUOUS), Brake.CLEARS, 1),
        (entry("update", CLEARED, state=WriteState.INTENDED), Brake.CLEARS, 1),
    ],
)
def test_a_user_is_touched_by_what_was_written_or_may_have_been(given: JournalEntry, brake: Brake, count: int) -> None:
    assert len(touched([given, given], brake)) == count


def test_the_journal_names_what_was_written_and_nothing_that_waits() -> None:
    async def main() -> None:
        station = Station()
        await in_step(station, person())
        stands(station, Brake.IDENTITY)
        station.hire(renamed(city="Basel"))
        await look(station)
        (written,) = station.world.ledger.journal.written
        assert [change.field for change in written.changes] == ["city"]

    run_virtual(main())
