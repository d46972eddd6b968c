"""`entra-syncro customers pause|resume|disconnect|without-entra`: stopping for a while, for good, or from the start.

Each says what happens to changes from now on, what stays, and who does what next.
"""

from __future__ import annotations

from typing import Annotated

import typer

from console import operations
from console.cli.connecting import Customer
from console.cli.context import operate
from console.cli.output import Json, print_json, say
from console.operations import OperatorPorts
from shared.domain.onboarding import WithoutEntra


def pause(context: typer.Context, customer: Customer, as_json: Json = False) -> None:
    """Stop writing for a customer; what changes meanwhile is caught up on afterwards.

    Example: entra-syncro customers pause 34288071
    """
    paused = operate(context, lambda ports: operations.pause(ports, customer))
    if as_json:
        print_json(paused)
        return
    say(f"{paused.customer_name} is paused: nothing is written for it. Its connection and its approval stay.")
    say(f"Go on, with everything that changed meanwhile: entra-syncro customers resume {customer}")


def resume(context: typer.Context, customer: Customer, as_json: Json = False) -> None:
    """Go on with a paused customer; a full sync catches up first.

    Example: entra-syncro customers resume 34288071
    """
    resumed = operate(context, lambda ports: operations.resume(ports, customer))
    if as_json:
        print_json(resumed)
        return
    say(f"{resumed.customer_name} goes on. A full sync of it starts by itself and catches up; nobody needs to wait.")
    say("Watch: entra-syncro status")


def disconnect(context: typer.Context, customer: Customer, as_json: Json = False) -> None:
    """End a customer's connection; its contacts stay as they are.

    Example: entra-syncro customers disconnect 34288071
    """
    ended = operate(context, lambda ports: operations.disconnect(ports, customer))
    if as_json:
        print_json(ended)
        return
    say(f"{ended.connection.customer_name} is disconnected: nothing is written for it any more.")
    if ended.subscribed:
        say("Microsoft stops telling us about its changes within a minute while the services run; nothing to do.")
    for sentence in ended.stays:
        say(sentence)
    say(f"Connect it again, with a new approval: entra-syncro customers connect {customer}")


def without_entra(
    context: typer.Context,
    customer: Customer,
    undo: Annotated[bool, typer.Option("--undo", help="It has a tenant after all.")] = False,
    as_json: Json = False,
) -> None:
    """Say that a customer has no Entra tenant: it is counted apart and never reported as missing.

    Example: entra-syncro customers without-entra 34288071
    """
    apart = operate(context, lambda ports: _apart(ports, customer, undo=undo))
    if as_json:
        print_json({"customer_id": customer, "without_entra": apart is not None})
    elif apart is not None:
        say(f"{apart.customer_name} has no Entra tenant; it is counted apart, and nothing is ever written for it.")
        say(f"If that changes: entra-syncro customers without-entra {customer} --undo")
    else:
        say(f"Customer {customer} may be connected. Next: entra-syncro customers connect {customer}")


async def _apart(ports: OperatorPorts, customer: int, *, undo: bool) -> WithoutEntra | None:
    if not undo:
        return await operations.set_apart(ports, customer)
    await operations.undo_apart(ports, customer)
    return None
