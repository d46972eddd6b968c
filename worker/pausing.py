"""Who takes changes back halts the customer first, and asks before every write whether it is still halted.

Its looks would write again what was taken back. Next: `worker/undoing.py`.
"""

from __future__ import annotations

from dataclasses import replace

from shared.domain.desk import Deed
from shared.domain.errors import Transient
from shared.domain.records import ConnectionStatus
from worker.connected import connected
from worker.parts import WorkerPorts


async def pause(ports: WorkerPorts, customer_id: int, *, by: str, why: str) -> None:
    """On its own, also where all customers are paused. One that is not approved is not written, and stays as it is."""
    connection, now = await connected(ports, customer_id), ports.clock.now()
    is_with_all = connection.status is ConnectionStatus.PAUSED and connection.paused_with_all
    if connection.status is not ConnectionStatus.APPROVED and not is_with_all:
        return
    await ports.deeds.note(Deed(by, "pause", now, customer_id, {"why": why}))
    paused = replace(connection, status=ConnectionStatus.PAUSED, paused_with_all=False, changed_at=now)
    if not await ports.connections.change(paused, connection):
        raise Transient("undo", "changed_meanwhile", "somebody changed the connection just now; try again")


async def is_paused(ports: WorkerPorts, customer_id: int) -> bool:
    return (await connected(ports, customer_id)).status is ConnectionStatus.PAUSED


async def require_halted(ports: WorkerPorts, customer_id: int) -> None:
    """Call it under the customer's lease. Whoever lets the customer go on meanwhile ends what is taken back.

    Approved is the only state in which a look writes, and it asks that under the same lease. So a customer that waits
    for approval, or is disconnected, needs no pause: a look that was under way when it became so has ended before our
    turn, and what it wrote is in the fresh read.
    """
    if (await connected(ports, customer_id)).status is ConnectionStatus.APPROVED:
        detail = "somebody let the customer go on while its changes were taken back; repeating pauses it again"
        raise Transient("undo", "resumed_meanwhile", detail)
