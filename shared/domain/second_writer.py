"""Does another tool write the same contacts? Read from its traces, for nobody announces it. Pure.

Syncro's own Entra sync cannot be seen through its API: neither that it is on, nor which contacts it holds. Two writers
overwrite each other for ever, and a technician sees fields that change back. Three traces give it away:

- PUT BACK: a value that we wrote was another one at our next look, and we had to write the same again. A technician
  corrects a field once, perhaps twice; three times in 7 days, over all contacts, is a machine.
- IN BULK: at least 5 contacts of users changed within 2 minutes, none of it by us, while no contact without a user
  changed in that time. Nobody edits five contacts in two minutes by hand; an import or a bulk edit would not stop at
  those who happen to have an Entra user. Contacts that never changed since they were made do not count, or every
  imported customer would look like this.
- CREATED: at least 3 contacts of users were made within a minute, after the customer was connected, and not by us.
  Before that it may have been whatever filled Syncro in the first place.

What is over 7 days old says nothing about today: a sync that is on leaves traces all the time, and one that was
switched off is to be forgotten. None is a proof: a person may know better.
Next: `console/operations/previews.py`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

from shared.domain import normalise
from shared.domain.changes import FieldChange, NoChange, Pinned, UpdateContact
from shared.domain.contact import Contact
from shared.domain.preview import Preview
from shared.domain.records import JournalEntry, WriteState

SUMMARY_KEY = "contacts that another tool writes"  # in `Approval.summary`: how many, absent for none
RECENT = timedelta(days=7)
PUT_BACKS = 3
BULK, MINUTES = 5, timedelta(minutes=2)
CREATIONS, MINUTE = 3, timedelta(minutes=1)
OURS = timedelta(minutes=2)  # between a write of ours and the moment that Syncro notes for it, clocks included


class Trace(StrEnum):
    PUT_BACK = "put back"
    IN_BULK = "in bulk"
    CREATED = "created"


@dataclass(frozen=True, slots=True)
class Evidence:
    """`contacts`: ids of those that the other tool touched. `at`: when it was last seen. `times`: how often."""

    trace: Trace
    contacts: tuple[int, ...]
    at: datetime
    times: int
    fields: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        day = f"{self.at:%Y-%m-%d %H:%M} UTC"
        match self.trace:
            case Trace.PUT_BACK:
                return (
                    f"Values that we wrote were changed back {self.times} times within 7 days, last before {day} "
                    f"({', '.join(self.fields)})."
                )
            case Trace.IN_BULK:
                return f"{self.times} contacts of Entra users, and no other, were changed around {day}, not by us."
            case Trace.CREATED:
                return f"{self.times} contacts with the addresses of Entra users were made around {day}, not by us."
            case _:
                assert_never(self.trace)


@dataclass(frozen=True, slots=True)
class Known:
    """What is ours. `entries`: the customer's journal, newest first. `created`: contacts that we made, by id.

    `since`: the journal is complete from this moment on, None: from its beginning.
    """

    entries: Sequence[JournalEntry]
    created: Collection[int]
    connected_at: datetime
    since: datetime | None = None


def evidence(shown: Preview, known: Known, now: datetime) -> tuple[Evidence, ...]:
    """Every trace that speaks for another writer of this customer's contacts, () for none."""
    users = _contacts_of_users(shown)
    found = (
        put_back(known.entries, now, _planned(shown)),
        in_bulk(shown.contacts, users, known, now),
        created(shown.contacts, users, known, now),
    )
    return tuple(one for one in found if one is not None)


def touched(traces: Iterable[Evidence]) -> int:
    """How many contacts the traces name, each once."""
    return len({contact for trace in traces for contact in trace.contacts})


def put_back(
    entries: Sequence[JournalEntry],
    now: datetime,
    planned: Mapping[int, Sequence[FieldChange]] | None = None,
) -> Evidence | None:
    """From the journal alone, and from what would be written now (`planned`: contact id -> changes)."""
    last: dict[tuple[int, str], str] = {}  # what we wrote there last
    seen: list[tuple[datetime, int, str]] = []
    written = [e for e in reversed(entries) if e.state is WriteState.WRITTEN and e.contact_id is not None]
    for entry in written:
        contact_id = entry.contact_id or 0
        for change in entry.changes:
            if _undone(last.get((contact_id, change.field)), change):
                seen.append((entry.intended_at, contact_id, change.field))
            if change.field not in entry.unstuck:  # what Syncro did not keep was changed by nobody
                last[contact_id, change.field] = change.after
            else:
                last.pop((contact_id, change.field), None)
    for contact_id, changes in (planned or {}).items():
        again = [change.field for change in changes if _undone(last.get((contact_id, change.field)), change)]
        seen += [(now, contact_id, name) for name in again]
    recent = [one for one in seen if now - one[0] <= RECENT]
    if len(recent) < PUT_BACKS:
        return None
    contacts, fields = {one[1] for one in recent}, {one[2] for one in recent}
    return Evidence(Trace.PUT_BACK, tuple(sorted(contacts)), max(recent)[0], len(recent), tuple(sorted(fields)))


def in_bulk(contacts: Iterable[Contact], users: frozenset[int], known: Known, now: datetime) -> Evidence | None:
    """The newest two minutes in which only contacts of users changed, by somebody else."""
    writes = _writes(known.entries)
    changed = sorted((at, one.id) for one in contacts if (at := _changed(one, known, now)) is not None)
    theirs = [(at, one) for at, one in changed if not _is_ours(at, writes.get(one, ()))]
    for end in range(len(theirs), BULK - 1, -1):
        window = _until(theirs, end, MINUTES)
        if len(window) >= BULK and users.issuperset(window):
            return Evidence(Trace.IN_BULK, tuple(sorted(window)), theirs[end - 1][0], len(window))
    return None


def created(contacts: Iterable[Contact], users: frozenset[int], known: Known, now: datetime) -> Evidence | None:
    """The newest minute in which contacts of users were made by somebody else."""
    made = sorted(
        (one.created_at, one.id)
        for one in contacts
        if one.created_at is not None and one.created_at > max(known.connected_at, now - RECENT)
        if one.id in users and one.id not in known.created and not _may_be_ours(one.created_at, known.entries)
    )
    for end in range(len(made), CREATIONS - 1, -1):
        window = _until(made, end, MINUTE)
        if len(window) >= CREATIONS:
            return Evidence(Trace.CREATED, tuple(sorted(window)), made[end - 1][0], len(window))
    return None


def _contacts_of_users(shown: Preview) -> frozenset[int]:
    """Contacts that a user has: by link or by address, those that are in step and those that are locked included."""
    plans = (row.plan for row in shown.rows)
    held = (plan.contact_id for plan in plans if isinstance(plan, UpdateContact | NoChange | Pinned))
    return frozenset(contact_id for contact_id in held if contact_id is not None)


def _until(moments: Sequence[tuple[datetime, int]], end: int, span: timedelta) -> list[int]:
    """Of a sorted list, those of the last `span` before the moment in front of `end`, itself included."""
    begin = bisect_left(moments, moments[end - 1][0] - span, hi=end, key=lambda one: one[0])
    return [one for _, one in moments[begin:end]]


def _planned(shown: Preview) -> Mapping[int, Sequence[FieldChange]]:
    plans = (row.plan for row in shown.rows)
    return {plan.contact_id: plan.changes for plan in plans if isinstance(plan, UpdateContact)}


def _undone(ours: str | None, change: FieldChange) -> bool:
    """We wrote this very value before, and something else stood there when we came back."""
    if ours is None:
        return False
    return normalise.same_text(ours, change.after) and not normalise.same_text(ours, change.before)


def _changed(contact: Contact, known: Known, now: datetime) -> datetime | None:
    """When it was last changed; None when that says nothing: never since it was made, long ago, or maybe by us."""
    at = contact.updated_at
    if at is None or now - at > RECENT or (known.since is not None and at < known.since):
        return None
    return None if contact.created_at is not None and at - contact.created_at <= MINUTES else at


def _writes(entries: Iterable[JournalEntry]) -> Mapping[int, list[JournalEntry]]:
    found: dict[int, list[JournalEntry]] = {}
    for entry in entries:
        if entry.contact_id is not None:
            found.setdefault(entry.contact_id, []).append(entry)
    return found


def _is_ours(at: datetime, writes: Iterable[JournalEntry]) -> bool:
    """A write that was refused changed nothing; any other may be what Syncro noted."""
    return any(_near(at, entry) for entry in writes if entry.state is not WriteState.REFUSED)


def _may_be_ours(at: datetime, entries: Iterable[JournalEntry]) -> bool:
    """A creation of ours whose answer was lost has no contact id."""
    unknown = (entry for entry in entries if entry.action == "create" and entry.contact_id is None)
    return any(_near(at, entry) for entry in unknown if entry.state is not WriteState.REFUSED)


def _near(at: datetime, entry: JournalEntry) -> bool:
    return entry.intended_at - OURS <= at <= (entry.settled_at or entry.intended_at) + OURS
