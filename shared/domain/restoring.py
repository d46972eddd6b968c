"""What survives a restore: whatever people said since the backup to stop or to limit what is written. Pure.

One rule: right after a restore nothing is written that would not have been written right before it. So of the ledger
that has to go (`present`) every word against a write is laid over the backup, and of two words about one customer the
stricter holds. What brakes count by comes along, too: lengths of lists, the last hour's writes, creations whose end is
not known, rows that still wait for their approved write. What the present ledger does not know at all, nobody spoke
about: there the backup's word stands. Next: `protections.py` beside this, `shared/adapters/ledger/carrying.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from shared.domain.desk import Choice, Chosen, Pin
from shared.domain.onboarding import Invite, InviteState, WithoutEntra
from shared.domain.records import Connection, ConnectionStatus, Hold, JournalEntry, Link, ListSizes

RESTORED = "restored from a backup"  # why a customer is owed a full sync
COUNTED = timedelta(hours=1)  # how far back the brakes of single changes count
_STRICTEST_LAST = (
    ConnectionStatus.APPROVED,
    ConnectionStatus.PAUSED,
    ConnectionStatus.PREVIEW,
    ConnectionStatus.DISCONNECTED,
)
_UNDER_WAY = frozenset({InviteState.OPEN, InviteState.TAKEN, InviteState.CONSENTED})


@dataclass(frozen=True, slots=True)
class Standing:
    """What one ledger knows of this. `choices` and `links` by customer and user; `rules`: own ones, as documents.

    `invites` by nonce. `approved`: digests of rows whose approved write is still to come, by customer and user.
    `writes`: those of the last hour (`COUNTED`), and every creation whose end is not known.
    """

    connections: Mapping[int, Connection]
    apart: Mapping[int, WithoutEntra]
    pins: Mapping[tuple[int, int], Pin]
    choices: Mapping[tuple[int, str], Chosen]
    holds: Mapping[int, Hold]
    rules: Mapping[int, Mapping[str, object]]
    links: Mapping[tuple[int, str], Link]
    invites: Mapping[str, Invite] = field(default_factory=dict)
    sizes: Mapping[int, ListSizes] = field(default_factory=dict)
    approved: Mapping[tuple[int, str], str] = field(default_factory=dict)
    writes: tuple[JournalEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class Carried:
    """What has to be laid over the backup, in this order.

    `forgotten`: choices to take back; `unruled`: customers whose own rules were given up since; `unlinked`, `settled`:
    links and approved rows that are no more. `writes` get new ids.
    """

    connections: tuple[Connection, ...]
    apart: tuple[WithoutEntra, ...]
    pins: tuple[Pin, ...]
    forgotten: tuple[tuple[int, str], ...]
    choices: tuple[Chosen, ...]
    holds: tuple[Hold, ...]
    unruled: tuple[int, ...]
    rules: Mapping[int, Mapping[str, object]]
    unlinked: tuple[tuple[int, str], ...]
    links: tuple[Link, ...]
    invites: tuple[Invite, ...]
    sizes: tuple[ListSizes, ...]
    settled: tuple[tuple[int, str], ...]
    approved: Mapping[tuple[int, str], str]
    writes: tuple[JournalEntry, ...]


def carried(present: Standing, backup: Standing, now: datetime) -> Carried:
    """`now`: the moment of the restore; a lock that is over by then protects nothing."""
    known = present.connections  # of these customers the present ledger has the last word
    links = tuple(each for key, each in present.links.items() if not _is_same_link(each, backup.links.get(key)))
    return Carried(
        connections=tuple(_connections(present, backup, now)),
        apart=tuple(each for number, each in present.apart.items() if number not in backup.apart),
        pins=tuple(each for key, each in present.pins.items() if _locks_more(each, backup.pins.get(key), now)),
        forgotten=tuple(_used_up(present, backup)),
        choices=tuple(_left_alone(present, backup)),
        holds=tuple(
            each for number, each in present.holds.items() if not _is_same_hold(each, backup.holds.get(number))
        ),
        unruled=tuple(number for number in backup.rules if number in known and number not in present.rules),
        rules={number: each for number, each in present.rules.items() if backup.rules.get(number) != each},
        unlinked=tuple(_unlinked(links, present, backup)),
        links=links,
        invites=tuple(_answered(present, backup)),
        sizes=tuple(each for number, each in present.sizes.items() if backup.sizes.get(number) != each),
        settled=tuple(key for key in backup.approved if key[0] in known and key not in present.approved),
        approved={key: each for key, each in present.approved.items() if backup.approved.get(key) != each},
        writes=tuple(_counted(present, backup)),
    )


def _connections(present: Standing, backup: Standing, now: datetime) -> Iterator[Connection]:
    for number, then in backup.connections.items():
        stricter = _stricter(present.connections.get(number), then, now)
        if number in present.apart and stricter.status is not ConnectionStatus.DISCONNECTED:
            stricter = replace(stricter, status=ConnectionStatus.DISCONNECTED, changed_at=now)
        if stricter != then:
            yield stricter


def _stricter(today: Connection | None, then: Connection, now: datetime) -> Connection:
    if today is None or then.status is ConnectionStatus.DISCONNECTED:
        return then
    if set(today.tenants) != set(then.tenants):
        # an approval for other tenants is none for these: a person has to look again
        status = max(today.status, ConnectionStatus.PREVIEW, key=_STRICTEST_LAST.index)
        return replace(today, status=status, changed_at=now)
    if today.status is then.status is ConnectionStatus.PAUSED and then.paused_with_all:
        return today  # by the switch or by a person alone: the newer word
    return max(then, today, key=lambda each: _STRICTEST_LAST.index(each.status))


def _locks_more(pin: Pin, then: Pin | None, now: datetime) -> bool:
    if not pin.holds(now):
        return False
    if then is None or pin.until is None:
        return then is None or then.until is not None
    return then.until is not None and then.until < pin.until


def _left_alone(present: Standing, backup: Standing) -> Iterator[Chosen]:
    for key, chosen in present.choices.items():
        if chosen.choice is Choice.DISMISS and backup.choices.get(key) != chosen:
            yield chosen


def _used_up(present: Standing, backup: Standing) -> Iterator[tuple[int, str]]:
    """A contact that was made by such a choice since would be made again."""
    for key, chosen in backup.choices.items():
        if chosen.choice is Choice.CREATE and key not in present.choices and key[0] in present.connections:
            yield key


def _is_same_hold(hold: Hold, then: Hold | None) -> bool:
    return then is not None and then.code == hold.code


def _is_same_link(link: Link, then: Link | None) -> bool:
    return then is not None and (then.contact_id, then.how) == (link.contact_id, link.how)


def _unlinked(links: tuple[Link, ...], present: Standing, backup: Standing) -> Iterator[tuple[int, str]]:
    """Of the backup: what was taken apart since, the same user's other contact, and the same contact's other user."""
    users = {(each.customer_id, each.user_id) for each in links}
    contacts = {(each.customer_id, each.contact_id) for each in links}
    for key, then in backup.links.items():
        is_gone = key[0] in present.connections and key not in present.links
        if is_gone or key in users or (then.customer_id, then.contact_id) in contacts:
            yield key


def _answered(present: Standing, backup: Standing) -> Iterator[Invite]:
    """A link that was withdrawn or used up since must open nothing again."""
    for nonce, then in backup.invites.items():
        today = present.invites.get(nonce)
        if today is not None and then.state in _UNDER_WAY and today.state is not then.state:
            yield today


def _counted(present: Standing, backup: Standing) -> Iterator[JournalEntry]:
    """What an undo wrote is counted by no brake; the number of what it took back would name another write here."""
    there = {_same(each) for each in backup.writes}
    for each in present.writes:
        if _same(each) not in there and (each.undoes is None or each.action == "create"):
            yield replace(each, undoes=None)


def _same(entry: JournalEntry) -> tuple[object, ...]:
    """One write in two ledgers, whatever became of it."""
    return (entry.customer_id, entry.user_id, entry.action, entry.trace_id, entry.run_id, entry.intended_at)
