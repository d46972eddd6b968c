"""Watching failed changes that are tried again, and what they came to in the end.

Ctrl-C stops watching, never the work. Next: `console/cli/letters_jobs.py`.
"""

from __future__ import annotations

import asyncio

from console import operations
from console.cli.output import complain, print_table, say
from console.cli.watching import POLL, STANDSTILL, STILL, bars
from console.operations import OperatorPorts, ShownReplay
from shared.domain.desk import Replay, ReplayState
from shared.domain.letters import Result

SHOWN = 20  # letters that failed again or were not tried, in a table
READ_BACK = 8.0  # seconds, at most, between two readings of all results: each reads every letter of the job


async def found_and_watched(ports: OperatorPorts, replay_id: str) -> ShownReplay:
    return await watch_replay(ports, await operations.replay_of(ports, replay_id))


async def watch_replay(ports: OperatorPorts, job: Replay, *, still: float = STILL) -> ShownReplay:
    """Until every letter has its result, or the job is cancelled. The services must be running for it to move."""
    seen, since, is_told, wait = -1, ports.clock.monotonic(), False, POLL
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
            wait = POLL if report is None else min(2 * wait, READ_BACK)
            await asyncio.sleep(wait)


def show_job(shown: ShownReplay) -> None:
    job = shown.replay
    counts = ", ".join(f"{count} {result.value}" for result, count in shown.counts.items()) or "nothing yet"
    say(f"Replay {job.replay_id} by {job.by}, {job.state.value}: {counts}.")
    told = sorted((each for each in shown.results if each.detail), key=lambda each: list(Result).index(each.result))
    print_table(
        "Failed again or not tried",
        ["id", "result", "why"],
        ((each.letter_id, each.result.value, each.detail) for each in told[:SHOWN]),
        whole="id",
        empty="None of them failed again." if shown.has_ended else "The others are still under way.",
    )
    if len(told) > SHOWN:
        say(f"and {len(told) - SHOWN} more: entra-syncro dead-letters replays {job.replay_id} --json")
    if shown.counts.get(Result.FAILED):
        say("Next, when the cause is gone: entra-syncro dead-letters list")
