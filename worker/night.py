"""What the full syncs of one night share: how far a last activity must move, and how many calls it may cost in all.

A night begins with the first customer that is due and lasts half a day. It is kept in Memory, so that a new leader goes
on with it; lost, another one begins. Next: `worker/schedule.py`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.forecast import CALLS_PER_WRITE, activity_days
from shared.domain.records import ConnectionStatus
from worker.parts import WorkerPorts, WorkerSettings

_KEY = "schedule:night"
_LASTS = timedelta(hours=12)


@dataclass(slots=True)
class Night:
    """`days`: how far a last activity must move. `left`: users who may still be written for it alone."""

    days: int
    left: int
    until: datetime

    def grant(self, rivals: int) -> int:
        """A share for one of so many customers at work (itself included); what it leaves comes back."""
        share = self.left // max(1, rivals)
        self.left -= share
        return share

    def give_back(self, users: int) -> None:
        self.left += users


class Nights:
    def __init__(self, ports: WorkerPorts, settings: WorkerSettings) -> None:
        self._ports = ports
        self._settings = settings

    async def tonight(self) -> Night:
        """The night that is under way, or a new one. Raises what Memory and the ledger raise."""
        now = self._ports.clock.now()
        known = _night(await self._ports.memory.recall(_KEY))
        if known is not None and known.until > now:
            return known
        nightly = self._settings.nightly
        per_minute = self._settings.backfill_per_minute
        days = activity_days(nightly.activity_days, active_users=await self._linked(), per_minute=per_minute)
        night = Night(days, nightly.activity_calls // CALLS_PER_WRITE, now + _LASTS)
        await self.keep(night)
        return night

    async def _linked(self) -> int:
        approved = await self._ports.connections.list(ConnectionStatus.APPROVED)
        return sum([len(await self._ports.links.of_customer(each.customer_id)) for each in approved])

    async def keep(self, night: Night) -> None:
        left = (night.until - self._ports.clock.now()).total_seconds()
        told = {"days": night.days, "left": night.left, "until": night.until.isoformat()}
        await self._ports.memory.remember(_KEY, json.dumps(told), ttl=max(left, 1.0))


def _night(told: str | None) -> Night | None:
    if not told:
        return None
    kept = json.loads(told)
    return Night(kept["days"], kept["left"], datetime.fromisoformat(kept["until"]))
