"""`entra-syncro runs ...`: full syncs that were made, what a brake held back, and deciding about it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

import typer

from console import operations
from console.cli.context import acting, operate
from console.cli.output import Json, print_json, print_table, say
from console.cli.preview import Line, show_lines
from console.cli.sync import OneCustomer, Watch, announce, complain_held, follow
from console.cli.watching import counted
from console.operations import ShownRun
from console.operations.holding import decisions, has_expired, is_halt, next_step, what_is_held
from shared.domain.messages import Reason
from shared.domain.records import HeldRow, Hold, HoldState, Run, RunState

app = typer.Typer(no_args_is_help=True, help="Full syncs, and what waits for approval in them.")

Code = Annotated[str, typer.Argument(help="The approval code that the full sync, runs show or status printed.")]

REASONS = {
    Reason.RECONCILE: "by schedule",
    Reason.MANUAL: "by hand",
    Reason.DELTA: "poll",
    Reason.NOTIFICATION: "notification",
    Reason.REPLAY: "tried again",
}
STATES = {
    RunState.READING: "reading",
    RunState.WORKING: "working",
    RunState.DONE: "done",
    RunState.HALTED: "halted",
    RunState.FAILED: "failed",
}
DECISIONS = {
    HoldState.OPEN: "waiting for approval",
    HoldState.APPROVED: "approved",
    HoldState.REJECTED: "rejected",
    HoldState.LIFTED: "gone by itself",
}


@app.command("list")
def list_(
    context: typer.Context,
    customer: OneCustomer = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many.")] = 20,
    as_json: Json = False,
) -> None:
    """List syncs, newest first.

    Example: entra-syncro runs list --customer 34288071
    """
    found = operate(context, lambda ports: operations.recent_runs(ports, customer, limit=limit))
    if as_json:
        print_json(found)
        return
    print_table(
        "Syncs, times in UTC",
        ["run, customer", "began", "what", "users", "writes", "held"],
        (
            (
                f"{run.run_id}\n  {run.customer_id}",
                f"{run.started_at:%m-%d %H:%M}",
                f"{_kind(run)}, {REASONS[run.reason]}\n{STATES[run.state]}",
                f"{run.planned} of {run.considered}" if run.full else run.planned,
                run.writes,
                run.held,
            )
            for run in found
        ),
        whole="run, customer",
        empty="No sync was made yet. Start one: entra-syncro reconcile --customer CUSTOMER",
    )


@app.command()
def show(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="The run, or an approval code.")],
    as_json: Json = False,
) -> None:
    """Show one sync: what it did, what it skipped, what waits.

    Example: entra-syncro runs show 0b9a8ac4
    """
    shown = operate(context, lambda ports: operations.show_run(ports, run))
    if as_json:
        print_json(shown)
        return
    for sentence in run_sentences(shown):
        say(sentence)
    for hold in shown.holds:
        show_hold(hold, shown.customer_name, shown.seen_at, shown.rejections.get(hold.code, ""))


def run_sentences(shown: ShownRun) -> Iterator[str]:
    run = shown.run
    if run is None:
        return
    yield f"{shown.customer_name}: {_kind(run)} {run.run_id}, {REASONS[run.reason]}, {STATES[run.state]}."
    yield f"Began {run.started_at:%Y-%m-%d %H:%M:%S} UTC, {_lasted(run)}."
    if run.full:
        yield f"Users read: {run.considered}; to bring in step: {run.planned}; held: {run.held}."
    if run.state is not RunState.HALTED and (run.full or run.planned):
        yield f"Outcomes: {_outcomes(run)}."
    yield f"Calls: {run.graph_calls} to Microsoft Graph, {run.syncro_calls} to Syncro, {run.writes} of them writes."
    yield from (f"Note: {note}" for note in run.notes)


def _kind(run: Run) -> str:
    """Only clearing what is billed for nobody hands no user over and is no full sync."""
    if run.full:
        return "full sync"
    return "sync of one user" if run.planned else "licences cleared"


def _outcomes(run: Run) -> str:
    if not run.planned:
        return "nothing but what is held was to be written" if run.held else "everything was in step"
    return counted(run.outcomes) or "none yet"


def _lasted(run: Run) -> str:
    if run.finished_at is None:
        return "not ended yet"
    return f"took {max(0, round((run.finished_at - run.started_at).total_seconds()))} s"


def show_hold(hold: Hold, name: str, now: datetime, rejected_before: str = "") -> None:
    """Every held field with before, after and why, then whose turn it is and who said no to the same before."""
    if hold.rows:
        show_lines(f"{name}: held", [line for row in hold.rows for line in _lines(row)], empty="")
    state = "held" if hold.state is HoldState.OPEN and has_expired(hold, now) else DECISIONS[hold.state]
    say(f"{state.capitalize()} (code {hold.code}): {what_is_held(hold)}.")
    if hold.state is HoldState.OPEN:
        if rejected_before:
            say(rejected_before)
        if is_halt(hold):
            say(hold.detail)
            say("If these numbers are right, approve them; else find out first who or what removed the others.")
        if not has_expired(hold, now):
            say(f"The code is valid until {hold.expires_at:%Y-%m-%d %H:%M} UTC.")
        for sentence in decisions(hold, now) or (next_step(hold, now),):
            say(sentence)
    elif hold.settled_at is not None:
        by = f" by {hold.settled_by}" if hold.settled_by else ""
        say(f"Decided {hold.settled_at:%Y-%m-%d %H:%M} UTC{by}.")


def _lines(row: HeldRow) -> Iterator[Line]:
    label = row.user_label if row.contact_id is not None else f"{row.user_label} (new)"
    for number, change in enumerate(row.changes):
        yield (label if number == 0 else "", change.field, change.before, change.after, change.why)


@app.command()
def approve(context: typer.Context, code: Code, watch: Watch = True, as_json: Json = False) -> None:
    """Approve what a brake holds; exactly that is written.

    Example: entra-syncro runs approve 0b9a8ac4
    """
    by = acting(context)
    started = operate(context, lambda ports: operations.approve_hold(ports, code, by=by))
    if as_json:
        print_json(started)
    else:
        say("Approved.")
        if started.hold is None and started.rejected_before:
            say(started.rejected_before)
        announce(started)
        if watch:
            follow(context, started)
    complain_held([started])


@app.command()
def reject(
    context: typer.Context,
    code: Code,
    why: Annotated[str, typer.Option(help="For those who look at it later.")],
    as_json: Json = False,
) -> None:
    """Reject what a brake holds; nothing of it is written.

    Example: entra-syncro runs reject 0b9a8ac4 --why "The licence group was emptied by mistake"
    """
    by = acting(context)
    rejected = operate(context, lambda ports: operations.reject_hold(ports, code, why=why, by=by))
    if as_json:
        print_json(rejected)
        return
    say("Rejected; nothing of it is written. When the cause is corrected, a full sync looks anew by itself,")
    say(f"or now: entra-syncro reconcile --customer {rejected.customer_id}")
