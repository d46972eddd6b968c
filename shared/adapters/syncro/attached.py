"""What hangs on contacts: tickets, assets, portal logins. Three listings, all of them asked, none taken for granted.

Nobody documents what Syncro does to these when their contact is deleted. Each listing needs a permission of its own
(portal logins that of a global administrator); one that is missing is an error here, never an empty answer.
Next: `contacts.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from shared.adapters.lenient import Json, integer, text
from shared.adapters.syncro.caller import SyncroCaller
from shared.adapters.syncro.listing import whole_listing
from shared.domain import normalise
from shared.domain.contact import Contact
from shared.ports import Allowance

TICKET, ASSET, PORTAL = "ticket", "asset", "portal login"


async def attached(
    caller: SyncroCaller, allowance: Allowance, customer_id: int, contacts: Sequence[Contact]
) -> Mapping[int, frozenset[str]]:
    """Only contacts on which something hangs. Raises StopTheLine "permission" for what the token may not see."""
    if not contacts:
        return {}
    of_customer = f"customer_id={customer_id}"
    one = f"contact_id={contacts[0].id}" if len(contacts) == 1 else of_customer
    found: dict[int, set[str]] = {contact.id: set() for contact in contacts}
    tickets = await whole_listing(caller, allowance, f"/tickets?{one}", "tickets")
    assets = await whole_listing(caller, allowance, f"/customer_assets?{of_customer}", "assets")
    logins = await whole_listing(caller, allowance, f"/portal_users?{of_customer}", "portal_users")
    for what, rows in ((TICKET, tickets), (ASSET, assets)):
        _note(found, what, map(_owner, rows))
    _note(found, PORTAL, [*map(_owner, logins), *_by_address(logins, contacts)])
    return {contact_id: frozenset(kinds) for contact_id, kinds in found.items() if kinds}


def _note(found: Mapping[int, set[str]], what: str, contact_ids: Iterable[int | None]) -> None:
    for contact_id in contact_ids:
        if contact_id is not None and contact_id in found:
            found[contact_id].add(what)


def _owner(row: Json) -> int | None:
    return integer(row.get("contact_id"))


def _by_address(logins: Iterable[Json], contacts: Sequence[Contact]) -> Iterable[int]:
    """A login may name its owner by the address alone."""
    taken = {normalise.email(text(row.get("email"))) for row in logins}
    return [contact.id for contact in contacts if contact.email and normalise.email(contact.email) in taken]
