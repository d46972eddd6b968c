"""A question about whose contact it is, as it is shown: what kind it is, its contacts, and who holds them. Pure.

Next: `console/operations/conflicts.py`, which reads what it is made from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from shared.domain.changes import Candidate, ConflictReason
from shared.domain.choosing import seen
from shared.domain.desk import Choice, Chosen
from shared.domain.evidence import own_addresses
from shared.domain.records import Connection, OpenConflict
from shared.domain.user import DirectoryUser, Missing, SoftDeleted, UserRead


class Question(StrEnum):
    """What kind of question it is. The values are shown."""

    AMBIGUOUS = "ambiguous"
    TWICE = "claimed twice"
    MOVED = "address moved"  # the contact's user has another address by now
    SHARED = "several customers"  # one user, a contact at each of several customers of the tenant


class Standing(StrEnum):
    OPEN = "open"
    LEFT = "left alone"


@dataclass(frozen=True, slots=True)
class ShownCandidate:
    """A contact in question. `held_by`: the user it is linked to, "" for nobody; `holder`: that user's name.

    `is_free`: nobody holds it whom Entra still has. `label`, `email`: as Syncro has them now, "" where it was not
    asked.
    """

    contact_id: int
    because: tuple[str, ...]
    held_by: str = ""
    holder: str = ""
    is_free: bool = True
    label: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class ShownConflict:
    """One question. `candidates`: the likeliest first. `since`: None where nobody noted it.

    `others`: of a user shared by customers, the names of the other ones. `left_by`, `why`: who left it alone.
    """

    customer_id: int
    customer_name: str
    user_id: str
    user_label: str
    question: Question
    reason: str
    candidates: tuple[ShownCandidate, ...]
    since: datetime | None = None
    others: tuple[str, ...] = ()
    standing: Standing = Standing.OPEN
    left_by: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Books:
    """What is known of one customer. `users`: id -> as Entra has it, where it could be read."""

    tied: Connection
    links: Mapping[int, str]  # contact id -> user id
    choices: Mapping[str, Chosen]
    users: Mapping[str, UserRead]

    def name(self, user_id: str) -> str:
        user = self.users.get(user_id)
        if not isinstance(user, DirectoryUser):
            return user_id
        return user.display_name or user.mail or user.user_principal_name or user_id


def opened_as(books: Books, kept: OpenConflict) -> ShownConflict:
    return ShownConflict(
        customer_id=books.tied.customer_id,
        customer_name=books.tied.customer_name,
        user_id=kept.user_id,
        user_label=books.name(kept.user_id),
        question=_question(books, kept),
        reason=kept.reason.value,
        candidates=tuple(_candidate(books, each) for each in kept.candidates),
        since=kept.first_seen,
    )


def _candidate(books: Books, each: Candidate) -> ShownCandidate:
    holder = books.links.get(each.contact_id, "")
    if not holder:
        return ShownCandidate(each.contact_id, each.because)
    is_gone = isinstance(books.users.get(holder), SoftDeleted | Missing)
    name = "a deleted user" if is_gone else books.name(holder)
    return ShownCandidate(each.contact_id, each.because, holder, name, is_gone)


def _question(books: Books, kept: OpenConflict) -> Question:
    """A contact with the user's own address that another user holds: does the other still have that address?"""
    if kept.reason is ConflictReason.SEVERAL_USERS:
        return Question.TWICE
    by_address = [each for each in kept.candidates if {"mail", "upn"} & set(each.because)]
    if kept.reason is not ConflictReason.LINKED_ELSEWHERE or not by_address:
        return Question.AMBIGUOUS
    holders = [books.users.get(books.links.get(each.contact_id, "")) for each in by_address]
    mine = _addresses(books.users.get(kept.user_id))
    return Question.TWICE if any(mine & _addresses(holder) for holder in holders) else Question.MOVED


def _addresses(user: UserRead | None) -> frozenset[str]:
    return frozenset(filter(None, own_addresses(user))) if isinstance(user, DirectoryUser) else frozenset()


def shared_as(books: Books, user_id: str, others: tuple[str, ...]) -> ShownConflict:
    mine = [contact_id for contact_id, holder in books.links.items() if holder == user_id]
    choice = books.choices.get(user_id)
    is_left = choice is not None and choice.choice is Choice.DISMISS and choice.candidates == seen(mine)
    shown = ShownConflict(
        customer_id=books.tied.customer_id,
        customer_name=books.tied.customer_name,
        user_id=user_id,
        user_label=books.name(user_id),
        question=Question.SHARED,
        reason="several customers of one tenant have a contact of this user",
        candidates=tuple(ShownCandidate(each, (), user_id, books.name(user_id), False) for each in sorted(mine)),
        others=others,
    )
    if choice is None or not is_left:
        return shown
    return replace(shown, standing=Standing.LEFT, left_by=choice.by, why=choice.why, since=choice.at)


def left_as(books: Books, choice: Chosen) -> ShownConflict:
    """Nobody asks about it any more: only what the person saw is known."""
    return ShownConflict(
        customer_id=books.tied.customer_id,
        customer_name=books.tied.customer_name,
        user_id=choice.user_id,
        user_label=books.name(choice.user_id),
        question=Question.AMBIGUOUS,
        reason="a person left it alone",
        candidates=tuple(_candidate(books, Candidate(int(each), ())) for each in choice.candidates.split()),
        since=choice.at,
        standing=Standing.LEFT,
        left_by=choice.by,
        why=choice.why,
    )
