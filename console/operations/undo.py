"""Taking changes back: which entries of the journal an operator means, what that would do, and doing it by its code.

The plan and the work are the worker's (`OperatorPorts.undos`); this says who does what next. While the customer is
approved its next look would write everything again, so the work begins by pausing it. Next: `console/cli/changes.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import ceil

from console.operations.actor import note
from console.operations.errors import held, wrong_use
from console.operations.finding_user import one_user
from console.operations.ports import OperatorPorts
from shared.domain.desk import JournalFilter
from shared.domain.errors import Permanent
from shared.domain.records import Connection, ConnectionStatus, JournalEntry
from shared.domain.undo_steps import Left, Remove, Step, Undone, UndoPlan, Why

_LACKING = frozenset({"permission", "forbidden"})  # codes of an answer that a token with more rights would get
_PAGE = 1_000  # entries of one look into the journal
LIST = "entra-syncro changes list"


@dataclass(frozen=True, slots=True)
class UndoWish:
    """Exactly one of: `entry`, `contact_id` or `user` (all of it), `run_id`, or `customer_id` with `since` or
    `since_connect`.

    `customer_id` may stand beside the others. `user`: an object id, an address, or with `customer_id` a part of a name.
    """

    entry: int | None = None
    contact_id: int | None = None
    run_id: str = ""
    customer_id: int | None = None
    since: datetime | None = None
    since_connect: bool = False
    user: str = ""


@dataclass(frozen=True, slots=True)
class ShownUndo:
    """`entries`: how many changes were chosen, the oldest of them written at `oldest`. `next`: who does what."""

    plan: UndoPlan
    customer_name: str
    status: ConnectionStatus
    entries: int
    oldest: datetime
    next: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ShownUndone:
    """`next`: who does what."""

    done: Undone
    customer_id: int
    customer_name: str
    next: tuple[str, ...]


async def plan_undo(ports: OperatorPorts, wish: UndoWish) -> ShownUndo:
    """What would be taken back now. Writes nothing; the code is good for a day."""
    tied, entries = await _chosen(ports, wish)
    plan = await ports.undos.plan(tied.customer_id, _ids(entries))
    oldest = min(entry.intended_at for entry in entries)
    return ShownUndo(plan, tied.customer_name, tied.status, len(entries), oldest, _next(ports, tied, plan))


async def undo(ports: OperatorPorts, wish: UndoWish, code: str, *, by: str = "") -> ShownUndone:
    """Do what the plan with this code showed, where it is still so."""
    tied, entries = await _chosen(ports, wish)
    try:
        done = await ports.undos.undo(tied.customer_id, _ids(entries), code.strip(), by)
    except Permanent as error:
        if (error.service, error.code) != ("worker", "plan_changed"):
            raise
        raise held(
            "Nothing was taken back: that code does not stand for what would be taken back now. It is mistyped, older "
            "than a day, or something changed since. Look again: the same command without --apply."
        ) from None
    contacts, left = len(done.steps), len(done.left)
    await note(ports, by, "undo", tied.customer_id, undo=done.undo_id, contacts=contacts, left=left)
    return ShownUndone(done, tied.customer_id, tied.customer_name, _after(tied.customer_id, done))


def _next(ports: OperatorPorts, tied: Connection, plan: UndoPlan) -> tuple[str, ...]:
    sentences = [*_unseen(plan.left)]
    if not plan.steps:
        return (*sentences, "Nothing of it can be taken back.")
    minutes = ceil(sum(_calls(step) for step in plan.steps) / ports.backfill_per_minute)
    if minutes > 1:
        sentences.append(f"It takes about {minutes} minutes; stopped in between, the same command goes on.")
    return (*sentences, *_before(tied))


def _calls(step: Step) -> int:
    """To Syncro, at least: a read and a write, and what must be known before a contact goes or comes."""
    return 6 if isinstance(step, Remove) else 2


def _unseen(left: Iterable[Left]) -> Iterator[str]:
    codes = {each.detail for each in left if each.why is Why.UNSEEN}
    if codes & _LACKING:
        yield "To let it delete contacts, the API token must see what hangs on them: give it the permissions"
        yield "Tickets - List/Search, Assets - List/Search and Global Admin; or delete them in Syncro by hand."
    elif codes:
        yield "Syncro's list of tickets, assets or portal logins does not say whose a row is. More permissions do not"
        yield "help: look at these contacts in Syncro, and delete by hand those on which nothing hangs."


def _before(tied: Connection) -> tuple[str, ...]:
    match tied.status:
        case ConnectionStatus.APPROVED:
            return (
                f"It pauses {tied.customer_name} first: the next full sync would write the same again.",
                "Correct the rule or the user in Entra, or lock the contacts, before you let it go on.",
            )
        case ConnectionStatus.PAUSED:
            return (f"{tied.customer_name} is paused and stays so: nothing is written again meanwhile.",)
        case ConnectionStatus.PREVIEW:
            return (f"{tied.customer_name} waits for approval: nothing is written again before somebody approves it.",)
        case ConnectionStatus.DISCONNECTED:
            return (f"{tied.customer_name} is disconnected: nothing is written again.",)


def _after(customer_id: int, done: Undone) -> tuple[str, ...]:
    if not done.paused:
        return tuple(_unseen(done.left))
    if done.stopped is not None:
        return (*_unseen(done.left), "The customer is paused, and stays so until the rest is taken back too.")
    return (
        *_unseen(done.left),
        "The customer is paused. Correct the rule (entra-syncro customers policy set) or the user in Entra,",
        "or lock what must stay (entra-syncro customers pin CONTACT --why TEXT). Then let it go on:",
        f"  entra-syncro customers resume {customer_id}",
    )


# --- which changes ----------------------------------------------------------------------------------------------------


async def _chosen(ports: OperatorPorts, wish: UndoWish) -> tuple[Connection, Sequence[JournalEntry]]:
    entries = await _entries(ports, wish)
    customers = {entry.customer_id for entry in entries}
    if not entries:
        raise wrong_use(f"No such change is in the journal. Look at those there are: {LIST}")
    if len(customers) > 1:
        numbers = ", ".join(map(str, sorted(customers)))
        raise wrong_use(f"These changes are of several customers ({numbers}). Name one: --customer CUSTOMER")
    return await _customer(ports, customers.pop()), entries


async def _entries(ports: OperatorPorts, wish: UndoWish) -> Sequence[JournalEntry]:
    is_since = wish.since is not None or wish.since_connect
    ways = [wish.entry is not None, wish.contact_id is not None, bool(wish.user.strip()), bool(wish.run_id), is_since]
    if sum(ways) != 1:
        raise wrong_use(
            "Say what to take back, in one way: a change's number, --contact, --user, --run, or --customer with "
            "--since."
        )
    if is_since and wish.customer_id is None:
        raise wrong_use("--since goes with one customer: entra-syncro changes undo --customer CUSTOMER --since DATE")
    if wish.entry is not None:
        entry = await ports.journal_search.get(wish.entry)
        return [entry] if entry is not None and wish.customer_id in (None, entry.customer_id) else []
    since = wish.since
    if wish.since_connect and wish.customer_id is not None:
        since = (await _customer(ports, wish.customer_id)).connected_at
    user_id = await one_user(ports, wish.user, wish.customer_id, is_for_writing=True) if wish.user.strip() else ""
    return await _every(ports, JournalFilter(wish.customer_id, user_id, wish.contact_id, "", wish.run_id, since=since))


async def _every(ports: OperatorPorts, wanted: JournalFilter) -> Sequence[JournalEntry]:
    found: list[JournalEntry] = []
    while True:
        page = await ports.journal_search.search(wanted, _PAGE)
        found += page
        if len(page) < _PAGE:
            return found
        wanted = replace(wanted, before_id=page[-1].id)


async def _customer(ports: OperatorPorts, customer_id: int) -> Connection:
    """Of any status: what was written for a customer can be taken back after it was disconnected."""
    found = await ports.connections.get(customer_id)
    if found is None:
        raise wrong_use(f"Customer {customer_id} is not known here. Look: entra-syncro customers list")
    return found


def _ids(entries: Sequence[JournalEntry]) -> frozenset[int]:
    return frozenset(entry.id for entry in entries if entry.id is not None)
