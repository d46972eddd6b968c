"""Failed changes tried again while things break: stores away, deaths at any call, leaders that are frozen or two."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.desk import ReplayState
from shared.domain.messages import Lane, encode
from tests.support.fake_state import FakeLeases
from tests.support.fakes import worker_ports
from tests.support.replaying import EVERY, job_of, letter_of, order, sent, serving, status_of, until, until_done
from tests.support.station import Station
from tests.support.virtual_time import run_virtual
from worker.leading import TTL
from worker.parts import WorkerPorts
from worker.replays import LetterReplays


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


def test_two_leaders_at_once_lose_nothing_count_once_and_hand_over_at_most_twice() -> None:
    """A wiped store let both lead: they go step by step with each other, the worst that can be."""

    async def main() -> None:
        station = Station()
        letters = [letter_of(station, f"u{n}") for n in range(40)]
        await order(station, letters)
        asking = asyncio.Barrier(2)

        class InStep:
            """Both publish a letter at the very same time, as long as both are there."""

            async def publish(self, *args: Any, **more: Any) -> None:
                with suppress(TimeoutError):
                    async with asyncio.timeout(5.0):
                        await asking.wait()
                await station.world.broker.publish(*args, **more)

        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for number in range(2):
                alone = FakeLeases(station.world.clock)
                ports = replace(station.ports, publisher=InStep(), leases=alone)
                group.create_task(LetterReplays(ports, station.settings).run(stop), name=f"leader:{number}")
            done = await until_done(station)
            stop.set()
        copies = Counter(encode(message) for message in sent(station))
        assert len(copies) == 40
        assert set(copies.values()) == {2}, "the test no longer shows the worst"
        assert (done.handed_over, done.skipped) == (40, 0)
        held = station.world.ledger.dead_letters.held
        assert {(held[each.letter_id].status, held[each.letter_id].replays) for each in letters} == {("replayed", 1)}

    run_virtual(main())


def test_a_leader_that_waits_for_room_asks_for_the_lead_anew() -> None:
    """The store was wiped while the lane was full: whoever led before finds out, and does not go on beside another."""

    async def main() -> None:
        station = Station()
        station.settings = replace(station.settings, replay_room=1)
        await order(station, [letter_of(station, f"u{n}") for n in range(6)])
        looks: list[float] = []
        depths = station.world.broker.depths

        async def noted() -> Mapping[Lane, int]:
            looks.append(station.world.clock.monotonic())
            return await depths()

        station.world.broker.depths = noted  # type: ignore[method-assign]  # watches who waits for room
        async with serving(station, services=2):
            await until(lambda: len(sent(station)) == 1)
            station.world.leases.steal("replays")
            await asyncio.sleep(TTL + EVERY)
            both = len(looks)
            await asyncio.sleep(20.0)
            assert len(looks) - both >= 18, "the test no longer has two leaders"
            await asyncio.sleep(60.0)
            one = len(looks)
            await asyncio.sleep(20.0)
            assert len(looks) - one <= 12

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
