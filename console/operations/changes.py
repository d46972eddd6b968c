"""What was written to Syncro, from the journal: by contact, user, customer, field, run, time and cause. Reads only.

Taking it back is `console/operations/undo.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import assert_never

from console.operations.errors import wrong_use
from console.operations.finding_user import one_user
from console.operations.ports import OperatorPorts
from shared.domain.desk import JournalFilter
from shared.domain.mapping import owned_names, rows
from shared.domain.messages import Reason
from shared.domain.records import JournalEntry, WriteState

CAUSES: Mapping[str, Reason] = {
    "notification": Reason.NOTIFICATION,
    "poll": Reason.DELTA,
    "full-sync": Reason.RECONCILE,
    "by-hand": Reason.MANUAL,
    "tried-again": Reason.REPLAY,
}
_WORDS = {reason: word.replace("-", " ") for word, reason in CAUSES.items()}


@dataclass(frozen=True, slots=True)
class ChangeWish:
    """Which changes an operator means; every part that is set must hold. `cause`: a word of `CAUSES`.

    `user`: an object id, an address, or with `customer_id` a part of a name.
    """

    contact_id: int | None = None
    user: str = ""
    customer_id: int | None = None
    field: str = ""
    run_id: str = ""
    since: datetime | None = None
    until: datetime | None = None
    cause: str = ""
    before: int | None = None


@dataclass(frozen=True, slots=True)
class ShownChange:
    """`cause`, `state`: in words. `customer_name` is "" where the customer is no longer known."""

    entry: JournalEntry
    customer_name: str
    cause: str
    state: str


@dataclass(frozen=True, slots=True)
class ChangePage:
    """Newest first. `older`: what `before` takes for the next page, None when this is the last one."""

    changes: tuple[ShownChange, ...]
    older: int | None


async def changes(ports: OperatorPorts, wish: ChangeWish, *, limit: int = 50) -> ChangePage:
    wanted = await _filter(ports, wish)
    names = {each.customer_id: each.customer_name for each in await ports.connections.list()}
    found = await ports.journal_search.search(wanted, limit + 1)
    if wanted.field and not found:
        await _require_field(ports, wanted.field)
    shown = tuple(
        ShownChange(entry, names.get(entry.customer_id, ""), cause_of(entry), state_of(entry))
        for entry in found[:limit]
    )
    return ChangePage(shown, found[limit - 1].id if len(found) > limit else None)


def cause_of(entry: JournalEntry) -> str:
    """What led to the change: an operator by name, or what noticed it."""
    if entry.undoes is not None:
        return f"takes back {entry.undoes}, by {entry.by or 'somebody'}"
    word = _WORDS[entry.cause]
    return f"{word}, {entry.by}" if entry.by else word


def state_of(entry: JournalEntry) -> str:
    match entry.state:
        case WriteState.WRITTEN if entry.unstuck:
            return f"written, but Syncro did not keep {', '.join(entry.unstuck)}"
        case WriteState.WRITTEN:
            return "written"
        case WriteState.REFUSED:
            return "refused"
        case WriteState.INTENDED | WriteState.AMBIGUOUS:
            return "no answer: what is there now tells whether it was written"
        case _:
            assert_never(entry.state)


async def _require_field(ports: OperatorPorts, field: str) -> None:
    """That nothing was written to a field is an answer only where there is such a field: by any rules, or once."""
    if await ports.journal_search.search(JournalFilter(field=field), 1):
        return
    policies = [ports.rules]
    for each in await ports.connections.list():
        policies.append(await ports.policies.policy(each.customer_id))
    known = {
        name for policy in policies for name in (*(row.field for row, _ in rows(policy)), *owned_names(policy.fields))
    }
    if field not in known:
        near = get_close_matches(field, sorted(known), n=3, cutoff=0.5) or sorted(known)
        raise wrong_use(f"Nothing is written to a field {field}. Is one of these meant? {', '.join(near)}")


async def _filter(ports: OperatorPorts, wish: ChangeWish) -> JournalFilter:
    if wish.cause and wish.cause not in CAUSES:
        raise wrong_use(f"--cause is one of these: {', '.join(CAUSES)}.")
    user_id = await one_user(ports, wish.user, wish.customer_id) if wish.user.strip() else ""
    return JournalFilter(
        customer_id=wish.customer_id,
        user_id=user_id,
        contact_id=wish.contact_id,
        field=wish.field,
        run_id=wish.run_id,
        cause=CAUSES[wish.cause].value if wish.cause else "",
        since=wish.since,
        until=wish.until,
        before_id=wish.before,
    )
