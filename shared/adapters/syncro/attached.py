"""What hangs on contacts: tickets, assets, portal logins. Three listings, all of them asked, none taken for granted.

Nobody documents what Syncro does to these when their contact is deleted. Each listing needs a permission of its own
(portal logins that of a global administrator); one that is missing is an error here, never an empty answer. So is a row
that does not say whose it is: it may be anybody's. Next: `contacts.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from shared.adapters.lenient import Json, integer, text
from shared.adapters.syncro.caller import SyncroCaller
from shared.adapters.syncro.errors import Effect, unreadable
from shared.adapters.syncro.listing import whole_listing
from shared.domain import normalise
from shared.domain.contact import Contact
from shared.ports import Allowance

TICKET, ASSET, PORTAL = "ticket", "asset", "portal login"


async def attached(
    caller: SyncroCaller, allowance: Allowance, customer_id: int, contacts: Sequence[Contact]
) -> Mapping[int, frozenset[str]]:
    """Only contacts on which something hangs.

    Raises StopTheLine "permission" for what the token may not see, Transient "unreadable_answer" for a row of which
    nobody can tell whose it is.
    """
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
    """None where the row says that it is nobody's.

    Tickets and assets carry `contact_id` (Syncro's API reference, api-docs.syncromsp.com). Null is an ordinary value in
    both: a ticket of the organization, a computer that is assigned to no person. An absent key or another type is no
    such statement.
    """
    if "contact_id" in row and row["contact_id"] is None:
        return None
    found = integer(row.get("contact_id"))
    if found is None:
        raise unreadable(Effect.READ, "a row does not say to which contact it belongs")
    return found


def _by_address(logins: Sequence[Json], contacts: Sequence[Contact]) -> Iterable[int]:
    """A login without a contact belongs to its address, which is what it logs in with; one without either shows
    nothing. No reference describes the rows of this listing, so no key is taken for granted."""
    taken = {normalise.email(text(row.get("email"))) for row in logins}
    if any(_owner(row) is None and not normalise.email(text(row.get("email"))) for row in logins):
        raise unreadable(Effect.READ, "a portal login names neither a contact nor an address")
    return [contact.id for contact in contacts if contact.email and normalise.email(contact.email) in taken]
