"""Customers without Entra: a person said so. Counted apart, never red, never written."""

from __future__ import annotations

from console.operations.actor import note
from console.operations.connecting import syncro_customer
from console.operations.disconnecting import withdraw
from console.operations.errors import wrong_use
from console.operations.ports import OperatorPorts
from shared.domain.contact import Customer
from shared.domain.linking import is_living
from shared.domain.onboarding import WithoutEntra


async def set_apart(
    ports: OperatorPorts, customer_id: int, *, customer: Customer | None = None, by: str = ""
) -> WithoutEntra:
    """Refused while the customer is connected. `customer`: as Syncro has it, where the caller knows it."""
    tied = await ports.connections.get(customer_id)
    if tied is not None and is_living(tied):
        raise wrong_use(
            f"Customer {customer_id} is connected to a tenant. If that is wrong, disconnect it first: "
            f"entra-syncro customers disconnect {customer_id}"
        )
    known = customer or await syncro_customer(ports, customer_id)
    apart = WithoutEntra(customer_id, known.name, ports.clock.now())
    await ports.apart.add(apart)
    await withdraw(ports, customer_id)
    await note(ports, by, "without-entra", customer_id)
    return apart


async def undo_apart(ports: OperatorPorts, customer_id: int, *, by: str = "") -> None:
    """Raises wrong use when nobody had said so."""
    if all(each.customer_id != customer_id for each in await ports.apart.all()):
        raise wrong_use(
            f"Nobody said that customer {customer_id} has no Entra tenant. See: entra-syncro customers list"
        )
    await ports.apart.remove(customer_id)
    await note(ports, by, "without-entra-undone", customer_id)
