"""`entra-syncro customers ...`: which Syncro customers are connected, connecting one, approving its preview."""

from __future__ import annotations

import getpass
import os
from typing import Annotated

import typer

from console import operations
from console.cli.context import operate
from console.cli.output import STATES, Json, print_json, print_table, say
from console.cli.sync import follow

app = typer.Typer(no_args_is_help=True, help="Connected customers.")

Customer = Annotated[int, typer.Argument(help="Syncro's number of the customer.")]


@app.command("list")
def list_(context: typer.Context, as_json: Json = False) -> None:
    """List connected customers."""
    found = operate(context, operations.connections)
    if as_json:
        print_json(found)
        return
    print_table(
        "Customers",
        ["customer", "name, tenant", "state", "since"],
        (
            (c.customer_id, f"{c.customer_name}\n{c.tenant_id}", STATES[c.status], f"{c.changed_at:%Y-%m-%d}")
            for c in found
        ),
        whole="name, tenant",
        empty="No customer is connected yet: entra-syncro customers connect CUSTOMER --tenant TENANT-ID",
    )


@app.command()
def connect(
    context: typer.Context,
    customer: Customer,
    tenant: Annotated[str, typer.Option(help="The customer's Entra tenant id (a GUID).")],
    shared_tenant: Annotated[bool, typer.Option(help="This tenant belongs to another customer too.")] = False,
    as_json: Json = False,
) -> None:
    """Connect a Syncro customer to its Entra tenant. Nothing is written before you approve a preview."""
    made = operate(context, lambda ports: operations.connect(ports, customer, tenant, shared_tenant=shared_tenant))
    if as_json:
        print_json(made)
        return
    say(f"{made.customer_name} is connected; nothing is written before you approve.")
    say(f"Next: entra-syncro preview --customer {customer}")


@app.command()
def approve(
    context: typer.Context,
    customer: Customer,
    code: Annotated[
        str | None,
        typer.Argument(help="The approval code that the preview printed; without it, the last hour's preview."),
    ] = None,
    watch: Annotated[bool, typer.Option(help="Stay and show the first sync's progress.")] = True,
    as_json: Json = False,
) -> None:
    """Approve the rows of the latest preview; the first full sync starts at once."""
    by = operator()
    started = operate(context, lambda ports: operations.approve(ports, customer, code, by=by))
    if as_json:
        print_json(started)
        return
    say(f"Approved. Users being brought in step: {started.planned} (run {started.run_id}).")
    if watch:
        follow(context, started)


def operator() -> str:
    """Who approves: the login name, or the number where the machine has no name for it (a container)."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
