"""`entra-syncro dead-letters replays|cancel`: what was tried again, what it came to, and how to stop it.

The last of the files whose commands make up the group: `letters.py`, `letters_replay.py`, this one.
"""

from __future__ import annotations

from typing import Annotated

import typer

from console import operations
from console.cli.context import acting, operate
from console.cli.letters_replay import app
from console.cli.letters_watching import found_and_watched, show_job
from console.cli.output import Json, plain, print_json, print_table, say
from console.operations.errors import wrong_use
from shared.domain.desk import Replay

__all__ = ["app"]  # the group with the commands of all three files in it

ReplayId = Annotated[str, typer.Argument(metavar="REPLAY", help="As listed by entra-syncro dead-letters replays.")]


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
        shown = operate(context, lambda ports: found_and_watched(ports, number))
    else:
        shown = operate(context, lambda ports: operations.show_replay(ports, number))
    if as_json:
        print_json(shown)
    else:
        show_job(shown)


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
        for line in cancelled_lines(job):
            say(line)
    else:
        say(f"It had ended before ({job.state.value}); nothing was done.")


def cancelled_lines(job: Replay) -> list[str]:
    left = job.total - job.handed_over - job.skipped
    skipped = f", {job.skipped} were left alone (in step, or not readable)" if job.skipped else ""
    return [
        f"Cancelled. Of {job.total} failed changes {job.handed_over} were tried again{skipped}.",
        f"Failed changes as before: {left}. Look at them: entra-syncro dead-letters list",
    ]


def _plain(job: Replay) -> dict[str, object]:
    made = plain(job)
    if not isinstance(made, dict):
        raise TypeError("a dataclass is an object in JSON")
    return made
