"""What trying failed changes again would do today: a selection that is frozen by its code, and its plan.

Hints are read afresh, so what counts is not what a letter asked for but what its users would get now: that is taken
from one reading of each customer, of at most `CUSTOMERS` of them. Writes nothing. Next:
`console/operations/letters_replay.py`, which begins it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from console.operations.letters import UNSETTLED, LetterWish, customers_by_tenant, letters_in
from console.operations.ports import OperatorPorts
from shared.domain.changes import CreateContact, Plan, UpdateContact
from shared.domain.errors import SyncError
from shared.domain.letters import cut_off, in_step_since, is_parked, is_readable, selection_code
from shared.domain.preview import PreviewRow, outcome_of
from shared.domain.records import ConnectionStatus, DeadLetter
from shared.domain.watching import read_key

CUSTOMERS = 5  # that are read for a plan: each costs one listing of its contacts and one of its users
ROWS = 20  # users shown of each customer
UNKNOWN = "not in Entra"


@dataclass(frozen=True, slots=True)
class Selection:
    """Letters that a job may have. `unreadable`, `parked`: left out, the latter tried again too often.

    `taken`: what the wish names and another job has; `settled`: what it names by id and nobody can try again.
    `until`: letters that failed later are not meant.
    """

    letters: tuple[DeadLetter, ...]
    unreadable: tuple[DeadLetter, ...]
    parked: tuple[DeadLetter, ...]
    taken: tuple[DeadLetter, ...]
    settled: tuple[DeadLetter, ...]
    until: datetime

    @property
    def code(self) -> str:
        return selection_code(self.letters, self.until)


@dataclass(frozen=True, slots=True)
class PlannedUser:
    """`outcome` in the words of a preview; `fields`: what would be written."""

    user_id: str
    user_label: str
    outcome: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PlannedCustomer:
    """`users` of letters at this customer. `outcomes`: outcome -> count of users. `rows`: some of them, writes first.

    `why`: why nothing is known, or why nothing would be written; "" when all is well.
    """

    customer_id: int
    customer_name: str
    users: int
    outcomes: Mapping[str, int]
    rows: tuple[PlannedUser, ...]
    why: str = ""


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """`in_step`: letters that will be skipped, for their users were brought in step since. `not_read`: further
    customers, too many to be read for a plan. `users`: of all letters."""

    selection: Selection
    code: str
    in_step: int
    users: int
    customers: tuple[PlannedCustomer, ...]
    not_read: int


async def select(
    ports: OperatorPorts, wish: LetterWish, until: datetime | None = None, *, force: bool = False
) -> Selection:
    """Frozen at `until` (now without it). `force`: also those that were tried again too often."""
    cut = until or cut_off(ports.clock.now())
    every = await letters_in(ports, wish, None if wish.ids else (*UNSETTLED, "claimed"))
    meant = [each for each in every if each.last_seen <= cut]
    waiting = [each for each in meant if each.status in UNSETTLED]
    unreadable = [each for each in waiting if not is_readable(each)]
    shut = {each.letter_id for each in unreadable}
    readable = [each for each in waiting if each.letter_id not in shut]
    chosen = [each for each in readable if force or not is_parked(each)]
    return Selection(
        letters=tuple(sorted(chosen, key=lambda each: (each.last_seen, each.letter_id))),
        unreadable=tuple(unreadable),
        parked=tuple(each for each in readable if is_parked(each) and not force),
        taken=tuple(each for each in meant if each.status == "claimed"),
        settled=tuple(each for each in meant if wish.ids and each.status in ("replayed", "discarded")),
        until=cut,
    )


async def plan_replay(ports: OperatorPorts, wish: LetterWish, *, force: bool = False, read: bool = True) -> ReplayPlan:
    """`read` False: only count, and read no customer."""
    selection = await select(ports, wish, force=force)
    full = await _full_syncs(ports)
    reads = await _reads(ports, selection.letters)
    skipped = [each for each in selection.letters if _is_in_step(each, reads, full)]
    users: dict[int, set[str]] = {}
    tied = await customers_by_tenant(ports)
    for letter in selection.letters:
        for customer_id, _ in tied.get(letter.tenant_id or "", ()):
            users.setdefault(customer_id, set()).update(letter.user_ids)
    largest = sorted(users, key=lambda customer_id: (-len(users[customer_id]), customer_id))
    chosen = largest[:CUSTOMERS] if read else []
    return ReplayPlan(
        selection=selection,
        code=selection.code,
        in_step=len(skipped),
        users=len({user for letter in selection.letters for user in letter.user_ids}),
        customers=tuple([await _planned(ports, each, users[each]) for each in chosen]),
        not_read=len(largest) - len(chosen),
    )


async def _full_syncs(ports: OperatorPorts) -> Mapping[str, Sequence[datetime | None]]:
    """Tenant -> when the newest full sync that is done began, of each of its approved customers."""
    full = await ports.runs.full()
    found: dict[str, list[datetime | None]] = {}
    for connection in await ports.connections.list(ConnectionStatus.APPROVED):
        last = full.get(connection.customer_id)
        for tenant_id in connection.tenants:
            found.setdefault(tenant_id, []).append(last.done_began_at if last else None)
    return found


async def _reads(ports: OperatorPorts, letters: Sequence[DeadLetter]) -> Mapping[str, Mapping[str, datetime | None]]:
    """Tenant -> user -> when the last read that succeeded began. One question for a user, however many letters."""
    found: dict[str, dict[str, datetime | None]] = {}
    for letter in letters:
        tenant_id = letter.tenant_id or ""
        known = found.setdefault(tenant_id, {})
        for user in letter.user_ids:
            if user not in known:
                known[user] = _moment(await ports.memory.recall(read_key(tenant_id, user)))
    return found


def _is_in_step(
    letter: DeadLetter,
    reads: Mapping[str, Mapping[str, datetime | None]],
    full: Mapping[str, Sequence[datetime | None]],
) -> bool:
    """By the same rule as the worker's, as far as it can be told now."""
    tenant_id = letter.tenant_id or ""
    return in_step_since(letter, reads.get(tenant_id, {}), full.get(tenant_id, ()))


async def _planned(ports: OperatorPorts, customer_id: int, users: set[str]) -> PlannedCustomer:
    connection = await ports.connections.get(customer_id)
    name = connection.customer_name if connection else ""
    try:
        preview = await ports.passes.preview(customer_id)
    except SyncError as error:
        why = f"Could not be read now ({error.service}: {error.code.replace('_', ' ')})."
        return PlannedCustomer(customer_id, name, len(users), {}, (), why)
    found = {row.plan.user_id: row for row in preview.rows if row.plan.user_id in users}
    outcomes = Counter(outcome_of(row.plan) for row in found.values())
    if missing := len(users) - len(found):
        outcomes[UNKNOWN] = missing
    shown = sorted(found.values(), key=lambda row: (not _fields(row.plan), row.user_label))[:ROWS]
    why = "" if connection is None else _not_written(connection.status)
    return PlannedCustomer(customer_id, name, len(users), dict(sorted(outcomes.items())), _rows(shown), why)


def _rows(shown: Sequence[PreviewRow]) -> tuple[PlannedUser, ...]:
    return tuple(
        PlannedUser(row.plan.user_id, row.user_label, outcome_of(row.plan), _fields(row.plan)) for row in shown
    )


def _fields(plan: Plan) -> tuple[str, ...]:
    return tuple(each.field for each in plan.changes) if isinstance(plan, CreateContact | UpdateContact) else ()


def _not_written(status: ConnectionStatus) -> str:
    match status:
        case ConnectionStatus.APPROVED:
            return ""
        case ConnectionStatus.PREVIEW:
            return "Waiting for approval: nothing is written until then."
        case ConnectionStatus.PAUSED:
            return "Paused by a person: nothing is written until it is resumed."
        case _:
            return "Disconnected: nothing is written."


def _moment(kept: str | None) -> datetime | None:
    return datetime.fromisoformat(kept) if kept else None
