"""`entra-syncro customers connect`: the consent link, a pasted answer, and both names side by side before the link.

A person compares the tenant with the Syncro customer and says yes; a script says so beforehand with `--yes`.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, TypeVar

import typer

from console import operations
from console.cli.context import acting, operate
from console.cli.output import Json, plain, print_json, print_table, say
from console.operations import ConsentNeededError, Match, OperationError, OperatorPorts
from console.operations.errors import held, wrong_use
from console.operations.finishing import needs_confirmation
from console.operations.refusals import why_not
from shared.domain.linking import Tie, is_living
from shared.domain.onboarding import Invite, InviteState
from shared.domain.permissions import named
from shared.domain.records import Connection

T = TypeVar("T")
Customer = Annotated[int, typer.Argument(help="Syncro's number of the customer.")]


def connect(
    context: typer.Context,
    customer: Customer,
    tenant: Annotated[str, typer.Option(help="The customer's Entra tenant id (a GUID); unset: any tenant.")] = "",
    shared_tenant: Annotated[
        bool, typer.Option("--shared-tenant", help="This tenant belongs to another customer too.")
    ] = False,
    add_tenant: Annotated[bool, typer.Option("--add-tenant", help="This customer has another tenant already.")] = False,
    callback: Annotated[
        str, typer.Option(help="The address that followed the consent page, where there is no public address.")
    ] = "",
    new_link: Annotated[
        bool, typer.Option("--new-link", help="Make another link, though an answer waits or the consent stands.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="The names were compared; do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Connect a Syncro customer to its Entra tenant. Nothing is written before you approve a preview.

    Without a tenant it makes the link that the customer's administrator opens to consent; with a tenant that has
    consented it shows both names and asks. Of a connected customer it looks whether the consent still stands, and if
    not makes the link that renews it.

    Example: entra-syncro customers connect 34288071 --tenant 84bd8158-6d4d-4958-8b9f-9d6445542f95
    """
    if callback and tenant:
        raise wrong_use("Give --callback or --tenant, not both: the address names the tenant.")
    if callback:
        settled, made_before = operate(context, lambda ports: _finished(ports, callback, customer, acting(context)))
        if settled.state is not InviteState.CONSENTED:
            _say_settled(settled, as_json=as_json, renewed=made_before)
            return
        if not (yes or sys.stdin.isatty()):
            if as_json:
                print_json(settled_facts(settled))
            raise needs_confirmation(settled)
        shared_tenant = shared_tenant or settled.is_shared
        tenant = settled.answered_by.tenant_id if settled.answered_by else ""
    if not tenant:
        by = acting(context)
        wanted = partial(operations.ask, shared=shared_tenant, add=add_tenant, new_link=new_link, by=by)
        _invite(context, customer, wanted, as_json=as_json)
        return
    by = acting(context)
    looking = partial(operations.look_or_renew, shared=shared_tenant, add=add_tenant, new_link=new_link, by=by)
    match = _or_link(context, lambda ports: looking(ports, customer, tenant), as_json=as_json)
    _agree(match, yes=yes, as_json=as_json)
    made = operate(
        context,
        lambda ports: operations.confirm(ports, match, shared=shared_tenant, add=add_tenant, by=acting(context)),
    )
    _say_connected(made, match, as_json=as_json)


async def _finished(ports: OperatorPorts, callback: str, customer: int, by: str) -> tuple[Invite, bool]:
    """The settled invite, and whether its tenant was connected before: then only the consent was renewed."""
    before = {each.customer_id: each for each in await operations.connections(ports)}.get(customer)
    settled = await operations.finish(ports, callback, expect=customer, by=by)
    who = settled.answered_by.tenant_id if settled.answered_by else ""
    return settled, before is not None and is_living(before) and who in before.tenants


def _invite(
    context: typer.Context, customer: int, ask: Callable[[OperatorPorts, int], Awaitable[Invite]], *, as_json: bool
) -> None:
    async def asked(ports: OperatorPorts) -> tuple[Invite, str, bool]:
        made = await ask(ports, customer)
        return made, operations.consent_link(ports, made), bool(ports.consent.public_url)

    made, link, has_door = _or_link(context, asked, as_json=as_json)
    if as_json:
        print_json(link_facts(made, link))
        return
    say(f"Send this link to an administrator of {made.customer_name}; it is good until {made.expires_at:%Y-%m-%d}:")
    say(link)
    if has_door:
        say("You then confirm the tenant that answered: entra-syncro customers list")
        return
    say("The page after the consent will not open; that is expected. Copy its whole address and run:")
    say(f"entra-syncro customers connect {customer} --callback 'ADDRESS'")


def link_facts(made: Invite, link: str) -> dict[str, object]:
    """A consent that waits, for a program."""
    return {
        "customer_id": made.customer_id,
        "customer_name": made.customer_name,
        "tenant_id": made.tenant_id,
        "state": "waiting for consent",
        "link": link,
        "expires_at": plain(made.expires_at),
    }


def settled_facts(settled: Invite) -> dict[str, object]:
    """What an answer came to, for a program."""
    answer = {"state": settled.state.value, "answered_by": plain(settled.answered_by), "why": settled.code}
    return {**link_facts(settled, ""), **answer, "missing": plain(settled.missing)}


def _or_link(context: typer.Context, act: Callable[[OperatorPorts], Awaitable[T]], *, as_json: bool) -> T:
    try:
        return operate(context, act)
    except ConsentNeededError as error:
        if as_json:
            print_json(link_facts(error.invite, error.link))
        raise


def _agree(match: Match, *, yes: bool, as_json: bool) -> None:
    """Raises wrong use where nobody can be asked, held where a person says no."""
    who = match.organization
    if not as_json:
        print_table(
            "Compare",
            ["", "name", "known by"],
            [
                ("Syncro customer", match.customer_name, match.customer_id),
                ("Entra tenant", who.name, "\n".join((who.tenant_id, *who.domains))),
            ],
            empty="",
            whole="known by",
        )
        if match.lacks:
            say(f"Not granted, so these stay unknown: {named(match.lacks)}.")
    if yes:
        return
    if not sys.stdin.isatty():
        raise wrong_use(
            f"Nobody can be asked here whether {who.name} ({', '.join(who.domains)}) is {match.customer_name}. "
            "Compare the names, then repeat with --yes."
        )
    if not typer.confirm("Is this the same company?", err=True):
        raise held("Nothing was connected. Look for the right tenant's id in the Entra admin center under Overview.")


def _say_connected(made: Connection, match: Match, *, as_json: bool) -> None:
    if as_json:
        print_json(made)
        return
    if match.verdict.tie is Tie.ADDED:
        say(f"{made.customer_name} has {len(made.tenants)} tenants now; nothing is written before you approve again.")
    else:
        say(f"{made.customer_name} is connected; nothing is written before you approve.")
    say(f"Next: entra-syncro preview --customer {made.customer_id}")


def _say_settled(settled: Invite, *, as_json: bool, renewed: bool) -> None:
    """Of an answer that needs no look. Raises where it came to nothing."""
    customer = settled.customer_id
    if as_json:
        print_json(settled_facts(settled))
    if settled.state is InviteState.OPEN:
        raise OperationError(
            f"The consent could not be checked just now: {why_not(settled)}. The address stays good: run the same "
            "command again in a few minutes."
        )
    if settled.state is not InviteState.CONNECTED:
        raise OperationError(
            f"{settled.customer_name} was not connected: {why_not(settled)}. Talk to its administrator, then make a "
            f"new link: entra-syncro customers connect {customer}"
        )
    if as_json:
        return
    if renewed:
        say(f"{settled.customer_name} stays connected as it was; its consent stands.")
    else:
        say(f"{settled.customer_name} is connected; nothing is written before you approve.")
    if settled.missing:
        say(f"Not granted, so these stay unknown: {named(settled.missing)}.")
    say(f"Next: entra-syncro {'check' if renewed else 'preview'} --customer {customer}")
