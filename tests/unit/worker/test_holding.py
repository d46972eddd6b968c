"""Brakes of a full pass: what is held and what goes on, halts, approval codes, and codes that came too late."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.changes import CreateContact, FieldChange, Kind, Plan, UpdateContact
from shared.domain.errors import Permanent
from shared.domain.nightly import BrakePolicy
from shared.domain.preview import PreviewRow
from shared.domain.records import Approval, Hold, HoldState, ListSizes, RunState
from shared.domain.safety import Brake, Excess
from tests.support.clock import START
from tests.support.passes import CUSTOMER, handed_over, in_step, make_pass, staff, unlicense
from tests.support.station import Station, person
from tests.support.virtual_time import run_virtual
from worker.divided import changed_since, divide, held_row, sentence, standing_of
from worker.fullpass import FullPass
from worker.handover import HandOver

POLICY = BrakePolicy()


def cleared(user_id: str, *more: FieldChange) -> Plan:
    change = FieldChange("azure_license", "Microsoft 365 Business Basic", "", Kind.OWNED, "")
    return UpdateContact(user_id, CUSTOMER, 1, (change, *more), "link")


def created(user_id: str) -> Plan:
    return CreateContact(user_id, CUSTOMER, (FieldChange("name", "", user_id, Kind.PROFILE, ""),), "")


def rows(*plans: Plan) -> list[PreviewRow]:
    return [PreviewRow(f"Person {plan.user_id}", "", plan) for plan in plans]


def users(some: tuple[PreviewRow, ...]) -> list[str]:
    return [row.plan.user_id for row in some]


# --- dividing ---------------------------------------------------------------------------------------------------


def test_a_class_in_excess_is_held_whole_and_the_rest_of_the_same_users_goes_on() -> None:
    city = FieldChange("city", "Bern", "Basel", Kind.PROFILE, "")
    some = rows(cleared("a", city), cleared("b"), cleared("c"), cleared("d"), created("e"))
    divided = divide(some, contacts=5, policy=POLICY, standing={})
    assert users(divided.held) == ["a", "b", "c", "d"]
    assert users(divided.allowed) == ["a", "e"]
    assert divided.brakes == {Brake.CLEARS: Excess(4, 3)}


def test_a_standing_class_holds_a_single_change() -> None:
    divided = divide(rows(cleared("a"), created("b")), contacts=5, policy=POLICY, standing={Brake.CLEARS: 3})
    assert users(divided.held) == ["a"]
    assert divided.brakes == {Brake.CLEARS: Excess(1, 3)}


def test_nothing_is_held_by_a_standing_class_into_which_nothing_falls() -> None:
    divided = divide(rows(created("b")), contacts=5, policy=POLICY, standing={Brake.CLEARS: 3})
    assert not divided.held
    assert not divided.brakes


@pytest.mark.parametrize(("standing", "held"), [({}, []), ({Brake.CLEARS: 3}, ["a", "b", "c", "d"])])
def test_rows_that_a_person_approved_pass_unless_their_class_stands(
    standing: dict[Brake, int], held: list[str]
) -> None:
    some = rows(*map(cleared, "abcd"))
    divided = divide(some, contacts=5, policy=POLICY, standing=standing, exempt={"a", "b", "c", "d"})
    assert users(divided.held) == held


def test_approved_rows_do_not_count_for_the_others() -> None:
    divided = divide(rows(*map(cleared, "abcd")), contacts=5, policy=POLICY, standing={}, exempt={"a"})
    assert not divided.held


@pytest.mark.parametrize("standing", [{}, {Brake.CREATIONS: 1}])
def test_so_many_contacts_are_created_first_and_the_others_wait(standing: dict[Brake, int]) -> None:
    some = rows(created("a"), cleared("b"), created("c"), created("d"))
    divided = divide(some, contacts=5, policy=POLICY, standing=standing, first=2)
    assert users(divided.allowed) == ["a", "b", "c"]
    assert users(divided.held) == ["d"]
    assert divided.brakes == {Brake.CREATIONS: Excess(1, 2)}


def hold(*plans: Plan, brakes: dict[str, tuple[int, int]] | None = None) -> Hold:
    told = tuple(map(held_row, rows(*plans)))
    return Hold(CUSTOMER, "c0de", "r", brakes or {"clears": (4, 3)}, told, "", START, START + timedelta(hours=72))


def test_a_list_that_was_too_short_is_no_standing_class() -> None:
    assert standing_of(hold(brakes={"listing": (4, 10), "clears": (5, 3)})) == {Brake.CLEARS: 3}
    assert standing_of(None) == {}


def test_what_changed_since_is_told_row_by_row() -> None:
    name = FieldChange("name", "Ann", "Anna", Kind.PROFILE, "")
    before = hold(cleared("same"), cleared("other"), cleared("gone"))
    now = tuple(map(held_row, rows(cleared("same"), cleared("other", name), cleared("new"))))
    other, new, gone = changed_since(before, now)
    assert other.startswith("Person other: you saw azure_license")
    assert 'name "Ann" to "Anna"' in other
    assert new.startswith("Person new: was not among what you saw")
    assert gone.startswith("Person gone: nothing waits any more")


# --- a pass -----------------------------------------------------------------------------------------------------


def test_all_licences_gone_overnight_are_held_and_nobody_is_handed_over() -> None:
    async def main() -> None:
        station = Station()
        unlicense(station, *staff(station, 10))
        report = await make_pass(station)
        assert report.published == 0
        assert not handed_over(station)
        assert report.hold is not None
        assert report.hold.brakes == {"clears": (10, 3)}
        assert await station.world.ledger.holds.of_customer(CUSTOMER) == report.hold
        assert {row.user_id for row in report.hold.rows} == {f"u{number}" for number in range(10)}
        run = await station.world.ledger.runs.get("run-1")
        assert run is not None
        assert (run.held, run.planned, run.state) == (10, 0, RunState.DONE)

    run_virtual(main())


def test_clears_within_the_limit_pass_and_their_looks_know_that_they_were_judged() -> None:
    async def main() -> None:
        station = Station()
        unlicense(station, *staff(station, 3))
        report = await make_pass(station)
        assert report.hold is None
        assert handed_over(station) == ["u0", "u1", "u2"]
        assert await HandOver(station.world.memory).passed(CUSTOMER, "u0") == {Brake.CLEARS}

    run_virtual(main())


def test_a_user_of_whom_a_part_is_held_is_handed_over_for_the_rest() -> None:
    async def main() -> None:
        station = Station()
        people = staff(station, 5)
        unlicense(station, *people)
        station.hire(replace(people[0], sku_ids=(), city="Basel"))
        report = await make_pass(station)
        assert handed_over(station) == ["u0"]
        assert report.hold is not None
        assert len(report.hold.rows) == 5
        assert not await HandOver(station.world.memory).passed(CUSTOMER, "u0")

    run_virtual(main())


def test_what_is_held_is_in_the_ledger_before_anybody_is_handed_over() -> None:
    async def main() -> None:
        station = Station()
        unlicense(station, *staff(station, 10))
        station.hire(person("new"))
        seen: list[bool] = []
        publish = station.world.broker.publish

        async def watched(*args: object, **named: object) -> None:
            seen.append(await station.world.ledger.holds.of_customer(CUSTOMER) is not None)
            await publish(*args, **named)  # type: ignore[arg-type]  # handed through

        station.world.broker.publish = watched  # type: ignore[method-assign]  # watches
        await make_pass(station)
        assert seen == [True]

    run_virtual(main())


def test_a_hold_stays_while_anything_falls_into_its_class_and_goes_by_itself() -> None:
    async def main() -> None:
        station = Station()
        people = staff(station, 10)
        unlicense(station, *people)
        await make_pass(station, "run-1")
        for user in people[1:]:
            station.hire(user)
        second = await make_pass(station, "run-2")
        assert second.hold is not None
        assert [row.user_id for row in second.hold.rows] == ["u0"]
        station.hire(people[0])
        third = await make_pass(station, "run-3")
        assert third.hold is None
        assert await station.world.ledger.holds.of_customer(CUSTOMER) is None
        assert {each.state for each in station.world.ledger.holds.held} == {HoldState.LIFTED}

    run_virtual(main())


def test_rows_of_an_approved_preview_are_not_held() -> None:
    async def main() -> None:
        station = Station()
        unlicense(station, *staff(station, 10))
        approvals = station.world.ledger.approvals
        shown = (await FullPass(station.ports, station.settings).preview(CUSTOMER)).preview
        await approvals.propose(Approval(CUSTOMER, shown.code, shown.digests, shown.summary, START))
        await approvals.approve(CUSTOMER, shown.code, "ann", START)
        report = await make_pass(station)
        assert report.hold is None
        assert report.published == 10

    run_virtual(main())


# --- releasing --------------------------------------------------------------------------------------------------


def test_the_same_code_releases_exactly_what_was_shown_and_says_who_did_it() -> None:
    async def main() -> None:
        station = Station()
        unlicense(station, *staff(station, 10))
        first = await make_pass(station, "run-1")
        assert first.hold is not None
        second = await make_pass(station, "run-2", release=first.hold.code, by="ann")
        assert (second.hold, second.stale, second.published) == (None, (), 10)
        assert await HandOver(station.world.memory).passed(CUSTOMER, "u9") == {Brake.CLEARS}
        (settled,) = station.world.ledger.holds.held
        assert (settled.state, settled.settled_by) == (HoldState.APPROVED, "ann")

    run_virtual(main())


def test_a_pass_killed_after_the_release_does_not_ask_again() -> None:
    async def main() -> None:
        station = Station()
        unlicense(station, *staff(station, 10))
        first = await make_pass(station, "run-1")
        assert first.hold is not None
        now = station.world.clock.now()
        await station.world.ledger.holds.settle(CUSTOMER, first.hold.code, HoldState.APPROVED, "ann", now)
        again = await make_pass(station, "run-2")
        assert (again.hold, again.published) == (None, 10)
        station.world.clock.ahead += timedelta(hours=73)
        late = await make_pass(station, "run-3")
        assert late.hold is not None

    run_virtual(main())


def test_a_yes_is_good_for_one_full_sync_that_ends() -> None:
    async def main() -> None:
        station = Station()
        people = staff(station, 10)
        unlicense(station, *people)
        first = await make_pass(station, "run-1")
        assert first.hold is not None
        await make_pass(station, "run-2", release=first.hold.code, by="ann")
        station.world.clock.ahead += timedelta(hours=1)
        await station.world.ledger.runs.finish("run-2", station.world.clock.now())
        again = await make_pass(station, "run-3")  # the licences came back meanwhile, and are gone once more
        assert again.hold is not None
        assert (again.hold.code, again.published) == (first.hold.code, 0)

    run_virtual(main())


def test_a_stale_code_releases_nothing_and_tells_what_changed() -> None:
    async def main() -> None:
        station = Station()
        people = staff(station, 10)
        unlicense(station, *people[:9])
        first = await make_pass(station, "run-1")
        unlicense(station, people[9])
        assert first.hold is not None
        second = await make_pass(station, "run-2", release=first.hold.code, by="ann")
        assert second.published == 0
        assert second.hold is not None
        assert second.hold.code != first.hold.code
        (told,) = second.stale
        assert told.startswith("Person u9: was not among what you saw")

    run_virtual(main())


def test_codes_that_nobody_may_release_are_refused_before_anything_is_read() -> None:
    async def main() -> None:
        station = Station()
        unlicense(station, *staff(station, 10))
        report = await make_pass(station, "run-1")
        assert report.hold is not None
        code = report.hold.code
        with pytest.raises(Permanent, match="unknown_code"):
            await make_pass(station, "run-2", release="12345678")
        station.world.clock.ahead += timedelta(hours=72)
        with pytest.raises(Permanent, match="approval_expired"):
            await make_pass(station, "run-2", release=code)
        await station.world.ledger.holds.settle(CUSTOMER, code, HoldState.REJECTED, "ann", START)
        with pytest.raises(Permanent, match="already_decided"):
            await make_pass(station, "run-2", release=code)
        assert len(station.world.reports.read_tenants) == 1
        assert "run-2" not in station.world.ledger.runs.held

    run_virtual(main())


def test_the_first_few_are_created_and_the_code_releases_the_others() -> None:
    async def main() -> None:
        station = Station()
        for number in range(5):
            station.hire(person(f"u{number}"))
        report = await make_pass(station, "run-1", first=2)
        assert handed_over(station) == ["u0", "u1"]
        assert report.hold is not None
        assert report.hold.brakes == {"creations": (3, 2)}
        for number in range(2):
            in_step(station, person(f"u{number}"), 100 + number)
        nightly = await make_pass(station, "run-2")
        assert nightly.published == 0
        released = await make_pass(station, "run-3", release=report.hold.code, by="ann")
        assert released.published == 3

    run_virtual(main())


# --- halts ------------------------------------------------------------------------------------------------------


def test_a_short_list_halts_the_customer_and_a_believable_one_ends_it() -> None:
    async def main() -> None:
        station = Station()
        staff(station, 10)
        await make_pass(station, "run-1")
        station.world.reports.hidden = {f"u{number}" for number in range(4, 10)}
        station.hire(person("new"))
        halted = await make_pass(station, "run-2")
        assert halted.halted
        assert halted.published == 0
        assert not handed_over(station)
        assert halted.hold is not None
        assert halted.hold.brakes == {"listing": (5, 10)}
        assert "10 before" in halted.hold.detail
        run = station.world.ledger.runs.held["run-2"]
        assert run.state is RunState.HALTED
        assert CUSTOMER in station.world.ledger.owed.held
        assert station.world.ledger.sizes.held[CUSTOMER].users == 10
        station.world.reports.hidden = set()
        after = await make_pass(station, "run-3")
        assert not after.halted
        assert handed_over(station) == ["new"]
        assert await station.world.ledger.holds.of_customer(CUSTOMER) is None
        assert not station.world.ledger.owed.held

    run_virtual(main())


def test_a_halt_can_be_released_by_the_code_of_exactly_these_numbers() -> None:
    async def main() -> None:
        station = Station()
        staff(station, 10)
        await make_pass(station, "run-1")
        station.world.reports.hidden = {"u8", "u9"}
        halted = await make_pass(station, "run-2")
        station.world.reports.hidden = {"u7", "u8", "u9"}
        assert halted.hold is not None
        other = await make_pass(station, "run-3", release=halted.hold.code, by="ann")
        assert other.halted
        assert len(other.stale) == 1
        assert other.hold is not None
        after = await make_pass(station, "run-4", release=other.hold.code, by="ann")
        assert (after.halted, after.stale) == (False, ())
        assert station.world.ledger.sizes.held[CUSTOMER].users == 7
        assert handed_over(station) == ["u7", "u8", "u9"]  # linked, and absence says nothing: they are looked at

    run_virtual(main())


def test_fewer_contacts_halt_too_and_a_class_that_stood_before_stands_after() -> None:
    async def main() -> None:
        station = Station()
        people = staff(station, 10)
        unlicense(station, *people)
        await make_pass(station, "run-1")
        for contact_id in range(100, 105):
            del station.world.contacts.held[contact_id]
        halted = await make_pass(station, "run-2")
        assert halted.hold is not None
        assert halted.hold.brakes == {"listing": (5, 10), "clears": (10, 3)}
        staff(station, 10)
        unlicense(station, people[0])
        after = await make_pass(station, "run-3")
        assert after.hold is not None
        assert after.hold.brakes == {"clears": (1, 3)}

    run_virtual(main())


def test_a_first_pass_has_nothing_to_compare_with() -> None:
    async def main() -> None:
        station = Station()
        staff(station, 2)
        report = await make_pass(station)
        assert not report.halted
        now = station.world.clock.now()
        assert station.world.ledger.sizes.held[CUSTOMER] == ListSizes(CUSTOMER, 2, 2, now)

    run_virtual(main())


@pytest.mark.parametrize(
    ("brake", "excess", "words"),
    [
        (
            Brake.CLEARS,
            Excess(5, 3),
            "5 contacts would lose a value or be marked as deleted; 3 pass without a question.",
        ),
        (
            Brake.IDENTITY,
            Excess(1, 0),
            "1 contact would get another name or e-mail address; 0 pass without a question.",
        ),
        (
            Brake.CREATIONS,
            Excess(1, 1),
            "1 contact would be created; the limit of 1 was reached before, so the rest waits.",
        ),
        (Brake.LISTING, Excess(4, 90), "A list has 4 entries now, where 90 were there before."),
    ],
)
def test_what_is_held_is_told_with_its_limit(brake: Brake, excess: Excess, words: str) -> None:
    assert sentence(brake, excess) == words
