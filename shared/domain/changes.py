"""The plan for one user, as values: what would be written and why, or why nothing is.

Made by `shared.domain.plan`, shown by the preview, digested by the approval, carried out by `worker.apply`. A
`Plan` never executes anything. Next: `shared/domain/plan.py`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256


class Kind(StrEnum):
    """PROFILE fields never lose a value to a blank; OWNED fields follow the known truth, clearing included.

    REPORTED fields are owned ones that follow the nightly reports. They are shown in previews and are no part of what
    a person approves: a last activity moves every day, and a report may be late.
    """

    PROFILE = "profile"
    OWNED = "owned"
    REPORTED = "reported"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field of one contact. `field` is a plain field or the display name of a custom field."""

    field: str
    before: str
    after: str
    kind: Kind
    why: str  # a sentence for a technician


class ExclusionReason(StrEnum):
    """Why a user without a contact gets none. Counted per reason in every path."""

    DISABLED = "account is disabled"
    GUEST = "is a guest"
    NO_ADDRESS = "has no e-mail address"
    NO_LICENCE = "has no paid licence"
    SERVICE_ACCOUNT = "looks like a service account"
    OUT_OF_DOMAIN = "address is outside the chosen domains"
    OUT_OF_DEPARTMENT = "department is not chosen"
    OUT_OF_GROUP = "is in none of the chosen groups"
    GROUPS_UNKNOWN = "membership in the chosen groups could not be read"
    CREATES_OFF = "creating contacts is switched off"
    GONE = "user no longer exists"


class ConflictReason(StrEnum):
    """Why a person has to choose. Nothing is written meanwhile."""

    SEVERAL_CONTACTS = "several contacts share this address"
    ALIAS_ONLY = "a contact matches only by an alias of this user"
    NAME_OR_PHONE_ONLY = "a contact has the same name or phone but another address"
    LINKED_ELSEWHERE = "the contact is linked to another user"
    SEVERAL_USERS = "several users claim the same contact"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A contact that a person may choose. `because` names what agrees: "name", "phone", "title", "alias" ..."""

    contact_id: int
    because: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CreateContact:
    """`chosen_by`: the person who chose a contact of its own for this user, "" where nobody had to."""

    user_id: str
    customer_id: int
    changes: tuple[FieldChange, ...]
    why: str
    chosen_by: str = ""


@dataclass(frozen=True, slots=True)
class UpdateContact:
    """`changes` is never empty. `link` is the level by which the contact was found ("link", "mail", "upn")."""

    user_id: str
    customer_id: int
    contact_id: int
    changes: tuple[FieldChange, ...]
    link: str


@dataclass(frozen=True, slots=True)
class NoChange:
    """The contact is in step. `contact_id` is None when there is no contact and nothing asks for one."""

    user_id: str
    customer_id: int
    contact_id: int | None
    link: str = ""


@dataclass(frozen=True, slots=True)
class Excluded:
    user_id: str
    customer_id: int
    reason: ExclusionReason


@dataclass(frozen=True, slots=True)
class Conflict:
    """`left_by`: the person who left it as it is, and `why`; "" while it waits for somebody's choice."""

    user_id: str
    customer_id: int
    reason: ConflictReason
    candidates: tuple[Candidate, ...]
    left_by: str = ""
    why: str = ""

    @property
    def is_open(self) -> bool:
        return not self.left_by


@dataclass(frozen=True, slots=True)
class Pinned:
    """A person locked the contact: nobody but people write it.

    `by`: who did, until when (None: for good) and `why`; "" when it is text in its own field (`azure_sync_off`).
    """

    user_id: str
    customer_id: int
    contact_id: int
    by: str = ""
    until: datetime | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class NotYet:
    """The user could not be found at all: wait and read again; absence is never a deletion by itself."""

    user_id: str
    customer_id: int


Plan = CreateContact | UpdateContact | NoChange | Excluded | Conflict | Pinned | NotYet

_DAY = re.compile(r"(?<=since) \d{4}-\d{2}-\d{2}$")


def row_digest(plan: Plan) -> str:
    """Twelve hex digits that change whenever what would be written changes: what an approval approves."""
    match plan:
        case CreateContact(changes=changes):
            content: list[object] = ["create", _decided(changes)]
        case UpdateContact(contact_id=contact_id, changes=changes):
            content = ["update", contact_id, _decided(changes)]
        case _:
            content = [type(plan).__name__]
    text = json.dumps([plan.user_id, plan.customer_id, *content], ensure_ascii=False)
    return sha256(text.encode()).hexdigest()[:12]


def _decided(changes: tuple[FieldChange, ...]) -> list[list[str]]:
    """What a person says yes to. The day in "Blocked since DAY" is no decision: an approval outlives midnight."""
    return [[each.field, each.before, wanted(each)] for each in changes if each.kind is not Kind.REPORTED]


def wanted(change: FieldChange) -> str:
    """The value that is asked for, without the day of a status: it would be another one every day."""
    return _DAY.sub("", change.after) if change.kind is Kind.OWNED else change.after
