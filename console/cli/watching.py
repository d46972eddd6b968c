"""Watching started runs: one bar per customer, until every planned user has an outcome.

Ctrl-C stops watching, never the work. Of many runs only a few are followed at the same time: the others stand behind
them in the queue anyway.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from console import operations
from console.cli.output import complain, harmless, stderr
from console.operations import OperatorPorts, StartedRun
from shared.domain.records import Run
from shared.ports import Clock

POLL = 0.25  # seconds between two looks at the run's record
STILL = 15.0  # seconds without progress after which a technician is told what to look at
AT_ONCE = 8  # bars that a terminal shows, and run records that are read in turn

STANDSTILL = (
    "Nothing has moved for a while. See that the services run (entra-syncro run all) and what entra-syncro status "
    "says. Ctrl-C ends the watching only: the work is kept."
)

# Outcomes of looks as a sentence counts them; the others are words already.
OUTCOMES = {"create": "created", "update": "updated", "excluded": "left out", "conflict": "for a person to choose"}


def bars() -> Progress:
    """On standard error, so that standard output stays a document."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=stderr())


def done_sentence(runs: Sequence[Run]) -> str:
    """ "Done: 2 created, 14 updated."."""
    counts: dict[str, int] = {}
    for run in runs:
        for outcome, count in run.outcomes.items():
            counts[outcome] = counts.get(outcome, 0) + count
    return f"Done: {counted(counts)}."


def counted(outcomes: Mapping[str, int]) -> str:
    """ "2 created, 14 updated"; "" for none."""
    return ", ".join(f"{count} {OUTCOMES.get(outcome, outcome)}" for outcome, count in outcomes.items())


async def watch_run(ports: OperatorPorts, started: StartedRun) -> Run:
    """Until the run has an outcome for each planned user. The services must be running for it to move."""
    return (await watch_runs(ports, [started]))[0]


async def watch_runs(ports: OperatorPorts, started: Sequence[StartedRun], *, still: float = STILL) -> list[Run]:
    """One bar per run, side by side. After `still` seconds without progress it is said what to look at."""
    turn, pulse = asyncio.Semaphore(AT_ONCE), _Pulse(ports.clock, still)
    with bars() as shown:

        async def watch(one: StartedRun) -> Run:
            async with turn:
                return await _until_done(ports, one, shown, pulse, leave=len(started) <= AT_ONCE)

        async with asyncio.TaskGroup() as group:
            watching = [group.create_task(watch(one), name=f"watch:{one.run_id}") for one in started]
    return [task.result() for task in watching]


async def _until_done(ports: OperatorPorts, started: StartedRun, shown: Progress, pulse: _Pulse, *, leave: bool) -> Run:
    name = harmless(started.customer_name) or f"customer {started.customer_id}"
    bar, seen = shown.add_task(name, total=started.planned), 0
    while True:
        run = await operations.progress(ports, started.run_id)
        done = sum(run.outcomes.values())
        shown.update(bar, completed=done)
        pulse.beat(moved=done > seen)
        if done >= started.planned:
            shown.update(bar, visible=leave)
            return run
        seen = max(seen, done)
        await asyncio.sleep(POLL)


class _Pulse:
    """Does anything move at all? One sluggish customer behind another is no standstill. Said once."""

    def __init__(self, clock: Clock, still: float) -> None:
        self._clock = clock
        self._still = still
        self._since = clock.monotonic()

    def beat(self, *, moved: bool) -> None:
        now = self._clock.monotonic()
        if moved and self._since != float("inf"):
            self._since = now
        elif now - self._since > self._still:
            complain(STANDSTILL)
            self._since = float("inf")
