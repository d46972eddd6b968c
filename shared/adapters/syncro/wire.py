"""Syncro's JSON into our values and our changes into its JSON. Pure and tolerant.

A contact comes flat (older clients saw a wrapper: both are read), a customer comes wrapped. `properties` carries the
custom fields under their display names, the job title among them. What we do not need is not kept: a customer's
`online_profile_url` and an account's `user_token` are secrets and never leave this module's callers.
Next: `shared/adapters/syncro/contacts.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.adapters.lenient import Json, integer, mapping, moment, objects, text
from shared.domain import normalise
from shared.domain.changes import FieldChange
from shared.domain.contact import PLAIN_FIELDS, Contact, Customer

TITLE = "title"
_PHONES = frozenset({"phone", "mobile"})


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing. `total_entries` and `total_pages` are None when `meta` was missing."""

    rows: Sequence[Json]
    total_entries: int | None
    total_pages: int | None


def page(body: object, key: str) -> Page | None:
    """A page of `key` ("contacts", "customers"), None when the answer is none."""
    found = mapping(body).get(key)
    if not isinstance(found, list):
        return None
    meta = mapping(mapping(body).get("meta"))
    return Page(objects(found), integer(meta.get("total_entries")), integer(meta.get("total_pages")))


_UNREAD = ("notes", "extension", "ticket_matching_emails")  # what people type into a contact and nothing of ours writes


def contact(body: object) -> Contact | None:
    """A contact, None when the answer is none. A vendor's contact has no customer: it reads as customer 0."""
    record = _unwrapped(body, "contact")
    found = integer(record.get("id"))
    if found is None:
        return None
    properties = _properties(record)
    plain = {name: text(record.get(name)) or "" for name in PLAIN_FIELDS if name != TITLE}
    return Contact(
        id=found,
        customer_id=integer(record.get("customer_id")) or 0,
        title=properties.get(TITLE) or text(record.get(TITLE)) or "",
        properties=properties,
        created_at=moment(record.get("created_at")),
        updated_at=moment(record.get("updated_at")),
        has_more=any(str(record.get(name) or "").strip() for name in _UNREAD),
        **plain,
    )


def customer(body: object) -> Customer | None:
    """A customer, None when the answer is none."""
    record = _unwrapped(body, "customer")
    found = integer(record.get("id"))
    if found is None:
        return None
    return Customer(
        found,
        _customer_name(record),
        record.get("disabled") is True,
        _properties(record),
        email=text(record.get("email")) or "",
        addresses=tuple(filter(None, (text(each.get("email")) for each in objects(record.get("contacts"))))),
    )


def creation(customer_id: int, changes: Sequence[FieldChange]) -> dict[str, object]:
    """The body of a POST. The title goes the only way that was ever seen to work on creation: in `properties`."""
    values = {change.field: change.after for change in changes if change.after}
    plain = {name: value for name, value in values.items() if name in PLAIN_FIELDS and name != TITLE}
    properties = {name: value for name, value in values.items() if name not in plain}
    body: dict[str, object] = {"customer_id": customer_id, **plain}
    return body | {"properties": properties} if properties else body


def replacement(fresh: Contact, changes: Sequence[FieldChange]) -> dict[str, object]:
    """The body of a PUT: the name always (it is marked required), changed fields, and `properties` whole.

    Right whether Syncro merges `properties` or replaces them. The title goes both ways: top level is documented,
    `properties` is where it comes back, and a whole `properties` with the old title would undo the other.
    """
    values = {change.field: change.after for change in changes}
    plain = {name: value for name, value in values.items() if name in PLAIN_FIELDS}
    properties = {name: value for name, value in values.items() if name not in plain or name == TITLE}
    return {"name": fresh.name, **plain, "properties": {**fresh.properties, **properties}}


def customer_replacement(fresh: Customer, changes: Sequence[FieldChange]) -> dict[str, object]:
    """The body of a PUT: custom fields alone, all of them. Syncro requires nothing else, and nothing else is ours."""
    return {"properties": {**fresh.properties, **{change.field: change.after for change in changes}}}


def unstuck(answer: Contact | Customer, changes: Sequence[FieldChange]) -> tuple[str, ...]:
    """The fields whose value in the answer is not the one that was sent."""
    return tuple(change.field for change in changes if not same(change.field, answer.value(change.field), change.after))


def same(field: str, left: str, right: str) -> bool:
    """Equal as far as Syncro's own rewriting goes: it may strip phones to digits and lower the case of e-mails."""
    return _comparable(field, left) == _comparable(field, right)


def _comparable(field: str, value: str) -> str:
    if field == "email":
        return normalise.email(value)
    plain = normalise.text(value)
    if field in _PHONES:  # digits alone: no country is known here, and none is needed to see what was kept
        return re.sub(r"\D", "", plain) or plain
    return plain


def _unwrapped(body: object, key: str) -> Json:
    outer = mapping(body)
    inner = outer.get(key)
    return inner if isinstance(inner, dict) else outer


def _properties(record: Json) -> Mapping[str, str]:
    return {name: _property(value) for name, value in mapping(record.get("properties")).items()}


def _property(value: object) -> str:
    """Custom values as text. A check box is "1" or "0" on the wire, and is sent back like that."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return text(value) or ""


def _customer_name(record: Json) -> str:
    names = (text(record.get(key)) for key in ("business_name", "business_then_name", "fullname"))
    parts = (text(record.get(key)) or "" for key in ("firstname", "lastname"))
    return next((name for name in names if name), " ".join(part for part in parts if part))
