"""Contacts of Syncro customers: listing, get, create, update, delete. Satisfies `shared.ports.Contacts`.

Every answer of a write is compared with what was sent, because Syncro drops what it does not know without a word.
A deletion is for good; what hangs on a contact is asked before (`attached.py`). Next: `worker/apply.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shared.adapters.http import HttpClient
from shared.adapters.lenient import mapping
from shared.adapters.syncro.attached import attached
from shared.adapters.syncro.caller import SyncroCaller
from shared.adapters.syncro.errors import SERVICE, Effect, unreadable
from shared.adapters.syncro.listing import whole_listing
from shared.adapters.syncro.wire import TITLE, contact, creation, replacement, unstuck
from shared.domain.changes import FieldChange
from shared.domain.contact import PLAIN_FIELDS, Contact
from shared.domain.errors import Ambiguous, Permanent, SyncError
from shared.ports import Allowance, Pace, Written

_ONE = "/contacts/{id}"


class SyncroContacts:
    def __init__(self, http: HttpClient, base_url: str, token: str, pace: Pace) -> None:
        self._caller = SyncroCaller(http, base_url, token, pace)

    async def listing(self, allowance: Allowance, customer_id: int) -> Sequence[Contact]:
        """All contacts of one customer, spending one call a page. Raises Transient when its pages kept moving."""
        rows = await whole_listing(self._caller, allowance, f"/contacts?customer_id={customer_id}", "contacts")
        contacts = [_contact(row, Effect.READ) for row in rows]
        if any(found.customer_id not in (customer_id, 0) for found in contacts):
            # An ignored filter would offer other customers' people for matching.
            raise Permanent(SERVICE, "filter_ignored", f"the listing of customer {customer_id} holds other customers")
        return contacts

    async def get(self, allowance: Allowance, contact_id: int) -> Contact | None:
        """One contact, None for Syncro's own 404."""
        body = await self._caller.find(allowance, f"/contacts/{contact_id}", _ONE)
        return None if body is None else _contact(body, Effect.READ)

    async def create(self, allowance: Allowance, customer_id: int, changes: Sequence[FieldChange]) -> Written:
        """One POST, and one PUT if Syncro ignored custom fields or the title on creation (spends a second call).

        Raises Ambiguous when the POST's fate is unknown, and when the completing PUT failed: by then the contact
        exists, so that a repeated creation would double it.
        """
        body = await self._caller.write(allowance, "POST", "/contacts", "/contacts", creation(customer_id, changes))
        created = _contact(body, Effect.WRITE)
        missing = unstuck(created, changes)
        if not any(_needs_second_call(field) for field in missing):
            return Written(created, missing)
        return await self._completed(allowance, created, changes, missing)

    async def update(self, allowance: Allowance, fresh: Contact, changes: Sequence[FieldChange]) -> Written:
        """One PUT over `fresh`, which was read right before. Raises Ambiguous when the answer is lost."""
        body = await self._caller.write(allowance, "PUT", f"/contacts/{fresh.id}", _ONE, replacement(fresh, changes))
        answer = _contact(body, Effect.WRITE)
        return Written(answer, unstuck(answer, changes))

    async def attached(
        self, allowance: Allowance, customer_id: int, contacts: Sequence[Contact]
    ) -> Mapping[int, frozenset[str]]:
        """Spends three calls or more: tickets, assets and portal logins each have a listing of their own."""
        return await attached(self._caller, allowance, customer_id, contacts)

    async def delete(self, allowance: Allowance, contact_id: int) -> None:
        """One DELETE. Raises Permanent when Syncro refuses, Ambiguous when the answer is lost."""
        try:
            body = await self._caller.write(allowance, "DELETE", f"/contacts/{contact_id}", _ONE, None)
        except Permanent as error:
            if error.code != "not_found":
                raise
            return
        if mapping(body).get("success") is not True:
            raise unreadable(Effect.WRITE, "a deletion was answered without success")

    async def _completed(
        self, allowance: Allowance, created: Contact, changes: Sequence[FieldChange], missing: Sequence[str]
    ) -> Written:
        set_ones = [change for change in changes if change.field in missing and _needs_second_call(change.field)]
        try:
            completed = await self.update(allowance, created, set_ones)
        except SyncError as error:
            # Whatever its family: the next look finds the contact by its address and meets the same refusal as an
            # update, where it is told as what it is.
            detail = f"created, then the second call failed: {error.code}"
            raise Ambiguous(SERVICE, "creation_incomplete", detail) from error
        return Written(completed.contact, unstuck(completed.contact, changes))


def _contact(body: object, effect: Effect) -> Contact:
    found = contact(body)
    if found is None:
        raise unreadable(effect, "an answer holds no contact")
    return found


def _needs_second_call(field: str) -> bool:
    return field == TITLE or field not in PLAIN_FIELDS
