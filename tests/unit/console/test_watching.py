"""Watching runs in virtual time: until every user has an outcome, a few at once, and a standstill said once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from console.cli.watching import AT_ONCE, counted, done_sentence, watch_runs
from console.operations import StartedRun
from shared.domain.messages import Reason
from shared.domain.records import Run
from tests.support.clock import START
from tests.support.desk import CUSTOMER, Desk
from tests.support.virtual_time import run_virtual


async def started(desk: Desk, number: int, planned: int = 2) -> StartedRun:
    await desk.ports.runs.start(Run(f"run{number}", CUSTOMER, Reason.MANUAL, planned, START))
    return StartedRun(f"run{number}", CUSTOMER, f"Customer [{number}]", planned)


async def outcomes(desk: Desk, number: int, after: float, every: float, users: int = 2) -> None:
    await asyncio.sleep(after)
    for user in range(users):
        await desk.ports.runs.outcome(f"run{number}", f"u{user}", "update", START)
        await asyncio.sleep(every)


def virtually(tmp_path: Path, act: Callable[[Desk], Awaitable[None]]) -> None:
    async def go() -> None:
        await act(Desk(tmp_path))

    run_virtual(go())


def test_it_ends_with_the_last_outcome_of_all(tmp_path: Path) -> None:
    async def act(desk: Desk) -> None:
        runs = [await started(desk, 0), await started(desk, 1)]
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(watch_runs(desk.ports, runs), name="watch")
            group.create_task(outcomes(desk, 0, 1, 3), name="quick")
            group.create_task(outcomes(desk, 1, 5, 8), name="slow")
        assert [run.outcomes for run in watching.result()] == [{"update": 2}, {"update": 2}]
        assert done_sentence(watching.result()) == "Done: 4 updated."

    virtually(tmp_path, act)


def test_outcomes_are_counted_in_words() -> None:
    outcomes = {"create": 1, "update": 6, "excluded": 2, "conflict": 3, "held": 1}
    assert counted(outcomes) == "1 created, 6 updated, 2 left out, 3 for a person to choose, 1 held"


def test_of_many_only_a_few_are_read_at_the_same_time(tmp_path: Path) -> None:
    async def act(desk: Desk) -> None:
        runs = [await started(desk, number, planned=1) for number in range(3 * AT_ONCE)]
        get, asked = desk.world.ledger.runs.get, set[str]()

        async def seen(run_id: str) -> Run | None:
            asked.add(run_id)
            return await get(run_id)

        desk.world.ledger.runs.get = seen  # type: ignore[method-assign]  # watches who is looked at
        watching = asyncio.create_task(watch_runs(desk.ports, runs), name="watch")
        await asyncio.sleep(2)
        assert len(asked) == AT_ONCE
        for number in range(3 * AT_ONCE):
            await outcomes(desk, number, 0, 0, users=1)
        assert len(await watching) == 3 * AT_ONCE

    virtually(tmp_path, act)


@pytest.mark.parametrize(("every", "said"), [(12.0, 0), (40.0, 1)])
def test_a_standstill_is_said_once_and_not_while_anything_moves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], every: float, said: int
) -> None:
    async def act(desk: Desk) -> None:
        moving, waiting = await started(desk, 0, planned=4), await started(desk, 1)
        async with asyncio.TaskGroup() as group:
            group.create_task(watch_runs(desk.ports, [moving, waiting]), name="watch")
            group.create_task(outcomes(desk, 0, 0, every, users=4), name="moving")
            group.create_task(outcomes(desk, 1, 4 * every, 1), name="waiting")

    virtually(tmp_path, act)
    assert capsys.readouterr().err.count("entra-syncro run all") == said
