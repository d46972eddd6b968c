"""`entra-syncro reconcile` (alias `full-sync`): a full sync of one customer or of all, outside the nightly schedule.

The same work as the nightly run, by hand. What a brake holds ends the command with code 3 and the command that
approves it. How it is shown: `console/cli/sync.py`.
"""

from __future__ import annotations

import typer

from console.cli.output import Json
from console.cli.sync import Everyone, OneCustomer, Watch, bring_in_step


def reconcile(
    context: typer.Context,
    customer: OneCustomer = None,
    everyone: Everyone = False,
    watch: Watch = True,
    as_json: Json = False,
) -> None:
    """Make a full sync now; a large change waits for approval.

    Example: entra-syncro reconcile --customer 34288071
    """
    bring_in_step(context, customer, everyone, watch=watch, as_json=as_json)
