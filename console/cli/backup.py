"""`entra-syncro backup FILE` and `restore FILE`: the ledger as one file, and back. Nothing is written to Syncro."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from console import operations
from console.cli.context import acting, operate
from console.cli.output import Json, print_json, print_table, say
from console.operations import Restored, ShownProtection

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
    as_it_was: Annotated[
        bool, typer.Option("--as-it-was", help="Without the pauses, locks and rules that people set since the backup.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Put a backup in the place of an empty ledger. Or of any other, with --replace; stop all services first.

    Pauses, locks and whatever else stops writes now stay in force. Contacts made since the backup are found again.

    Example: entra-syncro restore /var/backups/ledger-2026-11-24.db --replace
    """
    done = operate(
        context,
        lambda ports: operations.restore(ports, file, replace=replace, as_it_was=as_it_was, by=acting(context)),
        lazy=True,
    )
    if as_json:
        print_json(done)
        return
    _print_rows("Restored", done.rows)
    _say_what_next(done)


def _say_what_next(done: Restored) -> None:
    if done.before is not None:
        say(f"What the ledger held before is saved in {done.before}")
    _say_protections(done)
    say("Approvals and connections are as they were then: look at entra-syncro customers list.")
    say(
        "Then start the services: entra-syncro run. They begin with a full sync of each approved customer "
        f"({done.full_syncs}), which finds what happened since."
    )


def _say_protections(done: Restored) -> None:
    if done.before is None:
        say(
            "Nothing could be carried over, for the ledger was empty: whom people paused or disconnected since the "
            "backup, and which contacts they locked, is not known here. Before you start the services, set again what "
            "must hold: entra-syncro customers pause, disconnect and pin."
        )
        return
    if not done.protections:
        say("The ledger that was there had no pause, lock or rule that the backup does not have.")
        return
    gone = "Gone, for the ledger is as it was; each command brings one back"
    stays = "Newer than the backup and still in force; each command shows or ends one"
    say(f"{gone if done.as_it_was else stays}:")
    for each in done.protections:
        say(f"- {_about(each)}")
        say(f"  {each.command}")


def _about(one: ShownProtection) -> str:
    said = f"{one.customer_name} ({one.customer_id}): {one.what}"
    if one.contact_id is not None:
        said += f", contact {one.contact_id}"
    if one.user_id:
        said += f", user {one.user_id}"
    if one.last_day is not None:
        said += f", until the end of {one.last_day}"
    return f"{said} ({one.why})" if one.why else said


def _print_rows(title: str, rows: Mapping[str, int]) -> None:
    print_table(
        title,
        ["number", "what"],
        ((count, WORDS.get(table, table.replace("_", " "))) for table, count in rows.items() if count),
        empty=f"{title}: an empty ledger.",
    )
