"""Brakes: how much may be done to one customer before a person is asked. Pure; nobody is asked here.

Changes fall into classes; only the class in excess is held, the whole of it, and the rest goes on. A list that shrank
halts the customer. Approving what is held is `console/operations/runs.py`'s business. Next: `worker/fullpass.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256
from typing import assert_never

from shared.domain import normalise
from shared.domain.changes import CreateContact, FieldChange, NoChange, Plan, UpdateContact, row_digest
from shared.domain.nightly import BrakePolicy
from shared.domain.plan import DELETED_SINCE

_IDENTITY_FIELDS = frozenset({"name", "email"})
_ROUNDING = 1e-9  # 0.29 of 100 is 28.999... to a computer


class Brake(StrEnum):
    """A class of changes, or the list they came from. Values go into the ledger."""

    CLEARS = "clears"  # values cleared, users marked as deleted
    IDENTITY = "identity"  # names and e-mail addresses that become others
    CREATIONS = "creations"
    LISTING = "listing"  # users or contacts that are missing from a list


@dataclass(frozen=True, slots=True)
class Excess:
    """`count` contacts would be touched where `limit` pass without a question."""

    count: int
    limit: int


@dataclass(frozen=True, slots=True)
class Parts:
    """One plan as the brakes leave it: what may be done now, and what waits for a person (None: nothing)."""

    allowed: Plan | None
    held: Plan | None


def brake_of(change: FieldChange) -> Brake | None:
    """The class of one change, None for what needs no brake. Filling a blank needs none, save with a deletion."""
    before, after = normalise.text(change.before), normalise.text(change.after)
    if (before and not after) or (after.startswith(DELETED_SINCE) and not before.startswith(DELETED_SINCE)):
        return Brake.CLEARS
    if before and change.field in _IDENTITY_FIELDS:
        return Brake.IDENTITY
    return None


def brakes_of(plan: Plan) -> frozenset[Brake]:
    """Every class that a plan falls into."""
    match plan:
        case CreateContact():
            return frozenset({Brake.CREATIONS})
        case UpdateContact(changes=changes):
            return frozenset(brake for brake in map(brake_of, changes) if brake is not None)
        case _:
            return frozenset()


def parts(plan: Plan, held: Collection[Brake]) -> Parts:
    """Divide a plan: changes of the classes `held` wait, the others go on."""
    if not brakes_of(plan) & set(held):
        return Parts(plan, None)
    if not isinstance(plan, UpdateContact):
        return Parts(None, plan)
    waiting = tuple(change for change in plan.changes if brake_of(change) in held)
    rest = tuple(change for change in plan.changes if brake_of(change) not in held)
    allowed: Plan = NoChange(plan.user_id, plan.customer_id, plan.contact_id, plan.link)
    return Parts(replace(plan, changes=rest) if rest else allowed, replace(plan, changes=waiting))


def limit(brake: Brake, contacts: int, policy: BrakePolicy) -> int | None:
    """How many contacts of a customer with `contacts` may be touched; None: a full sync may touch any number."""
    match brake:
        case Brake.CLEARS:
            return min(policy.clears_at_most, max(policy.clears_at_least, _part(policy.clears_share, contacts)))
        case Brake.IDENTITY:
            return max(policy.identity_at_least, _part(policy.identity_share, contacts))
        case Brake.CREATIONS | Brake.LISTING:
            return None
        case _:
            assert_never(brake)


def judge(plans: Iterable[Plan], contacts: int, policy: BrakePolicy) -> Mapping[Brake, Excess]:
    """The classes in excess in one full sync. `contacts`: how many the customer has. Approved rows are no input."""
    counts = Counter(brake for plan in plans for brake in brakes_of(plan))
    return {
        brake: Excess(count, most)
        for brake, count in sorted(counts.items())
        if (most := limit(brake, contacts, policy)) is not None and count > most
    }


def hourly_limit(brake: Brake, contacts: int, policy: BrakePolicy) -> int | None:
    """How many contacts may be touched in a rolling hour outside full syncs; None: any number."""
    return policy.creations_per_hour if brake is Brake.CREATIONS else limit(brake, contacts, policy)


def shrunken(before: int, now: int, policy: BrakePolicy) -> bool:
    """Is a list that had `before` entries suspiciously short now?"""
    lost = before - now
    return lost >= policy.shrink_at_least and lost + _ROUNDING >= policy.shrink_share * before


def code_of(customer_id: int, held: Iterable[Plan]) -> str:
    """The approval code of what is held: eight hex digits over every held row, whatever their order."""
    return _code(customer_id, *sorted(row_digest(plan) for plan in held))


def listing_code(customer_id: int, users: int, contacts: int) -> str:
    """The approval code of a halt: a person says yes to exactly these numbers."""
    return _code(customer_id, Brake.LISTING, str(users), str(contacts))


def _part(share: float, contacts: int) -> int:
    """Whole contacts in a share of all."""
    return int(share * contacts + _ROUNDING)


def _code(customer_id: int, *words: str) -> str:
    return sha256("\n".join([str(customer_id), *words]).encode()).hexdigest()[:8]
