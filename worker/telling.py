"""Sentences about one user: what was read, who is in scope, which contact it is, what is planned. Pure.

Names and values are for the person who asked; nothing here goes into a log. Next: `worker/explaining.py`.
"""

from __future__ import annotations

from typing import assert_never

from shared.domain.changes import (
    Conflict,
    CreateContact,
    Excluded,
    NoChange,
    NotYet,
    Pinned,
    Plan,
    UpdateContact,
)
from shared.domain.desk import Chosen
from shared.domain.facts import Facts
from shared.domain.licences import licence_label
from shared.domain.locks import told
from shared.domain.matching import Ambiguous, Found, Level, Match, NotFound
from shared.domain.policy import SyncPolicy
from shared.domain.scope import exclusion
from shared.domain.user import DirectoryUser, Missing, SoftDeleted, UserRead


def told_read(user: UserRead, facts: Facts | None, policy: SyncPolicy) -> str:
    match user:
        case DirectoryUser():
            state = "may sign in" if user.account_enabled else "is blocked"
            licence = licence_label(user.sku_ids, policy.extra_skus) or "no licence that counts"
            return f"Entra has this user now; the account {state}, {licence}. {_told_facts(facts)}"
        case SoftDeleted(deleted_at=deleted_at):
            return f"Entra has this user in its recycle bin since {deleted_at.date().isoformat()}."
        case Missing():
            return "Entra knows no such user, not even in its recycle bin; one read cannot tell whether it is gone."
        case _:
            assert_never(user)


def _told_facts(facts: Facts | None) -> str:
    if facts is None:
        return (
            "What reports say (MFA, last activity) is at hand for a day after a full sync that found this user out of "
            "step; now it is not, so those fields are left alone until the next full sync."
        )
    known = (
        ("MFA", facts.mfa_status),
        ("methods", facts.mfa_methods),
        ("last activity", facts.last_activity),
    )
    told = ", ".join(f"{name} {value or 'none'}" for name, value in known if value is not None) or "nothing"
    return " ".join(filter(None, (f"Reports of {facts.read_at.date().isoformat()} say: {told}.", facts.why_unknown)))


def told_scope(user: UserRead, policy: SyncPolicy) -> str:
    if not isinstance(user, DirectoryUser):
        return "A user that is gone gets no contact; one that is there follows the rules for leavers."
    reason = exclusion(user, policy)
    if reason is None:
        return "In scope: gets a contact if there is none."
    return f"Gets no new contact: {reason}. A contact that is there is kept in step all the same."


def told_match(found: Match) -> str:
    match found:
        case Found(contact=contact, level=level):
            return f"Contact {contact.id} ({contact.name or contact.email}), {_BY[level]}."
        case NotFound(chosen=Chosen(by=by)):
            return f"{by} chose a contact of its own for this user."
        case NotFound():
            return "No contact belongs to this user, and none looks like it."
        case Ambiguous(reason=reason, left=Chosen(by=by, why=why)):
            return f"{by} left it alone ({reason}): {why}"
        case Ambiguous(reason=reason, candidates=candidates):
            ids = ", ".join(f"{each.contact_id} ({', '.join(each.because)})" for each in candidates)
            return f"A person has to choose: {reason}. Contacts in question: {ids or 'none'}."
        case _:
            assert_never(found)


_BY = {
    Level.LINK: "as remembered from an earlier sync",
    Level.OBJECT_ID: "by the Entra object id that it carries",
    Level.MAIL: "by the user's mail address",
    Level.UPN: "by the user's sign-in name",
}


def told_plan(planned: Plan) -> str:
    match planned:
        case CreateContact(changes=changes) | UpdateContact(changes=changes):
            what = "Create a contact" if isinstance(planned, CreateContact) else f"Update contact {planned.contact_id}"
            fields = "; ".join(f'{each.field} "{each.before}" to "{each.after}" ({each.why})' for each in changes)
            return f"{what}: {fields}"
        case NoChange(contact_id=contact_id):
            return f"Contact {contact_id} is in step." if contact_id is not None else "There is nothing to do."
        case Excluded(reason=reason):
            return f"No contact is made: {reason}."
        case Conflict(reason=reason) if planned.is_open:
            where = f"entra-syncro conflicts show {planned.customer_id} {planned.user_id}"
            return f"Nothing until a person decides ({reason}): {where}"
        case Conflict():
            again = f"entra-syncro conflicts reopen {planned.customer_id} {planned.user_id}"
            return f"Nothing: {planned.left_by} left it alone. To be asked again: {again}"
        case Pinned(contact_id=contact_id):
            return f"Contact {contact_id} is {told(planned)}. Only people write it."
        case NotYet():
            return "Read again later: absence alone is no deletion."
        case _:
            assert_never(planned)
