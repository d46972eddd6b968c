"""One user, step by step: read, scope, match, plan, write; first as it stands, then what was really written.

Part of `entra-syncro sync`; the steps come from the worker's own rules, the writes from the journal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import typer

from console import operations
from console.cli.context import acting, operate
from console.cli.output import fields_of, print_json, print_table, say
from console.cli.watching import done_sentence, watch_run
from console.operations import Explanation, OperatorPorts, StartedRun
from console.operations.errors import held
from shared.domain.records import JournalEntry, Run, WriteState

# What became of a user of whom nothing was written.
OUTCOMES = {
    "in step": "The contact was in step already; nothing was written.",
    "covered": "It was looked at a moment ago; nothing was left to write.",
    "excluded": "Nothing was written: the user is out of scope.",
    "conflict": "Nothing was written: a person must choose the contact.",
    "left alone": "Nothing was written: a person left this user's question alone.",
    "locked": "Nothing was written: the contact is locked.",
    "not yet known": "Nothing was written: Entra does not show this user yet; it is looked at again by itself.",
    "failed": "It failed; it is tried again by itself, and kept if it cannot be done: entra-syncro dead-letters list",
}
WRITES = {
    WriteState.INTENDED: "may have been written",
    WriteState.WRITTEN: "written",
    WriteState.REFUSED: "refused by Syncro",
    WriteState.AMBIGUOUS: "may have been written",
}


def sync_user(context: typer.Context, customer: int, user: str, *, watch: bool, as_json: bool) -> None:
    """Raises held (code 3) when the user's changes wait for a person."""
    explained, started = operate(context, lambda ports: _explain_and_start(ports, customer, user, by=acting(context)))
    if as_json:
        print_json({**fields_of(started), "explanation": explained})
        return
    show_steps(explained)
    say(f"Users to bring in step: {started.planned} (run {started.run_id}).")
    if not watch:
        return
    run, entries = operate(context, lambda ports: _watch_user(ports, started, user))
    say(done_sentence([run]))
    for sentence in written_sentences(run, entries):
        say(sentence)
    if "held" in run.outcomes:
        raise held("It waits for approval. See what is held, and how it is approved: entra-syncro status")


async def _explain_and_start(
    ports: OperatorPorts, customer: int, user: str, *, by: str
) -> tuple[Explanation, StartedRun]:
    explained = await operations.explain_user(ports, customer, user)
    return explained, await operations.sync_user(ports, customer, user, by=by)


async def _watch_user(ports: OperatorPorts, started: StartedRun, user: str) -> tuple[Run, Sequence[JournalEntry]]:
    run = await watch_run(ports, started)
    return run, await operations.written_in(ports, run, user)


def show_steps(explained: Explanation) -> None:
    rows = ((number, step.name, step.sentence) for number, step in enumerate(explained.steps, 1))
    print_table(f"{explained.user_label}: the five steps", ["", "step", "what"], rows, empty="")


def written_sentences(run: Run, entries: Sequence[JournalEntry]) -> Iterator[str]:
    """What was really done, from the journal (newest first); or why nothing was."""
    if not entries:
        yield from (OUTCOMES[outcome] for outcome in run.outcomes if outcome in OUTCOMES)
    for entry in reversed(entries):
        contact = f"contact {entry.contact_id}" if entry.contact_id is not None else "new contact"
        for change in entry.changes:
            end = "not kept by Syncro" if change.field in entry.unstuck else WRITES[entry.state]
            yield f"{contact}: {change.field}: {change.before!r} -> {change.after!r} ({end})"
