"""One look at everything that somebody may have to be told of. Reads the ledger and one key of Memory, writes nothing.

What of it is a cause is `shared/domain/notice_causes.py`'s business. Next: `worker/notices.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from shared.domain.errors import SyncError
from shared.domain.notice_causes import is_late
from shared.domain.notices import Sight
from shared.domain.records import STOPPED_KEY, ConnectionStatus
from worker.parts import WorkerPorts, WorkerSettings

_MOST_LETTERS = 10_000


class Sights:
    def __init__(self, ports: WorkerPorts, settings: WorkerSettings) -> None:
        self._ports = ports
        self._settings = settings

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
            letters=await ports.dead_letters.list(limit=_MOST_LETTERS),
            last_full=await ports.runs.full(),
            stopped=await self._stopped(),
            credential=self._settings.credential,
        )
        return replace(sight, own_cron=await self._own_crons(sight))

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
