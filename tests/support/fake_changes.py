"""A delta query in memory: every touch of a user is a line, a link is the number of the lines seen."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.domain.errors import SyncError, Transient
from shared.ports import RESYNC, ChangedUsers, Clock
from tests.support.fake_vendors import FakeDirectory


@dataclass
class FakeUserChanges:
    """`touch` adds a line. `void`: links of these tenants are refused once. `requests`: (monotonic, tenant, what).

    `failures` answer the next requests, an `outage` all of a tenant. `most`: requests at once over all tenants,
    `most_of_one` the same for any one tenant.
    """

    clock: Clock
    directory: FakeDirectory
    lines: dict[str, list[str]] = field(default_factory=dict)
    void: set[str] = field(default_factory=set)
    failures: list[SyncError] = field(default_factory=list)
    outages: dict[str, SyncError] = field(default_factory=dict)
    requests: list[tuple[float, str, str]] = field(default_factory=list)
    latency: float = 0.0
    most: int = 0
    most_of_one: int = 0

    def __post_init__(self) -> None:
        self._open = Counter[str]()

    def touch(self, tenant_id: str, user_ids: Sequence[str]) -> None:
        self.lines.setdefault(tenant_id, []).extend(user_ids)

    def asked(self, tenant_id: str, what: str = "since") -> list[float]:
        """When this was asked, monotonic seconds."""
        return [at for at, tenant, asked in self.requests if (tenant, asked) == (tenant_id, what)]

    async def now(self, tenant_id: str) -> str:
        await self._answer(tenant_id, "now")
        return str(len(self.lines.get(tenant_id, [])))

    async def since(self, tenant_id: str, link: str) -> ChangedUsers:
        await self._answer(tenant_id, "since")
        if tenant_id in self.void:
            self.void.discard(tenant_id)
            raise Transient("graph", RESYNC)
        lines = self.lines.get(tenant_id, [])
        return ChangedUsers(tuple(dict.fromkeys(lines[int(link) :])), str(len(lines)), 1)

    async def _answer(self, tenant_id: str, what: str) -> None:
        self.requests.append((self.clock.monotonic(), tenant_id, what))
        self._open[tenant_id] += 1
        self.most = max(self.most, self._open.total())
        self.most_of_one = max(self.most_of_one, self._open[tenant_id])
        try:
            await asyncio.sleep(self.latency)
        finally:
            self._open[tenant_id] -= 1
        if tenant_id in self.outages:
            raise self.outages[tenant_id]
        if self.failures:
            raise self.failures.pop(0)
