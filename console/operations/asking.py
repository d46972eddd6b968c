"""Asking a customer's administrator for consent: the first time, or again for a customer that is connected.

A consent that still stands is not asked for again, and an answer that waits for a technician's look is not thrown away,
unless he wants a new link. Where a consent was withdrawn or lacks a required permission, the link asks the same tenant
again and leaves the connection as it is. Next: `console/operations/connecting.py`, `shared/runtime/answering.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from console.operations.connecting import ConsentNeededError, Match, consent_link, invite, look
from console.operations.errors import held, wrong_use
from console.operations.ports import OperatorPorts
from console.operations.waiting import confirmation
from shared.domain.contact import Customer
from shared.domain.cures import cure_of
from shared.domain.cures_of_microsoft import PERMISSIONS
from shared.domain.errors import Scope, StopTheLine
from shared.domain.linking import is_living
from shared.domain.onboarding import Invite, InviteState
from shared.domain.permissions import named
from shared.domain.records import Connection
from shared.runtime.proof import Lacking, prove


async def ask(
    ports: OperatorPorts,
    customer_id: int,
    *,
    shared: bool = False,
    add: bool = False,
    new_link: bool = False,
    by: str = "",
) -> Invite:
    """The invite of a customer whose tenant nobody named.

    Raises held where an answer waits for a look, ConsentNeededError where a connected customer's consent does not stand
    (or `new_link` asks for it again), wrong use where it stands.
    """
    waiting = await ports.invites.of_customer(customer_id)
    if waiting is not None and waiting.state is InviteState.CONSENTED and not new_link:
        tied = [each for each in await ports.connections.list() if is_living(each)]
        raise held(
            f"An answer waits for your look. {confirmation(waiting, tied)}\nIf it is not: make another link with "
            f"entra-syncro customers connect {customer_id} --new-link"
        )
    tied_own = await _living(ports, customer_id)
    if tied_own is not None and not add:
        await _renew(ports, tied_own, tied_own.tenants, new_link=new_link, by=by)
    return await invite(ports, customer_id, shared=shared, add=add, anew=new_link, by=by)


async def look_or_renew(
    ports: OperatorPorts,
    customer_id: int,
    tenant: str,
    *,
    shared: bool = False,
    add: bool = False,
    new_link: bool = False,
    by: str = "",
) -> Match:
    """As `look`, save that a tenant which the customer has already is asked whether its consent still stands."""
    tied = await _living(ports, customer_id)
    if tied is not None and tenant.lower() in tied.tenants:
        await _renew(ports, tied, (tenant.lower(),), new_link=new_link, by=by)
    return await look(ports, customer_id, tenant, shared=shared, add=add, by=by)


async def _living(ports: OperatorPorts, customer_id: int) -> Connection | None:
    found = await ports.connections.get(customer_id)
    return found if found is not None and is_living(found) else None


async def _renew(ports: OperatorPorts, tied: Connection, tenants: Sequence[str], *, new_link: bool, by: str) -> None:
    """Always raises: a link is made for the first tenant whose consent does not stand (one is open at a time)."""
    wanted = {tenant: why for tenant in tenants if (why := await _gone(ports, tenant))}
    if not wanted and new_link:
        wanted = {tenants[0]: "Its consent stands"}
    for tenant, why in wanted.items():
        raise await _link(ports, tied, tenant, why, others=len(wanted) - 1, anew=new_link, by=by)
    raise wrong_use(
        f"Customer {tied.customer_id} ({tied.customer_name}) is connected already, to {', '.join(tied.tenants)}, and "
        f"its consent stands: nothing to do. To have more permissions granted: entra-syncro customers connect "
        f"{tied.customer_id} --new-link"
    )


async def _gone(ports: OperatorPorts, tenant: str) -> str:
    """Why the tenant's administrator must consent again, "" where the consent stands."""
    try:
        proof = await prove(ports, tenant)
    except StopTheLine as error:
        cure = cure_of(error)
        if error.scope is not Scope.TENANT or cure.who_does_what != PERMISSIONS:
            raise
        return cure.what.rstrip(".")
    return f"The consent lacks {named(proof.missing)}" if isinstance(proof, Lacking) else ""


async def _link(
    ports: OperatorPorts, tied: Connection, tenant: str, why: str, *, others: int, anew: bool, by: str
) -> ConsentNeededError:
    customer = Customer(tied.customer_id, tied.customer_name)
    asked = await invite(ports, tied.customer_id, tenant, customer=customer, renew=True, anew=anew, by=by)
    link = consent_link(ports, asked)
    lines = [
        f"{tied.customer_name}, tenant {tenant}: {why}. This link renews the consent; nothing else changes. An "
        f"administrator of the customer must open: {link}",
    ]
    if others:
        lines.append(f"Tenants of it that must consent too: {others}. When this one has, run the same command again.")
    if not ports.consent.public_url:
        lines.append(
            "The page after the consent will not open; that is expected. Copy its whole address and run: "
            f"entra-syncro customers connect {tied.customer_id} --callback 'ADDRESS'"
        )
    return ConsentNeededError("\n".join(lines), asked, link)
