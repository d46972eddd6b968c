"""Taking writes back, as one pure function: which values return, which contacts go or come again, what stays and why.

A value goes back only where it is still ours: the contact says now what we wrote last, compared as plans compare. The
walk begins at the fresh value and follows our writes from the newest to the oldest, for as long as each wrote what the
one after it found. A write of which nobody knows whether it arrived is told by the value that is there.
Next: `undo_contact.py` for one contact, `undo_steps.py` for what comes out, `worker/undoing.py`, which carries it out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from shared.domain.records import JournalEntry
from shared.domain.undo_contact import OPEN, Facts, one_contact
from shared.domain.undo_steps import Left, Step, UndoPlan, Why, code_of


def undo_plan(customer_id: int, chosen: Collection[int], history: Sequence[JournalEntry], facts: Facts) -> UndoPlan:
    """`chosen`: ids of entries. `history`: all of the customer from the oldest of these on, newest first."""
    steps: list[Step] = []
    left: list[Left] = list(_without_contact(chosen, history))
    for contact_id, entries in _by_contact(history).items():
        if any(entry.id in chosen for entry in entries):
            step, others = one_contact(customer_id, contact_id, chosen, entries, history, facts)
            steps += [step] if step is not None else []
            left += others
    names = {each.id: each.name for each in facts.contacts.values()}
    return UndoPlan(customer_id, tuple(steps), tuple(left), code_of(customer_id, steps), names)


def creations(chosen: Collection[int], history: Iterable[JournalEntry]) -> frozenset[int]:
    """The contacts that would be deleted: whoever plans has to know what hangs on them."""
    made = (e for e in history if e.id in chosen and e.action == "create" and e.contact_id is not None)
    return frozenset(e.contact_id for e in made if e.contact_id is not None)


def _by_contact(history: Iterable[JournalEntry]) -> Mapping[int, list[JournalEntry]]:
    found: dict[int, list[JournalEntry]] = {}
    for entry in history:
        if entry.contact_id is not None and entry.action != "customer":
            found.setdefault(entry.contact_id, []).append(entry)
    return found


def _without_contact(chosen: Collection[int], history: Iterable[JournalEntry]) -> Iterable[Left]:
    mine = [entry for entry in history if entry.id in chosen]
    if any(entry.action == "customer" for entry in mine):
        yield Left(None, "", "", Why.CUSTOMER)
    for entry in mine:
        if entry.contact_id is None and entry.action == "create":
            yield Left(None, entry.user_id, "", Why.UNKNOWN if entry.state in OPEN else Why.NOT_WRITTEN)
