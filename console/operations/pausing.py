"""Pausing a customer and going on: while paused nothing is written, and what was missed is owed.

Only an approved customer can be paused: of any other nothing is written anyway, and going on must never mean an
approval that nobody gave.
"""

from __future__ import annotations

from dataclasses import replace

from console.operations.customers import change, connection
from console.operations.errors import wrong_use
from console.operations.ports import OperatorPorts
from shared.domain.records import Connection, ConnectionStatus


async def pause(ports: OperatorPorts, customer_id: int) -> Connection:
    """A write that is under way ends; none begins after it."""
    tied = await connection(ports, customer_id)
    if tied.status is ConnectionStatus.PAUSED:
        raise wrong_use(f"Customer {customer_id} is paused already. Go on: entra-syncro customers resume {customer_id}")
    if tied.status is not ConnectionStatus.APPROVED:
        raise wrong_use(
            f"Customer {customer_id} waits for approval: nothing is written for it, there is nothing to pause."
        )
    paused = replace(tied, status=ConnectionStatus.PAUSED, changed_at=ports.clock.now())
    await change(ports, paused, tied)
    return paused


async def resume(ports: OperatorPorts, customer_id: int) -> Connection:
    """Owed first: whatever dies in between, a full sync finds what was missed."""
    tied = await connection(ports, customer_id)
    if tied.status is not ConnectionStatus.PAUSED:
        raise wrong_use(f"Customer {customer_id} is not paused. See how it stands: entra-syncro customers list")
    await ports.owed.mark(customer_id, "resumed after a pause", ports.clock.now())
    resumed = replace(tied, status=ConnectionStatus.APPROVED, changed_at=ports.clock.now())
    await change(ports, resumed, tied)
    return resumed
