"""`entra-syncro dead-letters replay`: failed changes tried again, as a plan first, and then followed.

Without `--apply` nothing is begun. Joins the commands of `console/cli/letters.py`. Next: `letters_jobs.py`.
"""

from __future__ import annotations

from typing import Annotated

import typer

from console import operations
from console.cli.context import acting, operate
from console.cli.letters import app
from console.cli.letters_asked import Asked, Cause, Customer, RunId, Since, Until, meant
from console.cli.letters_watching import show_job, watch_replay
from console.cli.output import Json, plain, print_json, say
from console.operations import BegunReplay, OperatorPorts, ReplayPlan
from console.operations.errors import wrong_use
from console.operations.letters_plan import PlannedCustomer
from console.operations.letters_replay import parked_sentence
from shared.domain.desk import ReplayState
from shared.domain.letters import state_of

__all__ = ["app"]  # `letters_jobs.py` adds the last commands to it


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
        show_job(operate(context, lambda ports: watch_replay(ports, begun.replay)))


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
    return [
        f"Failed changes being tried again: {begun.claimed} (replay {job.replay_id}).",
        f"Stop it: entra-syncro dead-letters cancel {job.replay_id}",
    ]
