"""Is there room for another customer's full sync, or do too many users of those before still wait for their looks?

The slow lane is counted in messages, each of up to 100 users, so the users of the runs begun here are counted too.
Without an answer there is no room. Next: `worker/schedule.py`.
"""

from __future__ import annotations

from datetime import timedelta

import structlog

from shared.domain.errors import SyncError
from shared.domain.messages import Lane
from worker.parts import WorkerPorts

log = structlog.get_logger("worker")
_LOST = timedelta(hours=12)  # a run that has not ended by then keeps nobody waiting any more


class Room:
    def __init__(self, ports: WorkerPorts, below: int) -> None:
        self._ports = ports
        self._below = below  # users
        self._runs: set[str] = set()

    def handed_over(self, run_id: str) -> None:
        """Users of this run wait from now on."""
        self._runs.add(run_id)

    async def is_left(self) -> bool:
        try:
            depths = await self._ports.depths.depths()
            return depths.get(Lane.BACKFILL, 0) < self._below and await self._under_way() < self._below
        except SyncError as error:
            log.warning("queues_unknown", code=error.code)
            return False

    async def _under_way(self) -> int:
        waiting, now = 0, self._ports.clock.now()
        for run_id in tuple(self._runs):
            run = await self._ports.runs.get(run_id)
            if run is None or run.finished_at is not None or now - run.started_at > _LOST:
                self._runs.discard(run_id)
            else:
                waiting += run.planned - sum(run.outcomes.values())
        return waiting
