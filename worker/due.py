"""Which customers are due for a full sync, in the order in which they are served, and how all of them stand.

Reads the ledger alone. What is due by which line is `shared/domain/schedule.py`'s business; a missed time counts
once. Next: `worker/schedule.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from hashlib import sha256
from zoneinfo import ZoneInfo

from shared.domain.records import Connection, ConnectionStatus, LastFull
from shared.domain.schedule import is_due
from worker.parts import FullSyncs, WorkerPorts, WorkerSettings


class DueCustomers:
    def __init__(self, ports: WorkerPorts, settings: WorkerSettings) -> None:
        self._ports = ports
        self._settings = settings

    async def now(self) -> Sequence[int]:
        """Approved customers that are due; every day they take turns in being first."""
        approved = await self._ports.connections.list(ConnectionStatus.APPROVED)
        fulls = await self._ports.runs.full()
        due = [each.customer_id for each in approved if await self._is_due(each, fulls)]
        day = self._ports.clock.now().astimezone(ZoneInfo(self._settings.nightly.zone)).date()
        return sorted(due, key=lambda customer_id: _place(customer_id, day))

    async def is_due(self, customer_id: int) -> bool:
        """Asked once more under the customer's lease: another worker may just have been at it."""
        connection = await self._ports.connections.get(customer_id)
        if connection is None or connection.status is not ConnectionStatus.APPROVED:
            return False
        return await self._is_due(connection, await self._ports.runs.full())

    async def standing(self) -> FullSyncs:
        approved = await self._ports.connections.list(ConnectionStatus.APPROVED)
        fulls, now = await self._ports.runs.full(), self._ports.clock.now()
        ages = [(now - _done(each, fulls)).total_seconds() for each in approved]
        holds = len(await self._ports.holds.list())
        return FullSyncs(customers=len(approved), holds=holds, oldest=max(ages, default=None))

    async def _is_due(self, connection: Connection, fulls: Mapping[int, LastFull]) -> bool:
        nightly, last = self._settings.nightly, fulls.get(connection.customer_id)
        own = (await self._ports.policies.policy(connection.customer_id)).cron
        return is_due(
            self._ports.clock.now(),
            cron=own or nightly.cron,
            zone=nightly.zone,
            begun=last.begun_at if last is not None else None,
            connected_at=connection.connected_at,
            freeze=self._settings.billing.freeze,
        )


def _done(connection: Connection, fulls: Mapping[int, LastFull]) -> datetime:
    last = fulls.get(connection.customer_id)
    return last.done_began_at if last is not None and last.done_began_at is not None else connection.connected_at


def _place(customer_id: int, day: date) -> str:
    return sha256(f"{customer_id}:{day.isoformat()}".encode()).hexdigest()
