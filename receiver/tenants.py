"""What the registrar remembers about each tenant between two looks: when it is due, and how often it failed.

Pure: times are arguments (monotonic seconds). A tenant known to be good costs nothing until it is due; a failing one
waits longer each time, and starts afresh when a person changed something about its connection.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from receiver.doorstep import HANDSHAKE
from shared.domain.errors import StopTheLine, SyncError, Transient
from shared.domain.records import Connection, ConnectionStatus

CHECK_EVERY = 3600.0  # seconds; a subscription that somebody deleted is noticed within this time
FIRST_WAIT = 15.0  # seconds; consent needs a moment to reach every server of Microsoft
LAST_WAIT = 3600.0
DOOR_WAIT = 300.0  # seconds, at most, while our own door is what is wrong: somebody may be mending it right now
NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class _State:
    decided: tuple[bool, datetime]
    due_at: float = 0.0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Wish:
    """`watched`: the tenant should have a subscription. `changed_at`: when a person last decided something."""

    watched: bool
    changed_at: datetime


def wishes(connections: Iterable[Connection]) -> dict[str, Wish]:
    """By tenant. Approved once is watched; all disconnected is dropped; preview or paused stays as it is (absent)."""
    by_tenant: dict[str, list[Connection]] = {}
    for connection in connections:
        for tenant_id in connection.tenants:
            by_tenant.setdefault(tenant_id.lower(), []).append(connection)
    found: dict[str, Wish] = {}
    for tenant, group in by_tenant.items():
        statuses = {connection.status for connection in group}
        if ConnectionStatus.APPROVED in statuses or statuses == {ConnectionStatus.DISCONNECTED}:
            watched = ConnectionStatus.APPROVED in statuses
            found[tenant] = Wish(watched, max(connection.changed_at for connection in group))
    return found


def abandoned(connections: Iterable[Connection], told: Iterable[str]) -> dict[str, Wish]:
    """Tenants that we subscribed to (`told`: of which a standing was told) and that no connection names any more: a
    customer was disconnected and connected to another one before its subscription was deleted."""
    named = {tenant_id.lower() for connection in connections for tenant_id in connection.tenants}
    return {tenant: Wish(False, NEVER) for tenant in told if tenant not in named}


class Tenants:
    """Which tenants are due now."""

    def __init__(self) -> None:
        self._states: dict[str, _State] = {}

    def due(self, wanted: dict[str, Wish], now: float) -> list[str]:
        for gone in self._states.keys() - wanted.keys():
            del self._states[gone]
        for tenant, wish in wanted.items():
            decided = (wish.watched, wish.changed_at)
            state = self._states.get(tenant)
            if state is None or state.decided != decided:
                self._states[tenant] = _State(decided)
        return sorted(tenant for tenant in wanted if self._states[tenant].due_at <= now)

    def good_for(self, tenant: str, seconds: float, now: float) -> None:
        if (state := self._states.get(tenant)) is not None:
            state.failures = 0
            state.due_at = now + min(seconds, CHECK_EVERY)

    def look_again(self, tenant: str) -> None:
        """Something happened to it: due at once."""
        if (state := self._states.get(tenant)) is not None:
            state.due_at = 0.0

    def failed(self, tenant: str, error: SyncError, now: float) -> float:
        """Gives the seconds until the next try: the vendor's own wish, or doubling."""
        state = self._states.setdefault(tenant, _State((True, NEVER)))
        if isinstance(error, Transient) and not error.counted:
            state.due_at = now  # nobody's failure (the lease ran out): the next look takes it up
            return 0.0
        state.failures += 1
        last = DOOR_WAIT if error.code.startswith(HANDSHAKE) else LAST_WAIT
        wait = min(FIRST_WAIT * float(1 << min(state.failures - 1, 12)), last)
        if isinstance(error, (Transient, StopTheLine)) and error.retry_after is not None:
            wait = max(wait, error.retry_after) if isinstance(error, StopTheLine) else max(error.retry_after, 1.0)
        state.due_at = now + wait
        return wait

    def good(self) -> int:
        return sum(1 for state in self._states.values() if not state.failures and state.due_at > 0)

    def waiting(self) -> int:
        return sum(1 for state in self._states.values() if state.failures)
