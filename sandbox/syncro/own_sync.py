"""Syncro's own Entra sync, as far as its traces show: it matches by e-mail, overwrites, creates, all in one moment.

What it leaves behind are contacts that share one time of change although no client wrote them. A blank in Entra is
not written. How often the real one runs is not known; here it runs when asked. Next: `sandbox/control_onboarding.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sandbox.syncro.account import Account, Contact


@dataclass(frozen=True, slots=True)
class Entry:
    """One Entra user as that sync reads it; None: blank."""

    mail: str
    name: str | None
    phone: str | None
    title: str | None


def run_own_sync(account: Account, customer_id: int, entries: Iterable[Entry]) -> dict[str, int]:
    """One run over a customer: every matched contact is touched, changed or not; everybody else gets a contact."""
    moment = account.now()
    by_mail = {(one.values["email"] or "").casefold(): one for one in account.contacts_of(customer_id)}
    counts = {"changed": 0, "unchanged": 0, "created": 0}
    for entry in entries:
        contact = by_mail.get(entry.mail.casefold())
        if contact is None:
            contact = _new(account, customer_id, entry, moment)
            _write(contact, entry)
            counts["created"] += 1
        else:
            counts["changed" if _write(contact, entry) else "unchanged"] += 1
        account.touch("contact", contact)
        contact.updated_at = moment
    return counts


def _new(account: Account, customer_id: int, entry: Entry, moment: datetime) -> Contact:
    contact = Contact(account.next_id("contact"), customer_id, moment, moment)
    contact.values["email"] = entry.mail
    account.contacts[contact.id] = contact
    return contact


def _write(contact: Contact, entry: Entry) -> bool:
    """Whether anything differed."""
    before = dict(contact.values), dict(contact.properties)
    contact.values["name"] = entry.name or contact.values["name"]
    contact.values["phone"] = entry.phone or contact.values["phone"]
    if entry.title:
        contact.properties["title"] = entry.title
    return (contact.values, contact.properties) != before
