"""Which customers are connected, and whether a tenant's consent still stands.

Connecting is `console/operations/connecting.py`; what waits for a consent is `console/operations/waiting.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from console.operations.errors import OperationError, held, wrong_use
from console.operations.ports import OperatorPorts
from shared.domain.linking import is_living
from shared.domain.permissions import missing_required, named
from shared.domain.records import Connection


async def connections(ports: OperatorPorts) -> Sequence[Connection]:
    return await ports.connections.list()


async def connection(ports: OperatorPorts, customer_id: int) -> Connection:
    found = await ports.connections.get(customer_id)
    if found is None or not is_living(found):
        raise wrong_use(
            f"Customer {customer_id} is not connected. Connect it first: entra-syncro customers connect {customer_id}"
        )
    return found


async def change(ports: OperatorPorts, connection: Connection, was: Connection) -> None:
    """Save what a person decided by what he saw; held when somebody else decided something meanwhile."""
    if not await ports.connections.change(connection, was):
        raise held(
            f"Somebody changed the connection of customer {was.customer_id} just now, so nothing was changed. Look: "
            "entra-syncro customers list"
        )


async def prove_consent(ports: OperatorPorts, tenant: str) -> None:
    """Raises StopTheLine(tenant) without consent, OperationError when a permission that we need is missing."""
    if missing := missing_required(await ports.directory.prove(tenant)):
        raise OperationError(
            f"The app is known to this tenant but lacks {named(missing)}. "
            "An administrator of the customer must grant consent again."
        )
