"""What the desk of failed changes needs of the ledger: outcomes of a run by user, and browsing that changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from console.operations import LetterWish, find_letters, letter_groups, plan_replay, replays, show_letter, show_replay
from shared.adapters.ledger import Ledger, open_ledger
from shared.domain.desk import LetterFilter, Replay, ReplayState
from tests.support.clock import START
from tests.support.desk import Desk
from tests.support.ledger import a_letter, a_run

LATER = START + timedelta(minutes=5)


async def test_must_know_outcomes_also_where_the_run_was_never_started(ledger: Ledger) -> None:
    """must: know them also where the run was never started"""
    await ledger.runs.outcome("replay", "u1", "retrying", START, calls=2)
    await ledger.runs.outcome("replay", "u1", "update", LATER, calls=2, writes=1)
    await ledger.runs.outcome("replay", "u2", "failed", START)
    await ledger.runs.outcome("other", "u3", "update", START)
    assert await ledger.runs.outcomes("replay") == {"u1": "update", "u2": "failed"}
    assert await ledger.runs.outcomes("nobody") == {}


async def test_outcomes_of_a_run_that_was_started_are_the_same(ledger: Ledger) -> None:
    await ledger.runs.start(a_run("r"))
    await ledger.runs.outcome("r", "u1", "update", START)
    assert await ledger.runs.outcomes("r") == {"u1": "update"}


async def test_browsing_a_hundred_times_changes_no_counter_and_loses_nothing(
    shared_ledger_url: str, tmp_path: Path
) -> None:
    desk = Desk(tmp_path)
    async with open_ledger(shared_ledger_url) as ledger:
        for number in range(20):
            await ledger.dead_letters.record(a_letter(f"letter-{number}"))
        await ledger.replays.begin(Replay("r", "ada", "code", 5, START), [f"letter-{n}" for n in range(5)])
        await ledger.replays.advance("r", "letter-0", "replayed", LATER)
        await ledger.dead_letters.settle("letter-9", "discarded", LATER, by="ada", why="left")
        parts = {
            "dead_letters": ledger.dead_letters,
            "replays": ledger.replays,
            "runs": ledger.runs,
            "journal": ledger.journal,
            "connections": ledger.connections,
            "deeds": ledger.deeds,
        }
        ports = replace(desk.ports, **parts)  # type: ignore[arg-type]  # the ledger's own parts
        before = await _everything(ledger)
        assert len(await ledger.dead_letters.find(LetterFilter(status=None))) == 20

        async def browse() -> None:
            await find_letters(ports, LetterWish(), include_settled=True)
            await letter_groups(ports, LetterWish())
            await show_letter(ports, "letter-1")
            await plan_replay(ports, LetterWish(), read=False)
            await replays(ports)
            await show_replay(ports, "r")

        for _ in range(25):
            await asyncio.gather(*(browse() for _ in range(4)))
        assert await _everything(ledger) == before
    assert not desk.world.broker.published


async def _everything(ledger: Ledger) -> tuple[object, ...]:
    letters = list(await ledger.dead_letters.find(LetterFilter(status=None)))
    return letters, await ledger.replays.recent(), await ledger.deeds.recent(), await ledger.replays.claimed("r", 100)


async def test_letters_of_a_job_are_found_by_it(ledger: Ledger) -> None:
    for name in ("l1", "l2", "l3"):
        await ledger.dead_letters.record(a_letter(name))
    await ledger.replays.begin(Replay("r", "ada", "code", 2, START), ["l1", "l2"])
    await ledger.replays.advance("r", "l1", "replayed", LATER)
    found = await ledger.dead_letters.find(LetterFilter(status=None, replay_id="r"))
    assert {each.letter_id for each in found} == {"l1", "l2"}


async def test_failure_that_is_recorded_while_a_replay_skips_the_letter_opens_it(
    shared_ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits for the row, and must then see what the replay made of it."""
    told, may_commit = asyncio.Event(), asyncio.Event()
    async with open_ledger(shared_ledger_url) as ours, open_ledger(shared_ledger_url) as theirs:
        await ours.dead_letters.record(a_letter("l"))
        await ours.replays.begin(Replay("r", "ada", "code", 1, START), ["l"])
        database = ours.replays._database  # type: ignore[attr-defined]  # between the last statement and the commit
        atomic = database.atomic

        @asynccontextmanager
        async def slow() -> AsyncIterator[AsyncConnection]:
            async with atomic() as connection:
                yield connection
                told.set()
                await may_commit.wait()

        monkeypatch.setattr(database, "atomic", slow)
        skipping = asyncio.create_task(ours.replays.advance("r", "l", "discarded", START, why="in step"))
        await asyncio.wait_for(told.wait(), 10)
        failing = asyncio.create_task(theirs.dead_letters.record(a_letter("l", last_seen=LATER)))
        await asyncio.sleep(0.3)
        assert not failing.done(), "it waits for the lock"
        may_commit.set()
        await asyncio.gather(skipping, failing)
        found = await theirs.dead_letters.get("l")
        assert found is not None
        assert (found.status, found.last_seen, found.why) == ("open", LATER, "")


@pytest.mark.parametrize("by", ["ada", "bob"])
async def test_of_two_jobs_at_once_each_letter_has_one_and_none_is_lost(shared_ledger_url: str, by: str) -> None:
    names = [f"letter-{number}" for number in range(300)]
    async with open_ledger(shared_ledger_url) as ours, open_ledger(shared_ledger_url) as theirs:
        for name in names:
            await ours.dead_letters.record(a_letter(name))
        order = names if by == "ada" else list(reversed(names))
        first, second = await asyncio.gather(
            ours.replays.begin(Replay("r1", "ada", "c1", 300, START), names),
            theirs.replays.begin(Replay("r2", "bob", "c2", 300, START), order),
        )
        assert sorted((first, second)) == [0, 300]
        mine = {each.letter_id for each in await ours.replays.claimed("r1", 1000)}
        his = {each.letter_id for each in await ours.replays.claimed("r2", 1000)}
        assert sorted((mine, his), key=len) == [set(), set(names)]
        for job in ("r1", "r2"):
            await ours.replays.finish(job, LATER, ReplayState.CANCELLED)
        assert len(await ours.dead_letters.list(limit=1000)) == 300
