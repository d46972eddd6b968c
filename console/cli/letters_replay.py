"""`entra-syncro dead-letters replay|replays|cancel`: failed changes tried again, as a plan first, and then followed.

Without `--apply` nothing is begun. Ctrl-C stops watching, never the work. Joins the commands of
`console/cli/letters.py`.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from console import operations
from console.cli.context import acting, operate
from console.cli.letters import Asked, Cause, Customer, RunId, Since, Until, app, meant
from console.cli.output import Json, complain, plain, print_json, print_table, say
from console.cli.watching import POLL, STANDSTILL, STILL, bars
from console.operations import BegunReplay, OperatorPorts, ReplayPlan, ShownReplay
from console.operations.errors import wrong_use
from console.operations.letters_plan import PlannedCustomer
from console.operations.letters_replay import parked_sentence
from shared.domain.desk import Replay, ReplayState
from shared.domain.letters import Result, state_of

__all__ = ["app"]  # the group with the commands of both files in it

FAILED_SHOWN = 20  # letters that failed again, in a table
READ_BACK = 1.0  # seconds between two readings of the results

ReplayId = Annotated[str, typer.Argument(metavar="REPLAY", help="As listed by entra-syncro dead-letters replays.")]


@app.command()
def replay(
    context: typer.Context,
    letter_ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID", help="Failed changes; or say which by options.")
    ] = None,
    customer: Customer = None,
    cause: Cause = "",
    since: Since = None,
    until: Until = None,
    run: RunId = "",
    everything: Annotated[bool, typer.Option("--all", help="Every failed change.")] = False,
    code: Annotated[str, typer.Option("--apply", metavar="CODE", help="Do what this code of a plan stands for.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Also those that were tried again three times.")] = False,
    why: Annotated[str, typer.Option("--why", help="For those who look at it later; needed with --force.")] = "",
    count_only: Annotated[
        bool, typer.Option("--count", help="Only count them; read no customer for what would be written.")
    ] = False,
    watch: Annotated[bool, typer.Option(help="Stay and show the progress.")] = True,
    as_json: Json = False,
) -> None:
    """Try failed changes again. First a plan and a code, then, with the code, for real.

    Users are read afresh, so an old failed change cannot write old values.

    Example: entra-syncro dead-letters replay --cause rejected --apply hyqx3k2p-0b9a8ac4
    """
    asked = Asked(tuple(letter_ids or ()), customer, cause, since, until, run)
    if asked.is_everything != everything:
        raise wrong_use("Name failed changes, or say which (--customer, --cause, --since, --run), or say --all.")
    if not code:
        _plan(context, asked, force=force, count_only=count_only, as_json=as_json)
        return
    by = acting(context)
    begun = operate(
        context,
        meant(asked, lambda ports, wish: operations.begin_replay(ports, wish, code, by=by, force=force, why=why)),
    )
    if as_json:
        print_json(begun)
        return
    for line in begun_lines(begun):
        say(line)
    if watch:
        _show(operate(context, lambda ports: watch_replay(ports, begun.replay)))


def _plan(context: typer.Context, asked: Asked, *, force: bool, count_only: bool, as_json: bool) -> None:
    async def made(ports: OperatorPorts) -> tuple[ReplayPlan, Asked]:
        settled = asked.settled(ports)
        return await operations.plan_replay(ports, settled.wish(ports), force=force, read=not count_only), settled

    plan, asked = operate(context, made)
    if as_json:
        print_json(plan_document(plan))
        return
    if not plan.selection.letters:
        say("No failed change can be tried again now.")
    else:
        _show_plan(plan)
    for line in left_out(plan):
        say(line)
    if plan.selection.letters:
        more = " --force --why TEXT" if force else ""
        say("Nothing was begun. To try them again:")
        say(f"  entra-syncro dead-letters replay{asked.words}{more} --apply {plan.code}")


def plan_document(plan: ReplayPlan) -> object:
    selection = plan.selection
    return {
        "code": plan.code,
        "until": plain(selection.until),
        "letters": [each.letter_id for each in selection.letters],
        "users": plan.users,
        "in_step": plan.in_step,
        "unreadable": [each.letter_id for each in selection.unreadable],
        "parked": [each.letter_id for each in selection.parked],
        "taken": [each.letter_id for each in selection.taken],
        "settled": [each.letter_id for each in selection.settled],
        "customers": plain(plan.customers),
        "customers_not_read": plan.not_read,
    }


def _show_plan(plan: ReplayPlan) -> None:
    count = len(plan.selection.letters)
    say(f"Failed changes that would be tried again: {count}, of {plan.users} users (failed until now, none later).")
    if plan.in_step:
        say(f"Of these {plan.in_step} would be skipped: their users were brought in step since.")
    for customer in plan.customers:
        for line in customer_lines(customer):
            say(line)
    if plan.not_read:
        say(f"Not read for this plan: {plan.not_read} more customers.")


def customer_lines(planned: PlannedCustomer) -> list[str]:
    users = "1 user" if planned.users == 1 else f"{planned.users} users"
    told = ", ".join(f"{count} {outcome}" for outcome, count in planned.outcomes.items())
    today = f"; today: {told}" if told else ""
    lines = [f"{planned.customer_name} (customer {planned.customer_id}), {users}{today}"]
    if planned.why:
        lines.append(f"  {planned.why}")
    lines += [
        f"  {row.user_label}: {row.outcome}" + (f" ({', '.join(row.fields)})" if row.fields else "")
        for row in planned.rows
    ]
    rest = sum(planned.outcomes.values()) - len(planned.rows)
    return [*lines, f"  and {rest} more"] if rest > 0 else lines


def left_out(plan: ReplayPlan) -> list[str]:
    selection = plan.selection
    lines = [f"{each.letter_id} is {state_of(each)} already." for each in selection.settled]
    if selection.taken:
        jobs = ", ".join(sorted({each.replay_id for each in selection.taken}))
        lines.append(f"Being tried again already: {len(selection.taken)} (replay {jobs}).")
    if selection.parked:
        lines.append(parked_sentence(len(selection.parked)))
    if selection.unreadable:
        lines.append(
            f"Cannot be read, so cannot be tried again: {len(selection.unreadable)}. "
            "Save one: entra-syncro dead-letters export ID FILE"
        )
    return lines


def begun_lines(begun: BegunReplay) -> list[str]:
    job = begun.replay
    if begun.known:
        lines = [f"This began already, by {job.by} (replay {job.replay_id}, {job.state.value})."]
        if job.state is ReplayState.CANCELLED:
            lines.append("To try again what is left, look at a new plan: the same command without --apply.")
        return lines
    lines = [f"Failed changes being tried again: {begun.claimed} (replay {job.replay_id})."]
    if begun.claimed < job.total:
        lines.append(f"Taken by somebody else meanwhile: {job.total - begun.claimed}.")
    return [*lines, f"Stop it: entra-syncro dead-letters cancel {job.replay_id}"]


@app.command("replays")
def replays_(
    context: typer.Context,
    replay_id: Annotated[
        str | None, typer.Argument(metavar="REPLAY", help="One of them, with what its failed changes came to.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Stay and show the progress; needs REPLAY.")] = False,
    as_json: Json = False,
) -> None:
    """List what was tried again. Or look at one of these, with the result of each.

    Example: entra-syncro dead-letters replays 4f1d0c9a7b32 --watch
    """
    if replay_id is None:
        if watch:
            raise wrong_use("Say which one to watch: entra-syncro dead-letters replays REPLAY --watch")
        _list(context, as_json)
        return
    number = replay_id
    if watch:
        shown = operate(context, lambda ports: _found_and_watched(ports, number))
    else:
        shown = operate(context, lambda ports: operations.show_replay(ports, number))
    if as_json:
        print_json(shown)
    else:
        _show(shown)


def _list(context: typer.Context, as_json: bool) -> None:
    found = operate(context, operations.replays)
    if as_json:
        print_json(found)
        return
    print_table(
        "Failed changes tried again",
        ["replay", "by", "began (UTC)", "tried, skipped, of", "state"],
        (
            (
                job.replay_id,
                job.by,
                f"{job.began_at:%m-%d %H:%M}",
                f"{job.handed_over}, {job.skipped}, {job.total}",
                job.state.value,
            )
            for job in found
        ),
        whole="replay",
        empty="Nothing was tried again yet.",
    )


@app.command()
def cancel(context: typer.Context, replay_id: ReplayId, as_json: Json = False) -> None:
    """Stop trying again. What was not tried yet stays a failed change.

    Example: entra-syncro dead-letters cancel 4f1d0c9a7b32
    """
    by = acting(context)
    job, is_done = operate(context, lambda ports: operations.cancel_replay(ports, replay_id, by=by))
    if as_json:
        print_json({**_plain(job), "cancelled_now": is_done})
    elif is_done:
        say(f"Cancelled after {job.handed_over} of {job.total}. The others are failed changes as before.")
    else:
        say(f"It had ended before ({job.state.value}); nothing was done.")


def _plain(job: Replay) -> dict[str, object]:
    made = plain(job)
    if not isinstance(made, dict):
        raise TypeError("a dataclass is an object in JSON")
    return made


# --- watching ---------------------------------------------------------------------------------------------------


async def _found_and_watched(ports: OperatorPorts, replay_id: str) -> ShownReplay:
    return await watch_replay(ports, await operations.replay_of(ports, replay_id))


async def watch_replay(ports: OperatorPorts, job: Replay, *, still: float = STILL) -> ShownReplay:
    """Until every letter has its result, or the job is cancelled. The services must be running for it to move."""
    seen, since, is_told = -1, ports.clock.monotonic(), False
    with bars() as shown:
        bar = shown.add_task("trying again", total=job.total)
        while True:
            job = await operations.replay_of(ports, job.replay_id)
            report = None if job.state is ReplayState.RUNNING else await operations.show_replay(ports, job.replay_id)
            done = job.handed_over + job.skipped - (0 if report is None else report.counts.get(Result.LOOKING, 0))
            shown.update(bar, completed=done)
            if report is not None and report.has_ended:
                return report
            now = ports.clock.monotonic()
            if done != seen:
                seen, since = done, now
            elif now - since > still and not is_told:
                complain(STANDSTILL)
                is_told = True
            await asyncio.sleep(POLL if report is None else READ_BACK)


def _show(shown: ShownReplay) -> None:
    job = shown.replay
    told = ", ".join(f"{count} {result.value}" for result, count in shown.counts.items()) or "nothing yet"
    say(f"Replay {job.replay_id} by {job.by}, {job.state.value}: {told}.")
    failed = [each for each in shown.results if each.result is Result.FAILED]
    print_table(
        "Failed again",
        ["id", "why"],
        ((each.letter_id, each.detail) for each in failed[:FAILED_SHOWN]),
        whole="id",
        empty="None of them failed again." if shown.has_ended else "The others are still under way.",
    )
    if len(failed) > FAILED_SHOWN:
        say(f"and {len(failed) - FAILED_SHOWN} more: entra-syncro dead-letters list")
