"""The command table of `entra-syncro`, and the one place where errors become a sentence and an exit code.

0 done, 1 failed, 2 wrong use, 3 held by a brake or a missing approval, 130 stopped by Ctrl-C.
Each command lives in a file of its name and is loaded when it is called (`late.py`). Next: `console/operations/`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from console.cli.late import Late, LateCommands
from console.cli.stopping import INTERRUPTED, STOPPED, is_stop


class Table(LateCommands):
    """Every command, in the order of the help, with the first sentence of its own."""

    table: ClassVar[Mapping[str, Late]] = {
        "demo": Late("demo", "demo", "Show the whole route against simulated vendors."),
        "run": Late("run", "run", "Run the services until SIGTERM or Ctrl-C."),
        "sandbox": Late("sandbox", "sandbox", "Start simulated vendors and stay up until Ctrl-C."),
        "preview": Late("preview", "preview", "Show what would be written for a customer."),
        "sync": Late("sync", "sync", "Bring a customer, one user or everyone in step now."),
        "reconcile": Late("reconcile", "reconcile", "Make a full sync now; a large change waits for approval."),
        "full-sync": Late(
            "reconcile", "reconcile", "Make a full sync now; a large change waits for approval.", hidden=True
        ),
        "status": Late("status", "status", "Show what waits for a person, the work, and the customers."),
        "explain": Late("explain_command", "explain", "Show all about a person or contact, and what blocks it."),
        "check": Late("check", "check", "Look at all that is needed and say who must do what."),
        "billing-check": Late("billing", "billing_check", "See whether every customer may be billed, and why not."),
        "backup": Late("backup", "backup", "Save the ledger into one file, while services run."),
        "restore": Late("backup", "restore", "Put a backup in the place of an empty ledger."),
        "runs": Late("runs", "app", "Full syncs, and what waits for approval in them."),
        "customers": Late("customers", "app", "Connected customers."),
        "conflicts": Late("conflicts", "app", "Users whose contact a person must choose."),
        "deeds": Late("deeds", "app", "Who did what."),
        "notices": Late("notices", "app", "What people are told, and by which channels."),
        "changes": Late("changes", "app", "What was written to Syncro, and taking it back."),
        "dead-letters": Late("letters_jobs", "app", "Failed changes: look at them, try them again, discard them."),
        "failed": Late(
            "letters_jobs", "app", "Failed changes: look at them, try them again, discard them.", hidden=True
        ),
    }


app = typer.Typer(
    cls=Table,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: nothing is cut off on 80 columns
    help="Keeps every Syncro contact in step with its Microsoft Entra ID user.",
)


def _version(asked: bool) -> None:
    if not asked:
        return
    from importlib.metadata import version  # half as dear as all the rest of this answer

    typer.echo(f"entra-syncro {version('entra-syncro')}")
    raise typer.Exit


@app.callback()
def root(
    config: Annotated[
        Path | None, typer.Option(help="Settings file; without it entra-syncro.toml here, if there is one.")
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    """Options that stand before the command."""


def main() -> None:
    """Entry point of the installed command."""
    try:
        app()
    except SystemExit:  # help, wrong use, or a command that has said what there is to say
        raise
    except BaseException as error:  # every known failure is one sentence; what nobody foresaw keeps its traceback
        if is_stop(error):
            sys.stderr.write(f"{STOPPED}\n")
            sys.exit(INTERRUPTED)
        from console.cli.reporting import first_of, report  # knows every error there is: a second of loading

        code = report(first_of(error))
        if code is None:
            raise
        sys.exit(code)
