"""Billing truth: where the licence fields of a customer's contacts and the licences in Entra do not say the same.

Reports with names, each row saying why; nothing is written here. Only the first report can be cleared, by its code,
and of that only rows that `can_clear`. Next: `worker/billing.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from shared.domain import normalise
from shared.domain.changes import Conflict, CreateContact, Excluded, NoChange, Pinned, Plan, UpdateContact
from shared.domain.contact import Contact
from shared.domain.licences import has_paid_licence, licence_label, licence_labels, unlisted_skus
from shared.domain.policy import SyncPolicy
from shared.domain.user import DirectoryUser


@dataclass(frozen=True, slots=True)
class WithoutLicence:
    """A contact that an invoice would count. `value`: its licence field as it stands. `user_id`: "" without a user.

    `can_clear` is False where clearing would be wrong: the contact is locked, a conflict is open about it with
    somebody who holds that licence, or its user holds another one.
    """

    contact_id: int
    contact_label: str
    value: str
    user_id: str
    user_label: str
    why: str
    can_clear: bool


@dataclass(frozen=True, slots=True)
class NotBilled:
    """A user whose licence no contact carries. `licence`: the label, else part numbers (or ids) of the products."""

    user_id: str
    user_label: str
    contact_id: int | None
    contact_label: str
    licence: str
    why: str


@dataclass(frozen=True, slots=True)
class SameEmail:
    """`contacts`: contact id -> label, for every contact with that address, lowest id first."""

    email: str
    contacts: Mapping[int, str]
    why: str


@dataclass(frozen=True, slots=True)
class BillingReport:
    """`code`: eight hex digits over the rows of `without_licence` and which would be cleared, "" without one."""

    customer_id: int
    without_licence: tuple[WithoutLicence, ...]
    not_billed: tuple[NotBilled, ...]
    same_email: tuple[SameEmail, ...]
    code: str


def report(
    customer_id: int,
    users: Iterable[DirectoryUser],
    contacts: Sequence[Contact],
    plans: Iterable[Plan],
    links: Mapping[int, str],
    policy: SyncPolicy,
    part_numbers: Mapping[str, str],
    *,
    locked: Collection[int] = (),
) -> BillingReport:
    """All three reports on one customer, in the order of names.

    `plans`: one per user, also of those in step (ValueError without: their contacts would look like nobody's).
    `links`: contact id -> user id, of users that are gone too. `part_numbers`: product (SKU) id, lower case -> part
    number. `locked`: contacts that a person locked, besides those whose own field says so.
    """
    books = _Books(users, contacts, plans, links, policy, part_numbers, locked)
    without = tuple(sorted(books.without_licence(), key=lambda row: (row.contact_label.casefold(), row.contact_id)))
    not_billed = tuple(sorted(books.not_billed(), key=lambda row: (row.user_label.casefold(), row.user_id)))
    return BillingReport(customer_id, without, not_billed, tuple(_same_email(contacts)), _code(customer_id, without))


class _Books:
    """Users, contacts and plans of one customer, indexed by one another."""

    def __init__(
        self,
        users: Iterable[DirectoryUser],
        contacts: Sequence[Contact],
        plans: Iterable[Plan],
        links: Mapping[int, str],
        policy: SyncPolicy,
        part_numbers: Mapping[str, str],
        locked: Collection[int],
    ) -> None:
        self._users = {_key(user.id): user for user in users}
        self._contacts = {contact.id: contact for contact in contacts}
        self._plans = {_key(plan.user_id): plan for plan in plans}
        if self._users.keys() - self._plans.keys():
            raise ValueError("a user without a plan")
        self._links = links
        self._policy = policy
        self._part_numbers = part_numbers
        self._locked = frozenset(locked)
        self._user_of = {
            contact_id: _key(plan.user_id)
            for plan in self._plans.values()
            if (contact_id := _contact_of(plan)) is not None
        }
        self._questions: dict[int, list[Conflict]] = {}
        for conflict in (plan for plan in self._plans.values() if isinstance(plan, Conflict)):
            for candidate in conflict.candidates:
                self._questions.setdefault(candidate.contact_id, []).append(conflict)

    # --- billed without a licence -----------------------------------------------------------------------------

    def without_licence(self) -> Iterator[WithoutLicence]:
        for contact in self._contacts.values():
            value = contact.value(self._policy.fields.license)
            user = self._users.get(self._user_of.get(contact.id, ""))
            if normalise.text(value) and not (user and self._holds(user, value)):
                yield self._unfounded(contact, value, user)

    def _holds(self, user: DirectoryUser, value: str) -> bool:
        labels = licence_labels(user.sku_ids, self._policy.extra_skus)
        return normalise.folded(value) in set(map(normalise.folded, labels))

    def _unfounded(self, contact: Contact, value: str, user: DirectoryUser | None) -> WithoutLicence:
        why, can_clear = self._why_unfounded(contact, value, user)
        return WithoutLicence(
            contact_id=contact.id,
            contact_label=_contact_label(contact),
            value=value,
            user_id=user.id if user else "",
            user_label=_user_label(user) if user else "",
            why=why,
            can_clear=can_clear,
        )

    def _why_unfounded(self, contact: Contact, value: str, user: DirectoryUser | None) -> tuple[str, bool]:
        """A sentence, and whether clearing would be right."""
        if contact.id in self._locked or normalise.text(contact.value(self._policy.fields.pin)):
            return "The contact is locked; only a person may change it.", False
        if user is not None:
            label = licence_label(user.sku_ids, self._policy.extra_skus)
            if label:
                return f"Its user holds {label} instead; the next full sync writes that.", False
            return "Its user holds no licence that counts.", True
        question = self._question(contact, value)
        if question is not None:
            return f"Nobody decided yet whose contact it is: {question.reason}.", False
        was_linked = self._links.get(contact.id) or contact.value(self._policy.fields.object_id)
        gone = "Its user is no longer among the tenant's users."
        return gone if was_linked else "No user belongs to this contact.", True

    def _question(self, contact: Contact, value: str) -> Conflict | None:
        """An open conflict by which the contact may turn out to be that of somebody who holds the licence."""
        for conflict in self._questions.get(contact.id, ()):
            user = self._users.get(_key(conflict.user_id))
            if user is not None and self._holds(user, value):
                return conflict
        return None

    # --- licensed but not billed ------------------------------------------------------------------------------

    def not_billed(self) -> Iterator[NotBilled]:
        for key, user in self._users.items():
            plan = self._plans[key]
            contact = self._contacts.get(_contact_of(plan) or 0)
            label = licence_label(user.sku_ids, self._policy.extra_skus)
            if not label and has_paid_licence(user.sku_ids):
                products = self._unlisted(user)
                if products:
                    yield self._unbilled(user, contact, products, _why_unlisted(products))
            elif label and not self._carries(contact, label):
                yield self._unbilled(user, contact, label, self._why_unbilled(plan, contact))

    def _unlisted(self, user: DirectoryUser) -> str:
        skus = sorted(unlisted_skus(user.sku_ids, self._policy.extra_skus))
        return ", ".join(self._part_numbers.get(sku_id) or sku_id for sku_id in skus)

    def _carries(self, contact: Contact | None, label: str) -> bool:
        held = contact.value(self._policy.fields.license) if contact else ""
        return normalise.folded(held) == normalise.folded(label)

    def _unbilled(self, user: DirectoryUser, contact: Contact | None, licence: str, why: str) -> NotBilled:
        return NotBilled(
            user_id=user.id,
            user_label=_user_label(user),
            contact_id=contact.id if contact else None,
            contact_label=_contact_label(contact) if contact else "",
            licence=licence,
            why=why,
        )

    def _why_unbilled(self, plan: Plan, contact: Contact | None) -> str:
        match plan:
            case Conflict(reason=reason):
                return f"A person has to choose the contact: {reason}."
            case Excluded(reason=reason):
                return f"Out of scope: {reason}."
            case Pinned():
                return "The contact is locked; only a person may change it."
            case CreateContact():
                return "There is no contact yet; the next full sync creates it."
            case UpdateContact(changes=changes) if any(each.field == self._policy.fields.license for each in changes):
                return "The contact does not say so yet; the next full sync writes it."
            case _ if contact is None:
                return "There is no contact for this user."
            case _:
                name = self._policy.fields.license
                return f"The contact does not say so, and no change is planned: {name} is missing, frozen or not kept."


# --- same e-mail twice ----------------------------------------------------------------------------------------


def _same_email(contacts: Iterable[Contact]) -> Iterator[SameEmail]:
    """In the order of addresses."""
    by_email: dict[str, dict[int, str]] = {}
    for contact in sorted(contacts, key=lambda each: each.id):
        by_email.setdefault(normalise.email(contact.email), {})[contact.id] = _contact_label(contact)
    for email, labels in sorted(by_email.items()):
        if email and len(labels) > 1:
            yield SameEmail(email, labels, f"{len(labels)} contacts share this address; merge them in Syncro.")


def _why_unlisted(products: str) -> str:
    return f"No label is set for {products}; add one to policy.extra_skus if it is to be billed."


def _contact_of(plan: Plan) -> int | None:
    match plan:
        case UpdateContact(contact_id=contact_id) | NoChange(contact_id=contact_id) | Pinned(contact_id=contact_id):
            return contact_id
        case _:
            return None


def _code(customer_id: int, rows: Iterable[WithoutLicence]) -> str:
    lines = sorted(f"{row.contact_id} {row.can_clear} {row.value}" for row in rows)
    return sha256("\n".join([str(customer_id), *lines]).encode()).hexdigest()[:8] if lines else ""


def _user_label(user: DirectoryUser) -> str:
    return user.display_name or user.mail or user.user_principal_name or user.id


def _contact_label(contact: Contact) -> str:
    return contact.name or contact.email or f"contact {contact.id}"


def _key(user_id: str) -> str:
    """Object ids are GUIDs: their case means nothing."""
    return user_id.strip().lower()
