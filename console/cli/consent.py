"""`entra-syncro customers consent`: one sign-in of a person of the partner's consents for many customers.

Who could not be consented for is named with the cure, and keeps the link. Next: `console/operations/consenting.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Annotated

import typer

from console import operations
from console.cli.context import acting, operate
from console.cli.many_rows import PREVIEW_ALL, Bar, ask_to_sign_in, counted, facts_of, show_failed, why_of
from console.cli.output import Json, print_json, print_table, say
from console.cli.watching import bars
from console.operations import OperationError, OperatorPorts
from console.operations.consenting import ConsentResult, PartnerConsent
from console.operations.errors import wrong_use
from shared.domain.permissions import named


def consent(
    context: typer.Context,
    customers: Annotated[list[int] | None, typer.Argument(help="Syncro's numbers of customers.")] = None,
    partner: Annotated[bool, typer.Option("--partner", help="By your partner relationship (GDAP).")] = False,
    everyone: Annotated[bool, typer.Option("--all", help="Every customer that waits for consent.")] = False,
    as_json: Json = False,
) -> None:
    """Consent for many customers with one sign-in. It needs a partner relationship (GDAP).

    Example: entra-syncro customers consent --partner --all
    """
    if not partner:
        raise wrong_use("One sign-in consents for many by a partner relationship only; say --partner.")
    if bool(customers) == everyone:
        raise wrong_use("Name customers, or say --all; one of the two.")
    done = operate(context, lambda ports: _consented(ports, customers or (), acting(context)))
    if as_json:
        print_json([facts_of(each) for each in done])
    else:
        _show_consents(done)
    if any(each.result is ConsentResult.FAILED for each in done):
        raise OperationError("Some customers could not be consented for; each says who does what next.")


async def _consented(ports: OperatorPorts, customers: Collection[int], by: str) -> Sequence[PartnerConsent]:
    with bars() as shown:
        bar = Bar(shown, "consenting")
        return await operations.consent_by_partner(
            ports, customers, tell=ask_to_sign_in, expect=bar.expect, told=bar.told, by=by
        )


def _show_consents(done: Sequence[PartnerConsent]) -> None:
    connected = [each for each in done if each.result is ConsentResult.CONNECTED]
    if connected:
        print_table(
            "Connected; nothing is written before you approve",
            ["customer", "name", "tenant calls itself", "domains"],
            ((c.customer_id, c.customer_name, c.tenant_name, ", ".join(c.tenant_domains)) for c in connected),
            empty="",
        )
    for lacks, count in Counter(each.lacks for each in done if each.lacks).items():
        say(f"Not granted by {count}, so these stay unknown there: {named(lacks)}.")
    show_failed(
        (str(each.customer_id), each.customer_name, why_of(each.why, each.error, each.customer_id))
        for each in done
        if each.result is ConsentResult.FAILED
    )
    for each in done:
        if each.link:
            say(f"Link for {each.customer_id} {each.customer_name}: {each.link}")
        if each.result is ConsentResult.CONFIRM:
            say(
                f"{each.customer_id}: compare the names: entra-syncro customers connect {each.customer_id} --tenant "
                f"{each.tenant_id}"
            )
    say(f"Customers: {counted(each.result for each in done) or 'none waits for consent'}.")
    if connected:
        say(f"Next: {PREVIEW_ALL}")
