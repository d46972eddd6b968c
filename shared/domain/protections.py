"""What a restore tells people of what it carried over, or, of a ledger as it was, of what is gone. Pure.

Each is one thing that somebody set since the backup and that stops or limits writes. What brakes count by, and links
that no person made, are no decisions: they are carried over in silence. Next: `console/operations/protecting.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import chain

from shared.domain.records import ConnectionStatus
from shared.domain.restoring import Carried, Standing


class Protects(StrEnum):
    """What stops or limits writes. PAUSE_OVER: a pause that became none, for the customer waits for approval anyway."""

    DISCONNECTED = "disconnected"
    PREVIEW = "waiting for approval"
    PAUSED = "paused"
    PAUSE_OVER = "was paused, and waits for approval now"
    APART = "without Entra"
    LOCK = "locked contact"
    LEFT_ALONE = "conflict left alone"
    CREATED = "decision used up"
    HELD = "held by a brake"
    RULES = "rules"
    LINK = "contact chosen by a person"
    INVITE = "consent link that is no longer open"


@dataclass(frozen=True, slots=True)
class Protection:
    """One of them, which the backup does not have. `until`: of a lock, None for good; `why`, `by`: where known.

    `was`, `stands`: how the customer stands in the backup, and with everything laid over it; None: it is not known
    there. `rules`: the customer's own, as documents, in the backup and right before; None for the deployment's.
    """

    what: Protects
    customer_id: int
    customer_name: str = ""
    contact_id: int | None = None
    user_id: str = ""
    until: datetime | None = None
    why: str = ""
    by: str = ""
    was: ConnectionStatus | None = None
    stands: ConnectionStatus | None = None
    rules: tuple[Mapping[str, object] | None, Mapping[str, object] | None] = (None, None)


def protections(carry: Carried, present: Standing, backup: Standing) -> Sequence[Protection]:
    """Customers first."""
    names: dict[int, str] = {number: each.customer_name for number, each in present.apart.items()}
    for ledger in (backup, present):
        names |= {number: each.customer_name for number, each in ledger.connections.items()}
    names |= {each.customer_id: each.customer_name for each in carry.invites}
    was = {number: each.status for number, each in backup.connections.items()}
    stands = was | {each.customer_id: each.status for each in carry.connections}
    return [
        replace(
            each,
            customer_name=names.get(each.customer_id, f"customer {each.customer_id}"),
            was=was.get(each.customer_id),
            stands=stands.get(each.customer_id),
        )
        for each in chain(_of_customers(carry, present, backup), _of_contacts(carry))
    ]


def _of_customers(carry: Carried, present: Standing, backup: Standing) -> Iterator[Protection]:
    paused = {number for number, each in present.connections.items() if each.status is ConnectionStatus.PAUSED}
    laid = {each.customer_id for each in carry.connections}
    for tied in carry.connections:
        was_paused = tied.customer_id in paused and tied.status is ConnectionStatus.PREVIEW
        yield Protection(_WORDS[tied.status], tied.customer_id, why="it was paused" if was_paused else "")
    for number, then in backup.connections.items():
        if number in paused - laid and then.status is ConnectionStatus.PREVIEW:
            yield Protection(Protects.PAUSE_OVER, number)
    for apart in carry.apart:
        yield Protection(Protects.APART, apart.customer_id)
    for number in (*carry.unruled, *carry.rules):
        yield Protection(Protects.RULES, number, rules=(backup.rules.get(number), carry.rules.get(number)))
    for hold in carry.holds:
        yield Protection(Protects.HELD, hold.customer_id, why=hold.detail)
    for invite in carry.invites:
        yield Protection(Protects.INVITE, invite.customer_id)


def _of_contacts(carry: Carried) -> Iterator[Protection]:
    for pin in carry.pins:
        yield Protection(
            Protects.LOCK, pin.customer_id, contact_id=pin.contact_id, until=pin.until, why=pin.why, by=pin.by
        )
    for chosen in carry.choices:
        yield Protection(Protects.LEFT_ALONE, chosen.customer_id, user_id=chosen.user_id, why=chosen.why, by=chosen.by)
    for number, user_id in carry.forgotten:
        yield Protection(Protects.CREATED, number, user_id=user_id)
    for link in carry.links:
        if link.how == "person":
            yield Protection(Protects.LINK, link.customer_id, contact_id=link.contact_id, user_id=link.user_id)


_WORDS = {
    ConnectionStatus.PAUSED: Protects.PAUSED,
    ConnectionStatus.PREVIEW: Protects.PREVIEW,
    ConnectionStatus.DISCONNECTED: Protects.DISCONNECTED,
}
