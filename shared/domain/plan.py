"""The rules of the product, as one pure function: what one user's contact should become, and why.

`plan` decides, it never executes, awaits, logs or reads a clock: `worker/apply.py` carries a plan out, previews show
the very same value. Profile fields follow the table of `shared.domain.mapping` and never lose a value to a blank;
owned fields follow the known truth, clearing included. Next: `shared/domain/changes.py` for what comes out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import assert_never

from shared.domain import mapping, normalise
from shared.domain.changes import (
    Conflict,
    CreateContact,
    Excluded,
    ExclusionReason,
    FieldChange,
    Kind,
    NoChange,
    NotYet,
    Pinned,
    Plan,
    UpdateContact,
)
from shared.domain.contact import PLAIN_FIELDS, Contact
from shared.domain.desk import Chosen, Pin
from shared.domain.facts import Facts
from shared.domain.licences import licence_label
from shared.domain.locks import NO_LOCKS
from shared.domain.matching import Ambiguous, Found, Match, NotFound
from shared.domain.policy import Authority, CreateScope, LeaverRule, NameFormat, SyncPolicy
from shared.domain.scope import exclusion, exclusion_of_chosen
from shared.domain.user import AnyUser, Deleted, DirectoryUser, Missing, SoftDeleted

ACTIVE = "Active"
BLOCKED_SINCE = "Blocked since "
DELETED_SINCE = "Deleted since "


def plan(
    user: AnyUser,
    found: Match,
    *,
    customer_id: int,
    facts: Facts | None,
    policy: SyncPolicy,
    today: date,
    missing_fields: frozenset[str] = frozenset(),
    locks: Mapping[int, Pin] = NO_LOCKS,
) -> Plan:
    """What to do about one user of one customer.

    `facts`: what reports say, None when unknown (`Facts.known_at` has the age). `today`: the date that a new
    "since" carries. `missing_fields`: custom fields that Syncro lacks; they are left out and everything else works.
    `locks`: contact id -> the pin of a person that holds now (`shared.domain.locks.standing`).
    """
    if isinstance(user, Missing):
        return NotYet(user.id, customer_id)
    look = _Look(user, facts, policy, today, missing_fields)
    match found:
        case Ambiguous(reason=reason, candidates=candidates, left=left):
            by, why = (left.by, left.why) if left is not None else ("", "")
            return Conflict(user.id, customer_id, reason, candidates, by, why)
        case NotFound(chosen=chosen):
            return _without_contact(look, customer_id, chosen)
        case Found(contact=contact, level=level):
            return _locked(look, contact, customer_id, locks) or _with_contact(look, contact, str(level), customer_id)
        case _:
            assert_never(found)


def apply_to(contact: Contact, changes: Iterable[FieldChange]) -> Contact:
    """The contact as it would be afterwards. A creation starts from `Contact(id, customer_id)`."""
    plain = {change.field: change.after for change in changes if change.field in PLAIN_FIELDS}
    custom = {change.field: change.after for change in changes if change.field not in PLAIN_FIELDS}
    if "title" in plain:  # Syncro keeps the title among the custom fields and answers with it there
        custom["title"] = plain["title"]
    return replace(contact, **plain, properties={**(contact.properties or {}), **custom})  # type: ignore[arg-type]  # only plain text fields in it


@dataclass(frozen=True, slots=True)
class _Look:
    user: DirectoryUser | SoftDeleted | Deleted
    facts: Facts | None
    policy: SyncPolicy
    today: date
    missing_fields: frozenset[str]

    def changes(self, contact: Contact, *, creating: bool) -> tuple[FieldChange, ...]:
        if isinstance(self.user, DirectoryUser):
            profile = _profile(self.user, contact, self.policy, creating=creating)
            wanted = [*profile, *self._owned(self.user, contact)]
        else:
            wanted = list(_leaver(self.user, contact, self.policy))
        return tuple(change for change in wanted if change.field not in self.missing_fields)

    def _owned(self, user: DirectoryUser, contact: Contact) -> Iterator[FieldChange]:
        names = self.policy.fields
        yield from _follow(contact, names.license, *_licence(user, self.policy))
        yield from _follow_facts(contact, self.facts, self.policy)
        if user.account_enabled or self.policy.blocked is LeaverRule.STATUS:
            yield from _follow(
                contact, names.account_status, *_status(user, contact.value(names.account_status), self.today)
            )
        if normalise.folded(contact.value(names.object_id)) != normalise.folded(user.id):
            yield from _follow(contact, names.object_id, user.id, "Remembers which Entra user this contact belongs to.")


def _without_contact(look: _Look, customer_id: int, chosen: Chosen | None) -> Plan:
    if not isinstance(look.user, DirectoryUser):
        return Excluded(look.user.id, customer_id, ExclusionReason.GONE)
    reason = exclusion(look.user, look.policy) if chosen is None else exclusion_of_chosen(look.user)
    if reason is not None:
        return Excluded(look.user.id, customer_id, reason)
    changes = look.changes(Contact(0, customer_id), creating=True)
    if chosen is not None:
        why = f"{chosen.by} chose a contact of its own for this user: {chosen.why}"
        return CreateContact(look.user.id, customer_id, changes, why, chosen.by)
    return CreateContact(look.user.id, customer_id, changes, _why_created(look.policy))


def _locked(look: _Look, contact: Contact, customer_id: int, locks: Mapping[int, Pin]) -> Pinned | None:
    """By a person's word, or by the text in the contact's own field."""
    pin = locks.get(contact.id)
    if pin is not None:
        return Pinned(look.user.id, customer_id, contact.id, pin.by, pin.until, pin.why)
    if _is_blank(contact.value(look.policy.fields.pin)):
        return None
    return Pinned(look.user.id, customer_id, contact.id)


def _with_contact(look: _Look, contact: Contact, link: str, customer_id: int) -> Plan:
    changes = look.changes(contact, creating=False)
    if not changes:
        return NoChange(look.user.id, customer_id, contact.id, link)
    return UpdateContact(look.user.id, customer_id, contact.id, changes, link)


def _why_created(policy: SyncPolicy) -> str:
    licensed = " and a paid licence" if policy.create_scope is CreateScope.LICENSED else ""
    return f"An enabled member with an e-mail address{licensed}, and no contact matches."


# --- profile fields -------------------------------------------------------------------------------------------


def _profile(user: DirectoryUser, contact: Contact, policy: SyncPolicy, *, creating: bool) -> Iterator[FieldChange]:
    region = mapping.region(user, policy)
    for row, authority in mapping.rows(policy):
        before, after = contact.value(row.field), row.read(user, policy)
        if _is_blank(after) or row.same(before, after, region):
            continue
        if creating and row.field in ("name", "email"):  # without them it would be nobody's contact
            yield FieldChange(row.field, before, after, Kind.PROFILE, f"Taken from {row.attribute} in Entra.")
        elif _may_write(row.field, before, authority, policy):
            yield FieldChange(row.field, before, after, Kind.PROFILE, _why_written(row.attribute, before))


def _may_write(field: str, before: str, authority: Authority, policy: SyncPolicy) -> bool:
    if field == "name" and policy.name_format is NameFormat.KEEP:
        return False
    match authority:
        case Authority.OVERWRITE:
            return True
        case Authority.FILL_BLANK:
            return _is_blank(before)
        case Authority.NEVER:
            return False
        case _:
            assert_never(authority)


def _why_written(attribute: str, before: str) -> str:
    if _is_blank(before):
        return f"Empty in Syncro, filled from {attribute} in Entra."
    return f"Differs from {attribute} in Entra, and Entra decides this field."


# --- owned fields ---------------------------------------------------------------------------------------------


def _follow(contact: Contact, field: str, truth: str, why: str, kind: Kind = Kind.OWNED) -> Iterator[FieldChange]:
    """A change if the field does not say what is true; an empty truth clears."""
    before = contact.value(field)
    if not normalise.same_text(before, truth):
        yield FieldChange(field, before, truth, kind, why)


def _follow_facts(contact: Contact, facts: Facts | None, policy: SyncPolicy) -> Iterator[FieldChange]:
    """What reports know is followed; what they do not know stays as it is."""
    if facts is None:
        return
    names = policy.fields
    for field, truth in (
        (names.mfa_status, facts.mfa_status),
        (names.mfa_methods, facts.mfa_methods),
        (names.last_activity, facts.last_activity),
    ):
        if truth is not None:
            yield from _follow(contact, field, truth, "Follows Microsoft's newest report.", Kind.REPORTED)


def _licence(user: DirectoryUser, policy: SyncPolicy) -> tuple[str, str]:
    label = licence_label(user.sku_ids, policy.extra_skus)
    return label, "Follows the licences assigned in Entra." if label else "No licence that counts is assigned in Entra."


def _status(user: DirectoryUser, before: str, today: date) -> tuple[str, str]:
    if user.account_enabled:
        return ACTIVE, "The account may sign in."
    return _since(BLOCKED_SINCE, before) or f"{BLOCKED_SINCE}{today.isoformat()}", "Sign-in is blocked in Entra."


def _leaver(user: SoftDeleted | Deleted, contact: Contact, policy: SyncPolicy) -> Iterator[FieldChange]:
    """The contact stays for its tickets; it only says what became of the user, and costs no licence any more."""
    if policy.deleted is LeaverRule.NOTHING:
        return
    yield from _follow(contact, policy.fields.license, "", "A deleted user holds no licence.")
    status = policy.fields.account_status
    yield from _follow(contact, status, _deleted_since(user, contact.value(status)), "The user was deleted in Entra.")


def _deleted_since(user: SoftDeleted | Deleted, before: str) -> str:
    """The recycle bin knows the day. For a user that is gone from it too, the day that we know already is better."""
    if isinstance(user, SoftDeleted):
        return f"{DELETED_SINCE}{user.deleted_at.date().isoformat()}"
    return _since(DELETED_SINCE, before) or f"{DELETED_SINCE}{user.noticed_on.isoformat()}"


def _since(status: str, before: str) -> str | None:
    """The text as it stands if it names this status with a date already: a block does not begin anew every day."""
    said = normalise.text(before)
    return said if re.fullmatch(re.escape(status) + r"\d{4}-\d{2}-\d{2}", said) else None


def _is_blank(value: str) -> bool:
    return not normalise.text(value)
