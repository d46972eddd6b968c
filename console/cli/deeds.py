"""`entra-syncro deeds list`: who did what at this desk. Reads only; what was written stands in the journal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from console import operations
from console.cli.context import operate
from console.cli.output import Json, print_json, print_table
from console.cli.sync import OneCustomer

app = typer.Typer(no_args_is_help=True, help="Who did what.")


@app.command("list")
def list_(
    context: typer.Context,
    customer: OneCustomer = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 50,
    as_json: Json = False,
) -> None:
    """List what people ordered and decided, newest first.

    Example: entra-syncro deeds list --customer 34288071
    """
    found = operate(context, lambda ports: operations.recent_deeds(ports, customer, limit=limit))
    if as_json:
        print_json(found)
        return
    print_table(
        "Deeds, times in UTC",
        ["when", "who", "what", "customer", "about"],
        (
            (
                f"{deed.at:%Y-%m-%d %H:%M}",
                deed.by,
                deed.what.replace("-", " "),
                "-" if deed.customer_id is None else deed.customer_id,
                _about(deed.facts),
            )
            for deed in found
        ),
        whole="when",
        empty="Nobody ordered or decided anything yet."
        if customer is None
        else f"Nobody ordered or decided anything about customer {customer}. Look at all: entra-syncro deeds list",
    )


def _about(facts: Mapping[str, str | int]) -> str:
    return "\n".join(f"{name}: {value}" for name, value in facts.items())
