"""Full passes, owed customers, the burial of dead letters, and the list of services."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.changes import Conflict, CreateContact, UpdateContact
from shared.domain.contact import Contact
from shared.domain.errors import Permanent, Scope, StopTheLine, Transient
from shared.domain.messages import DeadLettered, Lane, Reason, encode
from shared.domain.records import Approval, ConnectionStatus, Owed
from shared.domain.user import SoftDeleted
from tests.support.clock import START
from tests.support.station import CUSTOMER, TENANT, Station, person
from tests.support.virtual_time import run_virtual
from worker.burial import Burial
from worker.fullpass import FullPass
from worker.owed import OwedPasses
from worker.service import WorkerService, build


async def serve(station: Station, services: list[WorkerService], seconds: float) -> None:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for service in services:
            group.create_task(service.run(stop), name=service.name)
        await asyncio.sleep(seconds)
        assert all(service.ready() for service in services)
        stop.set()


def customer(station: Station) -> None:
    """One of every kind."""
    station.linked(person("changed"), 1)
    station.hire(person("new"))
    station.hire(person("guest", user_type="Guest"))
    station.hire(person("double"))
    station.world.contacts.put(Contact(2, CUSTOMER, email="double@contoso.example"))
    station.world.contacts.put(Contact(3, CUSTOMER, email="double@contoso.example"))


# --- the preview ------------------------------------------------------------------------------------------------


def test_a_preview_shows_every_user_and_changes_nothing_anywhere() -> None:
    async def main() -> None:
        station = Station()
        customer(station)
        station.connect(status=ConnectionStatus.PREVIEW)
        survey = await FullPass(station.ports, station.settings).preview(CUSTOMER)
        kinds = {row.plan.user_id: type(row.plan) for row in survey.preview.rows}
        assert kinds["changed"] is UpdateContact
        assert kinds["new"] is CreateContact
        assert kinds["double"] is Conflict
        assert len(survey.preview.rows) == 4
        assert len(survey.preview.contacts) == 3
        assert not station.world.broker.published
        assert not station.world.ledger.conflicts.held
        assert station.world.contacts.count("update", "create") == 0

    run_virtual(main())


# --- the pass ---------------------------------------------------------------------------------------------------


def test_a_pass_hands_over_only_the_users_that_differ_and_its_run_ends_with_them() -> None:
    async def main() -> None:
        station = Station()
        customer(station)
        report = await FullPass(station.ports, station.settings).full_pass(
            CUSTOMER, reason=Reason.MANUAL, run_id="run-1"
        )
        assert report.published == 2
        (message,) = station.world.broker.sent(Lane.LIVE)
        assert set(message.user_ids) == {"changed", "new"}
        assert message.run_id == "run-1"
        assert {user for _, user in station.world.ledger.conflicts.held} == {"double"}
        async with station.working(Lane.LIVE, Lane.BACKFILL):
            await asyncio.sleep(10.0)
        run = await station.world.ledger.runs.get("run-1")
        assert run is not None
        assert run.finished_at is not None
        assert run.outcomes == {"update": 1, "create": 1}

    run_virtual(main())


def test_a_second_pass_right_after_the_first_writes_nothing() -> None:
    async def main() -> None:
        station = Station()
        customer(station)
        passes = FullPass(station.ports, station.settings)
        await passes.full_pass(CUSTOMER, reason=Reason.RECONCILE, run_id="run-1")
        async with station.working(Lane.LIVE, Lane.BACKFILL):
            await asyncio.sleep(10.0)
        written = station.world.contacts.count("update", "create")
        report = await passes.full_pass(CUSTOMER, reason=Reason.RECONCILE, run_id="run-2")
        assert report.published == 0
        assert station.world.ledger.runs.held["run-2"].finished_at is not None
        assert station.world.contacts.count("update", "create") == written == 2

    run_virtual(main())


def test_a_second_pass_writes_nothing_where_syncro_silently_drops_a_field() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person("u1", job_title="CTO"), 1)
        station.hire(person("u2", job_title="CEO", mobile_phone="+41 44 668 18 00"))
        station.world.contacts.swallow = frozenset({"title", "mobile"})
        passes = FullPass(station.ports, station.settings)
        await passes.full_pass(CUSTOMER, reason=Reason.RECONCILE, run_id="run-1")
        async with station.working(Lane.LIVE, Lane.BACKFILL):
            await asyncio.sleep(10.0)
        assert station.world.contacts.count("update", "create") == 2
        again = await passes.full_pass(CUSTOMER, reason=Reason.RECONCILE, run_id="run-2")
        assert again.published == 0
        assert not (await passes.preview(CUSTOMER)).preview.digests

    run_virtual(main())


def test_what_the_preview_planned_is_what_the_looks_write() -> None:
    async def main() -> None:
        station = Station()
        customer(station)
        passes = FullPass(station.ports, station.settings)
        survey = await passes.preview(CUSTOMER)
        await station.world.ledger.approvals.propose(
            Approval(CUSTOMER, survey.preview.code, survey.preview.digests, survey.preview.summary, START)
        )
        await station.world.ledger.approvals.approve(CUSTOMER, survey.preview.code, "ann", START)
        await passes.full_pass(CUSTOMER, reason=Reason.MANUAL, run_id="run-1")
        async with station.working(Lane.LIVE, Lane.BACKFILL):
            await asyncio.sleep(10.0)
        assert station.world.contacts.count("update", "create") == 2
        assert not station.world.ledger.approvals.rows  # every approved row was carried out, none was held

    run_virtual(main())


def test_an_approval_of_yesterday_holds_nobody_for_the_date_in_a_status() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person("blocked", account_enabled=False), 1)
        passes, approvals = FullPass(station.ports, station.settings), station.world.ledger.approvals
        shown = (await passes.preview(CUSTOMER)).preview
        await approvals.propose(Approval(CUSTOMER, shown.code, shown.digests, shown.summary, START))
        station.world.clock.ahead += timedelta(days=1)
        await approvals.approve(CUSTOMER, shown.code, "ann", station.world.clock.now())
        await passes.full_pass(CUSTOMER, reason=Reason.MANUAL, run_id="run-1")
        async with station.working(Lane.LIVE, Lane.BACKFILL):
            await asyncio.sleep(10.0)
        assert station.world.contacts.held[1].properties["azure_account_status"] == "Blocked since 2026-11-24"

    run_virtual(main())


def test_many_users_take_the_other_lane() -> None:
    async def main() -> None:
        station = Station()
        for number in range(120):
            station.hire(person(f"u{number}"))
        await FullPass(station.ports, station.settings).full_pass(CUSTOMER, reason=Reason.RECONCILE, run_id="run-1")
        assert [len(message.user_ids) for message in station.world.broker.sent(Lane.BACKFILL)] == [100, 20]
        async with station.working(Lane.BACKFILL):
            await asyncio.sleep(60.0)
        assert len(station.world.contacts.held) == 120
        assert station.world.contacts.count("list") <= 5

    run_virtual(main())


def test_a_contact_in_step_is_linked_without_a_look() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        async with station.working(Lane.LIVE, Lane.BACKFILL):
            await station.send(station.hint("u1"))
            await asyncio.sleep(5.0)
        station.world.ledger.links.held.clear()
        report = await FullPass(station.ports, station.settings).full_pass(
            CUSTOMER, reason=Reason.RECONCILE, run_id="run-1"
        )
        assert report.published == 0
        assert station.world.ledger.links.held[CUSTOMER, "u1"].contact_id == 1

    run_virtual(main())


def test_a_pass_never_moves_a_link() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        async with station.working(Lane.LIVE, Lane.BACKFILL):
            await station.send(station.hint("u1"))
            await asyncio.sleep(5.0)
        links = station.world.ledger.links.held
        in_step = links.pop((CUSTOMER, "u1"))
        elsewhere = replace(in_step, contact_id=2)

        def linked_meanwhile() -> None:
            links[CUSTOMER, "u1"] = elsewhere

        station.world.memory.on_recall = linked_meanwhile
        await FullPass(station.ports, station.settings).full_pass(CUSTOMER, reason=Reason.RECONCILE, run_id="run-1")
        assert links[CUSTOMER, "u1"] == elsewhere

    run_virtual(main())


def test_an_approved_row_of_somebody_in_step_ends_with_the_pass_though_a_newer_preview_waits() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        async with station.working(Lane.LIVE, Lane.BACKFILL):
            await station.send(station.hint("u1"))
            await asyncio.sleep(5.0)
        approvals = station.world.ledger.approvals
        approvals.rows[CUSTOMER, "u1"] = "carried-out"
        await approvals.propose(Approval(CUSTOMER, "newer", {}, {}, START))
        await FullPass(station.ports, station.settings).full_pass(CUSTOMER, reason=Reason.RECONCILE, run_id="run-1")
        assert await approvals.pending(CUSTOMER) == 0

    run_virtual(main())


def test_a_linked_user_that_the_listing_lacks_is_looked_at_and_known_leavers_are_not() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        station.world.directory.put(TENANT, SoftDeleted("u1", START))
        passes = FullPass(station.ports, station.settings)
        first = await passes.full_pass(CUSTOMER, reason=Reason.RECONCILE, run_id="run-1")
        assert first.published == 1
        async with station.working(Lane.LIVE, Lane.BACKFILL):
            await asyncio.sleep(5.0)
        assert station.world.contacts.held[1].properties["azure_account_status"].startswith("Deleted since")
        second = await passes.full_pass(CUSTOMER, reason=Reason.RECONCILE, run_id="run-2")
        assert second.published == 0

    run_virtual(main())


@pytest.mark.parametrize("status", [ConnectionStatus.PREVIEW, ConnectionStatus.PAUSED, ConnectionStatus.DISCONNECTED])
def test_a_customer_that_is_not_approved_gets_no_pass(status: ConnectionStatus) -> None:
    async def main() -> None:
        station = Station()
        station.connect(status=status)
        with pytest.raises(Permanent, match="not_approved"):
            await FullPass(station.ports, station.settings).full_pass(CUSTOMER, reason=Reason.MANUAL, run_id="r")
        assert not station.world.broker.published

    run_virtual(main())


# --- owed -------------------------------------------------------------------------------------------------------


def test_a_customer_approved_while_owed_gets_its_pass_and_the_mark_goes() -> None:
    async def main() -> None:
        station = Station()
        station.hire(person())
        station.connect(status=ConnectionStatus.PREVIEW)
        async with station.working(Lane.LIVE, Lane.BACKFILL):
            await station.send(station.hint("u1"))
            await asyncio.sleep(5.0)
            await serve(station, [OwedPasses(station.ports, station.settings)], 60.0)
            assert CUSTOMER in station.world.ledger.owed.held
            assert not station.world.contacts.calls
            station.connect(status=ConnectionStatus.APPROVED)
            await serve(station, [OwedPasses(station.ports, station.settings)], 60.0)
        assert not station.world.ledger.owed.held
        assert len(station.world.contacts.held) == 1

    run_virtual(main())


def test_a_mark_that_came_during_the_pass_stays() -> None:
    async def main() -> None:
        station = Station()
        owed = station.world.ledger.owed
        await owed.mark(CUSTOMER, "paused", START)

        def paused_again() -> None:
            owed.generations[CUSTOMER] = 3  # the pass made a mark of its own when it began
            owed.held[CUSTOMER] = Owed(CUSTOMER, 3, "paused", START)

        station.world.contacts.on_call["list"] = paused_again
        await serve(station, [OwedPasses(station.ports, station.settings)], 15.0)
        assert owed.held[CUSTOMER].generation == 3

    run_virtual(main())


def test_a_pass_that_fails_keeps_the_mark_and_is_not_tried_again_at_once() -> None:
    async def main() -> None:
        station = Station()
        await station.world.ledger.owed.mark(CUSTOMER, "consent", START)
        station.world.directory.failures = [
            StopTheLine("login", "consent_revoked", scope=Scope.TENANT) for _ in range(100)
        ]
        await serve(station, [OwedPasses(station.ports, station.settings)], 650.0)
        assert CUSTOMER in station.world.ledger.owed.held
        assert len(station.world.directory.failures) == 97

    run_virtual(main())


def test_a_customer_that_is_owed_again_and_again_gets_one_pass_in_five_minutes() -> None:
    async def main() -> None:
        station = Station()
        ledger = station.world.ledger
        await ledger.owed.mark(CUSTOMER, "facts were lost", START)

        def owed_again() -> None:
            ledger.owed.generations[CUSTOMER] += 1
            ledger.owed.held[CUSTOMER] = Owed(CUSTOMER, ledger.owed.generations[CUSTOMER], "facts were lost", START)

        station.world.contacts.on_call["list"] = owed_again
        await serve(station, [OwedPasses(station.ports, station.settings)], 595.0)
        assert len(ledger.runs.held) == 2

    run_virtual(main())


def test_while_nothing_can_be_written_anywhere_owed_customers_are_not_read_one_after_the_other() -> None:
    async def main() -> None:
        station = Station()
        for number in range(1, 6):
            station.connect(CUSTOMER + number, f"tenant-{number}")
            await station.world.ledger.owed.mark(CUSTOMER + number, "paused", START)
        station.world.contacts.outage = StopTheLine("syncro", "token", scope=Scope.ACCOUNT)
        await serve(station, [OwedPasses(station.ports, station.settings)], 250.0)
        assert len(station.world.reports.read_tenants) == 1

    run_virtual(main())


def test_two_workers_make_one_pass() -> None:
    async def main() -> None:
        station = Station()
        station.world.contacts.latency = 2.0
        await station.world.ledger.owed.mark(CUSTOMER, "paused", START)
        await serve(station, [OwedPasses(station.ports, station.settings) for _ in range(2)], 60.0)
        assert len(station.world.ledger.runs.held) == 1

    run_virtual(main())


# --- burial -----------------------------------------------------------------------------------------------------


def letter(station: Station, letter_id: str = "letter-1") -> DeadLettered:
    return DeadLettered(
        letter_id=letter_id,
        body=encode(station.hint("u1")),
        lane=Lane.LIVE,
        error_class="invalid",
        detail="",
        attempts=1,
        first_seen=START,
        last_seen=START,
    )


def test_dead_letters_are_recorded_once_and_the_lane_is_empty() -> None:
    async def main() -> None:
        station = Station()
        for _ in range(2):
            await station.world.broker.publish(letter(station), Lane.DEAD)
        station.world.broker.put(b"garbage", Lane.DEAD)
        await serve(station, [Burial(station.ports)], 5.0)
        held = station.world.ledger.dead_letters.held
        assert sorted(each.error_class for each in held.values()) == ["invalid", "unreadable"]
        assert station.world.broker.waiting(Lane.DEAD) == 0

    run_virtual(main())


def test_without_the_ledger_letters_wait_in_the_broker() -> None:
    async def main() -> None:
        station = Station()
        burial = Burial(station.ports)
        await station.world.broker.publish(letter(station), Lane.DEAD)
        station.world.ledger.away = True
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(burial.run(stop), name="burial")
            await asyncio.sleep(60.0)
            assert not burial.ready()
            assert station.world.broker.waiting(Lane.DEAD) == 1
            station.world.ledger.away = False
            await asyncio.sleep(10.0)
            stop.set()
        assert "letter-1" in station.world.ledger.dead_letters.held

    run_virtual(main())


# --- all services -----------------------------------------------------------------------------------------------


def test_the_services_run_together_from_hint_to_ledger() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person("u1"), 1)
        station.linked(person("u2"), 2)
        station.world.contacts.failures["update"] = [Permanent("syncro", "invalid")]
        await station.send(station.hint("u1", "u2"))
        services = list(build(station.ports, station.settings))
        assert [service.name for service in services] == [
            "burial",
            "consumer-live",
            "consumer-backfill",
            "owed-passes",
            "schedule",
            "delta-polls",
            "replays",
            "figures",
            "notices",
        ]
        await serve(station, services, 20.0)
        assert station.world.contacts.count("update") == 2
        assert [each.user_ids for each in station.world.ledger.dead_letters.held.values()] == [("u1",)]

    run_virtual(main())


def test_a_broker_that_is_away_makes_the_consumer_wait_for_it() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        station.world.broker.broken = [Transient("broker", "unreachable")]
        async with station.working() as (consumer,):
            await station.send(station.hint("u1"))
            await asyncio.sleep(10.0)
            assert consumer.ready()
        assert station.world.contacts.count("update") == 1

    run_virtual(main())
