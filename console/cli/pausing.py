"""`entra-syncro customers pause|resume|disconnect|without-entra`: stopping for a while, for good, or from the start.

Each says what happens to changes from now on, what stays, and who does what next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from console import operations
from console.cli.connecting import Customer
from console.cli.context import acting, operate
from console.cli.output import Json, print_json, say
from console.operations import OperatorPorts, Paused, Resumed
from console.operations.errors import wrong_use
from shared.domain.onboarding import WithoutEntra
from shared.domain.records import Connection

OneOrAll = Annotated[int | None, typer.Argument(help="Syncro's number of the customer; none with --all.")]
Why = Annotated[str, typer.Option(help="For those who look at it later.")]


def pause(
    context: typer.Context,
    customer: OneOrAll = None,
    everyone: Annotated[bool, typer.Option("--all", help="Every approved customer, with one switch.")] = False,
    why: Why = "",
    as_json: Json = False,
) -> None:
    """Stop writing for a customer, or for all, until you go on.

    Example: entra-syncro customers pause 34288071 --why "A migration of its mailboxes"
    """
    one = _one_or_all(customer, everyone, "pause")
    if one is None:
        if not why.strip():
            raise wrong_use("Say why, for those who find everything paused: customers pause --all --why TEXT")
        done = operate(context, lambda ports: operations.pause_all(ports, by=acting(context), why=why))
        _say_all_paused(done, as_json=as_json)
        return
    paused = operate(context, lambda ports: operations.pause(ports, one, by=acting(context), why=why))
    if as_json:
        print_json(paused)
        return
    say(f"{paused.customer_name} is paused: nothing is written for it. Its connection and its approval stay.")
    say("It stays so when everything goes on (customers resume --all).")
    say(f"Go on, with everything that changed meanwhile: entra-syncro customers resume {one}")


def resume(
    context: typer.Context,
    customer: OneOrAll = None,
    everyone: Annotated[bool, typer.Option("--all", help="Those that pause --all stopped, and no other.")] = False,
    why: Why = "",
    as_json: Json = False,
) -> None:
    """Go on with a paused customer, or all. A full sync catches up.

    Example: entra-syncro customers resume 34288071
    """
    one = _one_or_all(customer, everyone, "resume")
    if one is None:
        done = operate(context, lambda ports: operations.resume_all(ports, by=acting(context), why=why))
        _say_all_resumed(done, as_json=as_json)
        return
    resumed = operate(context, lambda ports: operations.resume(ports, one, by=acting(context), why=why))
    if as_json:
        print_json(resumed)
        return
    say(f"{resumed.customer_name} goes on. A full sync of it starts by itself and catches up; nobody needs to wait.")
    say("Watch: entra-syncro status")


def _one_or_all(customer: int | None, everyone: bool, command: str) -> int | None:
    """None: all of them."""
    if (customer is not None) == everyone:
        raise wrong_use(f"Name one customer (entra-syncro customers {command} CUSTOMER), or say --all; not both.")
    return customer


def _say_all_paused(done: Paused, *, as_json: bool) -> None:
    if as_json:
        print_json(done)
        return
    say(f"Customers paused now: {len(done.paused)}. Nothing is written for any of them; their approvals stay.")
    if done.before:
        say(f"Paused before, and they stay so when everything goes on: {_named(done.before)}.")
    say("Go on, with everything that changed meanwhile: entra-syncro customers resume --all")


def _say_all_resumed(done: Resumed, *, as_json: bool) -> None:
    if as_json:
        print_json(done)
        return
    if done.resumed:
        say(f"Customers that go on: {len(done.resumed)}. Full syncs start by themselves and catch up; nothing to do.")
        say("Watch: entra-syncro status")
    else:
        say("Nothing was stopped by customers pause --all.")
    if done.still_paused:
        say(f"Still paused, for a person paused each of them alone: {_named(done.still_paused)}.")
        say(f"One of them: entra-syncro customers resume {done.still_paused[0].customer_id}")


def _named(customers: Sequence[Connection]) -> str:
    return ", ".join(f"{each.customer_name} ({each.customer_id})" for each in customers)


def disconnect(context: typer.Context, customer: Customer, as_json: Json = False) -> None:
    """End a customer's connection; its contacts stay as they are.

    Example: entra-syncro customers disconnect 34288071
    """
    ended = operate(context, lambda ports: operations.disconnect(ports, customer, by=acting(context)))
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
    """Say that a customer has no Entra tenant. It is counted apart.

    Example: entra-syncro customers without-entra 34288071
    """
    apart = operate(context, lambda ports: _apart(ports, customer, undo=undo, by=acting(context)))
    if as_json:
        print_json({"customer_id": customer, "without_entra": apart is not None})
    elif apart is not None:
        say(f"{apart.customer_name} has no Entra tenant; it is counted apart, and nothing is ever written for it.")
        say(f"If that changes: entra-syncro customers without-entra {customer} --undo")
    else:
        say(f"Customer {customer} may be connected. Next: entra-syncro customers connect {customer}")


async def _apart(ports: OperatorPorts, customer: int, *, undo: bool, by: str) -> WithoutEntra | None:
    if not undo:
        return await operations.set_apart(ports, customer, by=by)
    await operations.undo_apart(ports, customer, by=by)
    return None
