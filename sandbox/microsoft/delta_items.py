"""Which users a delta round contains, and in what form: whole, partial, or `@removed` with its reason.

Pure reading of a directory's versions between two moments. Next: subscriptions.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandbox.microsoft.directory import Directory, Version
from sandbox.microsoft.schema import DEFAULT_PROPERTIES, render_delta

Item = dict[str, Any]
# selectable, but stored where delta does not look: a change of these alone is never seen
_UNTRACKED = {"licenseAssignmentStates", "perUserMfaState"}


@dataclass(frozen=True, slots=True)
class Scope:
    """What the first call fixed for the whole chain: properties, the raw `$select`, the id filter."""

    names: tuple[str, ...]
    select: str | None
    ids: frozenset[str] | None
    minimal: bool = False


def full_round(directory: Directory, scope: Scope, until: float, with_removed: bool) -> list[Item]:
    """Everybody, as seen at `until`; soft-deleted users may show up as removed."""
    items: list[Item] = []
    for version in directory.all_seen(until):
        if not _in_scope(scope, version):
            continue
        if version.live:
            items.append(render_delta(version.state, scope.names))
        elif version.soft_deleted and with_removed:
            items.append(_removed(version))
    return items


def later_round(directory: Directory, scope: Scope, after: float, until: float, hide_restores: bool) -> list[Item]:
    """Who changed after one moment and not after the other."""
    items: list[Item] = []
    for version in directory.all_seen(until):
        if version.at <= after or not _in_scope(scope, version):
            continue
        changes = directory.between(version.state["id"], after, until)
        if not version.live:
            items.append(_removed(version))
        elif _shows(scope, changes, hide_restores):
            items.append(render_delta(version.state, _names(scope, changes)))
    return items


def _shows(scope: Scope, changes: list[Version], hide_restores: bool) -> bool:
    if any(change.kind == "created" for change in changes):
        return True
    if any(change.kind == "restored" for change in changes) and not (scope.select and hide_restores):
        return True
    tracked = set(scope.names if scope.select else DEFAULT_PROPERTIES) - _UNTRACKED
    # the renaming that a deletion and a restore do to the name is no change of the name
    return any(change.changed & tracked for change in changes if change.kind == "updated")


def _names(scope: Scope, changes: list[Version]) -> list[str]:
    whole = any(change.kind in ("created", "restored") for change in changes)
    if not scope.minimal or whole:
        return list(scope.names)
    touched = frozenset[str]().union(*(change.changed for change in changes))
    return [name for name in scope.names if name in touched]


def _removed(version: Version) -> Item:
    reason = "changed" if version.soft_deleted else "deleted"
    return {"id": version.state["id"], "@removed": {"reason": reason}}


def _in_scope(scope: Scope, version: Version) -> bool:
    return scope.ids is None or version.state["id"] in scope.ids
