"""Everything that is known about one person or contact: where it is, what happened, what would happen now, what blocks.

Reads only; the five steps and the rule behind every field come from the worker's own rules. Who is meant is
`console/operations/finding.py`. Next: `worker/explaining.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from console.operations.finding import Known, Search, Unasked, find
from console.operations.holding import next_step
from console.operations.ports import Explanation, OperatorPorts
from shared.domain.choosing import still_holds
from shared.domain.cures import cure_of_code
from shared.domain.desk import Choice, Chosen, JournalFilter, LetterFilter, Pin
from shared.domain.errors import Scope, StopTheLine, SyncError
from shared.domain.letter_causes import said
from shared.domain.locks import last_day
from shared.domain.records import (
    STOPPED_KEY,
    Connection,
    ConnectionStatus,
    DeadLetter,
    Hold,
    JournalEntry,
    Link,
    OpenConflict,
    Owed,
)
from shared.domain.watching import announced_key, notified_key, read_key

_WRITES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Place:
    """One user at one customer. Moments are None where nobody remembers them (they are kept for a while only).

    `announced_at`: when Microsoft's newest notification about the user came; `notified_at`: about anybody of the
    tenant. `read_at`: when the last look that went well read the user. `writes`: the newest of the journal, newest
    first. `failed`: open failed changes. `hold`: what a brake holds of this user. `steps_failed`: why the five steps
    could not be taken now, None: they were. `blocks`: whatever stands in the way, each with who does what next.
    """

    connection: Connection
    tenant_id: str
    user_id: str
    link: Link | None
    announced_at: datetime | None
    notified_at: datetime | None
    read_at: datetime | None
    writes: Sequence[JournalEntry]
    failed: Sequence[DeadLetter]
    conflict: OpenConflict | None
    choice: Chosen | None
    pin: Pin | None
    hold: Hold | None
    owed: Owed | None
    explanation: Explanation | None
    steps_failed: SyncError | None
    blocks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explained:
    """`places`: none means that no tenant knows the person. `stopped`: why nothing can be written anywhere, "": it can.

    `unlinked`: what the journal says of a contact that nobody is linked to.
    """

    asked: str
    contact_id: int | None
    places: tuple[Place, ...]
    unasked: tuple[Unasked, ...]
    unlinked: Sequence[JournalEntry]
    stopped: str
    seen_at: datetime


async def explain_person(ports: OperatorPorts, who: str, customer_id: int | None = None) -> Explained:
    """`who`: an Entra user by object id or address, or a contact by Syncro's number."""
    found = await find(ports, who, customer_id)
    owed = {mark.customer_id: mark for mark in await ports.owed.owed()}
    places = [await _place(ports, known, owed.get(known.connection.customer_id)) for known in found.known]
    return Explained(
        asked=who.strip(),
        contact_id=found.contact_id,
        places=tuple(places),
        unasked=found.unasked,
        unlinked=await _unlinked(ports, found),
        stopped=await ports.memory.recall(STOPPED_KEY) or "",
        seen_at=ports.clock.now(),
    )


async def _unlinked(ports: OperatorPorts, found: Search) -> Sequence[JournalEntry]:
    if found.contact_id is None or any(known.link is not None for known in found.known):
        return ()
    return await ports.journal_search.search(JournalFilter(contact_id=found.contact_id), _WRITES_SHOWN)


async def _place(ports: OperatorPorts, known: Known, owed: Owed | None) -> Place:
    tied, user_id, tenant = known.connection, known.user_id, known.tenant_id
    customer_id = tied.customer_id
    contact_id = known.link.contact_id if known.link else None
    conflicts = await ports.conflicts.list(customer_id)
    pins = [pin for pin in await ports.pins.all() if pin.holds(ports.clock.now())]
    hold = await ports.holds.of_customer(customer_id)
    letters = await ports.dead_letters.find(LetterFilter(tenant_ids=(tenant,)))
    failed = [letter for letter in letters if user_id in letter.user_ids]
    conflict = next((each for each in conflicts if each.user_id == user_id), None)
    choice = (await ports.choices.of_customer(customer_id)).get(user_id)
    pin = next((each for each in pins if each.contact_id == contact_id), None)
    held = hold if hold is not None and any(row.user_id == user_id for row in hold.rows) else None
    explanation, trouble = await _steps(ports, customer_id, user_id)
    return Place(
        connection=tied,
        tenant_id=tenant,
        user_id=user_id,
        link=known.link,
        announced_at=await _moment(ports, announced_key(tenant, user_id)),
        notified_at=await _moment(ports, notified_key(tenant)),
        read_at=await _moment(ports, read_key(tenant, user_id)),
        writes=await ports.journal.entries(customer_id=customer_id, user_id=user_id, limit=_WRITES_SHOWN),
        failed=failed,
        conflict=conflict,
        choice=choice,
        pin=pin,
        hold=held,
        owed=owed,
        explanation=explanation,
        steps_failed=trouble,
        blocks=(
            *_blocks(ports, tied, owed, failed, conflict, choice, pin, held),
            *await _tenant_blocks(ports, tenant),
        ),
    )


async def _steps(ports: OperatorPorts, customer_id: int, user_id: str) -> tuple[Explanation | None, SyncError | None]:
    """What the ledger knows is shown all the same where Microsoft or Syncro cannot be asked."""
    try:
        return await ports.passes.explain(customer_id, user_id), None
    except StopTheLine as error:
        if error.scope is Scope.ACCOUNT:
            raise
        return None, error
    except SyncError as error:
        return None, error


async def _moment(ports: OperatorPorts, key: str) -> datetime | None:
    kept = await ports.memory.recall(key)
    return datetime.fromisoformat(kept) if kept else None


def _blocks(
    ports: OperatorPorts,
    tied: Connection,
    owed: Owed | None,
    failed: Sequence[DeadLetter],
    conflict: OpenConflict | None,
    choice: Chosen | None,
    pin: Pin | None,
    hold: Hold | None,
) -> Iterator[str]:
    number = tied.customer_id
    yield from _customer_blocks(tied, owed)
    if pin is not None:
        until = f"until the end of {last_day(pin.until, ports.nightly.zone)}" if pin.until else "for good"
        yield (
            f"The contact is locked {until} by {pin.by}: {pin.why}. "
            f"Unlock it: entra-syncro customers unpin {pin.contact_id}"
        )
    asked = [each.contact_id for each in conflict.candidates] if conflict is not None else []
    chosen = choice if choice is not None and still_holds(choice, asked, asked) else None
    if chosen is not None and chosen.choice is Choice.DISMISS:
        again = f"entra-syncro conflicts reopen {number} {chosen.user_id}"
        yield f"{chosen.by} left the choice of a contact alone: {chosen.why}. To be asked again: {again}"
    elif conflict is not None and chosen is None:
        look = f"entra-syncro conflicts show {number} {conflict.user_id}"
        yield f"A person must choose the contact: {conflict.reason}. Look: {look}"
    if hold is not None:
        yield f"A change of this user is held by a brake. {next_step(hold, ports.clock.now())}"
    for letter in failed:
        yield (
            f"A change failed{'' if letter.attempts == 1 else f' {letter.attempts} times'} ({said(letter)}). When "
            f"the cause is gone: entra-syncro dead-letters replay {letter.letter_id}"
        )


async def _tenant_blocks(ports: OperatorPorts, tenant: str) -> list[str]:
    """Why changes of this tenant come late or not at all, each cause once."""
    state, poll = (await ports.subscription_states.all()).get(tenant), (await ports.polls.all()).get(tenant)
    codes = dict.fromkeys(each.code for each in (state, poll) if each is not None and each.code)
    cures = [cure_of_code(code) for code in codes]
    return [f"Changes may come late: {cure.what} {cure.who_does_what}" for cure in cures]


def _customer_blocks(tied: Connection, owed: Owed | None) -> Iterator[str]:
    number = tied.customer_id
    if tied.status is ConnectionStatus.PREVIEW:
        yield f"The customer is waiting for approval. Look at the plan: entra-syncro preview --customer {number}"
    elif tied.status is ConnectionStatus.PAUSED:
        yield f"The customer is paused by a person. Go on: entra-syncro customers resume {number}"
    elif owed is not None:
        yield f"The customer is not yet synced ({owed.reason}); a full sync starts by itself."
