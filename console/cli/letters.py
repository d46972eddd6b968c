"""`entra-syncro dead-letters ...` (alias `failed`): changes that were given up, and trying them again."""

from __future__ import annotations

from typing import Annotated

import typer

from console import operations
from console.cli.context import operate
from console.cli.output import Json, print_json, print_table, say
from console.operations.errors import wrong_use

app = typer.Typer(no_args_is_help=True, help="Failed changes.")


@app.command("list")
def list_(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Also those that were replayed or discarded.")] = False,
    as_json: Json = False,
) -> None:
    """List failed changes, newest first."""
    found = operate(context, lambda ports: operations.letters(ports, include_settled=everything))
    if as_json:
        print_json(found)
        return
    print_table(
        "Failed changes",
        ["id, users", "why", "tries", "last", "state"],
        (
            (
                "\n  ".join([letter.letter_id, *letter.user_ids]),
                letter.detail or letter.error_class.replace("_", " "),
                letter.attempts,
                f"{letter.last_seen:%m-%d %H:%M}",
                letter.status,
            )
            for letter in found
        ),
        whole="id, users",
        empty="No failed changes.",
    )
    if any(letter.status == "open" for letter in found):
        say("Next, when the cause is gone: entra-syncro dead-letters replay ID (or --all)")


@app.command()
def replay(
    context: typer.Context,
    letter_id: Annotated[str | None, typer.Argument(help="Which one; leave out with --all.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every open one.")] = False,
    as_json: Json = False,
) -> None:
    """Try failed changes again."""
    if everything == (letter_id is not None):
        raise wrong_use("Name one failed change, or say --all.")
    if letter_id is not None:
        wanted = letter_id
        done = [operate(context, lambda ports: operations.replay(ports, wanted))]
    else:
        done = list(operate(context, operations.replay_all))
        if not done and not as_json:
            say("No failed change can be tried again. What is left: entra-syncro dead-letters list")
            return
    if as_json:
        print_json(done)
        return
    say(f"Failed changes put back to work: {len(done)}. Watch: entra-syncro status")
