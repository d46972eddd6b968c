"""Failed changes tried again: paced, in their order, cancellable, and left alone where a user is in step since."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from shared.domain.desk import Replay, ReplayState
from shared.domain.letters import Result, result_of
from shared.domain.messages import Lane, Reason
from shared.domain.records import Run, RunState
from shared.domain.watching import read_key
from tests.support.clock import START
from tests.support.replaying import PAUSE, job_of, letter_of, order, sent, serving, status_of, until, until_done
from tests.support.station import CUSTOMER, TENANT, Station, person
from tests.support.virtual_time import run_virtual

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


def test_a_letter_in_step_since_that_failed_again_meanwhile_stays_open_and_says_so_in_the_report() -> None:
    async def main() -> None:
        station = Station()
        full_sync(station, 60.0)
        letter = letter_of(station, "u1")
        await order(station, [letter])
        again = replace(letter, detail="It failed once more", last_seen=START + timedelta(minutes=5))
        advance = station.world.ledger.replays.advance

        async def late(*args: Any, **more: Any) -> None:
            held = station.world.ledger.dead_letters.held
            held[letter.letter_id] = replace(held[letter.letter_id], last_seen=again.last_seen, detail=again.detail)
            await advance(*args, **more)

        station.world.ledger.replays.advance = late  # type: ignore[method-assign]  # a failure comes in between
        async with serving(station):
            done = await until_done(station)
        assert (done.skipped, status_of(station, letter)) == (1, "open")
        (kept,) = station.world.ledger.dead_letters.held.values()
        assert result_of(kept, {}, is_over=True) is Result.FAILED

    run_virtual(main())


def test_a_job_with_hundreds_of_newer_ones_is_worked_off() -> None:
    async def main() -> None:
        station = Station()
        await order(station, [letter_of(station, "u0")], "oldest")
        held = station.world.ledger.replays.held
        for n in range(300):
            at = station.world.clock.now() + timedelta(hours=1)
            held[f"newer-{n}"] = Replay(f"newer-{n}", "ada", "code", 1, at, ReplayState.CANCELLED)
        async with serving(station):
            assert (await until_done(station, "oldest")).handed_over == 1

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
