"""Locking a contact for a while: nobody's change writes it, until the end of a day or until a person unlocks it.

The lock stands in the ledger and outlives every restart. A full sync finds what was missed meanwhile: unlocking writes
nothing by itself. What a lock means for a plan is `shared/domain/plan.py`'s business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from console.operations.actor import note
from console.operations.customers import connection
from console.operations.errors import wrong_use
from console.operations.ports import OperatorPorts
from console.operations.reading import contact_now
from shared.domain.desk import Pin
from shared.domain.locks import end_of, last_day


@dataclass(frozen=True, slots=True)
class ShownPin:
    """A locked contact. `last_day`: in the zone of the deployment, None for good; `holds`: not over yet.

    `user_id`: whom the contact is linked to, "" for nobody. `contact_label`: its name, "" where Syncro was not asked.
    """

    customer_id: int
    customer_name: str
    contact_id: int
    contact_label: str
    user_id: str
    by: str
    why: str
    at: datetime
    until: datetime | None
    last_day: date | None
    holds: bool


async def pins(ports: OperatorPorts, customer_id: int | None = None) -> Sequence[ShownPin]:
    """Those that hold first. Costs no call to Syncro."""
    if customer_id is not None:
        await connection(ports, customer_id)
    found = await ports.pins.all() if customer_id is None else await ports.pins.of_customer(customer_id)
    shown = [await _shown(ports, pin) for pin in found]
    return sorted(shown, key=lambda each: (not each.holds, each.customer_id, each.contact_id))


async def pin(
    ports: OperatorPorts, contact_id: int, *, until: str | None, why: str, by: str, customer_id: int | None = None
) -> ShownPin:
    """`until`: a day such as "2026-12-31", the lock ends with it; None for good. Locking again replaces the lock.

    `customer_id`: whose contact it is, for accounts that do not tell.
    """
    if not why.strip():
        raise wrong_use('Say why, for whoever finds the lock: --why "moves to another company in May"')
    ends = None if until is None else _ends(ports, until)
    contact = await contact_now(ports, contact_id)
    owner = contact.customer_id or customer_id
    if owner is None:
        raise wrong_use(f"Syncro does not say whose contact {contact_id} is. Name the customer: --customer CUSTOMER")
    if customer_id is not None and owner != customer_id:
        raise wrong_use(f"Contact {contact_id} belongs to customer {owner}, not to {customer_id}.")
    await connection(ports, owner)
    made = Pin(owner, contact_id, why.strip(), by, ports.clock.now(), ends)
    await ports.pins.pin(made)
    await note(ports, by, "pin", owner, contact=contact_id, until=until or "for good", why=made.why)
    return await _shown(ports, made, contact.name or contact.email)


async def unpin(
    ports: OperatorPorts, contact_id: int, *, by: str, customer_id: int | None = None
) -> Sequence[ShownPin]:
    """The locks that were taken off, also one that was over. Wrong use when there was none."""
    every = [each for each in await ports.pins.all() if each.contact_id == contact_id]
    mine = [each for each in every if customer_id in (None, each.customer_id)]
    removed = [each for each in mine if await ports.pins.unpin(each.customer_id, contact_id)]
    if not removed:
        raise wrong_use(
            f"Nobody locked contact {contact_id} here. If its field azure_sync_off has text in Syncro, clear it there. "
            "All locks: entra-syncro customers pins"
        )
    for each in removed:
        await note(ports, by, "unpin", each.customer_id, contact=contact_id)
    return [await _shown(ports, each) for each in removed]


def _ends(ports: OperatorPorts, until: str) -> datetime:
    try:
        ends = end_of(date.fromisoformat(until), ports.nightly.zone)
    except (ValueError, OverflowError):
        raise wrong_use(f'"{until}" is no day. Write year, month and day: --until 2026-12-31') from None
    if ends <= ports.clock.now():
        raise wrong_use(f"{until} is over already. Name a day to come, or leave --until out to lock it for good.")
    return ends


async def _shown(ports: OperatorPorts, kept: Pin, label: str = "") -> ShownPin:
    tied = await ports.connections.get(kept.customer_id)
    links = await ports.links.of_customer(kept.customer_id)
    return ShownPin(
        customer_id=kept.customer_id,
        customer_name=tied.customer_name if tied is not None else f"customer {kept.customer_id}",
        contact_id=kept.contact_id,
        contact_label=label,
        user_id=next((link.user_id for link in links if link.contact_id == kept.contact_id), ""),
        by=kept.by,
        why=kept.why,
        at=kept.at,
        until=kept.until,
        last_day=None if kept.until is None else last_day(kept.until, ports.nightly.zone),
        holds=kept.holds(ports.clock.now()),
    )
