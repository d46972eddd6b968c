"""The one user that a word means: an object id, an address, or a part of a name at one customer. Reads only.

An id is taken as it is, so that what was written for somebody whom Entra has deleted can be found too. Whoever is not
certain is listed, never guessed. Next: `console/operations/finding.py`, which asks the tenants.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from console.operations.customers import connection
from console.operations.errors import OperationError, wrong_use
from console.operations.finding import Known, find
from console.operations.ports import OperatorPorts
from shared.domain.linking import is_living
from shared.domain.user import DirectoryUser

_SHOWN = 10  # users of a list
Users = Mapping[str, str]  # object id -> what a person calls the user


async def one_user(
    ports: OperatorPorts, who: str, customer_id: int | None = None, *, is_for_writing: bool = False
) -> str:
    """The object id. Raises wrong use, with a list, for none and for several. `customer_id`: look there alone.

    `is_for_writing`: also refused while a tenant could not be asked, which may know another user by that word.
    """
    word = who.strip()
    if (known := _object_id(word)) is not None:
        return known
    if customer_id is not None:
        await _require_living(ports, customer_id)
    found = await _of_address(ports, word, customer_id, is_for_writing=is_for_writing) if "@" in word else {}
    if found or ("@" in word and customer_id is None):
        return _only(word, found)
    if word.isdecimal():
        raise wrong_use(f"{word} is no user. For a contact by Syncro's number: --contact {word}")
    if customer_id is None:
        raise wrong_use("--user takes an object id or an address; with --customer also a part of a name.")
    return _only(word, await _of_name(ports, word, customer_id))


def _object_id(word: str) -> str | None:
    try:
        return str(UUID(word))
    except ValueError:
        return None


async def _require_living(ports: OperatorPorts, customer_id: int) -> None:
    """What was written for a disconnected customer is found by id: Entra is not asked for its users any more."""
    tied = await ports.connections.get(customer_id)
    if tied is not None and not is_living(tied):
        raise wrong_use(
            f"{tied.customer_name} is disconnected, so nobody asks its tenant for users. Name the object id (user_id "
            f"in: entra-syncro changes list --customer {customer_id} --json), or the contact: --contact NUMBER"
        )


async def _of_address(ports: OperatorPorts, address: str, customer_id: int | None, *, is_for_writing: bool) -> Users:
    found = await find(ports, address, customer_id)
    if found.unasked and (is_for_writing or not found.known):
        names = ", ".join(sorted({each.customer_name for each in found.unasked}))
        ids = " or ".join(sorted({each.user_id for each in found.known}))
        which = f" If {ids} is meant, type that." if ids else ""
        who = f"{address} is known" if ids else f"Nobody has {address}"
        raise OperationError(f"{who} where it could be asked; not asked: {names}. Name the object id.{which}")
    homes = {each.user_id: each for each in found.known}
    return {user_id: await _label(ports, each) for user_id, each in homes.items()} if len(homes) > 1 else _bare(homes)


def _bare(homes: Mapping[str, Known]) -> Users:
    return dict.fromkeys(homes, "")


async def _label(ports: OperatorPorts, known: Known) -> str:
    read = (await ports.directory.users(known.tenant_id, [known.user_id]))[known.user_id]
    return f"{_name(read)}, {known.connection.customer_name}" if isinstance(read, DirectoryUser) else ""


async def _of_name(ports: OperatorPorts, part: str, customer_id: int) -> Users:
    wanted = part.casefold()
    tied = await connection(ports, customer_id)
    return {
        user.id: _name(user)
        for tenant_id in tied.tenants
        async for user in ports.directory.listing(tenant_id)
        if any(wanted in (text or "").casefold() for text in _texts(user))
    }


def _texts(user: DirectoryUser) -> tuple[str | None, ...]:
    return user.display_name, user.given_name, user.surname, user.mail, user.user_principal_name


def _name(user: DirectoryUser) -> str:
    address = user.mail or user.user_principal_name or ""
    return f"{user.display_name or address} ({address})" if address else user.display_name or user.id


def _only(word: str, found: Users) -> str:
    if not found:
        raise wrong_use(
            f"No connected tenant knows {word}. For somebody whom Entra has deleted, name the object id (GUID), or the "
            "contact: --contact NUMBER"
        )
    if len(found) == 1:
        return next(iter(found))
    lines = [f"  {user_id}  {label}" for user_id, label in sorted(found.items(), key=lambda each: each[1])]
    more = [f"  and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    raise wrong_use("\n".join([f"{len(found)} users are meant by {word}. Name one by its id:", *lines[:_SHOWN], *more]))
