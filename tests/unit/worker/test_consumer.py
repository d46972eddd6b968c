"""What becomes of messages: retries, dead letters, stops, owed customers, confirm reads, crashes and shutdown."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest

from shared.domain.errors import Ambiguous, Permanent, Scope, StopTheLine, Transient
from shared.domain.messages import DeadLettered, Lane, Reason, Unreadable, UsersTouched, decode
from shared.domain.policy import RetryPolicy
from shared.domain.records import ConnectionStatus, Run
from shared.domain.user import UserRead
from tests.support.clock import START
from tests.support.station import CUSTOMER, TENANT, Station, person
from tests.support.virtual_time import run_virtual

DAY = 86_400.0


def letters(station: Station) -> list[DeadLettered]:
    return [p.message for p in station.world.broker.published if isinstance(p.message, DeadLettered)]


async def empty(station: Station) -> bool:
    return sum((await station.world.broker.depths()).values()) == 0


# --- the ladder -------------------------------------------------------------------------------------------------


def test_a_change_that_keeps_failing_is_a_dead_letter_after_exactly_the_allowed_attempts() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        station.world.contacts.failures["get"] = [Transient("syncro", "busy") for _ in range(100)]
        async with station.working():
            await station.send(station.hint("u1"))
            await asyncio.sleep(2 * DAY)
        (letter,) = letters(station)
        assert letter.attempts == RetryPolicy().max_attempts == station.world.contacts.count("get")
        message = decode(letter.body)
        assert isinstance(message, UsersTouched)
        assert message.user_ids == ("u1",)
        assert letter.error_class == "busy"

    run_virtual(main())


def test_the_waits_between_attempts_are_the_rungs_and_noticed_at_is_kept() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        station.world.contacts.failures["get"] = [Transient("syncro", "busy") for _ in range(6)]
        async with station.working():
            first = station.hint("u1")
            await station.send(first)
            await asyncio.sleep(DAY)
        retries = [p for p in station.world.broker.published if p.delay]
        assert [p.delay for p in retries] == [10.0, 60.0, 300.0, 1800.0, 7200.0, 7200.0]
        sent = [p.message for p in retries if isinstance(p.message, UsersTouched)]
        assert [message.attempt for message in sent] == [1, 2, 3, 4, 5, 6]
        assert {message.noticed_at for message in sent} == {first.noticed_at}
        assert station.world.contacts.count("update") == 1

    run_virtual(main())


def test_only_the_failed_users_of_a_message_go_on_and_the_message_ends() -> None:
    async def main() -> None:
        station = Station()
        for number in range(3):
            station.linked(person(f"u{number}"), 10 + number)
        station.world.contacts.failures["get"] = [Transient("syncro", "busy")]
        async with station.working():
            await station.send(station.hint("u0", "u1", "u2"))
            await asyncio.sleep(5.0)
            assert station.world.broker.acked == 1
            (again,) = [message for message in station.world.broker.sent(Lane.LIVE) if message.attempt]
            assert len(again.user_ids) == 1
            await asyncio.sleep(20.0)
        assert station.world.contacts.count("update") == 3

    run_virtual(main())


def test_what_needs_a_person_is_a_dead_letter_at_once() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        station.world.contacts.failures["update"] = [Permanent("syncro", "invalid", "name is too long")]
        async with station.working():
            await station.send(station.hint("u1"))
            await asyncio.sleep(5.0)
        (letter,) = letters(station)
        assert (letter.error_class, letter.detail, letter.attempts) == ("invalid", "name is too long", 1)

    run_virtual(main())


def test_a_user_that_is_replicated_late_is_created_in_the_end() -> None:
    async def main() -> None:
        station = Station()
        async with station.working():
            await station.send(station.hint("u1"))
            await asyncio.sleep(5.0)
            assert not station.world.contacts.held
            station.hire(person())
            await asyncio.sleep(15.0)
        assert len(station.world.contacts.held) == 1

    run_virtual(main())


@pytest.mark.parametrize("body", [b"not json", b'{"kind":"users_touched","v":9}', b"\xff\x00"])
def test_unreadable_bytes_are_kept_in_a_dead_letter_and_stop_nobody(body: bytes) -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        async with station.working():
            station.world.broker.put(body, Lane.LIVE)
            await station.send(station.hint("u1"))
            await asyncio.sleep(5.0)
        (letter,) = letters(station)
        assert letter.body == body
        assert letter.error_class == "unreadable"
        assert isinstance(decode(letter.body), Unreadable)
        assert station.world.contacts.count("update") == 1

    run_virtual(main())


# --- creations --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", [True, False], ids=["it never happened", "only the answer was lost"])
def test_an_ambiguous_creation_is_never_sent_twice_within_five_minutes(lost: bool) -> None:
    async def main() -> None:
        station = Station()
        station.hire(person())
        station.world.contacts.failures["create"] = [Ambiguous("syncro", "timed_out")]
        station.world.contacts.lost_creations = lost
        async with station.working():
            for _ in range(10):
                await station.send(station.hint("u1"))
                await asyncio.sleep(30.0)
            await asyncio.sleep(700.0)
        sent = [call.at for call in station.world.contacts.calls if call.verb == "create"]
        assert len(sent) == (2 if lost else 1)
        assert all(later - earlier >= 300.0 for earlier, later in pairwise(sent))
        assert len(station.world.contacts.held) == 1

    run_virtual(main())


def test_two_workers_never_create_one_contact_twice() -> None:
    async def main() -> None:
        station = Station()
        station.world.contacts.latency = 0.7
        for number in range(10):
            station.hire(person(f"u{number}"))
        async with station.working(Lane.LIVE, Lane.BACKFILL, workers=2):
            for _ in range(5):
                for number in range(10):
                    await station.send(station.hint(f"u{number}"), Lane.BACKFILL if number % 3 == 0 else Lane.LIVE)
                await asyncio.sleep(0.8)
            await asyncio.sleep(300.0)
        assert station.world.contacts.count("create") == 10
        assert len(station.world.contacts.held) == 10

    run_virtual(main())


# --- stops ------------------------------------------------------------------------------------------------------


def test_a_refused_token_stops_the_line_burns_nothing_and_work_resumes_by_itself() -> None:
    async def main() -> None:
        station = Station()
        for number in range(5):
            station.linked(person(f"u{number}"), 10 + number)
        refused = StopTheLine("syncro", "token_refused", scope=Scope.ACCOUNT)
        station.world.contacts.failures["get"] = [refused]
        station.world.account.failures = [refused, Transient("syncro", "busy")]
        async with station.working() as (consumer,):
            await station.send(station.hint("u0", "u1", "u2"))
            await station.send(station.hint("u3"))
            await asyncio.sleep(4.0)
            assert not consumer.ready()
            assert station.world.broker.held(Lane.LIVE) == 0
            await station.send(station.hint("u4"))
            await asyncio.sleep(120.0)
            assert consumer.ready()
        assert len(station.world.account.probes) == 3
        assert station.world.contacts.count("update") == 5
        assert all(message.attempt == 0 for message in station.world.broker.sent(Lane.LIVE))
        assert not letters(station)

    run_virtual(main())


def test_failures_across_customers_stop_the_line_instead_of_burning_attempts() -> None:
    async def main() -> None:
        station = Station()
        for customer in range(10, 20):
            station.connect(customer, f"tenant-{customer}")
            station.linked(person(), customer, customer_id=customer, tenant_id=f"tenant-{customer}")
        station.world.contacts.failures["get"] = [Transient("syncro", "service_fault") for _ in range(60)]
        station.world.account.failures = [Transient("syncro", "service_fault") for _ in range(8)]
        async with station.working():
            for customer in range(10, 20):
                await station.send(station.hint("u1", tenant_id=f"tenant-{customer}"))
            await asyncio.sleep(DAY)
        assert station.world.account.probes
        assert station.world.contacts.count("update") == 10
        assert not letters(station)

    run_virtual(main())


def test_a_stop_that_only_looks_see_is_not_probed_away_every_few_seconds() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        station.world.directory.failures = [
            StopTheLine("login", "secret_expired", scope=Scope.ACCOUNT) for _ in range(10_000)
        ]
        async with station.working():
            await station.send(station.hint("u1"))
            await asyncio.sleep(3600.0)
        assert len(station.world.directory.reads) < 30

    run_virtual(main())


# --- owed -------------------------------------------------------------------------------------------------------


def test_a_hint_for_a_customer_in_preview_is_owed_and_done() -> None:
    async def main() -> None:
        station = Station()
        station.hire(person())
        station.connect(status=ConnectionStatus.PREVIEW)
        async with station.working():
            await station.send(station.hint("u1"))
            await asyncio.sleep(5.0)
        assert station.world.ledger.owed.held[CUSTOMER].reason == "waiting for approval"
        assert await empty(station)

    run_virtual(main())


def test_revoked_consent_is_owed_and_stops_no_other_tenant() -> None:
    async def main() -> None:
        station = Station()
        station.connect(8, "tenant-b")
        station.linked(person(), 2, customer_id=8, tenant_id="tenant-b")
        station.world.directory.failures = [StopTheLine("login", "consent_revoked", scope=Scope.TENANT)]
        async with station.working() as (consumer,):
            await station.send(station.hint("u1"))
            await asyncio.sleep(3.0)
            await station.send(station.hint("u1", tenant_id="tenant-b"))
            await asyncio.sleep(3.0)
            assert consumer.ready()
        assert set(station.world.ledger.owed.held) == {CUSTOMER}
        assert station.world.contacts.count("update") == 1

    run_virtual(main())


def test_without_the_ledger_hints_wait_uncounted_and_are_done_when_it_is_back() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        station.world.ledger.away = True
        async with station.working():
            await station.send(station.hint("u1"))
            await asyncio.sleep(600.0)
            assert not station.world.contacts.calls
            assert all(message.attempt == 0 for message in station.world.broker.sent(Lane.LIVE))
            station.world.ledger.away = False
            await asyncio.sleep(10.0)
        assert station.world.contacts.count("update") == 1

    run_virtual(main())


def test_without_the_broker_a_lane_is_not_ready_and_waits_for_days() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        station.world.broker.out_of_reach = True
        async with station.working() as (consumer,):
            for _ in range(100):
                await asyncio.sleep(DAY / 50)
                assert not consumer.ready()
            station.world.broker.out_of_reach = False
            await asyncio.sleep(12.0)
            assert consumer.ready()
            await station.send(station.hint("u1"))
            await asyncio.sleep(10.0)
        assert station.world.contacts.count("update") == 1

    run_virtual(main())


# --- the confirm read -------------------------------------------------------------------------------------------


def test_a_notification_that_changed_nothing_is_confirmed_once_a_minute_later_from_entra_alone() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        async with station.working():
            await station.send(station.hint("u1"))
            await asyncio.sleep(100.0)
            station.world.contacts.calls.clear()
            for _ in range(3):
                await station.send(station.hint("u1"))
                await asyncio.sleep(15.0)
            looked = station.world.contacts.count("get")
            await asyncio.sleep(200.0)
        published = station.world.broker.published
        assert [p.delay for p in published if isinstance(p.message, UsersTouched) and p.message.confirm] == [60.0]
        assert station.world.contacts.count("get") == looked
        assert len(station.world.directory.reads_of("u1")) == 1 + looked + 1
        assert await empty(station)

    run_virtual(main())


def test_a_value_that_entra_serves_late_arrives_with_the_confirm_read() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        async with station.working():
            await station.send(station.hint("u1"))
            await asyncio.sleep(60.0)
            await station.send(station.hint("u1"))  # notified, but Entra still answers with yesterday
            await asyncio.sleep(10.0)
            station.hire(person(city="Basel"))
            await asyncio.sleep(60.0)
        assert station.world.contacts.held[1].city == "Basel"

    run_virtual(main())


@pytest.mark.parametrize("reason", [Reason.RECONCILE, Reason.MANUAL, Reason.REPLAY])
def test_what_tells_of_no_change_is_not_confirmed(reason: Reason) -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        async with station.working():
            for _ in range(2):
                await station.send(station.hint("u1", reason=reason))
                await asyncio.sleep(40.0)
            assert await empty(station)

    run_virtual(main())


# --- runs -------------------------------------------------------------------------------------------------------


def test_a_run_counts_how_its_users_ended_and_ends_with_the_last() -> None:
    async def main() -> None:
        station = Station()
        runs = station.world.ledger.runs
        station.linked(person("u1"), 1)
        station.hire(person("u2", sku_ids=()))
        station.hire(person("u3"))
        station.world.contacts.failures["create"] = [Transient("syncro", "busy")]
        await runs.start(Run("run-1", CUSTOMER, Reason.MANUAL, 3, START))
        async with station.working():
            await station.send(station.hint("u1", "u2", "u3", reason=Reason.MANUAL, run_id="run-1"))
            await asyncio.sleep(5.0)
            assert runs.held["run-1"].finished_at is None
            await asyncio.sleep(30.0)
        assert runs.results["run-1"] == {"u1": "update", "u2": "excluded", "u3": "create"}
        assert runs.held["run-1"].finished_at is not None

    run_virtual(main())


# --- crashes and shutdown ---------------------------------------------------------------------------------------


def test_a_crash_between_publish_and_ack_repeats_work_and_loses_none() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        station.world.contacts.failures["get"] = [Transient("syncro", "busy") for _ in range(2)]
        station.world.broker.lost_acks = 1
        async with station.working():
            await station.send(station.hint("u1"))
            await asyncio.sleep(4.0)
        station.world.broker.bury_all()  # the worker died with the message in hand; its retry was published
        async with station.working():
            await asyncio.sleep(600.0)
        assert station.world.contacts.held[1].name == "Person u1"
        assert station.world.contacts.count("update") == 1
        assert await empty(station)

    run_virtual(main())


def test_a_worker_that_dies_at_any_moment_loses_no_hint() -> None:
    async def main(moment: float) -> None:
        station = Station()
        station.world.contacts.latency = 0.3
        for number in range(40):
            station.linked(person(f"u{number}"), 100 + number)
        async with asyncio.TaskGroup() as group:
            victim = group.create_task(_live(station), name="victim")
            for number in range(200):
                await station.send(station.hint(f"u{number % 40}"))
                await asyncio.sleep(0.01)
            await asyncio.sleep(moment)
            victim.cancel()
        async with station.working(Lane.LIVE, Lane.BACKFILL):
            await asyncio.sleep(300.0)
        assert {contact.name for contact in station.world.contacts.held.values()} == {
            f"Person u{number}" for number in range(40)
        }

    for moment in (0.0, 0.15, 0.5, 2.0, 7.7):
        run_virtual(main(moment))


async def _live(station: Station) -> None:
    async with station.working():
        await asyncio.sleep(DAY)


def test_a_broker_that_refuses_publishes_keeps_the_messages() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        station.world.contacts.failures["get"] = [Transient("syncro", "busy") for _ in range(3)]
        async with station.working():
            await station.send(station.hint("u1"))
            station.world.broker.down = True
            await asyncio.sleep(4.0)
            assert station.world.broker.waiting(Lane.LIVE) == 1
            station.world.broker.down = False
            await asyncio.sleep(30.0)
        assert station.world.contacts.count("update") == 1

    run_virtual(main())


def test_a_delivery_that_can_be_neither_settled_nor_given_back_comes_again_all_the_same() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        station.world.contacts.failures["get"] = [Transient("syncro", "busy")]
        async with station.working():
            await station.send(station.hint("u1"))
            station.world.broker.down, station.world.broker.failing_releases = True, 1
            await asyncio.sleep(4.0)
            station.world.broker.down = False
            await asyncio.sleep(60.0)
        assert station.world.contacts.count("update") == 1
        assert await empty(station)

    run_virtual(main())


def test_a_confirm_that_could_not_be_published_is_made_up_for() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person(), 1)
        async with station.working():
            await station.send(station.hint("u1"))
            await asyncio.sleep(100.0)
            await station.send(station.hint("u1"))
            station.world.broker.down = True
            await asyncio.sleep(4.0)
            station.world.broker.down = False
            await asyncio.sleep(10.0)
            station.hire(person(job_title="CTO"))  # Entra served yesterday until now
            await asyncio.sleep(100.0)
        assert station.world.contacts.held[1].title == "CTO"

    run_virtual(main())


def test_a_directory_answer_that_nobody_foresaw_stops_no_other_tenant(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        station = Station()
        station.connect(8, "tenant-b")
        station.linked(person(), 1)
        station.linked(person("u2"), 2, customer_id=8, tenant_id="tenant-b")
        true_read = station.world.directory.users

        async def read(tenant_id: str, user_ids: Sequence[str]) -> dict[str, UserRead]:
            if tenant_id == TENANT:
                raise ValueError("Anna Smith")
            return await true_read(tenant_id, user_ids)

        monkeypatch.setattr(station.world.directory, "users", read)
        async with station.working():
            await station.send(station.hint("u1"))
            await asyncio.sleep(5.0)
            await station.send(station.hint("u2", tenant_id="tenant-b"))
            await asyncio.sleep(5.0)
        assert station.world.contacts.held[2].name == "Person u2"
        (letter,) = letters(station)
        assert (letter.error_class, "Anna" in letter.detail) == ("unexpected", False)

    run_virtual(main())


def test_a_user_that_the_directory_refuses_for_good_takes_nobody_along(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        station = Station()
        for number in range(3):
            station.linked(person(f"u{number}"), 10 + number)
        true_read = station.world.directory.users

        async def read(tenant_id: str, user_ids: Sequence[str]) -> dict[str, UserRead]:
            if "u1" in user_ids:
                raise Permanent("graph", "bad_request")
            return await true_read(tenant_id, user_ids)

        monkeypatch.setattr(station.world.directory, "users", read)
        async with station.working():
            await station.send(station.hint("u0", "u1", "u2"))
            await asyncio.sleep(10.0)
        assert station.world.contacts.count("update") == 2
        (letter,) = letters(station)
        message = decode(letter.body)
        assert isinstance(message, UsersTouched)
        assert message.user_ids == ("u1",)

    run_virtual(main())


def test_shutdown_finishes_the_user_in_hand_and_gives_the_rest_back() -> None:
    async def main() -> None:
        station = Station()
        station.world.contacts.latency = 1.0
        for number in range(5):
            station.linked(person(f"u{number}"), 100 + number)
        async with station.working():
            await station.send(station.hint(*(f"u{number}" for number in range(5))))
            await station.send(station.hint("u9"))
            await asyncio.sleep(2.5)
        assert station.world.contacts.count("update") == 1
        assert station.world.ledger.journal.written[-1].settled_at is not None
        assert station.world.broker.held(Lane.LIVE) == 0
        assert station.world.broker.waiting(Lane.LIVE) == 2

    run_virtual(main())


def test_a_drain_that_takes_too_long_is_cut_off_and_loses_nothing() -> None:
    async def main() -> None:
        station = Station()
        station.settings = replace(station.settings, drain=1.0)
        station.world.contacts.latency = 60.0
        station.linked(person(), 1)
        async with station.working():
            await station.send(station.hint("u1"))
            await asyncio.sleep(3.0)
        assert station.world.clock.monotonic() < 10.0
        assert station.world.broker.waiting(Lane.LIVE) == 1
        assert station.world.broker.held(Lane.LIVE) == 0

    run_virtual(main())


def test_never_two_users_of_one_customer_at_once() -> None:
    async def main() -> None:
        station = Station()
        at_once: list[int] = []
        busy: set[int] = set()

        def arrived() -> None:
            busy.add(len(busy))
            at_once.append(len(busy))
            asyncio.get_running_loop().call_later(0.5, busy.pop)

        station.world.contacts.latency = 0.5
        station.world.contacts.on_call["get"] = arrived
        for number in range(6):
            station.linked(person(f"u{number}"), 100 + number)
        async with station.working(workers=3):
            for number in range(6):
                await station.send(station.hint(f"u{number}", tenant_id=TENANT))
            await asyncio.sleep(30.0)
        assert len(at_once) == 6
        assert set(at_once) == {1}

    run_virtual(main())
