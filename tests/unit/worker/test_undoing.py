"""Taking writes back on fakes: by the plan's code alone, still ours or not at all, and killed at any step."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.desk import Pin
from shared.domain.errors import Ambiguous, Permanent, SyncError, Transient
from shared.domain.messages import Lane, Reason
from shared.domain.outcome import Held
from shared.domain.records import ConnectionStatus, WriteState
from shared.domain.undo_steps import Restore, Why
from tests.support.clock import START
from tests.support.station import CUSTOMER, person
from tests.support.undo_office import Killed, Office, said, why
from tests.support.virtual_time import run_virtual
from worker.sync import Sync

_PIN = Pin(CUSTOMER, 100, "hands off", "ben", START)


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


@pytest.mark.parametrize("status", [ConnectionStatus.PREVIEW, ConnectionStatus.DISCONNECTED])
def test_a_look_that_was_under_way_when_the_customer_was_halted_writes_nothing_after_the_undo(
    status: ConnectionStatus,
) -> None:
    """It took its user while the customer was approved. Nothing is paused, and nothing has to be."""

    async def main() -> None:
        office = Office()
        await office.run(2)
        office.hire(person("u0", job_title="President"))
        office.world.contacts.latency = 1.0
        sync, hint = Sync(office.ports, office.settings, Lane.LIVE), office.hint("u0")
        async with office.world.leases.hold(f"customer:{CUSTOMER}", ttl=5.0):  # whoever is slow
            look = asyncio.create_task(office.sync_users(sync, hint), name="look")
            await asyncio.sleep(1.0)  # Entra is read, and it waits for its turn
            office.connect(status=status)
            undo = asyncio.create_task(office.undo((await office.plan()).code), name="undo")
            await asyncio.sleep(0.5)
        done = await undo
        assert isinstance((await look)[CUSTOMER, "u0"], Held)
        assert (done.paused, done.left, len(done.steps), office.status()) == (False, (), 2, status)
        again = await office.sync_users(sync, office.hint("u0"))
        assert all(isinstance(outcome, Held) for outcome in again.values())
        assert said(office.world.contacts.held) == said(office.before)

    run_virtual(main())


def test_when_somebody_lets_the_customer_go_on_meanwhile_no_more_is_taken_back() -> None:
    """Paused or approved in mid-flight: its looks would write the same again, while the rest is still taken back."""

    async def main() -> None:
        office = Office()
        await office.run(3)
        code = (await office.plan()).code
        office.world.contacts.on_call["update"] = office.connect  # approved from now on
        done = await office.undo(code)
        assert (len(done.steps), done.paused) == (1, False)
        assert isinstance(done.stopped, Transient)
        assert done.stopped.code == "resumed_meanwhile"
        office.world.contacts.on_call.clear()
        again = await office.undo(code)
        assert (len(again.steps), again.paused, again.stopped) == (2, True, None)
        assert said(office.world.contacts.held) == said(office.before)

    run_virtual(main())


def test_the_customer_is_asked_for_under_the_lease_and_its_state_told_as_it_is_at_the_end() -> None:
    async def main(verb: str) -> tuple[int, bool, bool]:
        office = Office()
        await office.run(1)
        code, calls = (await office.plan()).code, list[None]()

        def resume() -> None:
            calls.append(None)
            if len(calls) == (2 if verb == "get" else 1):  # the plan of `undo` read first
                office.connect()

        office.world.contacts.on_call[verb] = resume
        done = await office.undo(code)
        assert office.status() is ConnectionStatus.APPROVED
        return len(done.steps), done.paused, done.stopped is not None

    assert run_virtual(main("get")) == (0, False, True)
    assert run_virtual(main("update")) == (1, False, False)  # too late to stop anything


@pytest.mark.parametrize(("is_with_all", "deeds"), [(False, []), (True, ["pause"])])
def test_who_is_paused_already_is_not_paused_again(is_with_all: bool, deeds: list[str]) -> None:
    """Stopped by the switch for everything it is stopped on its own now."""

    async def main() -> None:
        office = Office()
        await office.run(1)
        code = (await office.plan()).code
        office.connect(status=ConnectionStatus.PAUSED)
        held = office.world.ledger.connections.held
        held[CUSTOMER] = replace(held[CUSTOMER], paused_with_all=is_with_all)
        for _ in range(2):
            assert (await office.undo(code)).paused
        assert [deed.what for deed in office.world.ledger.deeds.noted] == deeds
        assert (held[CUSTOMER].status, held[CUSTOMER].paused_with_all) == (ConnectionStatus.PAUSED, False)

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
        assert why(done.left) == [(100, "title", Why.CHANGED)]  # told once
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


def test_a_journal_longer_than_one_look_is_read_to_the_oldest_change(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        office = Office()
        await office.run(5)
        monkeypatch.setattr("worker.undo_reading._PAGE", 2)
        plan = await office.plan()
        assert len(plan.steps) == 5
        done = await office.undo(plan.code)
        assert (len(done.steps), said(office.world.contacts.held)) == (5, said(office.before))

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
