"""One look at everything that somebody may have to be told of. Reads the ledger, and in Memory why nothing is written.

All it writes is since when that is so (`worker/vigil.py`). What of it is a cause is `shared/domain/notice_causes.py`'s
business. Next: `worker/notices.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from shared.domain.errors import SyncError
from shared.domain.notice_behind import is_late
from shared.domain.notices import Sight
from shared.domain.records import STOPPED_KEY, ConnectionStatus
from worker.parts import WorkerPorts, WorkerSettings
from worker.vigil import STOPPED, Vigil


class Sights:
    def __init__(self, ports: WorkerPorts, settings: WorkerSettings) -> None:
        self._ports = ports
        self._settings = settings
        self._stop = Vigil(ports.clock, ports.memory, STOPPED)
        self._stopped_since: datetime | None = None

    def leave(self) -> None:
        """Another one looks from now on, and goes by what is remembered."""
        self._stopped_since = None
        self._stop.leave()

    def break_off(self) -> None:
        """Nobody can look for a while: how long something lasts is counted anew."""
        self._stopped_since = None
        self._stop.break_off()

    async def look(self, watching_since: datetime) -> Sight:
        """Raises what the ledger raises: half a look would call the other half over."""
        ports = self._ports
        sight = Sight(
            now=ports.clock.now(),
            watching_since=watching_since,
            connections=await ports.connections.list(),
            holds=await ports.holds.list(),
            states=await ports.subscription_states.all(),
            polls=await ports.polls.all(),
            conflicts=Counter(each.customer_id for each in await ports.conflicts.list()),
            failed=await ports.dead_letters.counts(),
            last_full=await ports.runs.full(),
            stopped=await self._stopped(),
            credential=self._settings.credential(),
        )
        if sight.stopped is not None:  # while nobody can tell, it goes on as it was
            self._stopped_since = await self._since(sight.stopped)
        return replace(sight, own_cron=await self._own_crons(sight), stopped_since=self._stopped_since)

    async def _since(self, stopped: str) -> datetime | None:
        if not stopped:
            await self._stop.ended()
            return None
        since = await self._stop.since()
        await self._stop.looked()
        return since

    async def _stopped(self) -> str | None:
        try:
            return await self._ports.memory.recall(STOPPED_KEY) or ""
        except SyncError:
            return None

    async def _own_crons(self, sight: Sight) -> Mapping[int, str]:
        """Of customers that seem late alone: they may have full syncs once a week."""
        policy = self._settings.notices
        late = [
            each.customer_id
            for each in sight.connections
            if each.status is ConnectionStatus.APPROVED and is_late(each, sight, policy)
        ]
        return {each: (await self._ports.policies.policy(each)).cron for each in late}
