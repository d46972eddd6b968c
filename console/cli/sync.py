"""`entra-syncro sync`: bring one user, one customer or all of them in step now, and watch it happen.

The command hands the work over and follows the run's record (`console/cli/watching.py`); Ctrl-C stops watching, never
the work. A single user is explained step by step (`console/cli/steps.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from console import operations
from console.cli.context import acting, operate
from console.cli.explain import explain
from console.cli.output import Json, complain, plain, print_json, say
from console.cli.steps import sync_user
from console.cli.watching import bars, done_sentence, watch_run, watch_runs
from console.operations import NotStarted, OperationError, OperatorPorts, StartedRun, StartedRuns
from console.operations.errors import held, wrong_use
from console.operations.holding import waiting_lines

__all__ = [  # with those that watch: whoever starts a sync finds both here
    "Everyone",
    "OneCustomer",
    "Watch",
    "announce",
    "bring_in_step",
    "complain_failed",
    "complain_held",
    "follow",
    "follow_all",
    "sync",
    "watch_run",
    "watch_runs",
]

WORTH_SAYING = 2  # minutes; what is done sooner needs no forecast

OneCustomer = Annotated[int | None, typer.Option("--customer", help="Syncro's number of the customer.")]
Everyone = Annotated[bool, typer.Option("--all", help="Every approved customer.")]
Watch = Annotated[bool, typer.Option(help="Stay and show the progress.")]


def sync(
    context: typer.Context,
    customer: OneCustomer = None,
    everyone: Everyone = False,
    user: Annotated[str | None, typer.Option(help="Only this Entra user (object id), explained step by step.")] = None,
    watch: Watch = True,
    as_json: Json = False,
) -> None:
    """Bring a customer, one user or everyone in step now.

    Example: entra-syncro sync --customer 34288071 --user 84bd8158-6d4d-4958-8b9f-9d6445542f95
    """
    if user is None:
        bring_in_step(context, customer, everyone, watch=watch, as_json=as_json)
    elif customer is None or everyone:
        raise wrong_use("A user belongs to one customer: entra-syncro sync --customer CUSTOMER --user OBJECT-ID")
    else:
        sync_user(context, customer, user, watch=watch, as_json=as_json)


def bring_in_step(context: typer.Context, customer: int | None, everyone: bool, *, watch: bool, as_json: bool) -> None:
    """A full sync of one customer or of all. Raises what a shell must learn: held (3) or failed (1)."""
    if (customer is not None) == everyone:
        raise wrong_use("Name one customer (--customer CUSTOMER), or say --all; not both.")
    if customer is None:
        sync_everyone(context, watch=watch, as_json=as_json)
        return
    number = customer
    started = operate(context, lambda ports: operations.sync_customer(ports, number, by=acting(context)))
    if as_json:
        print_json(started)
    else:
        announce(started)
        if watch:
            follow(context, started)
    complain_held([started])


def announce(started: StartedRun) -> None:
    if started.halted:
        return
    say(f"Users to bring in step: {started.planned} (run {started.run_id}).")
    if started.planned and started.forecast is not None and started.forecast.minutes >= WORTH_SAYING:
        say(f"This takes {started.forecast.sentence}.")


def follow(context: typer.Context, started: StartedRun) -> None:
    """Show a bar until every planned user has an outcome. Of a halted customer nothing was handed over."""
    if started.halted:
        return
    if started.planned == 0:
        say("Everything else is in step already." if started.hold else "Everything is in step already.")
        return
    say(done_sentence([operate(context, lambda ports: watch_run(ports, started))]))


def sync_everyone(context: typer.Context, *, watch: bool, as_json: bool) -> None:
    begun = operate(context, lambda ports: _begin_all(ports, acting(context)))
    if as_json:
        print_json(document(begun))
    else:
        announce_all(begun)
        if watch:
            follow_all(context, begun.runs)
    complain_failed(begun.failed)
    complain_held(begun.runs)
    if begun.failed:
        raise OperationError("Try those again with the same command; it is harmless for the others.")


async def _begin_all(ports: OperatorPorts, by: str) -> StartedRuns:
    with bars() as shown:
        bar = shown.add_task("reading customers", total=None)
        return await operations.sync_all(
            ports, expect=lambda count: shown.update(bar, total=count), told=lambda _: shown.advance(bar), by=by
        )


def document(begun: StartedRuns) -> dict[str, object]:
    """The JSON form: errors as the sentence that a person would read."""
    return {
        "runs": plain(begun.runs),
        "failed": [_failed(each) for each in begun.failed],
        "left_out": plain(begun.left_out),
    }


def _failed(each: NotStarted) -> dict[str, object]:
    return {
        "customer_id": each.customer_id,
        "customer_name": each.customer_name,
        "why": explain(each.error, each.customer_id),
    }


def announce_all(begun: StartedRuns) -> None:
    planned = sum(run.planned for run in begun.runs)
    considered = sum(run.considered for run in begun.runs)
    say(f"Customers read: {len(begun.runs)}. Users to bring in step: {planned} of {considered}.")
    if planned and begun.forecast.minutes >= WORTH_SAYING:
        say(f"This takes {begun.forecast.sentence}.")
    if begun.left_out:
        say(f"Left out, for a person has not approved them or has paused them: {len(begun.left_out)}.")


def follow_all(context: typer.Context, runs: Sequence[StartedRun]) -> None:
    moving = [run for run in runs if run.planned]
    if not moving:
        say("Nothing is left to write.")
        return
    say(done_sentence(operate(context, lambda ports: watch_runs(ports, moving))))


def complain_failed(failed: Sequence[NotStarted]) -> None:
    for each in failed:
        why = explain(each.error, each.customer_id)
        complain(f"{each.customer_name} (customer {each.customer_id}) was not synced. {why}")


def complain_held(runs: Sequence[StartedRun]) -> None:
    """Raises the sentence and the exit code of a held sync; nothing when nothing is held."""
    sentences = [_held_sentence(run) for run in runs if run.hold is not None or run.halted]
    if sentences:
        raise held("\n".join(sentences))


def _held_sentence(run: StartedRun) -> str:
    if run.hold is None:
        return f"{run.customer_name}: halted, nothing was written. Look: entra-syncro runs show {run.run_id}"
    told = waiting_lines(run.hold, run.customer_name, run.hold.held_at)  # made just now: its code is valid
    return f"{told}\n  {run.rejected_before}" if run.rejected_before else told
