"""`entra-syncro backup FILE` and `restore FILE`: the ledger as one file, and back. Nothing is written to Syncro."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from console import operations
from console.cli.context import acting, operate
from console.cli.output import Json, print_json, print_table, say
from console.operations import Restored

# What the tables of a ledger hold, in the words of technicians; any other goes by its name.
WORDS = {
    "connections": "connected customers",
    "policies": "rules of customers",
    "approvals": "previews and approvals",
    "approved_rows": "approved changes",
    "links": "users with their contacts",
    "owed_marks": "full syncs owed",
    "journal": "changes written",
    "dead_letters": "failed changes",
    "conflicts": "conflicts",
    "runs": "full syncs",
    "run_outcomes": "results of users in full syncs",
    "holds": "what brakes held",
    "list_sizes": "lengths of lists",
    "subscription_states": "subscriptions",
    "polls": "polls of tenants",
    "coverage": "hours of counted changes",
    "invites": "consents asked for",
    "without_entra": "customers without Entra",
    "replays": "replays of failed changes",
    "replay_letters": "failed changes in replays",
    "pins": "locked contacts",
    "choices": "decided conflicts",
    "deeds": "what operators did",
    "notices": "notices",
}


def backup(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A new file; it must not be there yet.")],
    as_json: Json = False,
) -> None:
    """Save the ledger into one file, while services run. Connections, approvals, rules, locks and all changes.

    Settings, secrets and changes that are not yet synced are not in it.

    Example: entra-syncro backup /var/backups/ledger-2026-11-24.db
    """
    saved = operate(context, lambda ports: operations.backup(ports, file, by=acting(context)), lazy=True)
    if as_json:
        print_json(saved)
        return
    _print_rows("Saved and read again", saved.rows)
    say(f"The ledger is saved in {saved.path} ({saved.size / 1024:,.0f} KB).")
    say("It holds names and addresses of people: keep it where only you can read it.")
    say(f"Put it back, on this machine or on another: entra-syncro restore {saved.path}")


def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="What entra-syncro backup saved, on this engine or the other.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Put it in the place of what the ledger holds, which is saved first.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Put a backup in the place of an empty ledger. Or of any other, with --replace; stop all services first.

    A contact that was made since the backup is found again by its user, and never made twice.

    Example: entra-syncro restore /var/backups/ledger-2026-11-24.db --replace
    """
    done = operate(
        context, lambda ports: operations.restore(ports, file, replace=replace, by=acting(context)), lazy=True
    )
    if as_json:
        print_json(done)
        return
    _print_rows("Restored", done.rows)
    _say_what_next(done)


def _say_what_next(done: Restored) -> None:
    if done.before is not None:
        say(f"What the ledger held before is saved in {done.before}")
    say("Approvals, pauses and connections are as they were then: look at entra-syncro customers list.")
    say(
        "Then start the services: entra-syncro run. They begin with a full sync of each approved customer "
        f"({done.full_syncs}), which finds what happened since."
    )


def _print_rows(title: str, rows: Mapping[str, int]) -> None:
    print_table(
        title,
        ["number", "what"],
        ((count, WORDS.get(table, table.replace("_", " "))) for table, count in rows.items() if count),
        empty=f"{title}: an empty ledger.",
    )
