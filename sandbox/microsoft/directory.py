"""One tenant's directory: every version of every user, and what a reader sees of them after the replication lag.

Writes append a version and see the newest one; reads name a horizon (a moment in the past) and get the version that
was the newest then. Nothing is validated here (writing.py does) and nothing is rendered (schema.py does). Each change
is told to one listener, the notification engine. Next: sandbox/microsoft/writing.py.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sandbox.clock import SandboxClock, graph_time

ChangeKind = Literal["created", "updated", "deleted", "restored", "purged"]
Listener = Callable[[str, ChangeKind], None]
SOFT_DELETED_FOR_S = 30 * 86400.0


@dataclass(frozen=True, slots=True)
class Version:
    """A user from `at` (epoch seconds) on; `changed` names the properties that differ from the version before."""

    at: float
    kind: ChangeKind
    state: Mapping[str, Any]
    changed: frozenset[str]

    @property
    def live(self) -> bool:
        return self.kind in ("created", "updated", "restored")

    @property
    def soft_deleted(self) -> bool:
        return self.kind == "deleted"


class Directory:
    """All users of a tenant. `settle()` makes everything written so far visible at once (used before the start)."""

    def __init__(self, clock: SandboxClock, listener: Listener) -> None:
        self._clock = clock
        self._listener = listener
        self._histories: dict[str, list[Version]] = {}
        self._claims: dict[str, str] = {}
        self._last_at = 0.0
        self._live = 0

    # -- reading ------------------------------------------------------------------------------------------------

    def latest(self, user_id: str) -> Version | None:
        history = self._histories.get(user_id)
        return history[-1] if history else None

    def seen(self, user_id: str, horizon: float) -> Version | None:
        """The newest version not younger than the horizon."""
        for version in reversed(self._histories.get(user_id, ())):
            if version.at <= horizon:
                return version
        return None

    def all_seen(self, horizon: float) -> Iterator[Version]:
        """What a reader at this horizon sees of each user, deleted ones included, in order of creation."""
        for user_id in list(self._histories):
            version = self.seen(user_id, horizon)
            if version is not None:
                yield version

    def between(self, user_id: str, after: float, until: float) -> list[Version]:
        """The versions with `after < at <= until`, oldest first."""
        return [version for version in self._histories.get(user_id, ()) if after < version.at <= until]

    def named(self, key: str, horizon: float) -> Version | None:
        """A live user by object id or user principal name."""
        version = self.seen(key.lower(), horizon)
        if version is not None:
            return version if version.live else None
        wanted = key.lower()
        for candidate in self.all_seen(horizon) if "@" in key else ():
            if candidate.live and candidate.state["userPrincipalName"].lower() == wanted:
                return candidate
        return None

    def claimed_by(self, claim: str) -> str | None:
        """Who holds this name now: `upn:...` or a proxy address, lower case."""
        return self._claims.get(claim)

    @property
    def live_count(self) -> int:
        return self._live

    # -- writing ------------------------------------------------------------------------------------------------

    def create(self, attributes: Mapping[str, Any], user_id: str | None = None) -> Version:
        new_id = (user_id or str(uuid.uuid4())).lower()
        state = {"id": new_id, "createdDateTime": graph_time(self._clock.now())} | dict(attributes)
        return self._append(new_id, "created", state, frozenset(state))

    def load(self, states: Iterable[Mapping[str, Any]]) -> None:
        """Users who were always there: seen at once, told to nobody, names unchecked (a crowd's are unique)."""
        for state in states:
            self._histories[state["id"]] = [Version(0.0, "created", state, frozenset())]
            self._live += 1

    def update(self, user_id: str, changes: Mapping[str, Any]) -> Version | None:
        """Write what differs; None (and no event) when nothing does."""
        before = self._histories[user_id][-1].state
        changed = frozenset(name for name, value in changes.items() if before.get(name, _UNSET) != value)
        if not changed:
            return None
        return self._append(user_id, "updated", {**before, **changes}, changed)

    def delete(self, user_id: str) -> Version:
        before = self._histories[user_id][-1].state
        # a user in the recycle bin gives its name free: the object id is put before it
        name = user_id.replace("-", "") + before["userPrincipalName"]
        state = {**before, "deletedDateTime": graph_time(self._clock.now()), "userPrincipalName": name}
        return self._append(user_id, "deleted", state, frozenset({"deletedDateTime", "userPrincipalName"}))

    def restore(self, user_id: str) -> Version:
        before = dict(self._histories[user_id][-1].state)
        before["deletedDateTime"] = None
        before["userPrincipalName"] = before["userPrincipalName"].removeprefix(user_id.replace("-", ""))
        return self._append(user_id, "restored", before, frozenset({"deletedDateTime", "userPrincipalName"}))

    def purge(self, user_id: str) -> Version:
        return self._append(user_id, "purged", self._histories[user_id][-1].state, frozenset())

    def purge_overdue(self) -> None:
        """Thirty days in the recycle bin end in a permanent delete."""
        limit = self._clock.timestamp() - SOFT_DELETED_FOR_S
        for user_id, history in self._histories.items():
            if history[-1].soft_deleted and history[-1].at < limit:
                self.purge(user_id)

    def settle(self) -> None:
        for history in self._histories.values():
            history[:] = [Version(0.0, entry.kind, entry.state, entry.changed) for entry in history[-1:]]

    def _append(self, user_id: str, kind: ChangeKind, state: Mapping[str, Any], changed: frozenset[str]) -> Version:
        # strictly increasing: a delta token is a moment, and two versions of one moment could fall on both sides of it
        self._last_at = max(self._clock.timestamp(), self._last_at + 1e-6)
        version = Version(self._last_at, kind, state, changed)
        history = self._histories.setdefault(user_id, [])
        self._move_claims(user_id, history[-1] if history else None, version)
        history.append(version)
        self._listener(user_id, kind)
        return version

    def _move_claims(self, user_id: str, before: Version | None, after: Version) -> None:
        if before is not None and before.live:
            self._live -= 1
            for claim in claims_of(before.state):
                if self._claims.get(claim) == user_id:
                    del self._claims[claim]
        if after.live:
            self._live += 1
            for claim in claims_of(after.state):
                self._claims.setdefault(claim, user_id)


def claims_of(state: Mapping[str, Any]) -> list[str]:
    """The names only one live user of a tenant may hold."""
    return ["upn:" + state["userPrincipalName"].lower(), *(a.lower() for a in state.get("proxyAddresses") or ())]


_UNSET = object()
