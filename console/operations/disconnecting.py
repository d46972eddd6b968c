"""Disconnecting a customer: nothing is written any more, the subscription goes, and it is said what stays.

The registrar deletes the subscription of a tenant that no customer uses any more; here the place where its delta polls
stood is forgotten. Nothing in Syncro is touched, and the consent lies in the customer's tenant, where only its own
administrators can take it back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from console.operations.actor import note
from console.operations.customers import connection
from console.operations.ports import OperatorPorts
from shared.domain.linking import is_living
from shared.domain.onboarding import InviteState
from shared.domain.records import Connection, ConnectionStatus


@dataclass(frozen=True, slots=True)
class Disconnected:
    """`ended`: tenants that no customer uses any more; of these, `subscribed` have a subscription, which ends now.

    `kept`: those that another customer still uses. `stays`: what is left behind and who could remove it, one sentence
    each.
    """

    connection: Connection
    ended: tuple[str, ...]
    kept: tuple[str, ...]
    stays: tuple[str, ...]
    subscribed: tuple[str, ...] = ()


async def disconnect(ports: OperatorPorts, customer_id: int, *, by: str = "") -> Disconnected:
    tied = await connection(ports, customer_id)
    gone = replace(tied, status=ConnectionStatus.DISCONNECTED, changed_at=ports.clock.now())
    await ports.connections.save(gone)
    await withdraw(ports, customer_id)
    kept = tuple([tenant for tenant in tied.tenants if await _is_used(ports, tenant)])
    ended = tuple(tenant for tenant in tied.tenants if tenant not in kept)
    await _forget_polls(ports, ended)
    states = await ports.subscription_states.all()
    subscribed = tuple(each for each in ended if each in states and states[each].subscription_id is not None)
    await note(ports, by, "disconnect", customer_id)
    return Disconnected(gone, ended, kept, _stays(ports.consent.app_id, ended, kept), subscribed)


async def withdraw(ports: OperatorPorts, customer_id: int) -> None:
    """A consent link that somebody still holds connects nothing any more."""
    newest = await ports.invites.of_customer(customer_id)
    if newest is not None and newest.state is not InviteState.CONNECTED:
        await ports.invites.settle(replace(newest, state=InviteState.REPLACED, settled_at=ports.clock.now()))


async def _is_used(ports: OperatorPorts, tenant: str) -> bool:
    return any(is_living(each) for each in await ports.connections.of_tenant(tenant))


async def _forget_polls(ports: OperatorPorts, tenants: Sequence[str]) -> None:
    """A link of long ago would be void; a new one is taken when the tenant is connected again."""
    polls = await ports.polls.all()
    for tenant in tenants:
        if (poll := polls.get(tenant)) is not None:
            await ports.polls.save(replace(poll, link=None, began_at=None, unjudged={}, code="", since=None))


def _stays(app_id: str, ended: Sequence[str], kept: Sequence[str]) -> tuple[str, ...]:
    which = "the customer's tenant" if not kept else f"tenant {', '.join(ended)}"
    consent = (
        f"The consent stays in {which}. Its administrator removes it in the Entra admin center: "
        f"Enterprise applications, the application with the id {app_id}, Properties, Delete."
    )
    return (
        "Contacts and the values of their fields stay in Syncro as they are; nobody keeps them in step any more.",
        "The journal of what was written stays; a change can still be looked up.",
        *([consent] if ended else []),
        *(f"Tenant {each}: its subscription and consent stay, because another customer uses them." for each in kept),
    )
