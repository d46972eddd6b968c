"""What others do meanwhile: a second writer between GET and PUT, rows that come and go between two pages.

Next: `sandbox/syncro/server.py`.
"""

from __future__ import annotations

from sandbox.syncro.account import Account, Contact
from sandbox.syncro.calls import Call
from sandbox.syncro.faults import Fault

DRIFTED_NAME = "Row Inserted Meanwhile"


class Meddler:
    """Changes data between two calls of one client, as technicians and other tools do."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._read: set[int] = set()  # contacts that were read and not written since

    def before(self, call: Call, taken: list[Fault]) -> None:
        """Right before the handler: the second writer, whose change falls between a GET and this PUT."""
        if call.method != "PUT" or call.contact_id is None:
            return
        contact = self._account.contacts.get(call.contact_id)
        if contact is None:
            return
        for fault in taken:
            if fault.kind == "second_writer":
                self._overwrite(contact, fault.field, fault.value)
        if self._account.switches.is_on("second_writer", "on") and contact.id in self._read:
            self._overwrite(contact, "title", "Changed by someone else")
        self._read.discard(contact.id)

    def after(self, call: Call, taken: list[Fault]) -> None:
        """Right after the handler: rows shift before the next page is asked for."""
        if call.method == "GET" and call.contact_id is not None:
            self._read.add(call.contact_id)
        for fault in taken:
            if fault.kind == "drift_insert":
                self._insert(call.customer_id)
            elif fault.kind == "drift_delete":
                self._delete(call.customer_id)

    def _overwrite(self, contact: Contact, field: str, value: str) -> None:
        if field == "title":
            contact.properties["title"] = value
        else:
            contact.values[field] = value
        self._account.touch("contact", contact)

    def _insert(self, customer_id: int | None) -> None:
        owner = customer_id if customer_id in self._account.customers else min(self._account.customers, default=None)
        if owner is None:
            return
        now = self._account.now()
        contact = Contact(self._account.next_id("contact"), owner, now, now)
        contact.values["name"] = DRIFTED_NAME
        self._account.contacts[contact.id] = contact
        self._account.touch("contact", contact)

    def _delete(self, customer_id: int | None) -> None:
        """The row on top of the list goes, so the first row of page 2 slips onto page 1."""
        rows = [one for one in self._account.contacts.values() if customer_id in (None, one.customer_id)]
        if not rows:
            return
        gone = max(rows, key=lambda contact: contact.id)
        del self._account.contacts[gone.id]
        self._account.changed("contact", gone.id)
