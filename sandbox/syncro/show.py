"""The wire form of records: contacts flat, every key present, times in the account's own offset.

Next: `sandbox/syncro/listing.py`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sandbox.syncro.account import OFFSET, PLAIN, Account, Contact, Customer, Phone, Ticket
from sandbox.syncro.contacts import digits
from sandbox.syncro.customers import FLAGS, TEXTS, phone_of
from sandbox.syncro.switches import Switches

_NEVER_NULL = frozenset(TEXTS) - {"email", "notes"}


def time_text(moment: datetime, switches: Switches) -> str:
    if switches.is_on("timestamps", "utc"):
        return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return moment.astimezone(OFFSET).isoformat(timespec="milliseconds")


def contact_json(account: Account, contact: Contact) -> dict[str, Any]:
    """A contact, stored or attempted (id 0 shows as null, as do its times)."""
    stored = contact.id != 0
    shown: dict[str, Any] = {"id": contact.id or None}
    shown.update({name: contact.values[name] for name in PLAIN if name != "notes"})
    shown["name"] = shown["name"] or ""  # the one plain field that is never null
    return {
        **shown,
        "latitude": contact.latitude,
        "longitude": contact.longitude,
        "customer_id": contact.customer_id or None,
        "account_id": account.account_id,
        "notes": contact.values["notes"],
        "created_at": time_text(contact.created_at, account.switches) if stored else None,
        "updated_at": time_text(contact.updated_at, account.switches) if stored else None,
        "vendor_id": None,
        "properties": account.contact_fields.show(contact.properties, account.switches),
        "opt_out": contact.opt_out,
        "extension": contact.extension,
        "processed_phone": digits(contact.values["phone"]),
        "processed_mobile": digits(contact.values["mobile"]),
        "ticket_matching_emails": contact.ticket_matching_emails,
    }


def customer_json(account: Account, customer: Customer) -> dict[str, Any]:
    """A customer as a list shows it, its contacts embedded."""
    # real answers show null only where nothing can be told: of the texts these two
    values = {name: "" if text is None and name in _NEVER_NULL else text for name, text in customer.values.items()}
    full = " ".join(str(values[name]) for name in ("firstname", "lastname") if values[name])
    business = str(values["business_name"] or "")
    contacts = sorted(account.contacts_of(customer.id), key=lambda contact: -contact.id)
    if account.switches.is_on("embedded_contacts", "first_25"):
        contacts = contacts[:25]
    shown: dict[str, Any] = {"id": customer.id, "firstname": values["firstname"], "lastname": values["lastname"]}
    shown |= {"fullname": full, "business_name": values["business_name"], "email": values["email"]}
    shown |= {"phone": phone_of(customer, "Phone"), "mobile": phone_of(customer, "Mobile")}
    shown |= {
        "created_at": time_text(customer.created_at, account.switches),
        "updated_at": time_text(customer.updated_at, account.switches),
        "pdf_url": None,
    }
    shown |= {name: values[name] for name in ("address", "address_2", "city", "state", "zip")}
    shown |= {"latitude": None, "longitude": None, "notes": values["notes"], "disabled": customer.disabled}
    shown |= {name: values[name] for name in FLAGS}
    base = f"https://{account.subdomain}.syncromsp.com"
    shown |= {
        "location_name": None,
        "location_id": None,
        "properties": account.customer_fields.show(customer.properties, account.switches),
        "online_profile_url": f"{base}/my_profile/v2/index?portal_key={customer.portal_key}",
    }
    shown |= {name: values[name] for name in ("tax_rate_id", "notification_email", "invoice_cc_emails")}
    shown |= {name: values[name] for name in ("invoice_term_id", "referred_by", "ref_customer_id")}
    both = f"{business} - {full}" if business and full else business or full
    shown |= {"business_and_full_name": both, "business_then_name": business or full}
    shown["contacts"] = [contact_json(account, contact) for contact in contacts]
    return shown


def customer_detail_json(account: Account, customer: Customer) -> dict[str, Any]:
    """The heavier form that only GET of one customer gives."""
    return {
        **customer_json(account, customer),
        "ticket_links": [],
        "invoice_links": [],
        "kabuto_customer_id": customer.id,
        "recurring_invoices": [],
        "prepay_hours": "0.0",
        "enable_internal_warning": False,
        "internal_warning_value": None,
        "default_device_policy_id": None,
        "since_updated_at": time_text(customer.updated_at, account.switches),
        "phones": [phone_json(account, customer, phone) for phone in customer.phones],
        "contracts": [],
        "addresses": [],
    }


def phone_json(account: Account, customer: Customer, phone: Phone) -> dict[str, Any]:
    return {
        "id": phone.id,
        "label": phone.label,
        "number": phone.number,
        "customer_id": customer.id,
        "created_at": time_text(phone.created_at, account.switches),
        "updated_at": time_text(phone.updated_at, account.switches),
        "extension": phone.extension,
    }


def ticket_json(account: Account, ticket: Ticket) -> dict[str, Any]:
    customer = account.customers.get(ticket.customer_id)
    return {
        "id": ticket.id,
        "number": ticket.id - 2**32,
        "subject": ticket.subject,
        "created_at": time_text(ticket.created_at, account.switches),
        "updated_at": time_text(ticket.created_at, account.switches),
        "customer_id": ticket.customer_id,
        "customer_business_then_name": str(customer.values["business_name"] or "") if customer else None,
        "contact_id": ticket.contact_id,
        "status": ticket.status,
        "problem_type": "Other",
        "properties": {},
        "comments": [
            {"id": number, "ticket_id": ticket.id, **{k: comment[k] for k in ("subject", "body", "hidden")}}
            for number, comment in enumerate(ticket.comments, 1)
        ],
    }
