"""One look at everything: connections, queues, what is owed, what failed and what waits for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from console.operations.ports import OperatorPorts
from shared.domain.records import STOPPED_KEY, Connection, ConnectionStatus, Owed


@dataclass(frozen=True, slots=True)
class Status:
    """`waiting`: lane -> messages that wait, are delayed or are being worked on.

    `unwritten`: customer id -> changes that were approved and are not written yet, where there are any. Either a full
    sync is still at them, or they changed since and wait for a new preview. `stopped`: why nothing can be written
    anywhere ("token", "permission", "too_many" ...), "" when all is well. `public_url`: "" means no notifications.
    """

    connections: Sequence[Connection]
    waiting: Mapping[str, int]
    owed: Sequence[Owed]
    failed_changes: int
    conflicts: int
    unwritten: Mapping[int, int]
    stopped: str
    public_url: str


async def status(ports: OperatorPorts) -> Status:
    connections = await ports.connections.list()
    return Status(
        connections=connections,
        waiting={lane.value: count for lane, count in (await ports.depths.depths()).items()},
        owed=await ports.owed.owed(),
        failed_changes=len(await ports.dead_letters.list(limit=10_000)),
        conflicts=len(await ports.conflicts.list()),
        unwritten=await _unwritten(ports, connections),
        stopped=await ports.memory.recall(STOPPED_KEY) or "",
        public_url=ports.public_url,
    )


async def _unwritten(ports: OperatorPorts, connections: Sequence[Connection]) -> Mapping[int, int]:
    approved = [each.customer_id for each in connections if each.status is ConnectionStatus.APPROVED]
    counts = {customer_id: await ports.approvals.pending(customer_id) for customer_id in approved}
    return {customer_id: count for customer_id, count in counts.items() if count}
