"""The command table of `entra-syncro`, and the one place where errors become a sentence and an exit code.

0 done, 1 failed, 2 wrong use, 3 held by a brake or a missing approval, 130 stopped by Ctrl-C.
Each command lives in a file of its name; `run.py` puts processes together. Next: `console/operations/`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from console.cli import (
    changes,
    conflicts,
    customers,
    deeds,
    explain_command,
    letters_replay,
    many,
    notices,
    policy,
    runs,
)
from console.cli.backup import backup, restore
from console.cli.billing import billing_check
from console.cli.check import check
from console.cli.demo import demo
from console.cli.explain import explain
from console.cli.output import complain
from console.cli.preview import preview
from console.cli.reconcile import reconcile
from console.cli.run import run
from console.cli.sandbox import sandbox
from console.cli.status import status
from console.cli.stopping import INTERRUPTED, STOPPED, Commands, is_stop
from console.cli.sync import sync
from console.operations import OperationError
from shared.domain.errors import SyncError
from shared.runtime.settings import SettingsError

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: nothing is cut off on 80 columns
    help="Keeps every Syncro contact in step with its Microsoft Entra ID user.",
)


@app.callback()
def root(
    config: Annotated[
        Path | None, typer.Option(help="Settings file; without it entra-syncro.toml here, if there is one.")
    ] = None,
) -> None:
    """Options that stand before the command."""


app.command()(demo)
app.command()(run)
app.command()(sandbox)
app.command()(preview)
app.command()(sync)
app.command()(reconcile)
app.command("full-sync", hidden=True)(reconcile)
app.command()(status)
app.command()(explain_command.explain)
app.command()(check)
app.command("billing-check")(billing_check)
app.command()(backup)
app.command()(restore)
app.add_typer(runs.app, name="runs")
customers.app.add_typer(policy.app, name="policy")
many.register(customers.app)
app.add_typer(customers.app, name="customers")
app.add_typer(conflicts.app, name="conflicts")
app.add_typer(deeds.app, name="deeds")
app.add_typer(notices.app, name="notices")
app.add_typer(changes.app, name="changes")
app.add_typer(letters_replay.app, name="dead-letters")
app.add_typer(letters_replay.app, name="failed", hidden=True)


def main() -> None:
    """Entry point of the installed command."""
    try:
        app()
    except BaseException as error:  # every known failure is one sentence; what nobody foresaw keeps its traceback
        if is_stop(error):
            complain(STOPPED)
            sys.exit(INTERRUPTED)
        code = report(first_of(error))
        if code is None:
            raise
        sys.exit(code)


def first_of(error: BaseException) -> BaseException:
    """A task group wraps what its tasks raise; one sentence is enough for an operator."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def report(error: BaseException) -> int | None:
    """Say what happened on standard error and give the exit code; None for what is no known failure."""
    match error:
        case OperationError():
            complain(error.message)
            if isinstance(error.__cause__, SyncError):
                complain(explain(error.__cause__))
            return error.exit_code
        case SettingsError():
            complain(str(error))
            return 2
        case SyncError(code="unsupported_url" | "ledger_url"):
            complain(explain(error))
            return 2
        case SyncError():
            complain(explain(error))
            return 1
        case OSError():  # a port that is taken, a folder that may not be written
            what = error.strerror or str(error)
            complain(f"This machine refused: {what}. Correct the settings or free what is taken, then try again.")
            return 1
        case _:
            return None
