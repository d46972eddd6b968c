"""Changes of fields as they lie in JSON columns, and back. Used by whatever keeps them: the journal and the holds.

A stored change is never rewritten, so these names stay as they are. Next: `journal.py`, `holds.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from shared.domain.changes import FieldChange, Kind


def kept(changes: Iterable[FieldChange]) -> list[dict[str, str]]:
    return [
        {"field": c.field, "before": c.before, "after": c.after, "kind": c.kind.value, "why": c.why} for c in changes
    ]


def given_back(stored: Iterable[Mapping[str, str]]) -> tuple[FieldChange, ...]:
    return tuple(
        FieldChange(
            field=change["field"],
            before=change["before"],
            after=change["after"],
            kind=Kind(change["kind"]),
            why=change["why"],
        )
        for change in stored
    )
