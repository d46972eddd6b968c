"""Failed changes tried again: paced, one leader, cancellable, nothing lost by a crash anywhere, nothing old written."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from shared.domain.desk import Replay, ReplayState
from shared.domain.errors import Permanent
from shared.domain.letters import CAP, Result, is_parked, result_of
from shared.domain.messages import Lane, Reason, UsersTouched, encode
from shared.domain.records import ConnectionStatus, DeadLetter, Run, RunState, WriteState
from shared.domain.watching import read_key
from tests.support.clock import START
from tests.support.desk import a_letter
from tests.support.fake_state import FakeLeases
from tests.support.fakes import worker_ports
from tests.support.station import CUSTOMER, TENANT, Station, person
from tests.support.virtual_time import run_virtual
from worker.burial import Burial
from worker.parts import WorkerPorts
from worker.replays import LetterReplays

EVERY, PAUSE = 2.0, 1.0  # seconds, as set by default


def letter_of(station: Station, user: str, name: str = "", **facts: Any) -> DeadLetter:
    body = encode(
        UsersTouched(
            tenant_id=TENANT,
            user_ids=(user,),
            reason=Reason.NOTIFICATION,
            noticed_at=START,
            trace_id="old",
            attempt=14,
        )
    )
    made = replace(a_letter(name or f"letter-{user}", body), tenant_id=TENANT, user_ids=(user,), **facts)
    station.world.ledger.dead_letters.held[made.letter_id] = made
    return made


async def order(station: Station, letters: Sequence[DeadLetter], replay_id: str = "r1") -> Replay:
    """What an operator's command does."""
    job = Replay(replay_id, "ada", "code", len(letters), station.world.clock.now())
    await station.ports.replays.begin(job, [each.letter_id for each in letters])
    return job


@asynccontextmanager
async def serving(station: Station, services: int = 1) -> AsyncIterator[None]:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for number in range(services):
            service = LetterReplays(station.ports, station.settings)
            group.create_task(service.run(stop), name=f"{service.name}:{number}")
        try:
            yield
        finally:
            stop.set()


def sent(station: Station) -> list[UsersTouched]:
    return station.world.broker.sent(Lane.BACKFILL)


def status_of(station: Station, letter: DeadLetter) -> str:
    return station.world.ledger.dead_letters.held[letter.letter_id].status


async def job_of(station: Station, replay_id: str = "r1") -> Replay:
    job = await station.ports.replays.get(replay_id)
    assert job is not None
    return job


async def until(check: Callable[[], bool], within: float = 3600.0) -> None:
    async with asyncio.timeout(within):
        while not check():  # noqa: ASYNC110 - virtual time costs nothing, and fakes have no events
            await asyncio.sleep(0.1)


async def until_done(station: Station, replay_id: str = "r1", within: float = 3600.0) -> Replay:
    jobs = station.world.ledger.replays.held
    await until(lambda: jobs[replay_id].state is not ReplayState.RUNNING, within)
    return await job_of(station, replay_id)


# --- pace, room, order ------------------------------------------------------------------------------------------


def test_letters_are_handed_over_in_their_order_and_one_a_second() -> None:
    async def main() -> None:
        station = Station()
        letters = [letter_of(station, f"u{n}") for n in range(30)]  # more than one batch
        await order(station, letters)
        async with serving(station):
            done = await until_done(station)
        assert (done.state, done.handed_over, done.skipped) == (ReplayState.DONE, 30, 0)
        assert [message.user_ids for message in sent(station)] == [letter.user_ids for letter in letters]
        times = [published.at for published in station.world.broker.published]
        assert min(after - before for before, after in pairwise(times)) >= PAUSE - 1e-6
        assert {message.run_id for message in sent(station)} == {"r1"}
        assert {status_of(station, letter) for letter in letters} == {"replayed"}

    run_virtual(main())


def test_nothing_is_handed_over_while_the_slow_lane_is_full() -> None:
    async def main() -> None:
        station = Station()
        station.settings = replace(station.settings, replay_room=3)
        for n in range(5):
            station.linked(person(f"u{n}"), 101 + n)
        await order(station, [letter_of(station, f"u{n}") for n in range(5)])
        async with serving(station):
            await asyncio.sleep(600.0)
            assert len(sent(station)) == 3, "nobody takes them"
            async with station.working(Lane.BACKFILL):
                await until_done(station)
        assert len(sent(station)) == 5

    run_virtual(main())


def test_the_job_that_began_first_is_worked_off_first() -> None:
    async def main() -> None:
        station = Station()
        letters = [letter_of(station, f"u{n}") for n in range(4)]
        await order(station, letters[2:], "r2")
        await asyncio.sleep(1.0)
        await order(station, letters[:2], "r1")
        async with serving(station):
            await until_done(station, "r1")
        assert [message.run_id for message in sent(station)] == ["r2", "r2", "r1", "r1"]

    run_virtual(main())


def test_a_cancelled_job_stops_before_its_next_letter_and_the_rest_is_open_again() -> None:
    async def main() -> None:
        station = Station()
        letters = [letter_of(station, f"u{n}") for n in range(10)]
        await order(station, letters)
        async with serving(station):
            await until(lambda: len(sent(station)) == 3)
            await station.ports.replays.finish("r1", station.world.clock.now(), ReplayState.CANCELLED)
            await asyncio.sleep(60.0)
        assert len(sent(station)) == 3
        assert Counter(status_of(station, letter) for letter in letters) == {"replayed": 3, "open": 7}
        assert (await job_of(station)).state is ReplayState.CANCELLED

    run_virtual(main())


def test_without_a_job_nobody_asks_for_the_lead() -> None:
    async def main() -> None:
        station = Station()
        asked: list[str] = []
        hold = station.world.leases.hold

        def noted(key: str, **how: Any) -> Any:
            asked.append(key)
            return hold(key, **how)

        station.world.leases.hold = noted  # type: ignore[method-assign]  # watches who asks
        async with serving(station):
            await asyncio.sleep(60.0)
            assert not asked
            await order(station, [letter_of(station, "u1")])
            await until_done(station)
        assert set(asked) == {"replays"}

    run_virtual(main())


# --- what is skipped --------------------------------------------------------------------------------------------


def full_sync(station: Station, after: float, state: RunState = RunState.DONE) -> None:
    at = START + timedelta(seconds=after)
    run = Run("full", CUSTOMER, Reason.RECONCILE, 0, at, state=state, full=True)
    station.world.ledger.runs.held["full"] = run


@pytest.mark.parametrize(
    ("prepare", "is_skipped"),
    [
        (lambda station: full_sync(station, 60.0), True),
        (lambda station: full_sync(station, -60.0), False),
        (lambda station: full_sync(station, 60.0, RunState.WORKING), False),
        (lambda station: station.connect(8), False),  # nothing is known of any
    ],
)
def test_a_user_in_step_since_by_a_full_sync_is_skipped(prepare: Callable[[Station], None], is_skipped: bool) -> None:
    async def main() -> None:
        station = Station()
        prepare(station)
        letter = letter_of(station, "u1")
        await order(station, [letter])
        async with serving(station):
            done = await until_done(station)
        assert (done.skipped, done.handed_over) == (int(is_skipped), int(not is_skipped))
        assert status_of(station, letter) == ("discarded" if is_skipped else "replayed")
        assert bool(station.world.ledger.dead_letters.held[letter.letter_id].why) is is_skipped

    run_virtual(main())


def test_one_of_two_customers_without_a_full_sync_proves_nothing() -> None:
    async def main() -> None:
        station = Station()
        station.connect(8)
        full_sync(station, 60.0)
        await order(station, [letter_of(station, "u1")])
        async with serving(station):
            assert (await until_done(station)).handed_over == 1

    run_virtual(main())


def test_a_user_whose_look_succeeded_since_is_skipped_and_one_whose_look_came_before_is_not() -> None:
    async def main() -> None:
        station = Station()
        for user, seconds in (("u1", 30.0), ("u2", -30.0)):
            letter_of(station, user)
            moment = (START + timedelta(seconds=seconds)).isoformat()
            await station.world.memory.remember(read_key(TENANT, user), moment, ttl=1000.0)
        await order(station, list(station.world.ledger.dead_letters.held.values()))
        async with serving(station):
            done = await until_done(station)
        assert (done.handed_over, done.skipped) == (1, 1)
        assert [message.user_ids for message in sent(station)] == [("u2",)]

    run_virtual(main())


def test_bytes_that_nobody_can_read_are_set_apart() -> None:
    async def main() -> None:
        station = Station()
        letter = letter_of(station, "u1")
        station.world.ledger.dead_letters.held[letter.letter_id] = replace(letter, body=b"\xff")
        await order(station, [letter])
        async with serving(station):
            assert (await until_done(station)).skipped == 1
        assert status_of(station, letter) == "parked"

    run_virtual(main())


# --- what goes wrong --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["ledger", "broker"])
def test_a_store_that_is_away_delays_and_loses_nothing(what: str) -> None:
    async def main() -> None:
        station = Station()
        await order(station, [letter_of(station, f"u{n}") for n in range(6)])

        def away(is_away: bool) -> None:
            if what == "ledger":
                station.world.ledger.switch.away = is_away
            else:
                station.world.broker.down = is_away

        async with serving(station):
            await asyncio.sleep(EVERY + 2.5)
            away(True)
            await asyncio.sleep(120.0)
            away(False)
            done = await until_done(station)
        assert done.handed_over == 6
        assert {user for message in sent(station) for user in message.user_ids} == {f"u{n}" for n in range(6)}

    run_virtual(main())


class KilledError(Exception):
    """The process is gone."""


class Dying:
    """A port whose calls are counted over all ports; at call number `at` the process dies, before or after it."""

    def __init__(self, port: object, died: Callable[[], bool], is_after: bool) -> None:
        self._port, self._died, self._is_after = port, died, is_after

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)

        async def called(*args: Any, **more: Any) -> Any:
            is_last = self._died()
            if is_last and not self._is_after:
                raise KilledError
            answer = await found(*args, **more)
            if is_last:
                raise KilledError
            return answer

        return called


def dying(ports: WorkerPorts, at: int, *, is_after: bool) -> WorkerPorts:
    calls = [0]

    def died() -> bool:
        calls[0] += 1
        return calls[0] == at

    names = ("replays", "publisher", "depths", "connections", "runs", "memory", "dead_letters")
    ports_of: dict[str, Any] = {name: Dying(getattr(ports, name), died, is_after) for name in names}
    return replace(ports, **ports_of)


@pytest.mark.parametrize("is_after", [False, True])
def test_a_crash_at_any_call_loses_nothing_and_repeats_at_most_one_letter_with_the_same_bytes(is_after: bool) -> None:
    async def main(at: int) -> bool:
        station = Station()
        letters = [letter_of(station, f"u{n}") for n in range(3)]
        await order(station, letters)
        first = LetterReplays(dying(worker_ports(station.world), at, is_after=is_after), station.settings)
        is_killed = False
        try:
            async with asyncio.timeout(60.0):
                await first.run(asyncio.Event())
        except KilledError:
            is_killed = True
        except TimeoutError:
            pass  # it had nothing left to do
        async with serving(station):
            done = await until_done(station)
        assert (done.handed_over, done.skipped) == (3, 0)
        assert {status_of(station, letter) for letter in letters} == {"replayed"}
        copies = Counter(encode(message) for message in sent(station))
        assert len(copies) == 3
        assert sum(copies.values()) <= 4, "killed once, so repeated at most once"
        return is_killed

    kills = 0
    while run_virtual(main(kills + 1)):
        kills += 1
    assert kills > 15, "the test no longer reaches every call"


def test_several_workers_hand_each_letter_over_once() -> None:
    async def main() -> None:
        station = Station()
        await order(station, [letter_of(station, f"u{n}") for n in range(12)])
        async with serving(station, services=3):
            await until_done(station)
            await asyncio.sleep(60.0)
        assert Counter(message.user_ids for message in sent(station)) == {(f"u{n}",): 1 for n in range(12)}

    run_virtual(main())


def test_a_leader_that_was_frozen_does_not_go_on_with_what_another_handed_over() -> None:
    async def main() -> None:
        station = Station()
        await order(station, [letter_of(station, f"u{n}") for n in range(40)])
        thaw = asyncio.Event()

        class Freezing:
            async def publish(self, *args: Any, **more: Any) -> None:
                if len(sent(station)) == 2 and not thaw.is_set():
                    await thaw.wait()
                await station.world.broker.publish(*args, **more)

        alone = FakeLeases(station.world.clock)  # nobody else asks there: it goes on believing that it leads
        frozen = LetterReplays(replace(station.ports, publisher=Freezing(), leases=alone), station.settings)
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(frozen.run(stop))
            await until(lambda: len(sent(station)) == 2)
            async with serving(station):
                await until(lambda: len(sent(station)) == 15)
                thaw.set()
                await until_done(station)
            stop.set()
        copies = Counter(message.user_ids for message in sent(station))
        assert len(copies) == 40
        assert 41 <= sum(copies.values()) <= 43, "its batch went on to letter 20"
        assert (await job_of(station)).handed_over == 40

    run_virtual(main())


def test_a_dead_leader_is_followed() -> None:
    async def main() -> None:
        station = Station()
        await order(station, [letter_of(station, f"u{n}") for n in range(4)])
        service = LetterReplays(station.ports, station.settings)
        task = asyncio.create_task(service.run(asyncio.Event()))
        await until(lambda: bool(sent(station)))
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert not service.ready()
        async with serving(station):
            assert (await until_done(station, within=60.0)).handed_over == 4

    run_virtual(main())


def test_a_service_that_is_told_to_stop_stops_between_two_letters() -> None:
    async def main() -> None:
        station = Station()
        await order(station, [letter_of(station, f"u{n}") for n in range(100)])
        async with serving(station):
            await until(lambda: bool(sent(station)))
        count = len(sent(station))
        assert count < 4
        job = await job_of(station)
        assert (job.state, job.handed_over) == (ReplayState.RUNNING, count)

    run_virtual(main())


# --- the whole way ----------------------------------------------------------------------------------------------


async def _buried(station: Station) -> DeadLetter:
    await until(lambda: bool(station.world.ledger.dead_letters.held))
    return next(iter(station.world.ledger.dead_letters.held.values()))


def refusing(station: Station, refused: set[str]) -> None:
    """Syncro refuses these phone numbers."""
    update = station.world.contacts.update

    async def checked(*args: Any, **more: Any) -> Any:
        if any(change.after in refused for value in (*args, *more.values()) for change in _changes(value)):
            raise Permanent("syncro", "rejected", "Syncro refused the values")
        return await update(*args, **more)

    station.world.contacts.update = checked  # type: ignore[method-assign]  # a rule of the vendor's


def _changes(value: object) -> Sequence[Any]:
    return [each for each in value if hasattr(each, "after")] if isinstance(value, tuple | list) else ()


@asynccontextmanager
async def all_at_work(station: Station) -> AsyncIterator[None]:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(Burial(station.ports).run(stop))
        group.create_task(LetterReplays(station.ports, station.settings).run(stop))
        async with station.working(Lane.LIVE, Lane.BACKFILL):
            try:
                yield
            finally:
                stop.set()


def test_a_poison_letter_is_tried_again_fails_again_and_is_synced_once_it_is_cured() -> None:
    async def main() -> None:
        station = Station()
        user = person("u1", business_phones=("+1 217 555 0199",))
        station.linked(user, 101)
        refused = {"+1 217 555 0199"}
        refusing(station, refused)
        async with all_at_work(station):
            await station.send(station.hint("u1"))
            letter = await _buried(station)
            for number in range(1, CAP + 1):
                await order(station, [letter], f"r{number}")
                await until_done(station, f"r{number}")
                await asyncio.sleep(60.0)
                (letter,) = station.world.ledger.dead_letters.held.values()  # the same one, opened again
                assert (letter.status, letter.replays) == ("open", number)
                outcomes = await station.ports.runs.outcomes(f"r{number}")
                assert result_of(letter, outcomes) is Result.FAILED
            assert is_parked(letter)
            refused.clear()
            await order(station, [letter], "cured")
            await until_done(station, "cured")
            await asyncio.sleep(60.0)
        (letter,) = station.world.ledger.dead_letters.held.values()
        assert letter.status == "replayed"
        assert result_of(letter, await station.ports.runs.outcomes("cured")) is Result.SYNCED
        entries = await station.ports.journal.entries(user_id="u1")
        assert (entries[0].state, entries[0].run_id, entries[0].cause) == (WriteState.WRITTEN, "cured", Reason.REPLAY)
        assert station.world.contacts.held[101].phone == "+1 217 555 0199"

    run_virtual(main())


def test_an_old_letter_writes_what_is_true_now_and_a_second_copy_writes_nothing() -> None:
    async def main() -> None:
        station = Station()
        station.linked(person("u1", job_title="Chief"), 101)
        letter = letter_of(station, "u1", last_seen=START - timedelta(days=30))
        await order(station, [letter])
        async with all_at_work(station):
            station.hire(person("u1", job_title="President"))  # a newer change, nobody hints
            await until_done(station)
            await asyncio.sleep(30.0)
            first = len(station.world.contacts.calls)
            (message,) = sent(station)
            await station.send(message, Lane.BACKFILL)  # the process died before it was recorded
            await asyncio.sleep(120.0)
        assert station.world.contacts.held[101].properties.get("title") == "President"
        writes = await station.ports.journal.entries(user_id="u1")
        assert len(writes) == 1
        assert len(station.world.contacts.calls) == first, "a read that succeeded since answers the second copy"

    run_virtual(main())


def test_letters_of_a_paused_customer_end_as_owed_and_write_nothing() -> None:
    async def main() -> None:
        station = Station()
        station.connect(status=ConnectionStatus.PAUSED)
        station.linked(person("u1", job_title="Chief"), 101)
        letter = letter_of(station, "u1")
        await order(station, [letter])
        async with all_at_work(station):
            await until_done(station)
            await asyncio.sleep(60.0)
        (letter,) = station.world.ledger.dead_letters.held.values()
        assert result_of(letter, await station.ports.runs.outcomes("r1")) is Result.HELD
        assert not await station.ports.journal.entries()
        assert [mark.customer_id for mark in await station.ports.owed.owed()] == [CUSTOMER]

    run_virtual(main())


def _has_come(jobs: Mapping[str, Replay], replay_id: str, count: float) -> bool:
    return jobs[replay_id].handed_over + jobs[replay_id].skipped >= count


def test_hundreds_of_letters_through_two_deaths_two_operators_and_newer_changes() -> None:
    """SIGKILL is modelled by a cancel: what was in hand goes back to the queue unacked."""
    count = 400

    async def main() -> None:
        station = Station()
        station.settings = replace(station.settings, replay_pause=0.01, replays_every=0.5)
        for n in range(count):
            station.linked(person(f"u{n}", job_title="Missed"), 1_000 + n)
        letters = [letter_of(station, f"u{n}") for n in range(count)]
        names = [each.letter_id for each in letters]
        jobs = [Replay(name, by, f"code-{name}", count, START) for name, by in (("r1", "ada"), ("r2", "bob"))]
        assert sorted([await station.ports.replays.begin(job, names) for job in jobs]) == [0, count]

        async def life() -> None:
            async with all_at_work(station):
                await asyncio.Event().wait()

        async def newer(first: int) -> None:
            for n in range(first, count, 50):
                station.hire(person(f"u{n}", job_title="Newer"))
                await station.send(station.hint(f"u{n}"))

        job = station.world.ledger.replays.held
        for number, share in enumerate((0.3, 0.6)):
            alive = asyncio.create_task(life())
            await until(partial(_has_come, job, "r1", share * count))
            await newer(number)
            alive.cancel()
            await asyncio.wait([alive])
            station.world.broker.bury_all()
            await newer(10 + number)
        async with all_at_work(station):
            done = await until_done(station, "r1", within=86_400.0)
            await asyncio.sleep(3_600.0)
        assert done.handed_over + done.skipped == count
        assert not station.world.broker.waiting(Lane.BACKFILL)
        changed = {n for first in (0, 1, 10, 11) for n in range(first, count, 50)}
        titles = {n: station.world.contacts.held[1_000 + n].properties.get("title") for n in range(count)}
        assert titles == {n: "Newer" if n in changed else "Missed" for n in range(count)}
        writes = Counter(entry.user_id for entry in await station.ports.journal.entries(limit=10 * count))
        assert all(writes[f"u{n}"] <= (2 if n in changed else 1) for n in range(count)), "a second copy wrote"
        copies = Counter(
            message.trace_id for message in sent(station) if message.run_id == "r1" and not message.attempt
        )
        assert max(copies.values()) <= 2
        assert sum(copies.values()) - len(copies) <= 2, "twice only by a death"

    run_virtual(main())
