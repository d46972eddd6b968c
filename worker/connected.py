"""The connection of a customer, or the one refusal for a customer that has none."""

from __future__ import annotations

from shared.domain.errors import Permanent
from shared.domain.records import Connection
from worker.parts import WorkerPorts


async def connected(ports: WorkerPorts, customer_id: int) -> Connection:
    """Any status will do. Permanent "unknown_customer" without a tenant."""
    connection = await ports.connections.get(customer_id)
    if connection is None:
        raise Permanent("worker", "unknown_customer", "no tenant is connected to this customer")
    return connection
