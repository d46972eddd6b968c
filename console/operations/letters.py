"""Failed changes (dead letters): found by filters, grouped by cause, shown with everything known.

Operators browse the ledger, never the queue, and browsing changes nothing. A body is shown only as what `decode` makes
of it: ids and times. Next: `letters_ending.py` (saved, discarded), `letters_replay.py` (tried again).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from console.operations.errors import wrong_use
from console.operations.ports import OperatorPorts
from shared.domain.desk import LetterFilter
from shared.domain.letter_causes import cause_of, cure_of_letter, parts_of_cause
from shared.domain.letters import grouped, state_of
from shared.domain.linking import is_living
from shared.domain.records import DeadLetter, JournalEntry

MANY = 100_000  # letters that one question may find
_WRITES = 20  # changes shown of one user
UNSETTLED = ("open", "parked")  # states in which a letter waits for a person
LIST = "entra-syncro dead-letters list"


@dataclass(frozen=True, slots=True)
class LetterWish:
    """Which failed changes an operator means; every part that is set must hold.

    `cause`: a code, with its service before it or not, with its detail after it or not ("SERVICE:CODE: DETAIL").
    """

    ids: tuple[str, ...] = ()
    customer_id: int | None = None
    cause: str = ""
    since: datetime | None = None
    until: datetime | None = None
    run_id: str = ""

    @property
    def is_everything(self) -> bool:
        return self == LetterWish()


@dataclass(frozen=True, slots=True)
class Share:
    """How many letters of a group are of one customer; `customer_id` None: no customer is known for them."""

    customer_id: int | None
    customer_name: str
    letters: int


@dataclass(frozen=True, slots=True)
class ShownGroup:
    """`cause`: what `--cause` takes. `parked`: those that were tried again too often."""

    cause: str
    what: str
    who_does_what: str
    letters: int
    users: int
    parked: int
    customers: tuple[Share, ...]
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class ShownLetter:
    """`writes`: what was written for its users since it was first seen, newest first."""

    letter: DeadLetter
    state: str
    what: str
    who_does_what: str
    customers: tuple[str, ...]
    size: int
    writes: tuple[JournalEntry, ...]


async def letters(ports: OperatorPorts, *, include_settled: bool = False, limit: int = 100) -> Sequence[DeadLetter]:
    return await ports.dead_letters.list(status=None if include_settled else "open", limit=limit)


async def find_letters(
    ports: OperatorPorts, wish: LetterWish, *, include_settled: bool = False
) -> Sequence[DeadLetter]:
    """The latest failure first; without `include_settled` those that wait for a person."""
    return await letters_in(ports, wish, None if include_settled else UNSETTLED)


async def letters_in(ports: OperatorPorts, wish: LetterWish, states: Sequence[str] | None) -> Sequence[DeadLetter]:
    """Those in one of these states, in any with None; the latest failure first."""
    if wish.ids:
        found = [await letter_of(ports, letter_id) for letter_id in dict.fromkeys(wish.ids)]
        return [each for each in found if states is None or each.status in states]
    service, error_class, detail = parts_of_cause(wish.cause)
    wanted = LetterFilter(
        tenant_ids=await _tenants(ports, wish.customer_id),
        error_class=error_class,
        detail=detail,
        since=wish.since,
        until=wish.until,
        run_id=wish.run_id,
        service=service,
        status=None,
    )
    if states is None:
        return await ports.dead_letters.find(wanted, limit=MANY)
    meant = [
        letter
        for status in states
        for letter in await ports.dead_letters.find(replace(wanted, status=status), limit=MANY)
    ]
    meant.sort(key=lambda letter: letter.letter_id)
    return sorted(meant, key=lambda letter: letter.last_seen, reverse=True)


async def letter_of(ports: OperatorPorts, letter_id: str) -> DeadLetter:
    letter = await ports.dead_letters.get(letter_id)
    if letter is None:
        raise wrong_use(f"There is no failed change {letter_id}. List them: {LIST} --flat")
    return letter


async def letter_groups(
    ports: OperatorPorts, wish: LetterWish, *, include_settled: bool = False
) -> Sequence[ShownGroup]:
    """By cause, over all customers, the largest group first."""
    found = await find_letters(ports, wish, include_settled=include_settled)
    customers = await customers_by_tenant(ports)
    return [
        ShownGroup(
            cause=cause_of(group.error_class, group.detail, group.service),
            what=group.cure.what,
            who_does_what=group.cure.who_does_what,
            letters=group.letters,
            users=group.users,
            parked=group.parked,
            customers=_shares(group.tenants, customers),
            first_seen=group.first_seen,
            last_seen=group.last_seen,
        )
        for group in grouped(found)
    ]


async def show_letter(ports: OperatorPorts, letter_id: str) -> ShownLetter:
    letter = await letter_of(ports, letter_id)
    customers = await customers_by_tenant(ports)
    cure = cure_of_letter(letter.error_class, letter.detail, letter.service)
    writes: list[JournalEntry] = []
    for user in letter.user_ids[:_WRITES]:
        entries = await ports.journal.entries(user_id=user, limit=_WRITES)
        writes += [entry for entry in entries if entry.intended_at >= letter.first_seen]
    return ShownLetter(
        letter=letter,
        state=state_of(letter),
        what=cure.what,
        who_does_what=cure.who_does_what,
        customers=tuple(name for _, name in customers.get(letter.tenant_id or "", ())),
        size=len(letter.body),
        writes=tuple(writes),
    )


async def customers_by_tenant(ports: OperatorPorts) -> Mapping[str, Sequence[tuple[int, str]]]:
    """Tenant -> (number, name) of its connected customers; of those that were, where none is any more."""
    found: dict[str, list[tuple[int, str]]] = {}
    every = await ports.connections.list()
    for living in (True, False):
        known = set(found)
        for each in every:
            if is_living(each) is living:
                for tenant_id in each.tenants:
                    if tenant_id not in known:
                        found.setdefault(tenant_id, []).append((each.customer_id, each.customer_name))
    return found


async def _tenants(ports: OperatorPorts, customer_id: int | None) -> tuple[str, ...]:
    if customer_id is None:
        return ()
    connection = await ports.connections.get(customer_id)
    if connection is None:
        raise wrong_use(f"Customer {customer_id} was never connected. See them: entra-syncro customers list")
    return connection.tenants


def _shares(tenants: Mapping[str, int], customers: Mapping[str, Sequence[tuple[int, str]]]) -> tuple[Share, ...]:
    """A tenant of several customers counts for each of them."""
    counts: dict[tuple[int | None, str], int] = {}
    for tenant_id, count in tenants.items():
        known: Sequence[tuple[int | None, str]] = customers.get(tenant_id, ())
        for who in known or [(None, "no known customer")]:
            counts[who] = counts.get(who, 0) + count
    shares = [Share(number, name, count) for (number, name), count in counts.items()]
    return tuple(sorted(shares, key=lambda share: (-share.letters, share.customer_name)))
