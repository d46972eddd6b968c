"""What a write does to a customer and its phones.

Raises `RejectedError`; the texts of its 422 go out as an array. Next: `sandbox/syncro/show.py`.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any

from sandbox.syncro.account import Account, Customer, Phone
from sandbox.syncro.contacts import digits, is_email
from sandbox.syncro.fields import as_text
from sandbox.syncro.rejected import RejectedError, not_found

TEXTS = (
    "business_name",
    "firstname",
    "lastname",
    "email",
    "address",
    "address_2",
    "city",
    "state",
    "zip",
    "notes",
    "notification_email",
    "invoice_cc_emails",
    "referred_by",
)
FLAGS = ("get_sms", "opt_out", "no_email")
NUMBERS = ("ref_customer_id", "tax_rate_id", "invoice_term_id")
# Sent as top-level flags, kept as text among the properties.
NOTIFICATIONS = {
    "get_billing": "notification_billing",
    "get_marketing": "notification_marketing",
    "get_reports": "notification_reports",
}


def create(account: Account, body: Mapping[str, Any]) -> Customer:
    """A new customer; raises `RejectedError` 422."""
    _check(body)
    now = account.now()
    customer = Customer(account.next_id("customer"), now, now, secrets.token_hex(10))
    customer.values = {**dict.fromkeys(TEXTS), **dict.fromkeys(FLAGS, False), **dict.fromkeys(NUMBERS)}
    _fill(customer, body)
    # Documented for customers, unlike for contacts: properties of a POST are kept.
    customer.properties = _properties(account, body)
    _notifications(customer, body)
    for label, key in (("Phone", "phone"), ("Mobile", "mobile")):
        if digits(as_text(body.get(key))):
            add_phone(account, customer, {"label": label, "number": body[key]})
    account.customers[customer.id] = customer
    account.touch("customer", customer)
    return customer


def update(account: Account, customer: Customer, body: Mapping[str, Any]) -> Customer:
    """Plain fields are partial; `properties` are replaced by default."""
    _check(body)
    sent = _properties(account, body)  # may refuse, so it comes before anything is changed
    _fill(customer, body)
    if isinstance(body.get("properties"), dict):
        merge = account.switches.is_on("properties_on_put", "merge")
        customer.properties = {**customer.properties, **sent} if merge else sent
    _notifications(customer, body)
    for label, key in (("Phone", "phone"), ("Mobile", "mobile")):
        if key in body:
            _set_phone(account, customer, label, as_text(body[key]))
    account.touch("customer", customer)
    return customer


def delete(account: Account, customer: Customer) -> None:
    """A hard delete, contacts and tickets included."""
    for contact in account.contacts_of(customer.id):
        del account.contacts[contact.id]
        account.changed("contact", contact.id)
    for number in [ticket.id for ticket in account.tickets.values() if ticket.customer_id == customer.id]:
        del account.tickets[number]
    del account.customers[customer.id]
    account.changed("customer", customer.id)


def phone_of(customer: Customer, label: str) -> str | None:
    return next((phone.number for phone in customer.phones if phone.label == label), None)


def add_phone(account: Account, customer: Customer, body: Mapping[str, Any]) -> Phone:
    """A new row of phones; raises `RejectedError` 422 for a blank number."""
    number = _number(body)
    now = account.now()
    label = None if body.get("label") is None else as_text(body["label"])
    extension = None if body.get("extension") is None else as_text(body["extension"])
    phone = Phone(account.next_id("phone"), label, number, now, now, extension)
    customer.phones.insert(0, phone)
    return phone


def change_phone(account: Account, phone: Phone, body: Mapping[str, Any]) -> Phone:
    if "number" in body:
        phone.number = _number(body)
    if "label" in body:
        phone.label = None if body["label"] is None else as_text(body["label"])
    if "extension" in body:
        phone.extension = None if body["extension"] is None else as_text(body["extension"])
    phone.updated_at = account.now()
    return phone


def find_phone(customer: Customer, phone_id: int) -> Phone:
    for phone in customer.phones:
        if phone.id == phone_id:
            return phone
    raise not_found()


def _number(body: Mapping[str, Any]) -> str:
    number = digits(as_text(body.get("number")))
    if number is None:
        raise RejectedError(422, ["Number can't be blank"])
    return number


def _set_phone(account: Account, customer: Customer, label: str, text: str) -> None:
    number = digits(text)
    row = next((phone for phone in customer.phones if phone.label == label), None)
    if row is None and number:
        add_phone(account, customer, {"label": label, "number": number})
    elif row is not None and number:
        change_phone(account, row, {"number": number})
    elif row is not None:
        customer.phones.remove(row)


def _check(body: Mapping[str, Any]) -> None:
    email = body.get("email")
    if email in (None, "") or is_email(str(email)):
        return
    problems = ["Email is not an email"]
    if re.search(r"\s", str(email)):
        problems.append(f'Email Only able to parse up to "{email}"')
    raise RejectedError(422, problems)


def _fill(customer: Customer, body: Mapping[str, Any]) -> None:
    for name in TEXTS:
        if name in body and not isinstance(body[name], (dict, list)):
            customer.values[name] = None if body[name] is None else as_text(body[name])
    for name in FLAGS:
        if name in body:
            customer.values[name] = as_text(body[name]).lower() in ("1", "true")
    for name in NUMBERS:
        if name in body:
            text = as_text(body[name])
            customer.values[name] = int(text) if text.isdecimal() else None


def _properties(account: Account, body: Mapping[str, Any]) -> dict[str, str]:
    sent = body.get("properties")
    return account.customer_fields.accept(sent, account.switches) if isinstance(sent, dict) else {}


def _notifications(customer: Customer, body: Mapping[str, Any]) -> None:
    for sent, kept in NOTIFICATIONS.items():
        if sent in body:
            customer.properties[kept] = "1" if as_text(body[sent]).lower() in ("1", "true") else "0"
