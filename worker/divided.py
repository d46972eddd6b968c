"""What the brakes leave of one full pass: rows that may be written now, rows that wait for a person. Pure.

The classes and their limits are `shared/domain/safety.py`'s; who asks and who answers is `worker/holding.py`'s.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from shared.domain.changes import CreateContact, UpdateContact, row_digest
from shared.domain.nightly import BrakePolicy
from shared.domain.preview import PreviewRow, is_write
from shared.domain.records import HeldRow, Hold
from shared.domain.safety import Brake, Excess, brakes_of, judge, parts


@dataclass(frozen=True, slots=True)
class Divided:
    """`allowed`: what is left to write for a user, `held`: what waits; a user may be in both."""

    allowed: tuple[PreviewRow, ...]
    held: tuple[PreviewRow, ...]
    brakes: Mapping[Brake, Excess]


def divide(
    rows: Sequence[PreviewRow],
    *,
    contacts: int,
    policy: BrakePolicy,
    standing: Mapping[Brake, int],
    exempt: Collection[str] = (),
    first: int | None = None,
) -> Divided:
    """`rows`: all of a pass that would write. `contacts`: how many the customer has.

    `standing`: classes that are held already, with their limits: they stay held while anything falls into them.
    `exempt`: users whose very row a person approved; they do not count, and only a standing class holds them.
    `first`: so many contacts may be created, the others wait, whatever stands.
    """
    excess = judge((row.plan for row in rows if row.plan.user_id not in exempt), contacts, policy)
    limits = {**standing, **{brake: each.limit for brake, each in excess.items()}}
    if first is not None:
        limits[Brake.CREATIONS] = first
    chosen = _first_creations(rows, first)
    allowed, held = [], []
    for row in rows:
        classes = set(standing) if row.plan.user_id in exempt else set(limits)
        if first is not None:
            classes = classes - {Brake.CREATIONS} if row.plan.user_id in chosen else classes | {Brake.CREATIONS}
        each = parts(row.plan, classes)
        if each.allowed is not None and is_write(each.allowed):
            allowed.append(replace(row, plan=each.allowed))
        if each.held is not None:
            held.append(replace(row, plan=each.held))
    return Divided(tuple(allowed), tuple(held), _counted(held, limits))


def standing_of(hold: Hold | None) -> Mapping[Brake, int]:
    """The classes that an open hold stands for, with their limits. A list is no class: it is judged each time."""
    told = hold.brakes.items() if hold is not None else ()
    return {Brake(name): limit for name, (_, limit) in told if name != Brake.LISTING}


def held_row(row: PreviewRow) -> HeldRow:
    """As the ledger keeps what waits."""
    plan = row.plan
    contact_id = plan.contact_id if isinstance(plan, UpdateContact) else None
    changes = plan.changes if isinstance(plan, CreateContact | UpdateContact) else ()
    return HeldRow(plan.user_id, row.user_label, contact_id, row_digest(plan), changes)


def changed_since(approved: Hold, now: Sequence[HeldRow]) -> tuple[str, ...]:
    """One sentence for each row in which what waits now differs from what a person wanted to approve."""
    return tuple(_differences({row.user_id: row for row in approved.rows}, {row.user_id: row for row in now}))


def sentence(brake: Brake, excess: Excess) -> str:
    """For a technician: what is held, and what would have passed."""
    contacts = "1 contact" if excess.count == 1 else f"{excess.count} contacts"
    match brake:
        case Brake.CLEARS:
            what = f"{contacts} would lose a value or be marked as deleted"
        case Brake.IDENTITY:
            what = f"{contacts} would get another name or e-mail address"
        case Brake.CREATIONS:
            what = f"{contacts} would be created"
        case Brake.LISTING:
            return f"A list has {excess.count} entries now, where {excess.limit} were there before."
        case _:
            assert_never(brake)
    if excess.count > excess.limit:
        return f"{what}; {excess.limit} pass without a question."
    return f"{what}; the limit of {excess.limit} was reached before, so the rest waits."  # by an hour, or `first`


def _first_creations(rows: Sequence[PreviewRow], first: int | None) -> frozenset[str]:
    creations = [row.plan.user_id for row in rows if isinstance(row.plan, CreateContact)]
    return frozenset(creations[: first or 0])


def _counted(held: Sequence[PreviewRow], limits: Mapping[Brake, int]) -> Mapping[Brake, Excess]:
    counts = {brake: sum(brake in brakes_of(row.plan) for row in held) for brake in sorted(limits)}
    return {brake: Excess(count, limits[brake]) for brake, count in counts.items() if count}


def _differences(before: Mapping[str, HeldRow], now: Mapping[str, HeldRow]) -> Iterator[str]:
    for user_id, row in now.items():
        known = before.get(user_id)
        if known is None:
            yield f"{row.user_label}: was not among what you saw, and waits now ({_told(row)})."
        elif known.digest != row.digest:
            yield f"{row.user_label}: you saw {_told(known)}, it would be {_told(row)} now."
    for user_id, row in before.items():
        if user_id not in now:
            yield f"{row.user_label}: nothing waits any more ({_told(row)} when you saw it)."


def _told(row: HeldRow) -> str:
    return ", ".join(f'{each.field} "{each.before}" to "{each.after}"' for each in row.changes) or "no change"
