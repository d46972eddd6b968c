"""Who is meant by an object id, an address or a contact's number: the users and customers of one word. Reads only.

Links come first: they cost no call. Tenants are asked for an address, and for an id that nobody has linked; only
those whose customer is connected. Next: `console/operations/explaining.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from console.operations.customers import connection
from console.operations.errors import wrong_use
from console.operations.ports import OperatorPorts
from shared.domain.errors import Scope, StopTheLine, SyncError
from shared.domain.linking import is_living
from shared.domain.records import Connection, Link
from shared.domain.user import Missing

_AT_ONCE = 8  # tenants asked at the same time


@dataclass(frozen=True, slots=True)
class Known:
    """One user at one customer. `link` is None where no contact of the customer is linked to the user."""

    connection: Connection
    tenant_id: str
    user_id: str
    link: Link | None


@dataclass(frozen=True, slots=True)
class Unasked:
    """A customer of which a tenant could not be asked, and why."""

    customer_id: int
    customer_name: str
    error: SyncError


@dataclass(frozen=True, slots=True)
class Search:
    """`contact_id`: the number that was asked for, None for a user."""

    known: tuple[Known, ...]
    unasked: tuple[Unasked, ...]
    contact_id: int | None = None


async def find(ports: OperatorPorts, who: str, customer_id: int | None = None) -> Search:
    """At every connected customer, or at one. Raises wrong use for a word that is no id, address or number."""
    word = who.strip()
    tied = [await connection(ports, customer_id)] if customer_id is not None else await _living(ports)
    if not tied:
        raise wrong_use("No customer is connected yet. Connect one: entra-syncro customers connect CUSTOMER")
    if word.isdecimal():
        return await _by_contact(ports, tied, int(word))
    if "@" in word:
        return await _by_address(ports, tied, word)
    try:
        return await _by_user(ports, tied, str(UUID(word)))
    except ValueError:
        raise wrong_use(
            "Name an Entra user by object id or address, or a contact by Syncro's number (it stands in the address of "
            "its page)."
        ) from None


async def _living(ports: OperatorPorts) -> list[Connection]:
    return [each for each in await ports.connections.list() if is_living(each)]


async def _by_user(ports: OperatorPorts, tied: Sequence[Connection], user_id: str) -> Search:
    """Where it is linked, and at the other customers of the same tenants; else wherever a tenant knows it."""
    links = {each.customer_id: await ports.links.of_user(each.customer_id, user_id) for each in tied}
    linked = [each for each in tied if links[each.customer_id] is not None]
    if not linked:
        return await _at_homes(ports, tied, lambda tenant: _reads(ports, tenant, user_id), links)
    tenants = {tenant for each in linked for tenant in each.tenants}
    near = [each for each in tied if tenants & set(each.tenants)]
    found = await _at_homes(ports, near, lambda tenant: _reads(ports, tenant, user_id), links)
    there = {each.connection.customer_id for each in found.known}
    gone = [  # linked once, and no tenant knows the user now
        Known(each, each.tenant_id, user_id, links[each.customer_id])
        for each in linked
        if each.customer_id not in there
    ]
    return Search((*found.known, *gone), found.unasked)


async def _by_address(ports: OperatorPorts, tied: Sequence[Connection], address: str) -> Search:
    async def users(tenant: str) -> Sequence[str]:
        return [user.id for user in await ports.directory.claimants(tenant, address)]

    found = await _at_homes(ports, tied, users, {})
    return Search(tuple([await _with_link(ports, each) for each in found.known]), found.unasked)


async def _by_contact(ports: OperatorPorts, tied: Sequence[Connection], contact_id: int) -> Search:
    """By its link; without one, Syncro is asked whose it is, and that customer's tenants for its address."""
    known = [
        Known(each, await _home(ports, each, link.user_id), link.user_id, link)
        for each in tied
        for link in await ports.links.of_customer(each.customer_id)
        if link.contact_id == contact_id
    ]
    if known:
        return Search(tuple(known), (), contact_id)
    async with ports.pace.reserve(1) as allowance:
        contact = await ports.contact_probe.get(allowance, contact_id)
    if contact is None:
        raise wrong_use(f"Syncro knows no contact {contact_id}. The number stands in the address of its page.")
    owner = [each for each in tied if each.customer_id == contact.customer_id]
    if not owner:
        raise wrong_use(
            f"Contact {contact_id} belongs to customer {contact.customer_id}, which is not among the connected ones "
            "asked for. See: entra-syncro customers list"
        )
    if not contact.email.strip():
        return Search((), (), contact_id)
    found = await _by_address(ports, owner, contact.email.strip())
    return Search(found.known, found.unasked, contact_id)


async def _home(ports: OperatorPorts, tied: Connection, user_id: str) -> str:
    """The tenant of the customer that knows the user; the first where none does, or where one cannot be asked."""
    if len(tied.tenants) == 1:
        return tied.tenant_id
    found = await _at_homes(ports, [tied], lambda tenant: _reads(ports, tenant, user_id), {})
    return found.known[0].tenant_id if found.known else tied.tenant_id


async def _with_link(ports: OperatorPorts, known: Known) -> Known:
    link = await ports.links.of_user(known.connection.customer_id, known.user_id)
    return Known(known.connection, known.tenant_id, known.user_id, link)


async def _reads(ports: OperatorPorts, tenant: str, user_id: str) -> Sequence[str]:
    read = (await ports.directory.users(tenant, [user_id]))[user_id]
    return [] if isinstance(read, Missing) else [user_id]


async def _at_homes(
    ports: OperatorPorts,
    tied: Sequence[Connection],
    users_in: Callable[[str], Awaitable[Sequence[str]]],
    links: dict[int, Link | None],
) -> Search:
    """Every user that a tenant of these customers names. One customer's lost consent is no reason to find nobody."""
    answers = await _asked({tenant for each in tied for tenant in each.tenants}, users_in)
    known, unasked = list[Known](), list[Unasked]()
    for each in tied:
        for tenant in each.tenants:
            answer = answers[tenant]
            if isinstance(answer, SyncError):
                unasked.append(Unasked(each.customer_id, each.customer_name, answer))
                continue
            known += [Known(each, tenant, user_id, links.get(each.customer_id)) for user_id in answer]
    return Search(tuple(known), tuple(unasked))


async def _asked(
    tenants: Iterable[str], users_in: Callable[[str], Awaitable[Sequence[str]]]
) -> dict[str, Sequence[str] | SyncError]:
    turn = asyncio.Semaphore(_AT_ONCE)

    async def ask(tenant: str) -> Sequence[str] | SyncError:
        async with turn:
            try:
                return await users_in(tenant)
            except StopTheLine as error:
                if error.scope is Scope.ACCOUNT:
                    raise
                return error
            except SyncError as error:
                return error

    async with asyncio.TaskGroup() as group:
        tasks = {tenant: group.create_task(ask(tenant), name=f"find:{tenant}") for tenant in sorted(tenants)}
    return {tenant: task.result() for tenant, task in tasks.items()}
