"""`entra-syncro customers pin|unpin|pins`: contacts that nobody's change may write for a while.

Nothing is written to Syncro by any of them. Next: `console/operations/pins.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from console import operations
from console.cli.context import acting, operate
from console.cli.output import Json, print_json, print_table, say
from console.cli.sync import OneCustomer
from console.operations import ShownPin

Contact = Annotated[int, typer.Argument(help="Syncro's number of the contact (in the address of its page).")]


def pin(
    context: typer.Context,
    contact: Contact,
    why: Annotated[str, typer.Option(help="For whoever finds the lock.")],
    until: Annotated[
        str | None, typer.Option(metavar="DAY", help="The last day, such as 2026-12-31; without it, for good.")
    ] = None,
    customer: OneCustomer = None,
    as_json: Json = False,
) -> None:
    """Lock a contact: no change writes it until the day is over.

    Example: entra-syncro customers pin 90117723 --until 2026-12-31 --why "legal hold"
    """
    by = acting(context)
    locked = operate(
        context,
        lambda ports: operations.pin(ports, contact, until=until, why=why, by=by, customer_id=customer),
    )
    if as_json:
        print_json(locked)
        return
    say(f"Contact {contact} ({locked.contact_label}, {locked.customer_name}) is locked {_until(locked)}.")
    say("Nobody's change writes it meanwhile; what it misses is caught up on by the full sync after that.")
    say(f"Unlock it earlier: entra-syncro customers unpin {contact}")


def unpin(context: typer.Context, contact: Contact, customer: OneCustomer = None, as_json: Json = False) -> None:
    """Unlock a contact; the next look at its user writes again.

    Example: entra-syncro customers unpin 90117723
    """
    by = acting(context)
    removed = operate(context, lambda ports: operations.unpin(ports, contact, by=by, customer_id=customer))
    if as_json:
        print_json(removed)
        return
    for each in removed:
        for sentence in _unlocked(each):
            say(sentence)


def _unlocked(was: ShownPin) -> Iterator[str]:
    yield f"Contact {was.contact_id} ({was.customer_name}) is unlocked; {was.by} had locked it: {was.why}"
    if was.user_id:
        now = f"entra-syncro sync --customer {was.customer_id} --user {was.user_id}"
        yield f"The next full sync brings it in step. To do it now: {now}"
    else:
        yield "No user is linked to it; a full sync finds out whose it is."


def pins(context: typer.Context, customer: OneCustomer = None, as_json: Json = False) -> None:
    """List locked contacts: who locked them, until when and why.

    Example: entra-syncro customers pins --customer 34288071
    """
    found = operate(context, lambda ports: operations.pins(ports, customer))
    if as_json:
        print_json(found)
        return
    print_table(
        "Locked contacts",
        ["contact", "customer", "until", "by", "why"],
        (
            (
                each.contact_id,
                f"{each.customer_name} ({each.customer_id})",
                _day(each) if each.holds else f"{_day(each)} (over)",
                each.by,
                each.why,
            )
            for each in found
        ),
        whole="contact",
        empty="Nobody locked a contact here; one whose field azure_sync_off has text is locked in Syncro itself.",
    )
    if any(each.holds for each in found):
        say("Unlock one: entra-syncro customers unpin CONTACT")


def _until(locked: ShownPin) -> str:
    return "for good" if locked.last_day is None else f"until the end of {locked.last_day}"


def _day(locked: ShownPin) -> str:
    return "for good" if locked.last_day is None else str(locked.last_day)
