"""`entra-syncro sync`: bring one customer, or one user, in step now, and watch it happen.

The command hands the work over and follows the run's record; Ctrl-C stops watching, never the work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from console import operations
from console.cli.context import operate
from console.cli.output import Json, complain, print_json, say, stderr
from console.operations import OperatorPorts, StartedRun
from shared.domain.records import Run

POLL = 0.25  # seconds between two looks at the run's record
STILL = 15.0  # seconds without progress after which a technician is told what to look at

STANDSTILL = (
    "Nothing has moved for a while. See that the services run (entra-syncro run all) and what entra-syncro status "
    "says. Ctrl-C ends the watching only: the work is kept."
)


def sync(
    context: typer.Context,
    customer: Annotated[int, typer.Option(help="Syncro's number of the customer.")],
    user: Annotated[str | None, typer.Option(help="Only this Entra user (object id).")] = None,
    watch: Annotated[bool, typer.Option(help="Stay and show the progress.")] = True,
    as_json: Json = False,
) -> None:
    """Bring a customer (or one user) in step now."""
    started = operate(
        context,
        lambda ports: (
            operations.sync_user(ports, customer, user) if user else operations.sync_customer(ports, customer)
        ),
    )
    if as_json:
        print_json(started)
        return
    say(f"Users to bring in step: {started.planned} (run {started.run_id}).")
    if watch:
        follow(context, started)


def follow(context: typer.Context, started: StartedRun) -> None:
    """Show a bar until every planned user has an outcome."""
    if started.planned == 0:
        say("Everything is in step already.")
        return
    run = operate(context, lambda ports: watch_run(ports, started))
    say("Done: " + ", ".join(f"{count} {outcome}" for outcome, count in run.outcomes.items()) + ".")


async def watch_run(ports: OperatorPorts, started: StartedRun) -> Run:
    """Until the run has an outcome for each planned user. The services must be running for it to move."""
    return (await watch_runs(ports, [started]))[0]


async def watch_runs(ports: OperatorPorts, started: Sequence[StartedRun], *, still: float = STILL) -> list[Run]:
    """One bar per run, side by side. After `still` seconds without progress it is said what to look at."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=stderr()) as bars:
        async with asyncio.TaskGroup() as group:
            watching = [group.create_task(_until_done(ports, one, bars, still), name=one.run_id) for one in started]
    return [task.result() for task in watching]


async def _until_done(ports: OperatorPorts, started: StartedRun, bars: Progress, still: float) -> Run:
    bar = bars.add_task(started.customer_name or f"customer {started.customer_id}", total=started.planned)
    seen, still_from = 0, ports.clock.monotonic()
    while True:
        run = await operations.progress(ports, started.run_id)
        done = sum(run.outcomes.values())
        bars.update(bar, completed=done)
        if done >= started.planned:
            return run
        now = ports.clock.monotonic()
        if done > seen:
            seen, still_from = done, now
        elif now - still_from > still:
            complain(STANDSTILL)
            still_from = float("inf")  # said once
        await asyncio.sleep(POLL)
