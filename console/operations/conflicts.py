"""Questions about whose contact it is: ambiguous, claimed twice, an address that moved, a user shared by customers.

Reads only: the ledger's open questions, the links, and names fresh from Entra (an id where a tenant does not answer).
How one is shown is `questions.py`'s business, answering one `resolving.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from console.operations.customers import connection
from console.operations.errors import guid, wrong_use
from console.operations.ports import OperatorPorts
from console.operations.questions import Books, ShownCandidate, ShownConflict, Standing, left_as, opened_as, shared_as
from shared.domain.changes import Conflict
from shared.domain.desk import Choice
from shared.domain.errors import SyncError
from shared.domain.linking import is_living
from shared.domain.records import Connection, Link, OpenConflict
from shared.domain.user import DirectoryUser, UserRead

NO_GUID = "Name the user by the object id; entra-syncro conflicts list shows it."
_NAMED = 8  # contacts whose names are read from Syncro for one question


async def conflicts(
    ports: OperatorPorts, customer_id: int | None = None, *, include_left: bool = False
) -> Sequence[ShownConflict]:
    """Of one connected customer, or of all. `include_left`: also what people left alone."""
    tied = await _tied(ports, customer_id)
    opened = await ports.conflicts.list(customer_id)
    shared = await _shared(ports, tied)
    found: list[ShownConflict] = []
    for one in tied:
        mine = [each for each in opened if each.customer_id == one.customer_id]
        found.extend(await _of_customer(ports, one, mine, shared.get(one.customer_id, {})))
    return [each for each in found if include_left or each.standing is Standing.OPEN]


async def conflict(ports: OperatorPorts, customer_id: int, user_id: str) -> ShownConflict:
    """One question with the names of its contacts, a call to Syncro each. Wrong use where there is none.

    Of a customer that waits for approval nothing is noted yet: there the question is as of now.
    """
    user, tied = guid(user_id, NO_GUID), await connection(ports, customer_id)
    every = await conflicts(ports, customer_id, include_left=True)
    found = next((each for each in every if each.user_id == user), None) or await _as_of_now(ports, tied, user)
    if found is None:
        raise wrong_use(
            f"Nothing is to be chosen for user {user} at {tied.customer_name}. What happens to this user: "
            f"entra-syncro explain {user}"
        )
    named = [await _named(ports, each) for each in found.candidates[:_NAMED]]
    return replace(found, candidates=(*named, *found.candidates[_NAMED:]))


async def _as_of_now(ports: OperatorPorts, tied: Connection, user_id: str) -> ShownConflict | None:
    told = await ports.passes.suppose(tied.customer_id, user_id)
    if not isinstance(told.now, Conflict):
        return None
    now = ports.clock.now()
    kept = OpenConflict(tied.customer_id, user_id, told.now.reason, told.now.candidates, now, now)
    shown, *_ = await _of_customer(ports, tied, [kept], {})  # open ones come first
    return replace(shown, since=None, user_label=told.user_label)


async def _tied(ports: OperatorPorts, customer_id: int | None) -> Sequence[Connection]:
    if customer_id is not None:
        return [await connection(ports, customer_id)]
    return [each for each in await ports.connections.list() if is_living(each)]


# --- users of one tenant at several customers ---------------------------------------------------------------------


async def _shared(ports: OperatorPorts, tied: Sequence[Connection]) -> Mapping[int, Mapping[str, tuple[str, ...]]]:
    """Customer id -> user id -> names of the other customers that have a contact of the same user."""
    found: dict[int, dict[str, tuple[str, ...]]] = {}
    for one in tied:
        others = await _neighbours(ports, one)
        if not others:
            continue
        mine = {link.user_id for link in await ports.links.of_customer(one.customer_id)}
        theirs = {other: await ports.links.of_customer(other.customer_id) for other in others}
        held = {user_id: _holding(user_id, theirs) for user_id in mine}
        found[one.customer_id] = {user_id: names for user_id, names in held.items() if names}
    return found


async def _neighbours(ports: OperatorPorts, tied: Connection) -> Sequence[Connection]:
    every = {
        other.customer_id: other
        for tenant_id in tied.tenants
        for other in await ports.connections.of_tenant(tenant_id)
        if is_living(other) and other.customer_id != tied.customer_id
    }
    return list(every.values())


def _holding(user_id: str, theirs: Mapping[Connection, Sequence[Link]]) -> tuple[str, ...]:
    return tuple(
        f"{other.customer_name} ({other.customer_id})"
        for other, links in theirs.items()
        if any(link.user_id == user_id for link in links)
    )


# --- one customer -------------------------------------------------------------------------------------------------


async def _of_customer(
    ports: OperatorPorts, tied: Connection, opened: Sequence[OpenConflict], shared: Mapping[str, tuple[str, ...]]
) -> Sequence[ShownConflict]:
    choices = await ports.choices.of_customer(tied.customer_id)
    left = {each.user_id: each for each in choices.values() if each.choice is Choice.DISMISS}
    if not (opened or shared or left):
        return []
    links = {link.contact_id: link.user_id for link in await ports.links.of_customer(tied.customer_id)}
    asked = {each.user_id for each in opened} | shared.keys() | left.keys()
    holders = {
        links[candidate.contact_id] for each in opened for candidate in each.candidates if candidate.contact_id in links
    }
    books = Books(tied, links, choices, await _read(ports, tied, asked | holders))
    found = [opened_as(books, each) for each in opened]
    told = {each.user_id for each in opened}
    found.extend(shared_as(books, each, shared[each]) for each in sorted(shared.keys() - told))
    told |= shared.keys()
    found.extend(left_as(books, each) for user_id, each in sorted(left.items()) if user_id not in told)
    return found


async def _read(ports: OperatorPorts, tied: Connection, user_ids: Iterable[str]) -> Mapping[str, UserRead]:
    """Each from the first tenant that knows it; a tenant that does not answer leaves ids without names."""
    waiting, found = sorted(user_ids), dict[str, UserRead]()
    for tenant_id in tied.tenants:
        try:
            reads = await ports.directory.users(tenant_id, waiting) if waiting else {}
        except SyncError:
            continue
        for user_id, read in reads.items():
            if isinstance(read, DirectoryUser) or user_id not in found:
                found[user_id] = read
        waiting = [user_id for user_id in waiting if not isinstance(found.get(user_id), DirectoryUser)]
    return found


async def _named(ports: OperatorPorts, candidate: ShownCandidate) -> ShownCandidate:
    async with ports.pace.reserve(1) as allowance:
        contact = await ports.contact_probe.get(allowance, candidate.contact_id)
    if contact is None:
        return replace(candidate, label="no longer in Syncro")
    return replace(candidate, label=contact.name, email=contact.email)
