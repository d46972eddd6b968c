"""A turn at one customer: some Syncro calls first, then its lease. Whoever writes takes one of these.

Nobody sits on a customer while waiting for the pace. Next: `worker/apply.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from shared.domain.messages import Lane
from worker.apply import Turn
from worker.parts import WorkerPorts, WorkerSettings


@asynccontextmanager
async def turn_at(
    ports: WorkerPorts,
    settings: WorkerSettings,
    customer_id: int,
    *,
    calls: int,
    lane: Lane,
    read_at: datetime | None = None,
) -> AsyncIterator[Turn]:
    """`read_at`: when the directory read began that is to be written; None: what is written is decided now.

    Raises Transient when the pace or the customer is not to be had in time.
    """
    began = read_at or ports.clock.now()
    async with (
        ports.pace.reserve(calls, lane, wait=settings.pace_wait) as allowance,
        ports.leases.hold(
            f"customer:{customer_id}", ttl=settings.lease_ttl, wait=settings.lease_wait, lane=lane
        ) as lease,
    ):
        yield Turn(allowance, lease, settings.write_takes, began)
