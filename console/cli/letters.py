"""`entra-syncro dead-letters ...` (alias `failed`): changes that were given up, by cause or one by one.

Trying them again is `console/cli/letters_replay.py`, in the same group of commands.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from console import operations
from console.cli.context import acting, operate
from console.cli.letters_asked import Asked, Cause, Customer, RunId, Since, Until, meant
from console.cli.output import Json, plain, print_json, print_table, say
from console.operations import ShownGroup, ShownLetter
from shared.domain.letter_causes import said
from shared.domain.letters import is_parked, is_readable, state_of
from shared.domain.records import DeadLetter

app = typer.Typer(no_args_is_help=True, help="Failed changes: look at them, try them again, discard them.")

LetterId = Annotated[str, typer.Argument(metavar="ID", help="A failed change, as listed by --flat.")]
NEXT = "Next, when the cause is gone: entra-syncro dead-letters replay --cause CODE (or ID, or --all)"
PLACES_SHOWN = 5  # customers that one group names


@app.command("list")
def list_(
    context: typer.Context,
    customer: Customer = None,
    cause: Cause = "",
    since: Since = None,
    until: Until = None,
    run: RunId = "",
    everything: Annotated[bool, typer.Option("--all", help="Also those that were tried again or discarded.")] = False,
    flat: Annotated[bool, typer.Option("--flat", help="One by one, newest first, instead of by cause.")] = False,
    as_json: Json = False,
) -> None:
    """List failed changes by cause, with what to do about each.

    Example: entra-syncro dead-letters list --customer 34288071 --since 3d
    """
    asked = Asked((), customer, cause, since, until, run)
    if flat:
        _list_flat(context, asked, everything, as_json)
        return
    groups = operate(
        context, meant(asked, lambda ports, wish: operations.letter_groups(ports, wish, include_settled=everything))
    )
    if as_json:
        print_json(groups)
        return
    for line in [line for group in groups for line in group_lines(group)]:
        say(line)
    if not groups:
        say(asked.nothing_found)
    elif not everything or operate(context, meant(asked, operations.find_letters)):
        say(NEXT)


def group_lines(group: ShownGroup) -> list[str]:
    changes = "failed change" if group.letters == 1 else "failed changes"
    names = [f"{share.customer_name} {share.letters}" for share in group.customers]
    rest = len(names) - PLACES_SHOWN
    shown = ", ".join(names[:PLACES_SHOWN]) + (f" and {rest} more customers" if rest > 0 else "")
    lines = [
        f"{group.letters} {changes}: {group.what}",
        f"  since {group.first_seen:%a %d %b %H:%M}, last {group.last_seen:%a %d %b %H:%M} (UTC); {shown}",
        f"  What to do: {group.who_does_what}",
    ]
    if group.parked:
        lines.append(f"  Tried again too often already: {group.parked} (another try needs --force --why TEXT)")
    return [*lines, f"  Cause: {group.cause}", ""]


def _list_flat(context: typer.Context, asked: Asked, everything: bool, as_json: bool) -> None:
    found = operate(
        context, meant(asked, lambda ports, wish: operations.find_letters(ports, wish, include_settled=everything))
    )
    if as_json:
        print_json([document(letter) for letter in found])
        return
    print_table(
        "Failed changes",
        ["id, users", "why, last, state"],
        (
            (
                "\n  ".join([letter.letter_id, *letter.user_ids]),
                f"{said(letter)}\n{letter.last_seen:%m-%d %H:%M}, {state_of(letter)}",
            )
            for letter in found
        ),
        whole="id, users",
        empty=asked.nothing_found,
    )
    if any(letter.status == "open" for letter in found):
        say("Look at one: entra-syncro dead-letters show ID")
        say("Next, when the cause is gone: entra-syncro dead-letters replay ID (or --all)")


def document(letter: DeadLetter) -> object:
    """Everything but the bytes."""
    return plain(letter)


@app.command()
def show(context: typer.Context, letter_id: LetterId, as_json: Json = False) -> None:
    """Everything known about one failed change.

    Example: entra-syncro dead-letters show 8c1f0d5e2b7a4c39a6e1d2f3b4c5a697
    """
    shown = operate(context, lambda ports: operations.show_letter(ports, letter_id))
    if as_json:
        print_json(shown)
        return
    for line in letter_lines(shown):
        say(line)


def letter_lines(shown: ShownLetter) -> Sequence[str]:
    letter = shown.letter
    settled = f", {letter.settled_at:%Y-%m-%d %H:%M}" if letter.settled_at else ""
    by = f" by {letter.settled_by}" if letter.settled_by else ""
    why = f" ({letter.why})" if letter.why else ""
    told = [
        f"Failed change {letter.letter_id}: {shown.state}{settled}{by}{why}",
        f"  What failed: {shown.what}" + (f" [{letter.detail}]" if letter.detail else ""),
        f"  What to do: {shown.who_does_what}",
        f"  Customers: {', '.join(shown.customers) or 'none is known'}",
        f"  Users: {', '.join(letter.user_ids) or 'none is named'}",
        f"  Failed attempts: {letter.attempts}; first {letter.first_seen:%Y-%m-%d %H:%M:%S}, "
        f"last {letter.last_seen:%Y-%m-%d %H:%M:%S} (UTC)",
        f"  Tried again: {letter.replays} times" + (f", last by replay {letter.replay_id}" if letter.replay_id else ""),
        f"  Run: {letter.run_id or 'none, a single change'}",
    ]
    for entry in shown.writes:
        fields = ", ".join(change.field for change in entry.changes)
        told.append(
            f"  Since then: {entry.intended_at:%Y-%m-%d %H:%M:%S} contact {entry.contact_id or 'new'}: "
            f"{fields} ({entry.state.value})"
        )
    return [*told, *_next(letter)]


def _next(letter: DeadLetter) -> Sequence[str]:
    if letter.status not in ("open", "parked"):
        return []
    if not is_readable(letter):
        return [
            f"It cannot be tried again. Keep its bytes: entra-syncro dead-letters export {letter.letter_id} FILE",
            f"Then give it up: entra-syncro dead-letters discard {letter.letter_id} --why TEXT",
        ]
    insist = " --force --why TEXT" if is_parked(letter) else ""
    return [f"Next, when the cause is gone: entra-syncro dead-letters replay {letter.letter_id}{insist}"]


@app.command()
def export(
    context: typer.Context,
    letter_id: LetterId,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file; one that exists is left alone.")],
    as_json: Json = False,
) -> None:
    """Save the bytes of a failed change that could not be read. Readable for you alone.

    Example: entra-syncro dead-letters export 8c1f0d5e2b7a4c39a6e1d2f3b4c5a697 letter.bin
    """
    size = operate(context, lambda ports: operations.export_letter(ports, letter_id, file))
    if as_json:
        print_json({"letter_id": letter_id, "file": file, "bytes": size})
        return
    say(f"Saved {size} bytes: {file}")


@app.command()
def discard(
    context: typer.Context,
    letter_ids: Annotated[list[str], typer.Argument(metavar="ID", help="Failed changes, as listed by --flat.")],
    why: Annotated[str, typer.Option(help="For those who look at it later.")],
    as_json: Json = False,
) -> None:
    """Give failed changes up for good. Nothing is written to Syncro; a full sync looks at their users anyway.

    Example: entra-syncro dead-letters discard 8c1f0d5e2b7a4c39a6e1d2f3b4c5a697 --why "The user has left"
    """
    by = acting(context)
    done = operate(context, lambda ports: operations.discard(ports, letter_ids, why=why, by=by))
    if as_json:
        print_json(done)
        return
    say(f"Discarded: {len(done.done)}.")
    for letter_id, state in done.before.items():
        say(f"{letter_id} is {state}.")
    if any(state.startswith("being tried again") for state in done.before.values()):
        say("Stop a replay first: entra-syncro dead-letters cancel REPLAY")
