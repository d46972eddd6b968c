"""What a write does to a contact: which keys count, which are ignored, what is refused.

Raises `RejectedError` with the texts of the 422; the route adds the attempted record.
Next: `sandbox/syncro/customers.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sandbox.syncro.account import PLAIN, Account, Contact, Ticket
from sandbox.syncro.fields import as_text
from sandbox.syncro.rejected import RejectedError, not_found

_EMAIL = re.compile(r"^[^@\s<>,;\"]+@[^@\s<>,;\"]+\.[^@\s.<>,;\"]+$")


def is_email(text: str) -> bool:
    return _EMAIL.match(text) is not None


def digits(text: str | None) -> str | None:
    """The digits of a phone number, None for none."""
    return re.sub(r"\D", "", text or "") or None


def draft(account: Account, body: Mapping[str, Any]) -> Contact:
    """The empty contact that a POST begins, id 0 and not stored. A named customer must exist (else 404)."""
    customer_id = read_id(body.get("customer_id"))
    if customer_id is not None and customer_id not in account.customers:
        raise not_found()
    now = account.now()
    return Contact(id=0, customer_id=customer_id or 0, created_at=now, updated_at=now)


def fill_draft(account: Account, contact: Contact, body: Mapping[str, Any]) -> None:
    """What a POST sends, `properties` and `title` by their switches; raises `RejectedError` 422."""
    _fill(account, contact, body)
    if account.switches.is_on("properties_on_post", "stored"):
        contact.properties.update(_properties(account, body))
    if account.switches.is_on("title_on_post", "stored") and body.get("title") is not None:
        contact.properties["title"] = as_text(body["title"])


def create(account: Account, attempt: Contact) -> None:
    """Store a draft and give it an id; raises `RejectedError` 422."""
    problems = _problems(account, attempt)
    if not (attempt.values["name"] or "").strip() and account.switches.is_on("blank_name_on_post", "422"):
        problems.append("Name can't be blank")
    if problems:
        raise RejectedError(422, problems)
    attempt.id = account.next_id("contact")
    account.contacts[attempt.id] = attempt
    account.touch("contact", attempt)


def copy_of(contact: Contact) -> Contact:
    """An attempt that a PUT may change without touching what is stored."""
    return replace(contact, values=dict(contact.values), properties=dict(contact.properties))


def change(account: Account, attempt: Contact, body: Mapping[str, Any]) -> None:
    """What a PUT sends. Plain fields are partial; `properties` are replaced by default. Raises `RejectedError`."""
    _move(account, attempt, body)
    _fill(account, attempt, body)
    if isinstance(body.get("properties"), dict):
        sent = _properties(account, body)
        merge = account.switches.is_on("properties_on_put", "merge")
        attempt.properties = {**attempt.properties, **sent} if merge else sent
    if "title" in body and not isinstance(body["title"], (dict, list)):
        _set_title(account, attempt, body["title"])


def update(account: Account, attempt: Contact) -> None:
    """Store an attempted update; raises `RejectedError` 422."""
    problems = _problems(account, attempt)
    if problems:
        raise RejectedError(422, problems)
    account.contacts[attempt.id] = attempt
    account.touch("contact", attempt)


def delete(account: Account, contact: Contact) -> None:
    """A hard delete; raises `RejectedError` 422 where the switch protects contacts with tickets."""
    if account.switches.is_on("delete_with_tickets", "422") and account.has_tickets(contact.id):
        raise RejectedError(422, ["Cannot delete record because dependent tickets exist"])
    del account.contacts[contact.id]
    for ticket in account.tickets.values():
        if ticket.contact_id == contact.id:
            ticket.contact_id = None
    account.changed("contact", contact.id)


def open_ticket(account: Account, body: Mapping[str, Any]) -> Ticket:
    customer_id, contact_id = read_id(body.get("customer_id")), read_id(body.get("contact_id"))
    if customer_id is None:
        raise RejectedError(422, ["Customer required field"])
    if customer_id not in account.customers or (contact_id is not None and contact_id not in account.contacts):
        raise not_found()
    ticket = Ticket(account.next_id("ticket"), customer_id, contact_id, as_text(body.get("subject")), account.now())
    ticket.comments += _comments(body.get("comments_attributes"))
    ticket.status = as_text(body.get("status")) or ticket.status
    account.tickets[ticket.id] = ticket
    return ticket


def _comments(sent: Any) -> list[dict[str, object]]:
    """What a ticket is opened with; rows without a body are dropped, unknown keys too."""
    rows = [row for row in sent if isinstance(row, dict)] if isinstance(sent, list) else []
    return [
        {
            "subject": as_text(row.get("subject")),
            "body": as_text(row["body"]),
            "hidden": row.get("hidden") is True,
            "do_not_email": row.get("do_not_email") is True,
        }
        for row in rows
        if row.get("body")
    ]


def read_id(value: Any) -> int | None:
    """Ids may come as text."""
    text = str(value).strip() if value is not None else ""
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def _move(account: Account, attempt: Contact, body: Mapping[str, Any]) -> None:
    if "customer_id" not in body:
        return
    wanted = read_id(body["customer_id"])
    if wanted is not None and wanted not in account.customers:
        raise not_found()
    attempt.customer_id = wanted or 0


def _fill(account: Account, contact: Contact, body: Mapping[str, Any]) -> None:
    for name in PLAIN:
        value = body.get(name)
        if name not in body or isinstance(value, (dict, list)):
            continue
        if value is None and account.switches.is_on("null_on_put", "ignored"):
            continue
        contact.values[name] = _stored(account, name, value)


def _stored(account: Account, name: str, value: Any) -> str | None:
    if value is None:
        return None
    text = as_text(value)
    if name == "email" and account.switches.is_on("email_case", "lower"):
        return text.lower()
    if name in ("phone", "mobile") and account.switches.is_on("contact_phone", "digits"):
        return digits(text) or ""
    return text


def _set_title(account: Account, attempt: Contact, value: Any) -> None:
    if value is None and account.switches.is_on("null_on_put", "ignored"):
        return
    attempt.properties["title"] = as_text(value)


def _properties(account: Account, body: Mapping[str, Any]) -> dict[str, str]:
    sent = body.get("properties")
    return account.contact_fields.accept(sent, account.switches) if isinstance(sent, dict) else {}


def _problems(account: Account, attempt: Contact) -> list[str]:
    problems: list[str] = []
    email = attempt.values["email"] or ""
    if not attempt.customer_id:
        problems.append("Customer can't be blank")
    if email and not is_email(email):
        problems.append("Email is not an email")
    if email and account.switches.is_on("duplicate_email", "422") and _taken(account, attempt, email):
        problems.append("Email has already been taken")
    return problems


def _taken(account: Account, attempt: Contact, email: str) -> bool:
    return any(
        other.id != attempt.id and (other.values["email"] or "").casefold() == email.casefold()
        for other in account.contacts.values()
    )
