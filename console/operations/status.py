"""One look at everything: connections, queues, what is owed, what failed and what waits for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from console.operations.ports import OperatorPorts
from shared.domain.records import Connection, Owed


@dataclass(frozen=True, slots=True)
class Status:
    """`waiting`: lane -> messages that wait, are delayed or are being worked on."""

    connections: Sequence[Connection]
    waiting: Mapping[str, int]
    owed: Sequence[Owed]
    failed_changes: int
    conflicts: int


async def status(ports: OperatorPorts) -> Status:
    return Status(
        connections=await ports.connections.list(),
        waiting={lane.value: count for lane, count in (await ports.depths.depths()).items()},
        owed=await ports.owed.owed(),
        failed_changes=len(await ports.dead_letters.list(limit=10_000)),
        conflicts=len(await ports.conflicts.list()),
    )
