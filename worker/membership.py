"""Lets users say in which of the chosen Entra groups they are, where a customer's rules name any.

Scope alone asks for it, so only whoever may get a contact needs it. What cannot be read stays unknown: then nobody is
created, and nothing that is there is touched. Next: `shared/domain/scope.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from shared.domain.changes import ExclusionReason
from shared.domain.errors import StopTheLine
from shared.domain.policy import SyncPolicy
from shared.domain.scope import exclusion
from shared.domain.tenant import TenantReading
from shared.domain.user import DirectoryUser
from shared.ports import Groups

log = structlog.get_logger("worker")
REFUSALS = frozenset({"permission_missing", "forbidden"})
_BREATH = 1_000  # users told before others on this loop get their turn


@dataclass(frozen=True, slots=True)
class Told:
    """`hidden`: tenants that do not let us see groups. `absent`: groups that no tenant has."""

    readings: tuple[TenantReading, ...]
    hidden: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    def notes(self, customer_id: int) -> tuple[str, ...]:
        """For a technician: what could not be read and who does what next. What may be hidden is not called absent."""
        refused = (
            f"Groups of tenant {tenant_id} cannot be read, so its users get no new contact: the permission "
            "GroupMember.Read.All is missing. An administrator of the tenant has to consent again."
            for tenant_id in self.hidden
        )
        missing = (
            f"The chosen group {group_id} is in no tenant of this customer, so it lets nobody in. Correct the rule: "
            f"entra-syncro customers policy set {customer_id} groups=..."
            for group_id in self.absent
        )
        return (*refused, *(() if self.hidden else missing))


class Memberships:
    def __init__(self, groups: Groups) -> None:
        self._groups = groups

    async def of_readings(self, readings: Sequence[TenantReading], group_ids: Collection[str]) -> Told:
        """All users of all tenants. Raises what Graph raises, save that we may not see groups."""
        wanted = sorted(group_ids)
        if not wanted:
            return Told(tuple(readings))
        told: list[TenantReading] = []
        hidden: list[str] = []
        there: set[str] = set()
        for reading in readings:
            members = await self._members(reading.tenant_id, wanted)
            if members is None:
                hidden.append(reading.tenant_id)
            else:
                there |= members.keys()
                reading = replace(reading, users=await _labelled(reading.users, members))
            told.append(reading)
        return Told(tuple(told), tuple(hidden), tuple(sorted(set(wanted) - there)))

    async def of_users(
        self, tenant_id: str, users: Sequence[DirectoryUser], policy: SyncPolicy
    ) -> tuple[DirectoryUser, ...]:
        """Some users of one tenant, in their order; those are asked about who get a contact if a group lets them.

        Raises as `of_readings` does.
        """
        asked = [user.id for user in users if exclusion(user, policy) is ExclusionReason.GROUPS_UNKNOWN]
        if not asked:
            return tuple(users)
        try:
            found = await self._groups.of_users(tenant_id, asked, sorted(policy.groups))
        except StopTheLine as error:
            _only_refusals(error, tenant_id)
            return tuple(users)
        told = {user_id: tuple(sorted(groups)) for user_id, groups in found.items()}
        return tuple(replace(user, group_ids=told[user.id]) if user.id in told else user for user in users)

    async def _members(self, tenant_id: str, wanted: Sequence[str]) -> Mapping[str, frozenset[str]] | None:
        try:
            return await self._groups.members(tenant_id, wanted)
        except StopTheLine as error:
            _only_refusals(error, tenant_id)
            return None


def _only_refusals(error: StopTheLine, tenant_id: str) -> None:
    if error.code not in REFUSALS:
        raise error
    log.warning("groups_refused", tenant_id=tenant_id, code=error.code)


async def _labelled(users: Sequence[DirectoryUser], members: Mapping[str, frozenset[str]]) -> tuple[DirectoryUser, ...]:
    told = []
    for number, user in enumerate(users):
        if number % _BREATH == 0:
            await asyncio.sleep(0)
        told.append(replace(user, group_ids=tuple(sorted(group for group, ids in members.items() if user.id in ids))))
    return tuple(told)
