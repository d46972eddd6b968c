"""Full passes: what they hand to the looks, in which order, what their record says, and what a killed one leaves."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date, timedelta
from typing import Literal

import pytest

from shared.domain.changes import FieldChange, Kind, UpdateContact
from shared.domain.errors import Permanent, Scope, StopTheLine, Transient
from shared.domain.facts import Facts
from shared.domain.messages import Lane, Reason
from shared.domain.nightly import BillingPolicy, NightlyPolicy
from shared.domain.preview import PreviewRow
from shared.domain.records import Approval, Run, RunState
from shared.domain.tenant import SecureScore
from shared.domain.user import SoftDeleted
from tests.support.clock import START
from tests.support.passes import CUSTOMER, TENANT, handed_over, in_step, make_pass, staff, unlicense
from tests.support.station import Station, person
from tests.support.virtual_time import run_virtual
from worker.fullpass import OWN_FIELDS_FAILED, FullPass
from worker.handing import chosen
from worker.handover import HandOver
from worker.owed import OwedPasses

ACTIVITY = "azure_last_activity"


def moved(user_id: str, before: str, after: str = "2026-11-24", *more: FieldChange) -> PreviewRow:
    change = FieldChange(ACTIVITY, before, after, Kind.REPORTED, "")
    return PreviewRow(user_id, "", UpdateContact(user_id, CUSTOMER, 1, (change, *more), "link"))


# --- facts ------------------------------------------------------------------------------------------------------


def test_one_reading_gives_users_and_facts_and_every_user_is_told_what_it_said() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person("known"), 1)
        station.linked(person("unknown"), 2)
        station.linked(person("gone"), 3)
        station.world.directory.put(TENANT, SoftDeleted("gone", START))
        station.world.reports.tell(TENANT, "known", mfa_status="enabled")
        await make_pass(station)
        (message,) = station.world.broker.sent(Lane.BACKFILL)
        assert set(message.user_ids) == {"known", "unknown", "gone"}
        assert message.facts_at is not None
        handover = HandOver(station.world.memory)
        assert await handover.facts(TENANT, "known") == Facts(message.facts_at, mfa_status="enabled")
        for user_id in ("unknown", "gone"):
            assert await handover.facts(TENANT, user_id) == Facts(message.facts_at)
        assert len(station.world.reports.read_tenants) == 1
        assert [ids for *_, ids in station.world.directory.reads] == [("gone",)], "nobody else is asked for alone"

    run_virtual(main())


def test_the_next_pass_closes_the_record_of_one_that_was_killed() -> None:
    async def main() -> None:
        station = Station()
        in_step(station, person("u1"), 1)
        runs, now = station.world.ledger.runs, station.world.clock.now()
        states = {
            "killed": (RunState.READING, now),
            "looks go on": (RunState.WORKING, now - timedelta(hours=23)),
            "killed long ago": (RunState.WORKING, now - timedelta(hours=25)),
        }
        for run_id, (state, began) in states.items():
            await runs.start(Run(run_id, CUSTOMER, Reason.RECONCILE, 2, began, state=state, full=True))
        await make_pass(station)
        closed = {run_id: run.state for run_id, run in runs.held.items()}
        assert closed == {
            "killed": RunState.FAILED,
            "looks go on": RunState.WORKING,
            "killed long ago": RunState.FAILED,
            "run-1": RunState.DONE,
        }

    run_virtual(main())


@pytest.mark.parametrize(
    ("reason", "users", "lane"),
    [
        (Reason.MANUAL, 2, Lane.LIVE),
        (Reason.MANUAL, 51, Lane.BACKFILL),
        (Reason.RECONCILE, 2, Lane.BACKFILL),  # a thousand small customers would crowd live changes out
    ],
)
def test_only_a_small_sync_that_somebody_waits_for_goes_before_the_others(
    reason: Reason, users: int, lane: Lane
) -> None:
    async def main() -> None:
        station = Station()
        for number in range(1, users + 1):
            station.linked(person(f"u{number}"), number)
        await FullPass(station.ports, station.settings).full_pass(CUSTOMER, reason=reason, run_id="run-1")
        assert {published.lane for published in station.world.broker.published} == {lane}

    run_virtual(main())


def test_facts_are_given_before_the_message_goes_out() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        given: list[Facts | None] = []
        publish = station.world.broker.publish

        async def watched(*args: object, **named: object) -> None:
            given.append(await HandOver(station.world.memory).facts(TENANT, "u1"))
            await publish(*args, **named)  # type: ignore[arg-type]  # handed through

        station.world.broker.publish = watched  # type: ignore[method-assign]  # watches
        await make_pass(station)
        assert given != [None]
        assert len(given) == 1

    run_virtual(main())


def test_previews_show_what_reports_say_and_keep_every_row() -> None:
    async def main() -> None:
        station = Station()
        in_step(station, person("u1"), 1)
        in_step(station, person("u2"), 2)
        station.world.reports.tell(TENANT, "u1", mfa_status="enabled")
        survey = await FullPass(station.ports, station.settings).preview(CUSTOMER)
        assert len(survey.preview.rows) == 2
        plan = survey.preview.rows[0].plan
        assert isinstance(plan, UpdateContact)
        assert [(change.field, change.after) for change in plan.changes] == [("azure_mfa_status", "enabled")]

    run_virtual(main())


def test_a_run_keeps_only_rows_that_ask_for_something() -> None:
    async def main() -> None:
        station = Station()
        staff(station, 20)
        station.hire(person("new"))
        report = await make_pass(station)
        assert [row.plan.user_id for row in report.survey.preview.rows] == ["new"]
        assert report.considered == 21

    run_virtual(main())


def test_contacts_in_step_cost_no_question_to_the_ledger() -> None:
    async def main() -> None:
        station = Station()
        staff(station, 20)
        asked: list[str] = []
        links = station.world.ledger.links
        of_user = links.of_user

        async def watched(customer_id: int, user_id: str) -> object:
            asked.append(user_id)
            return await of_user(customer_id, user_id)

        links.of_user = watched  # type: ignore[method-assign, assignment]  # watches
        await make_pass(station)
        assert not asked

    run_virtual(main())


# --- order ------------------------------------------------------------------------------------------------------


def test_last_activities_go_last_the_stalest_first_and_those_over_the_cap_are_carried_over() -> None:
    city = FieldChange("city", "Bern", "Basel", Kind.PROFILE, "")
    rows = [
        moved("fresh", "2026-11-20"),
        moved("blank", ""),
        moved("more", "2026-11-23", "2026-11-24", city),
        moved("old", "2026-01-01"),
        moved("near", "2026-11-23"),
    ]
    choice = chosen(rows, ACTIVITY, days=2, cap=2)
    assert [plan.user_id for plan in choice.plans] == ["more", "blank", "old"]
    assert (len(choice.ordinary), choice.carried) == (1, 1)
    assert set(choice.left) == {"fresh", "near"}
    assert choice.with_unseen(["unseen"]) == ("more", "unseen", "blank", "old")


@pytest.mark.parametrize(("cap", "taken", "carried"), [(None, 3, 0), (0, 0, 3), (2, 2, 1), (9, 3, 0)])
def test_the_cap_is_a_number_of_users_and_none_is_no_cap(cap: int | None, taken: int, carried: int) -> None:
    choice = chosen([moved(f"u{day}", f"2026-10-0{day}") for day in (1, 2, 3)], ACTIVITY, days=1, cap=cap)
    assert (len(choice.activity), choice.carried) == (taken, carried)


def test_activity_that_moved_too_little_is_in_step_and_ends_its_approved_row() -> None:
    async def main() -> None:
        station = Station()
        for number, day in enumerate(("2026-11-20", "2026-11-01")):
            in_step(station, person(f"u{number}"), number + 1, **{ACTIVITY: day})
            station.world.reports.tell(TENANT, f"u{number}", last_activity="2026-11-24")
        approvals = station.world.ledger.approvals
        shown = (await FullPass(station.ports, station.settings).preview(CUSTOMER)).preview
        await approvals.propose(Approval(CUSTOMER, shown.code, shown.digests, shown.summary, START))
        await approvals.approve(CUSTOMER, shown.code, "ann", START)
        report = await make_pass(station, activity_days=7)
        assert handed_over(station) == ["u1"]
        assert report.activity == 1
        assert await approvals.pending(CUSTOMER) == 1

    run_virtual(main())


@pytest.mark.parametrize(("setting", "handed"), [("auto", ["u0", "u1"]), (7, ["u1"])])
def test_a_full_sync_begun_by_hand_follows_the_setting_too(setting: Literal["auto"] | int, handed: list[str]) -> None:
    async def main() -> None:
        station = Station()
        station.settings = replace(station.settings, nightly=NightlyPolicy(activity_days=setting))
        for number, day in enumerate(("2026-11-20", "2026-11-01")):
            in_step(station, person(f"u{number}"), number + 1, **{ACTIVITY: day})
            station.world.reports.tell(TENANT, f"u{number}", last_activity="2026-11-24")
        await make_pass(station)
        assert sorted(handed_over(station)) == handed

    run_virtual(main())


# --- the record -------------------------------------------------------------------------------------------------


def test_a_run_says_what_it_read_what_it_cost_and_why_anything_was_skipped() -> None:
    async def main() -> None:
        station = Station()
        people = staff(station, 4)
        unlicense(station, *people)
        station.hire(person("guest", user_type="Guest"))
        station.hire(person("odd", sku_ids=("00000000-0000-0000-0000-00000000000a",)))
        reports = station.world.reports
        reports.part_numbers = {"00000000-0000-0000-0000-00000000000a": "BRAND_NEW"}
        reports.unknown = ("The sign-in dates could not be read: this tenant has no Entra ID P1.",)
        reports.requests = 5
        await make_pass(station)
        run = await station.world.ledger.runs.get("run-1")
        assert run is not None
        assert (run.state, run.full) == (RunState.WORKING, True)
        assert (run.planned, run.considered, run.held) == (1, 6, 4)
        assert (run.graph_calls, run.syncro_calls, run.writes) == (5, 1 + 2, 1)
        told = "\n".join(run.notes)
        assert "no Entra ID P1" in told
        assert "BRAND_NEW" in told
        assert "No contact is made for 1 user: is a guest." in told
        assert "4 contacts would lose a value" in told
        await make_pass(station, "run-2")
        again = await station.world.ledger.runs.get("run-2")
        assert again is not None
        assert "BRAND_NEW" not in "\n".join(again.notes)

    run_virtual(main())


def test_a_second_pass_costs_only_the_listing() -> None:
    async def main() -> None:
        station = Station()
        staff(station, 3)
        station.world.reports.scores[TENANT] = SecureScore(30.0, 60.0, date(2026, 11, 23))
        first = await make_pass(station, "run-1")
        assert station.world.customers.count("update") == 1
        before = len(station.world.customers.calls) + len(station.world.contacts.calls)
        second = await make_pass(station, "run-2")
        assert (first.published, second.published) == (0, 0)
        assert len(station.world.customers.calls) + len(station.world.contacts.calls) == before + 1
        run = await station.world.ledger.runs.get("run-2")
        assert run is not None
        assert (run.syncro_calls, run.writes, run.state) == (1, 0, RunState.DONE)

    run_virtual(main())


def test_while_billing_is_frozen_licences_wait_except_on_new_contacts() -> None:
    async def main() -> None:
        station = Station()
        station.settings = replace(station.settings, billing=BillingPolicy(freeze=("24",)))
        people = staff(station, 2)
        station.hire(replace(people[0], sku_ids=()))
        station.hire(replace(people[1], sku_ids=(), city="Basel"))
        station.hire(person("new"))
        report = await make_pass(station, "run-1")
        assert handed_over(station) == ["u1", "new"]
        assert report.hold is None
        run = await station.world.ledger.runs.get("run-1")
        assert run is not None
        assert any("freeze" in note for note in run.notes)
        station.world.clock.ahead += timedelta(days=1)
        await make_pass(station, "run-2")
        assert "u0" in handed_over(station)

    run_virtual(main())


# --- failing and being killed -----------------------------------------------------------------------------------


def test_a_pass_that_fails_says_so_and_leaves_the_customer_owed() -> None:
    async def main() -> None:
        station = Station()
        staff(station, 1)
        station.world.reports.failures = [StopTheLine("login", "consent_revoked", scope=Scope.TENANT)]
        with pytest.raises(StopTheLine):
            await make_pass(station)
        run = station.world.ledger.runs.held["run-1"]
        assert run.state is RunState.FAILED
        assert any("consent_revoked" in note for note in run.notes)
        assert CUSTOMER in station.world.ledger.owed.held

    run_virtual(main())


def test_a_pass_that_cannot_publish_is_failed_and_its_numbers_stay() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)

        async def away(*_: object, **__: object) -> None:
            raise Transient("broker", "unreachable")

        station.world.broker.publish = away  # type: ignore[method-assign]  # away
        with pytest.raises(Transient):
            await make_pass(station)
        run = station.world.ledger.runs.held["run-1"]
        assert (run.state, run.considered, run.planned) == (RunState.FAILED, 1, 1)
        assert CUSTOMER in station.world.ledger.owed.held

    run_virtual(main())


def test_a_refusal_of_the_customers_own_fields_stops_nobody() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        station.world.customers.failures["update"] = [Permanent("syncro", "invalid")]
        report = await make_pass(station)
        assert report.published == 1
        run = station.world.ledger.runs.held["run-1"]
        assert any("invalid" in note for note in run.notes)

    run_virtual(main())


@pytest.mark.parametrize("killed_at", ["list", "get", "publish"])
def test_a_pass_that_is_killed_is_made_again(killed_at: str) -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        forever = asyncio.Event()
        publish = station.world.broker.publish

        async def stuck(*_: object, **__: object) -> None:
            await forever.wait()

        if killed_at == "publish":
            station.world.broker.publish = stuck  # type: ignore[method-assign]  # never confirms
        else:
            station.world.customers.latency = station.world.contacts.latency = 3600.0
        killed = asyncio.create_task(make_pass(station), name="killed")
        await asyncio.sleep(1800.0 if killed_at == "list" else 5400.0)
        killed.cancel()
        with pytest.raises(asyncio.CancelledError):
            await killed
        station.world.broker.publish = publish  # type: ignore[method-assign]  # as before
        station.world.customers.latency = station.world.contacts.latency = 0.0
        assert CUSTOMER in station.world.ledger.owed.held
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(OwedPasses(station.ports, station.settings).run(stop), name="owed")
            await asyncio.sleep(60.0)
            stop.set()
        assert handed_over(station) == ["u1"]
        assert not station.world.ledger.owed.held

    run_virtual(main())


def test_a_halted_customer_is_read_again_once_an_hour() -> None:
    async def main() -> None:
        station = Station()
        staff(station, 10)
        await make_pass(station)
        station.world.reports.hidden = {f"u{number}" for number in range(5)}
        await make_pass(station, "run-2")
        read = len(station.world.reports.read_tenants)
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for number in range(2):
                group.create_task(OwedPasses(station.ports, station.settings).run(stop), name=f"owed-{number}")
            await asyncio.sleep(3500.0)
            assert len(station.world.reports.read_tenants) == read
            await asyncio.sleep(2 * 3600.0)
            assert len(station.world.reports.read_tenants) == read + 2
            station.world.reports.hidden = set()
            await asyncio.sleep(3700.0)
            stop.set()
        assert not station.world.ledger.owed.held
        assert await station.world.ledger.holds.of_customer(CUSTOMER) is None

    run_virtual(main())


def test_a_fault_of_ours_fails_one_pass_and_not_the_service_that_made_it() -> None:
    async def main() -> None:
        station = Station()
        station.world.contacts.outage = ValueError("a value that nobody thought of")  # type: ignore[assignment]  # a fault
        with pytest.raises(Permanent, match="unexpected"):
            await make_pass(station)
        assert station.world.ledger.runs.held["run-1"].state is RunState.FAILED
        assert CUSTOMER in station.world.ledger.owed.held

    run_virtual(main())


def test_trouble_with_the_customers_own_fields_never_keeps_its_contacts_waiting() -> None:
    async def main() -> None:
        station = Station()
        station.hire(person())
        station.world.customers.failures["update"] = [Transient("syncro", "service_fault")]
        report = await make_pass(station)
        assert (report.published, handed_over(station)) == (1, ["u1"])
        run = station.world.ledger.runs.held["run-1"]
        assert run.state is RunState.WORKING
        assert f"{OWN_FIELDS_FAILED} (service_fault)." in run.notes
        assert not station.world.ledger.owed.held

    run_virtual(main())
