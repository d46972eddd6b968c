"""`entra-syncro customers ...`: which Syncro customers are connected, connecting one, approving its preview.

Many can be approved at once, but only those whose plan overwrites nothing and leaves nothing to choose.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Sequence
from typing import Annotated

import typer

from console import operations
from console.cli.context import operate
from console.cli.explain import explain
from console.cli.output import STATES, Json, plain, print_json, print_table, say
from console.cli.sync import complain_failed, complain_held, follow, follow_all
from console.cli.watching import bars
from console.operations import ApprovedClean, NotClean, NotStarted, OperationError, OperatorPorts
from console.operations.errors import held, wrong_use
from shared.domain.records import Hold
from shared.domain.safety import Brake

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
    """Connect a Syncro customer to its Entra tenant. Nothing is written before you approve a preview.

    Example: entra-syncro customers connect 34288070 --tenant 84bd8158-6d4d-4958-8b9f-9d6445542f95
    """
    made = operate(context, lambda ports: operations.connect(ports, customer, tenant, shared_tenant=shared_tenant))
    if as_json:
        print_json(made)
        return
    say(f"{made.customer_name} is connected; nothing is written before you approve.")
    say(f"Next: entra-syncro preview --customer {customer}")


@app.command()
def approve(
    context: typer.Context,
    customer: Annotated[int | None, typer.Argument(help="Syncro's number of the customer.")] = None,
    code: Annotated[
        str | None,
        typer.Argument(help="The approval code that the preview printed; without it, the last hour's preview."),
    ] = None,
    first: Annotated[
        int | None, typer.Option(min=1, help="Create only so many contacts, then wait for a look.")
    ] = None,
    everyone: Annotated[bool, typer.Option("--all", help="Every customer that waits; goes with --only-clean.")] = False,
    only_clean: Annotated[
        bool, typer.Option(help="Only plans without overwritten values and without choices for a person.")
    ] = False,
    watch: Annotated[bool, typer.Option(help="Stay and show the first sync's progress.")] = True,
    as_json: Json = False,
) -> None:
    """Approve the rows of the latest preview; the first full sync starts at once.

    Example: entra-syncro customers approve 34288070 0b9a8ac4 --first 3
    """
    if customer is None:
        if first is not None:
            raise wrong_use("--first goes with one customer: entra-syncro customers approve CUSTOMER CODE --first N")
        if not (everyone and only_clean):
            raise wrong_use(
                "Name one customer (entra-syncro customers approve CUSTOMER CODE), or all whose plan is clean "
                "(entra-syncro customers approve --all --only-clean)."
            )
        _approve_clean(context, watch=watch, as_json=as_json)
        return
    if everyone or only_clean:
        raise wrong_use("Name one customer, or say --all --only-clean; not both.")
    _approve_one(context, customer, code, first, watch=watch, as_json=as_json)


def _approve_one(
    context: typer.Context, customer: int, code: str | None, first: int | None, *, watch: bool, as_json: bool
) -> None:
    by = operator()
    started = operate(context, lambda ports: operations.approve(ports, customer, code, by=by, first=first))
    if as_json:
        print_json(started)
    else:
        say(f"Approved. Users being brought in step: {started.planned} (run {started.run_id}).")
        if watch:
            follow(context, started)
    if first is not None and started.hold is not None and set(started.hold.brakes) == {Brake.CREATIONS}:
        if not as_json:
            _say_the_others(started.hold)
        return  # just what was asked for
    complain_held([started])


def _say_the_others(hold: Hold) -> None:
    say(f"Look at the new contacts in Syncro. The other {len(hold.rows)} wait; create them with:")
    say(f"entra-syncro runs approve {hold.code}")


def _approve_clean(context: typer.Context, *, watch: bool, as_json: bool) -> None:
    by = operator()
    done = operate(context, lambda ports: _previewed_and_approved(ports, by))
    if as_json:
        failed = [{**_who(each), "why": explain(each.error)} for each in done.failed]
        print_json({"runs": plain(done.runs), "rest": plain(done.rest), "failed": failed})
    else:
        say(f"Approved: {len(done.runs)}. Left for a look of their own: {len(done.rest)}.")
        _show_rest(done.rest)
        if watch and done.runs:
            follow_all(context, done.runs)
    complain_failed(done.failed)
    complain_held(done.runs)
    if done.failed:
        raise OperationError("Those were not approved, or their first sync could not begin. Try again.")
    if done.rest and not done.runs:
        raise held("Nobody was approved: each of these waits for a person's look.")


async def _previewed_and_approved(ports: OperatorPorts, by: str) -> ApprovedClean:
    with bars() as shown:
        bar = shown.add_task("making previews", total=None)
        return await operations.approve_clean(
            ports,
            by=by,
            expect=lambda count: shown.update(bar, total=count),
            told=lambda: shown.advance(bar),
        )


def _show_rest(rest: Sequence[NotClean]) -> None:
    if not rest:
        return
    print_table(
        "Not approved",
        ["customer", "name", "why"],
        ((each.customer_id, each.customer_name, each.why) for each in rest),
        empty="",
    )
    for each in rest:
        say(f"{each.customer_id}: entra-syncro preview --customer {each.customer_id}")


def _who(each: NotStarted) -> dict[str, object]:
    return {"customer_id": each.customer_id, "customer_name": each.customer_name}


def operator() -> str:
    """Who approves: the login name, or the number where the machine has no name for it (a container)."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
