"""One contact whose writes are taken back: which values return, or whether it goes or comes again. Pure.

The facts, and how values are compared, are here as well. Next: `undo_fold.py`, which walks.
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
from shared.domain.undo_steps import Left, Recreate, Remove, Restore, Step, Why

OURS = timedelta(minutes=2)  # between a write of ours and the moment that Syncro notes for it, clocks included
Attached = Mapping[int, frozenset[str]] | str  # contact id -> what hangs on it; a code: not to be seen
_FLAGS = "notification_"  # Syncro's own keys among the custom fields; unset they may read "0"
OPEN = (WriteState.INTENDED, WriteState.AMBIGUOUS)  # nobody knows whether it arrived


@dataclass(frozen=True, slots=True)
class Facts:
    """What is true now. `contacts`: those that are there, by id. `attached`: what hangs on them, or the error's
    code where Syncro does not show it.

    `pinned`: locked by a person's word. `links`: user id -> contact id.
    """

    contacts: Mapping[int, Contact]
    policy: SyncPolicy
    pinned: Collection[int] = ()
    links: Mapping[str, int] = field(default_factory=dict)
    attached: Attached = field(default_factory=dict)


def taken_back(deletion: int, history: Iterable[JournalEntry]) -> Why | None:
    """Whether a deletion (its entry's id) was taken back already, or may have been; None when it was not."""
    again = next((e for e in history if e.undoes == deletion and e.state is not WriteState.REFUSED), None)
    if again is None:
        return None
    return Why.UNKNOWN if again.state in OPEN else Why.UNDONE


def comparing(policy: SyncPolicy) -> Same:
    """Two values of a field as plans compare them; blank and not blank are never the same.

    What a rule takes for nothing is compared as text: "ask Ann" and "ask Ben" are no numbers, and not the same.
    """
    rules = {row.field: row.same for row, _ in mapping.rows(policy)}

    def same(name: str, one: str, other: str) -> bool:
        if (not normalise.text(one)) != (not normalise.text(other)):
            return False
        rule, region = rules.get(name, _same_text), policy.default_region
        are_nothing = rule(one, "", region) and rule(other, "", region)
        return normalise.same_text(one, other) if are_nothing else rule(one, other, region)

    return same


def _same_text(one: str, other: str, _region: str) -> bool:
    return normalise.same_text(one, other)


Verdict = tuple[Step | None, tuple[Left, ...]]


def one_contact(
    customer_id: int,
    contact_id: int,
    chosen: Collection[int],
    entries: Sequence[JournalEntry],
    history: Sequence[JournalEntry],
    facts: Facts,
) -> Verdict:
    mine: Sequence[JournalEntry] = [entry for entry in entries if entry.id in chosen]
    user_id, fresh = mine[0].user_id, facts.contacts.get(contact_id)
    if fresh is None:
        return _gone(contact_id, mine, entries, chosen, history, facts)
    is_revived = any(entry.action == "delete" and entry.state is WriteState.WRITTEN for entry in mine)
    entries, mine = _alive(entries), _alive(mine)
    if not mine:
        return _whole(contact_id, user_id, Why.UNDONE if is_revived else Why.NOT_WRITTEN)
    made = next((entry for entry in mine if entry.action == "create"), None)
    if made is not None and made.undoes in chosen:  # deleted and brought back, both chosen: it is there, as before
        mine, chosen = [entry for entry in mine if entry is not made], {each for each in chosen if each != made.id}
        made = None
    if not mine:
        return None, ()
    if fresh.customer_id not in (customer_id, 0):
        return _whole(contact_id, user_id, Why.MOVED)
    if contact_id in facts.pinned or normalise.text(fresh.value(facts.policy.fields.pin)):
        return _whole(contact_id, user_id, Why.LOCKED)
    if made is not None:
        return _remove(fresh, made, entries, facts)
    return _restore(fresh, user_id, mine, entries, chosen, comparing(facts.policy))


def _alive(entries: Sequence[JournalEntry]) -> Sequence[JournalEntry]:
    """While a contact is there no deletion of it has arrived: whoever blanked a field since was not us."""
    return [entry for entry in entries if entry.action != "delete"]


def _restore(
    fresh: Contact,
    user_id: str,
    mine: Sequence[JournalEntry],
    entries: Sequence[JournalEntry],
    chosen: Collection[int],
    same: Same,
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
            left.append(Left(fresh.id, user_id, name, reason, found.start, _since(found)))
    step = Restore(fresh.id, user_id, tuple(changes), newest) if changes else None
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
    if isinstance(facts.attached, str):
        return _whole(fresh.id, made.user_id, Why.UNSEEN, facts.attached)
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
    chosen: Collection[int],
    history: Sequence[JournalEntry],
    facts: Facts,
) -> Verdict:
    user_id = mine[0].user_id
    ended = entries[0]  # before any later write of ours the contact was read, and there: somebody else deleted it
    if ended.action != "delete" or ended.state is WriteState.REFUSED:
        return _whole(contact_id, user_id, Why.GONE)
    if ended not in mine or any(entry.action == "create" for entry in mine):
        return _whole(contact_id, user_id, Why.UNDONE)
    again = taken_back(ended.id or 0, history)
    if again is not None:
        return _whole(contact_id, user_id, again)
    if (other := facts.links.get(user_id, contact_id)) != contact_id:  # a kill leaves the link to itself
        return _whole(contact_id, user_id, Why.REPLACED, f"contact {other}")
    return _recreate(ended, mine, entries, chosen, comparing(facts.policy))


def _recreate(
    ended: JournalEntry,
    mine: Sequence[JournalEntry],
    entries: Sequence[JournalEntry],
    chosen: Collection[int],
    same: Same,
) -> Verdict:
    """As it was before the deletion, save what older writes that are chosen too had written by then."""
    contact_id, user_id, why = ended.contact_id or 0, ended.user_id, f"Was there before change {ended.id}."
    written = _fields(_alive(mine))
    last, older = {each.field: each for each in ended.changes}, _alive(entries[entries.index(ended) + 1 :])
    changes: list[FieldChange] = []
    left: list[Left] = []
    for name, kind in ({**written} | {each.field: each.kind for each in ended.changes}).items():
        value = last[name].before if name in last else ""
        if name in written:
            found = walk(name, value, older, chosen, same)
            value, reason = found.value, _reason(found)
            if reason is not None:
                left.append(Left(contact_id, user_id, name, reason, found.start, _since(found)))
        if value:
            changes.append(FieldChange(name, "", value, kind, why))
    return Recreate(contact_id, user_id, tuple(changes), ended.id or 0), tuple(left)


def _whole(contact_id: int, user_id: str, why: Why, detail: str = "") -> Verdict:
    return None, (Left(contact_id, user_id, "", why, detail=detail),)


def _known(contact: Contact) -> Iterable[str]:
    """Every field that is read, each once: the title lies among the custom fields too."""
    return (*PLAIN_FIELDS, *(name for name in contact.properties if name not in PLAIN_FIELDS))


def _fields(entries: Iterable[JournalEntry]) -> Mapping[str, Kind]:
    return {change.field: change.kind for entry in entries for change in entry.changes}
