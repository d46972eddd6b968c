"""What taking back comes to, as values: steps, one a contact, and what is left with its reason; and their code.

Made by `shared.domain.undo`, shown to a person, approved by its code, carried out by `worker/undoing.py`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from hashlib import sha256

from shared.domain.changes import FieldChange
from shared.domain.errors import SyncError


class Why(StrEnum):
    """Why something is left as it is. The sentence is for a technician."""

    TOUCHED = "changed since, not by us"
    OURS_SINCE = "changed again by us since"
    IN_BETWEEN = "comes back to what was set in between, not to what stood there at first"
    UNDONE = "taken back already"
    LOCKED = "the contact is locked"
    GONE = "the contact is gone"
    MOVED = "the contact belongs to another customer now"
    NOT_KEPT = "Syncro did not keep it, nothing to take back"
    NOT_WRITTEN = "it never reached Syncro, nothing to take back"
    UNKNOWN = "nobody knows whether Syncro made it: look for it in Syncro"
    ATTACHED = "something hangs on the contact"
    UNSEEN = "Syncro does not show whether a ticket, an asset or a portal login hangs on the contact"
    REPLACED = "another contact of this person is there by now"
    CUSTOMER = "counts of the customer itself are not taken back"
    CHANGED = "changed since the plan: not among what was approved"
    REFUSED = "Syncro did not take the old value back"
    UNSURE = "Syncro did not answer: repeat the command, it looks what is there"


@dataclass(frozen=True, slots=True)
class Left:
    """What is not taken back. `field` "": the whole contact. `now`: what is there. `detail`: what `why` leaves open."""

    contact_id: int | None
    user_id: str
    field: str
    why: Why
    now: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Restore:
    """Fields of one contact that get back what stood there. `undoes`: the newest entry that it takes back."""

    contact_id: int
    user_id: str
    changes: tuple[FieldChange, ...]
    undoes: int


@dataclass(frozen=True, slots=True)
class Remove:
    """A contact that we made, and that nobody but us touched, is deleted. `changes`: everything that goes with it."""

    contact_id: int
    user_id: str
    changes: tuple[FieldChange, ...]
    undoes: int


@dataclass(frozen=True, slots=True)
class Recreate:
    """A contact that we deleted comes back, under a new number. `contact_id`: the one it had. `new_id`: once made."""

    contact_id: int
    user_id: str
    changes: tuple[FieldChange, ...]
    undoes: int
    new_id: int | None = None


Step = Restore | Remove | Recreate


@dataclass(frozen=True, slots=True)
class UndoPlan:
    """`steps`, one a contact, and what is `left`. `code` approves exactly these steps; "" when there are none.

    `names`: of the contacts that are there, by id.
    """

    customer_id: int
    steps: tuple[Step, ...]
    left: tuple[Left, ...]
    code: str
    names: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Undone:
    """`undo_id`: the run under which the journal has it. `steps`: what was written; `left`: what was not, now.

    `paused`: the customer is paused. `stopped`: what ended it before its end; the same command goes on.
    """

    undo_id: str
    steps: tuple[Step, ...]
    left: tuple[Left, ...]
    paused: bool
    stopped: SyncError | None = None


def rows_of(step: Step) -> tuple[tuple[object, ...], ...]:
    """What a person approves: every field of a contact alone, a contact that goes or comes as a whole."""
    told = [[change.field, change.before, change.after] for change in step.changes]
    name = type(step).__name__.lower()
    if isinstance(step, Restore):
        return tuple((name, step.contact_id, *each) for each in told)
    return ((name, step.contact_id, step.undoes, told),)


def part_of(step: Step, approved: Collection[str]) -> tuple[Step | None, tuple[Left, ...]]:
    """The part of a step whose rows (`row_code`) were approved, and the rest."""
    if isinstance(step, Restore):
        kept = tuple(c for c, row in zip(step.changes, rows_of(step), strict=True) if row_code(row) in approved)
        rest = tuple(
            Left(step.contact_id, step.user_id, c.field, Why.CHANGED, c.before) for c in step.changes if c not in kept
        )
        return (replace(step, changes=kept) if kept else None), rest
    if all(row_code(row) in approved for row in rows_of(step)):
        return step, ()
    return None, (Left(step.contact_id, step.user_id, "", Why.CHANGED),)


def row_code(row: tuple[object, ...]) -> str:
    return sha256(json.dumps(row, ensure_ascii=False).encode()).hexdigest()[:12]


def code_of(customer_id: int, steps: Iterable[Step]) -> str:
    """Eight hex digits over every row, whatever their order."""
    rows = sorted(row_code(row) for step in steps for row in rows_of(step))
    return sha256("\n".join(["undo", str(customer_id), *rows]).encode()).hexdigest()[:8] if rows else ""
