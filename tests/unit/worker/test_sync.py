"""One message through `Sync`: what a look costs, what it writes, and when it writes nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from shared.domain.changes import (
    Conflict,
    CreateContact,
    Excluded,
    ExclusionReason,
    NoChange,
    Plan,
    UpdateContact,
    row_digest,
)
from shared.domain.contact import Contact
from shared.domain.errors import Ambiguous, Permanent, Scope, StopTheLine, Transient
from shared.domain.messages import Lane
from shared.domain.outcome import Covered, Failed, Held, NotReplicated, Outcome, Synced
from shared.domain.records import Approval, ConnectionStatus, WriteState
from shared.domain.user import Missing, SoftDeleted
from tests.support.station import CUSTOMER, TENANT, Station, person
from tests.support.virtual_time import run_virtual
from worker.look import cause_of
from worker.marks import Marks
from worker.sync import Sync


async def look(station: Station, user_id: str = "u1", *, confirm: bool = False) -> Outcome:
    """One look at one user of the usual customer, by a worker that has just started."""
    sync = Sync(station.ports, station.settings, Lane.LIVE)
    outcomes = await station.sync_users(sync, station.hint(user_id, confirm=confirm))
    return next(iter(outcomes.values()))


def verbs(station: Station) -> list[str]:
    return [call.verb for call in station.world.contacts.calls]


# --- a linked user ----------------------------------------------------------------------------------------------


def test_a_linked_user_with_a_change_costs_one_get_and_one_put() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        outcome = await look(station)
        assert isinstance(outcome, Synced)
        assert isinstance(outcome.plan, UpdateContact)
        assert (outcome.calls, outcome.writes) == (2, 1)
        assert verbs(station) == ["get", "update"]
        assert station.world.contacts.held[1].name == "Person u1"

    run_virtual(main())


def test_a_linked_user_without_a_change_costs_one_get() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        await look(station)
        station.world.contacts.calls.clear()
        outcome = await look(station)
        assert isinstance(outcome, Synced)
        assert isinstance(outcome.plan, NoChange)
        assert verbs(station) == ["get"]

    run_virtual(main())


def test_every_write_is_journaled_with_its_cause_and_settled() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        await look(station)
        (entry,) = station.world.ledger.journal.written
        assert (entry.action, entry.contact_id, entry.state) == ("update", 1, WriteState.WRITTEN)
        assert {change.field for change in entry.changes} >= {"name", "azure_license"}

    run_virtual(main())


def test_a_linked_contact_that_is_gone_is_unlinked_and_the_user_gets_a_new_one() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        del station.world.contacts.held[1]
        outcome = await look(station)
        assert isinstance(outcome, Synced)
        assert isinstance(outcome.plan, CreateContact)
        link = station.world.ledger.links.held[CUSTOMER, "u1"]
        assert (link.contact_id, link.how) == (next(iter(station.world.contacts.held)), "created")

    run_virtual(main())


def test_a_link_to_a_contact_that_is_gone_ends_even_when_no_new_contact_is_due() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(sku_ids=()), 1)
        del station.world.contacts.held[1]
        await look(station)
        assert not station.world.ledger.links.held
        assert not station.world.contacts.held

    run_virtual(main())


# --- an unlinked user -------------------------------------------------------------------------------------------


def test_an_unlinked_user_is_found_by_mail_read_fresh_written_and_linked() -> None:
    async def main() -> None:
        station = Station()
        station.hire(person())
        station.world.contacts.put(Contact(5, CUSTOMER, email="U1@contoso.example"))
        outcome = await look(station)
        assert isinstance(outcome, Synced)
        assert verbs(station) == ["list", "get", "update"]
        assert station.world.ledger.links.held[CUSTOMER, "u1"].contact_id == 5

    run_virtual(main())


def test_one_listing_serves_all_creations_of_a_message() -> None:
    async def main() -> None:
        station = Station()
        ids = [station.hire(person(f"u{number}")).id for number in range(15)]
        sync = Sync(station.ports, station.settings, Lane.LIVE)
        outcomes = await station.sync_users(sync, station.hint(*ids))
        assert all(isinstance(o, Synced) and isinstance(o.plan, CreateContact) for o in outcomes.values())
        assert station.world.contacts.count("list") == 1
        assert station.world.contacts.count("create") == 15

    run_virtual(main())


def test_a_listing_from_before_the_message_was_taken_serves_nobody() -> None:
    async def main() -> None:
        station = Station()
        station.hire(person("u1"))
        station.hire(person("u2"))
        sync = Sync(station.ports, station.settings, Lane.LIVE)
        await station.sync_users(sync, station.hint("u1"))
        station.world.contacts.latency = 0.1  # time passes
        await station.sync_users(sync, station.hint("u1"))
        await station.sync_users(sync, station.hint("u2"))
        assert station.world.contacts.count("list") == 2

    run_virtual(main())


def test_two_users_with_one_address_are_a_conflict_whoever_is_looked_at_first() -> None:
    async def main() -> None:
        station = Station()
        station.hire(person("u1", mail="shared@contoso.example"))
        station.hire(person("u2", mail="shared@contoso.example"))
        station.world.contacts.put(Contact(5, CUSTOMER, email="shared@contoso.example"))
        for user_id in ("u1", "u2"):
            outcome = await look(station, user_id)
            assert isinstance(outcome, Synced)
            assert isinstance(outcome.plan, Conflict)
        assert {user for _, user in station.world.ledger.conflicts.held} == {"u1", "u2"}
        assert station.world.contacts.count("update", "create") == 0

    run_virtual(main())


def test_a_conflict_that_is_solved_is_closed_by_the_next_look() -> None:
    async def main() -> None:
        station = Station()
        station.hire(person())
        for number in (5, 6):
            station.world.contacts.put(Contact(number, CUSTOMER, email="u1@contoso.example"))
        await look(station)
        assert station.world.ledger.conflicts.held
        del station.world.contacts.held[6]
        await look(station)
        assert not station.world.ledger.conflicts.held
        assert station.world.contacts.count("update") == 1

    run_virtual(main())


def test_a_user_out_of_scope_gets_no_contact_and_a_reason() -> None:
    async def main() -> None:
        station = Station()
        station.hire(person(sku_ids=()))
        outcome = await look(station)
        assert isinstance(outcome, Synced)
        assert outcome.plan == Excluded("u1", CUSTOMER, ExclusionReason.NO_LICENCE)
        assert not station.world.contacts.held

    run_virtual(main())


# --- creation, the call that cannot be repeated -----------------------------------------------------------------


def test_after_a_creation_without_an_answer_none_is_sent_for_five_minutes() -> None:
    async def main() -> None:
        station = Station()
        station.hire(person())
        station.world.contacts.failures["create"] = [Ambiguous("syncro", "timed_out")]
        station.world.contacts.lost_creations = True
        outcome = await look(station)
        assert isinstance(outcome, Failed)
        assert isinstance(outcome.error, Transient)
        assert outcome.error.retry_after == 300.0
        assert station.world.ledger.journal.written[-1].state is WriteState.AMBIGUOUS
        again = await look(station)
        assert isinstance(again, Failed)
        assert isinstance(again.error, Transient)
        assert again.error.code == "creation_open"
        assert not again.error.counted
        assert again.error.retry_after == pytest.approx(300.0)
        assert station.world.contacts.count("create") == 1

    run_virtual(main())


def test_a_creation_without_an_answer_that_did_happen_is_adopted() -> None:
    async def main() -> None:
        station = Station()
        station.hire(person())
        station.world.contacts.failures["create"] = [Ambiguous("syncro", "timed_out")]
        await look(station)
        outcome = await look(station)
        assert isinstance(outcome, Synced)
        assert station.world.contacts.count("create") == 1
        assert len(station.world.contacts.held) == 1
        assert (CUSTOMER, "u1") in station.world.ledger.links.held

    run_virtual(main())


def test_a_worker_that_died_between_intention_and_answer_blocks_a_second_creation() -> None:
    async def main() -> None:
        station = Station()
        station.hire(person())
        station.world.contacts.failures["create"] = [Transient("syncro", "busy")]
        await look(station)
        journal = station.world.ledger.journal
        journal.written[0] = replace(journal.written[0], state=WriteState.INTENDED, settled_at=None)
        outcome = await look(station)
        assert isinstance(outcome, Failed)
        assert outcome.error.code == "creation_open"

    run_virtual(main())


def test_a_creation_that_syncro_refused_may_be_sent_again() -> None:
    async def main() -> None:
        station = Station()
        station.hire(person())
        station.world.contacts.failures["create"] = [Transient("syncro", "busy")]
        await look(station)
        assert station.world.ledger.journal.written[0].state is WriteState.REFUSED
        assert isinstance(await look(station), Synced)

    run_virtual(main())


# --- when in doubt, write nothing -------------------------------------------------------------------------------


def test_a_lease_lost_before_the_write_writes_nothing() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        station.world.contacts.on_call["get"] = lambda: station.world.leases.steal(f"customer:{CUSTOMER}")
        outcome = await look(station)
        assert isinstance(outcome, Failed)
        assert isinstance(outcome.error, Transient)
        assert not outcome.error.counted
        assert verbs(station) == ["get"]
        assert not station.world.ledger.journal.written

    run_virtual(main())


def test_a_lease_that_ran_out_while_waiting_for_the_pace_writes_nothing() -> None:
    async def main() -> None:
        station = Station()
        station.settings = replace(station.settings, lease_ttl=12.0, write_takes=10.0)
        station.linked(person(), 1)
        station.world.pace.spend_takes = [0.0, 5.0]
        outcome = await look(station)
        assert isinstance(outcome, Failed)
        assert station.world.contacts.count("update") == 0
        assert station.world.ledger.journal.written[-1].state is WriteState.REFUSED

    run_virtual(main())


def test_what_was_read_before_another_worker_wrote_is_never_written_over_it() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(job_title="old"), 1)
        slow = Sync(station.ports, station.settings, Lane.BACKFILL)
        cause = cause_of("u1", [station.hint("u1")], station.world.clock.now())
        reading = await slow.read(TENANT, ["u1"])
        await asyncio.sleep(1.0)
        station.hire(person(job_title="new"))
        await look(station)
        outcome = next(iter((await slow.look(cause, reading)).outcomes.values()))
        assert isinstance(outcome, Failed)
        assert isinstance(outcome.error, Transient)
        assert not outcome.error.counted
        assert station.world.contacts.held[1].title == "new"

    run_virtual(main())


@pytest.mark.parametrize("status", [ConnectionStatus.PAUSED, ConnectionStatus.DISCONNECTED])
def test_a_customer_that_was_stopped_while_a_look_waited_is_not_written(status: ConnectionStatus) -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        station.world.contacts.on_call["get"] = lambda: station.connect(status=status)
        assert isinstance(await look(station), Held)
        assert verbs(station) == ["get"]

    run_virtual(main())


def test_a_customer_tied_to_another_tenant_while_a_look_waited_is_not_written() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        station.world.contacts.on_call["get"] = lambda: station.connect(tenant_id="tenant-b")
        assert isinstance(await look(station), Held)
        assert verbs(station) == ["get"]

    run_virtual(main())


def test_a_linked_contact_that_moved_to_another_customer_is_left_alone() -> None:
    async def main() -> None:
        station = Station()
        contact = replace(station.linked(person(sku_ids=()), 1), customer_id=99)
        station.world.contacts.put(contact)
        await look(station)
        assert station.world.contacts.held == {1: contact}
        assert not station.world.ledger.links.held

    run_virtual(main())


@pytest.mark.parametrize("part", ["ledger", "pace", "leases", "memory"])
def test_without_one_of_our_own_stores_nothing_is_written_and_no_attempt_is_counted(part: str) -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        getattr(station.world, part).away = True
        outcome = await look(station)
        assert isinstance(outcome, Failed)
        assert isinstance(outcome.error, Transient)
        assert not outcome.error.counted
        assert station.world.contacts.count("update", "create") == 0

    run_virtual(main())


def test_a_ledger_that_fails_between_read_and_write_lets_nothing_through() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        station.world.contacts.on_call["get"] = lambda: setattr(station.world.ledger, "away", True)
        assert isinstance(await look(station), Failed)
        assert station.world.contacts.count("update") == 0

    run_virtual(main())


def test_what_needs_a_person_is_not_retried_as_if_waiting_helped() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        station.world.contacts.failures["update"] = [Permanent("syncro", "invalid")]
        outcome = await look(station)
        assert isinstance(outcome, Failed)
        assert isinstance(outcome.error, Permanent)
        assert station.world.ledger.journal.written[-1].state is WriteState.REFUSED

    run_virtual(main())


def test_a_fault_of_ours_ends_as_a_failure_that_names_no_data() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)

        def fault() -> None:
            raise ValueError("u1@contoso.example")

        station.world.contacts.on_call["get"] = fault
        outcome = await look(station)
        assert isinstance(outcome, Failed)
        assert isinstance(outcome.error, Permanent)
        assert "contoso" not in str(outcome.error)

    run_virtual(main())


# --- approvals --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (ConnectionStatus.PREVIEW, Held("waiting for approval", owed=True)),
        (ConnectionStatus.PAUSED, Held("paused", owed=True)),
        (ConnectionStatus.DISCONNECTED, Held("disconnected", owed=False)),
    ],
)
def test_a_customer_that_is_not_approved_is_neither_read_nor_written(status: ConnectionStatus, outcome: Held) -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        station.connect(status=status)
        assert await look(station) == outcome
        assert not station.world.contacts.calls
        assert not station.world.directory.reads

    run_virtual(main())


def test_a_row_that_changed_since_the_approval_is_held_alone() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person("u1"), 1)
        station.linked(person("u2"), 2)
        station.world.ledger.approvals.rows[CUSTOMER, "u1"] = "another-digest"
        assert await look(station, "u1") == Held("changed since the approval: approve a new preview", owed=False)
        assert isinstance(await look(station, "u2"), Synced)
        assert station.world.contacts.held[1].name == ""

    run_virtual(main())


def test_an_approved_row_is_carried_out_once_and_is_ordinary_afterwards() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        outcome = await look(station)
        assert isinstance(outcome, Synced)
        again = Station()
        again.linked(person(), 1)
        again.world.ledger.approvals.rows[CUSTOMER, "u1"] = row_digest(outcome.plan)
        assert isinstance(await look(again), Synced)
        again.hire(person(city="Basel"))
        assert isinstance(await look(again), Synced)
        assert again.world.contacts.held[1].city == "Basel"

    run_virtual(main())


async def approved(station: Station, plan: Plan) -> None:
    """A person says yes to this one row, now."""
    approvals, now = station.world.ledger.approvals, station.world.clock.now()
    await approvals.propose(Approval(CUSTOMER, "code", {plan.user_id: row_digest(plan)}, {"update": 1}, now))
    await approvals.approve(CUSTOMER, "code", "ann", now)


async def planned(city: str = "") -> Plan:
    """What a look would write for this person, where nothing is known of Syncro."""
    station = Station()
    station.linked(person(city=city), 1)
    outcome = await look(station)
    assert isinstance(outcome, Synced)
    return outcome.plan


def test_a_crash_between_the_write_and_the_end_of_its_row_holds_nobody_later() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        await approved(station, plan := await planned())
        await look(station)
        station.world.ledger.approvals.rows[CUSTOMER, "u1"] = row_digest(plan)  # the crash
        station.hire(person(city="Basel"))
        assert isinstance(await look(station), Synced)
        assert station.world.contacts.held[1].city == "Basel"
        assert not station.world.ledger.approvals.rows

    run_virtual(main())


def test_a_write_from_before_the_approval_does_not_carry_the_row_out() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        await look(station)
        await asyncio.sleep(60.0)
        await approved(station, await planned(city="Bern"))
        station.hire(person(city="Basel"))
        assert isinstance(await look(station), Held)
        assert station.world.contacts.held[1].city == ""

    run_virtual(main())


def test_a_row_of_which_syncro_keeps_a_part_is_still_what_was_approved() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        await approved(station, await planned())
        await Marks(station.world.memory, station.world.clock, b"test").lacks(CUSTOMER, {"azure_license"})
        assert isinstance(await look(station), Synced)
        assert station.world.contacts.held[1].name == "Person u1"
        assert "azure_license" not in station.world.contacts.held[1].properties

    run_virtual(main())


# --- users that are not there -----------------------------------------------------------------------------------


def test_a_user_that_graph_does_not_know_yet_is_waited_for() -> None:
    async def main() -> None:
        assert isinstance(await look(Station()), NotReplicated)

    run_virtual(main())


@pytest.mark.parametrize(("hours", "deleted"), [(0.9, False), (1.1, True)])
def test_missing_twice_an_hour_apart_is_deleted_for_good(hours: float, deleted: bool) -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        await look(station)
        station.world.directory.put(TENANT, Missing("u1"))
        assert isinstance(await look(station), NotReplicated)
        station.world.clock.ahead += timedelta(hours=hours)
        assert isinstance(await look(station), Synced if deleted else NotReplicated)
        status = station.world.contacts.held[1].properties["azure_account_status"]
        assert status.startswith("Deleted since" if deleted else "Active")

    run_virtual(main())


def test_a_user_that_came_back_in_between_is_not_missing_twice() -> None:
    async def main() -> None:
        station = Station()
        await look(station)
        station.hire(person())
        await look(station)
        station.world.directory.put(TENANT, Missing("u1"))
        station.world.clock.ahead += timedelta(hours=2)
        assert isinstance(await look(station), NotReplicated)

    run_virtual(main())


def test_a_deleted_user_keeps_the_contact_which_says_so() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        await look(station)
        station.world.directory.put(TENANT, SoftDeleted("u1", station.world.clock.now()))
        await look(station)
        contact = station.world.contacts.held[1]
        assert contact.properties["azure_account_status"] == "Deleted since 2026-11-24"
        assert contact.properties["azure_license"] == ""
        assert contact.name == "Person u1"

    run_virtual(main())


# --- the confirm read, the tenant, the log ----------------------------------------------------------------------


def test_a_confirm_that_reads_the_same_asks_entra_alone() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        await look(station)
        station.world.contacts.calls.clear()
        assert isinstance(await look(station, confirm=True), Covered)
        assert not station.world.contacts.calls
        station.hire(person(city="Basel"))
        assert isinstance(await look(station, confirm=True), Synced)
        assert station.world.contacts.held[1].city == "Basel"

    run_virtual(main())


def test_a_tenant_without_consent_holds_all_of_its_customers() -> None:
    async def main() -> None:
        station = Station()
        station.connect(8)
        station.world.directory.failures = [StopTheLine("login", "consent_revoked", scope=Scope.TENANT)]
        sync = Sync(station.ports, station.settings, Lane.LIVE)
        outcomes = await station.sync_users(sync, station.hint("u1"))
        assert {customer for customer, _ in outcomes} == {CUSTOMER, 8}
        assert all(isinstance(outcome, Failed) for outcome in outcomes.values())

    run_virtual(main())


def test_one_tenant_may_belong_to_several_customers() -> None:
    async def main() -> None:
        station = Station()
        station.connect(8)
        station.linked(person(), 1)
        station.linked(person(), 2, customer_id=8)
        await station.sync_users(Sync(station.ports, station.settings, Lane.LIVE), station.hint("u1"))
        assert {station.world.contacts.held[number].name for number in (1, 2)} == {"Person u1"}

    run_virtual(main())


def test_a_hint_for_a_tenant_of_nobody_is_done() -> None:
    async def main() -> None:
        station = Station()
        outcomes = await station.sync_users(
            Sync(station.ports, station.settings, Lane.LIVE), station.hint("u1", tenant_id="stranger")
        )
        assert list(outcomes.values()) == [Held("no customer has this tenant", owed=False)]

    run_virtual(main())


def test_a_field_that_syncro_lacks_is_written_once_and_then_left_out() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        station.world.contacts.swallow = frozenset({"azure_license"})
        first = await look(station)
        assert isinstance(first, Synced)
        assert first.unstuck == ("azure_license",)
        second = await look(station)
        assert isinstance(second, Synced)
        assert isinstance(second.plan, NoChange)

    run_virtual(main())


def test_what_did_not_stick_is_said_and_not_tried_again_while_the_same_is_wanted() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(job_title="CTO"), 1)
        station.world.contacts.swallow = frozenset({"title"})
        await look(station)
        assert station.looks[-1].unstuck == ("title",)
        again = await look(station)
        assert isinstance(again, Synced)
        assert isinstance(again.plan, NoChange)
        station.hire(person(job_title="CTO", city="Basel"))
        await look(station)
        assert station.looks[-1].fields == ("city",)

    run_virtual(main())


def test_another_value_is_tried_again_and_one_that_sticks_ends_the_matter() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(job_title="CTO"), 1)
        station.world.contacts.swallow = frozenset({"title"})
        await look(station)
        station.world.contacts.swallow = frozenset()
        for title in ("CEO", "CTO"):
            station.hire(person(job_title=title))
            await look(station)
            assert station.world.contacts.held[1].title == title

    run_virtual(main())


def test_what_did_not_stick_is_tried_again_after_a_month() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(job_title="CTO", account_enabled=False), 1)
        station.world.contacts.swallow = frozenset({"title"})
        await look(station)
        station.world.contacts.swallow = frozenset()
        for days, title in ((29, ""), (2, "CTO")):
            station.world.clock.ahead += timedelta(days=days)
            await look(station)
            assert station.world.contacts.held[1].title == title

    run_virtual(main())


def test_a_lost_note_about_what_did_not_stick_does_not_fail_the_write() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        station.world.contacts.on_call["update"] = lambda: setattr(station.world.memory, "away", True)
        sync = Sync(station.ports, station.settings, Lane.LIVE)
        message = station.hint("u1")
        reading = await sync.read(TENANT, ["u1"])
        done = await sync.look(cause_of("u1", [message], station.world.clock.now()), reading)
        assert all(isinstance(outcome, Synced) for outcome in done.outcomes.values())

    run_virtual(main())


def test_the_log_names_ids_and_fields_and_never_a_value() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(city="Basel"), 1)
        with capture_logs() as logs:
            await look(station)
        (line,) = [entry for entry in logs if entry["event"] == "user_synced"]
        assert line["customer_id"] == CUSTOMER
        assert line["outcome"] == "update"
        assert "city" in line["fields"]
        assert (line["calls"], line["writes"]) == (2, 1)
        assert "Basel" not in str(logs)
        assert "contoso" not in str(logs)

    run_virtual(main())
