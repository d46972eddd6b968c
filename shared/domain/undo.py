"""Taking writes back, as one pure function: which values return, which contacts go or come again, what stays and why.

A value goes back only where it is still ours: the contact says now what we wrote last, compared as plans compare. The
walk begins at the fresh value and follows our writes from the newest to the oldest, for as long as each wrote what the
one after it found. A write of which nobody knows whether it arrived is told by the value that is there.
Next: `undo_fold.py`, which walks, `undo_steps.py` for what comes out, `worker/undoing.py`, which carries it out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from shared.domain import mapping, normalise
from shared.domain.changes import FieldChange, Kind
from shared.domain.contact import PLAIN_FIELDS, Contact
from shared.domain.policy import SyncPolicy
from shared.domain.records import JournalEntry, WriteState
from shared.domain.undo_fold import Same, Stop, Walk, walk
from shared.domain.undo_steps import Left, Recreate, Remove, Restore, Step, UndoPlan, Why, code_of

OURS = timedelta(minutes=2)  # between a write of ours and the moment that Syncro notes for it, clocks included
_FLAGS = "notification_"  # Syncro's own keys among the custom fields; unset they may read "0"
_OPEN = (WriteState.INTENDED, WriteState.AMBIGUOUS)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is true now. `contacts`: those that are there, by id. `attached`: what hangs on them, None: not to be seen.

    `pinned`: locked by a person's word. `links`: user id -> contact id.
    """

    contacts: Mapping[int, Contact]
    policy: SyncPolicy
    pinned: Collection[int] = ()
    links: Mapping[str, int] = field(default_factory=dict)
    attached: Mapping[int, frozenset[str]] | None = field(default_factory=dict)


def undo_plan(customer_id: int, chosen: Collection[int], history: Sequence[JournalEntry], facts: Facts) -> UndoPlan:
    """`chosen`: ids of entries. `history`: all of the customer from the oldest of these on, newest first."""
    steps: list[Step] = []
    left: list[Left] = list(_without_contact(chosen, history))
    for contact_id, entries in _by_contact(history).items():
        if any(entry.id in chosen for entry in entries):
            step, others = _contact(customer_id, contact_id, chosen, entries, history, facts)
            steps += [step] if step is not None else []
            left += others
    names = {each.id: each.name for each in facts.contacts.values()}
    return UndoPlan(customer_id, tuple(steps), tuple(left), code_of(customer_id, steps), names)


def creations(chosen: Collection[int], history: Iterable[JournalEntry]) -> frozenset[int]:
    """The contacts that would be deleted: whoever plans has to know what hangs on them."""
    made = (e for e in history if e.id in chosen and e.action == "create" and e.contact_id is not None)
    return frozenset(e.contact_id for e in made if e.contact_id is not None)


def comparing(policy: SyncPolicy) -> Same:
    """Two values of a field as plans compare them; blank and not blank are never the same."""
    rules = {row.field: row.same for row, _ in mapping.rows(policy)}

    def same(name: str, one: str, other: str) -> bool:
        if (not normalise.text(one)) != (not normalise.text(other)):
            return False
        rule = rules.get(name)
        return rule(one, other, policy.default_region) if rule is not None else normalise.same_text(one, other)

    return same


# --- one contact ----------------------------------------------------------------------------------------------


Verdict = tuple[Step | None, tuple[Left, ...]]


def _contact(
    customer_id: int,
    contact_id: int,
    chosen: Collection[int],
    entries: Sequence[JournalEntry],
    history: Sequence[JournalEntry],
    facts: Facts,
) -> Verdict:
    mine = [entry for entry in entries if entry.id in chosen]
    user_id, fresh = mine[0].user_id, facts.contacts.get(contact_id)
    if fresh is None:
        return _gone(contact_id, mine, entries, history, facts)
    made = next((entry for entry in mine if entry.action == "create"), None)
    if fresh.customer_id not in (customer_id, 0):
        return _whole(contact_id, user_id, Why.MOVED)
    if contact_id in facts.pinned or normalise.text(fresh.value(facts.policy.fields.pin)):
        return _whole(contact_id, user_id, Why.LOCKED)
    if made is not None:
        return _remove(fresh, made, entries, facts)
    return _restore(fresh, mine, entries, chosen, comparing(facts.policy))


def _restore(
    fresh: Contact, mine: Sequence[JournalEntry], entries: Sequence[JournalEntry], chosen: Collection[int], same: Same
) -> Verdict:
    changes: list[FieldChange] = []
    left: list[Left] = []
    newest = 0
    for name, kind in _fields(mine).items():
        found = walk(name, fresh.value(name), entries, chosen, same)
        if found.taken and not same(name, found.start, found.value):
            newest = max(newest, found.taken[0])
            why = f"Takes back what change {found.taken[0]} wrote."
            changes.append(FieldChange(name, found.start, found.value, kind, why))
        reason = _reason(found)
        if reason is not None:
            left.append(Left(fresh.id, mine[0].user_id, name, reason, found.start, _since(found)))
    step = Restore(fresh.id, mine[0].user_id, tuple(changes), newest) if changes else None
    return step, tuple(left)


def _reason(found: Walk) -> Why | None:
    """Why a field does not come back at all, or not to what stood there at first; None when it does."""
    if found.taken:
        return Why.IN_BETWEEN if found.is_short else None
    match found.stop:
        case Stop.THEIRS:
            return Why.TOUCHED
        case Stop.OURS:
            return Why.UNDONE if found.stopped_by is not None and found.stopped_by.undoes else Why.OURS_SINCE
        case Stop.END:
            return Why.NOT_KEPT if found.was_unstuck else Why.NOT_WRITTEN


def _since(found: Walk) -> str:
    entry = found.stopped_by
    return "" if entry is None or found.stop is not Stop.OURS else f"change {entry.id}"


def _remove(fresh: Contact, made: JournalEntry, entries: Sequence[JournalEntry], facts: Facts) -> Verdict:
    """Only a contact that is exactly as we made it, apart from our own later writes, and on which nothing hangs."""
    touched = _not_ours(fresh, entries, comparing(facts.policy))
    if touched is not None:
        return None, (Left(fresh.id, made.user_id, touched, Why.TOUCHED, fresh.value(touched) if touched else ""),)
    if facts.attached is None:
        return _whole(fresh.id, made.user_id, Why.UNSEEN)
    if hangs := facts.attached.get(fresh.id):
        return _whole(fresh.id, made.user_id, Why.ATTACHED, ", ".join(sorted(hangs)))
    values = {name: fresh.value(name) for name in _known(fresh)}
    why = f"Goes with the contact, which change {made.id} made."
    changes = tuple(FieldChange(name, value, "", Kind.PROFILE, why) for name, value in values.items() if value)
    return Remove(fresh.id, made.user_id, changes, made.id or 0), ()


def _not_ours(fresh: Contact, entries: Sequence[JournalEntry], same: Same) -> str | None:
    """The first field that is not as we left it; "" for something that is not read here; None when all is ours."""
    every = {entry.id for entry in entries if entry.id is not None}
    for name in _known(fresh):
        value = fresh.value(name)
        if name.startswith(_FLAGS) and value in ("", "0"):
            continue
        found = walk(name, value, entries, every, same)
        if found.stop is Stop.THEIRS or normalise.text(found.value):
            return name
    if fresh.has_more:
        return ""
    written = [entry for entry in entries if entry.state is not WriteState.REFUSED]
    last = max((entry.settled_at or entry.intended_at for entry in written), default=None)
    if fresh.updated_at is not None and last is not None and fresh.updated_at > last + OURS:
        return ""  # something that is not read here
    return None


def _gone(
    contact_id: int,
    mine: Sequence[JournalEntry],
    entries: Sequence[JournalEntry],
    history: Sequence[JournalEntry],
    facts: Facts,
) -> Verdict:
    user_id = mine[0].user_id
    ended = next((e for e in entries if e.action == "delete" and e.state is not WriteState.REFUSED), None)
    if ended is None:
        return _whole(contact_id, user_id, Why.GONE)
    if ended not in mine or any(entry.action == "create" for entry in mine):
        return _whole(contact_id, user_id, Why.UNDONE)
    again = next((e for e in history if e.undoes == ended.id and e.state is not WriteState.REFUSED), None)
    if again is not None:
        return _whole(contact_id, user_id, Why.UNKNOWN if again.state in _OPEN else Why.UNDONE)
    if user_id in facts.links:
        return _whole(contact_id, user_id, Why.REPLACED, f"contact {facts.links[user_id]}")
    why = f"Was there before change {ended.id} deleted the contact."
    changes = tuple(FieldChange(c.field, "", c.before, c.kind, why) for c in ended.changes if c.before)
    return Recreate(contact_id, user_id, changes, ended.id or 0), ()


def _whole(contact_id: int, user_id: str, why: Why, detail: str = "") -> Verdict:
    return None, (Left(contact_id, user_id, "", why, detail=detail),)


def _known(contact: Contact) -> Iterable[str]:
    """Every field that is read, each once: the title lies among the custom fields too."""
    return (*PLAIN_FIELDS, *(name for name in contact.properties if name not in PLAIN_FIELDS))


def _fields(entries: Iterable[JournalEntry]) -> Mapping[str, Kind]:
    return {change.field: change.kind for entry in entries for change in entry.changes}


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
            yield Left(None, entry.user_id, "", Why.UNKNOWN if entry.state in _OPEN else Why.NOT_WRITTEN)
