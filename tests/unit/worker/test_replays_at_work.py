"""Failed changes tried again with all of the worker: refused once more, cured, paused, through deaths."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from shared.domain.desk import Replay
from shared.domain.errors import Permanent
from shared.domain.letters import CAP, Result, is_parked, result_of
from shared.domain.messages import Lane, Reason
from shared.domain.records import ConnectionStatus, DeadLetter, WriteState
from tests.support.clock import START
from tests.support.replaying import letter_of, order, sent, until, until_done
from tests.support.station import CUSTOMER, Station, person
from tests.support.virtual_time import run_virtual
from worker.burial import Burial
from worker.replays import LetterReplays


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
            assert (letter.service, letter.error_class) == ("syncro", "rejected")
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
