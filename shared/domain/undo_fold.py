"""Follows one field of one contact back through our writes, from the value that is there. Pure.

Next: `shared/domain/undo.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from shared.domain.changes import FieldChange
from shared.domain.records import JournalEntry, WriteState

Same = Callable[[str, str, str], bool]  # field, one value, another
_MAYBE = (WriteState.INTENDED, WriteState.AMBIGUOUS)


class Stop(StrEnum):
    """Why the walk ended. THEIRS: the value is none that our next older write left. OURS: that write is not chosen."""

    END = "end"
    THEIRS = "theirs"
    OURS = "ours"


@dataclass(frozen=True, slots=True)
class Walk:
    """`start`: what is there. `value`: what stood there before the entries `taken` (ids, newest first) wrote.

    `is_short`: what stood there before the oldest write that was chosen is another value.
    """

    start: str
    value: str
    taken: tuple[int, ...]
    stop: Stop
    stopped_by: JournalEntry | None = None
    is_short: bool = False
    was_unstuck: bool = False


def walk(field: str, start: str, entries: Sequence[JournalEntry], chosen: Collection[int], same: Same) -> Walk:
    """`entries`: of one contact, newest first. A write that was refused, or not kept, is no step."""
    value, taken = start, list[int]()
    steps = list(_writes(field, entries))
    if not any(entry.id in chosen for entry, _ in steps):
        unstuck = any(field in entry.unstuck for entry in entries if entry.id in chosen)
        return Walk(start, start, (), Stop.END, was_unstuck=unstuck)
    for entry, change in steps:
        if not same(field, change.after, value):
            if entry.state in _MAYBE and same(field, change.before, value):
                continue  # it never arrived
            stop = Stop.THEIRS
        elif entry.id in chosen:
            value = change.before
            taken.append(entry.id or 0)
            continue
        else:
            stop = Stop.OURS
        return Walk(start, value, tuple(taken), stop, entry, not same(field, _first(field, entries, chosen), value))
    return Walk(start, value, tuple(taken), Stop.END, is_short=not same(field, _first(field, entries, chosen), value))


def _first(field: str, entries: Sequence[JournalEntry], chosen: Collection[int]) -> str:
    """What stood there before the oldest write that was chosen, also one that was refused or not kept."""
    found = (c.before for e in reversed(entries) if e.id in chosen for c in e.changes if c.field == field)
    return next(found, "")


def _writes(field: str, entries: Sequence[JournalEntry]) -> Iterator[tuple[JournalEntry, FieldChange]]:
    for entry in entries:
        if entry.state is not WriteState.REFUSED and field not in entry.unstuck:
            yield from ((entry, change) for change in entry.changes if change.field == field)
