"""Entra groups in memory: direct members, nested groups among them, and a tenant that may not let us see any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shared.domain.errors import Scope, StopTheLine, SyncError
from tests.support.fake_vendors import FakeDirectory


@dataclass
class FakeGroups:
    """`direct`: tenant -> group id -> ids of users and groups in it. `hidden`: tenants without the permission.

    `asked`: (what, tenant, how many users or groups) of every question. `failures` answer the next ones.
    """

    directory: FakeDirectory
    direct: dict[str, dict[str, set[str]]] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    asked: list[tuple[str, str, int]] = field(default_factory=list)
    failures: list[SyncError] = field(default_factory=list)

    def put(self, tenant_id: str, group_id: str, *members: str) -> None:
        self.direct.setdefault(tenant_id, {})[group_id] = set(members)

    async def members(self, tenant_id: str, group_ids: Sequence[str]) -> Mapping[str, frozenset[str]]:
        self._ask("members", tenant_id, len(group_ids))
        known = self.direct.get(tenant_id, {})
        return {group_id: self._users_in(tenant_id, group_id) for group_id in group_ids if group_id in known}

    async def of_users(
        self, tenant_id: str, user_ids: Sequence[str], group_ids: Sequence[str]
    ) -> Mapping[str, frozenset[str]]:
        self._ask("of_users", tenant_id, len(user_ids))
        inside = {group_id: self._users_in(tenant_id, group_id) for group_id in group_ids}
        return {user: frozenset(each for each in group_ids if user in inside[each]) for user in user_ids}

    def _users_in(self, tenant_id: str, group_id: str) -> frozenset[str]:
        groups = self.direct.get(tenant_id, {})
        seen, waiting, users = set[str](), [group_id], set[str]()
        while waiting:
            for member in groups.get(waiting.pop(), set()) - seen:
                seen.add(member)
                (waiting.append if member in groups else users.add)(member)
        return frozenset(users & {user.id for user in self.directory.living(tenant_id)})

    def _ask(self, what: str, tenant_id: str, count: int) -> None:
        self.asked.append((what, tenant_id, count))
        if self.failures:
            raise self.failures.pop(0)
        if tenant_id in self.hidden:
            raise StopTheLine("graph", "permission_missing", scope=Scope.TENANT)
