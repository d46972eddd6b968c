"""Whether a plan may be approved without a person's own look: it overwrites nothing and leaves nothing to choose.

Told twice: in a sentence, and in two words for a table. What a preview found is kept beside its approval code, so that
approving many need not read every tenant again. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from shared.domain import normalise
from shared.domain.changes import Conflict, FieldChange, Kind, UpdateContact
from shared.domain.preview import Preview
from shared.domain.second_writer import SUMMARY_KEY, Evidence

# In `Approval.summary`, beside the outcomes:
OVERWRITES_KEY = "contacts whose values would be overwritten"  # absent where an older release made the preview
UNSEEN_KEY = "shown to nobody"  # 1 for a plan that a command made and did not show
NOTES = frozenset({SUMMARY_KEY, OVERWRITES_KEY, UNSEEN_KEY})  # all that is no outcome
CHOICE = "conflict"  # the outcome that a person must settle


@dataclass(frozen=True, slots=True)
class Cleanness:
    """`overwrites`: contacts of which a value would be replaced or cleared; `choices`: users for a person to choose."""

    overwrites: int
    choices: int
    has_second_writer: bool

    @property
    def is_clean(self) -> bool:
        return not any(self.short())

    def sentences(self) -> Iterator[str]:
        if self.overwrites:
            yield f"values of {_count(self.overwrites, 'contact')} would be overwritten"
        if self.choices:
            yield f"{_count(self.choices, 'user')} for a person to choose"
        if self.has_second_writer:
            yield "another tool writes these contacts too"

    def short(self) -> Iterator[str]:
        if self.overwrites:
            yield f"overwrites {self.overwrites}"
        if self.choices:
            yield f"choose {self.choices}"
        if self.has_second_writer:
            yield "second writer"


def judge(shown: Preview, second_writer: Sequence[Evidence] = ()) -> Cleanness:
    plans = [row.plan for row in shown.rows]
    return Cleanness(
        overwrites=sum(isinstance(plan, UpdateContact) and any(map(_overwrites, plan.changes)) for plan in plans),
        choices=sum(isinstance(plan, Conflict) for plan in plans),
        has_second_writer=bool(second_writer),
    )


def remembered(summary: Mapping[str, int]) -> Cleanness | None:
    """What the preview found then; None where it did not keep it."""
    if OVERWRITES_KEY not in summary:
        return None
    return Cleanness(summary[OVERWRITES_KEY], summary.get(CHOICE, 0), bool(summary.get(SUMMARY_KEY, 0)))


def outcomes(summary: Mapping[str, int]) -> dict[str, int]:
    return {outcome: count for outcome, count in summary.items() if outcome not in NOTES}


def _overwrites(change: FieldChange) -> bool:
    """A value that stands there is replaced or cleared. What reports say moves every day and is nobody's own text."""
    return change.kind is not Kind.REPORTED and bool(normalise.text(change.before))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
