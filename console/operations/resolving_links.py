"""A person links a user to one contact: shown first, refused with a name where the contact is somebody else's.

A contact whose user Entra has deleted may move to a new account. Next: `shared/domain/matching.py`, for which a link
stands above everything else.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from uuid import UUID

from console.operations.actor import note
from console.operations.conflicts import NO_GUID
from console.operations.customers import connection
from console.operations.errors import OperationError, guid, wrong_use
from console.operations.ports import OperatorPorts
from console.operations.reading import contact_now
from console.operations.resolving_parts import (
    Act,
    Answer,
    changes_of,
    code_of,
    look_now,
    require_code,
    require_same_link,
    require_there,
)
from shared.domain import normalise
from shared.domain.changes import Pinned, Plan, UpdateContact, row_digest
from shared.domain.contact import Contact
from shared.domain.errors import Permanent, Transient
from shared.domain.plan import DELETED_SINCE
from shared.domain.policy import SyncPolicy
from shared.domain.records import Connection, Link
from shared.domain.user import DirectoryUser, Missing, SoftDeleted, UserRead
from shared.ports import LEASE_TAKEN

_LEASE, _WAIT = 30.0, 20.0  # seconds


async def plan_link(ports: OperatorPorts, customer_id: int, user_id: str, contact_id: int) -> Answer:
    """Refused (wrong use) for a contact of somebody else, or of another customer: it is said whose. Writes nothing."""
    user, tied = guid(user_id, NO_GUID), await connection(ports, customer_id)
    contact = await contact_now(ports, contact_id)
    await _require_own(ports, tied, contact)
    standing = await ports.links.of_user(customer_id, user)
    if standing is not None and standing.contact_id != contact_id:
        await _refuse_linked(ports, tied, user, standing)
    before = await _holder(ports, tied, contact, user)
    told = await ports.passes.suppose(customer_id, user, contact_id=contact_id)
    require_there(tied, user, told)
    if told.contact is None or told.contact.id != contact_id:
        raise OperationError(f"Contact {contact_id} is not among the contacts of {tied.customer_name} now. Try again.")
    return Answer(
        connection=tied,
        user_id=user,
        user_label=told.user_label,
        act=Act.LINK,
        contact_id=contact_id,
        contact_label=contact.name or contact.email or f"contact {contact_id}",
        changes=changes_of(told.then),
        sentence=_sentence(told.then),
        code=code_of(customer_id, user, Act.LINK, str(contact_id), before, row_digest(told.then)),
        instead_of=before,
        # a link to a contact that is gone decides nothing: it moves to the contact that was chosen
        is_decided=standing is not None and standing.contact_id == contact_id,
    )


async def link_user(
    ports: OperatorPorts, customer_id: int, user_id: str, contact_id: int, code: str, *, by: str
) -> Answer:
    """Decide what `plan_link` shows under this code. Harmless when it is repeated."""
    before = await ports.links.of_user(customer_id, guid(user_id, NO_GUID))
    answer = await plan_link(ports, customer_id, user_id, contact_id)
    if not answer.is_decided:
        require_code(answer, code, f"--contact {contact_id}")
        async with _alone(ports, answer.connection):
            await require_same_link(ports, answer, before)
            await _link(ports, answer, contact_id)
        await ports.choices.forget(customer_id, answer.user_id)
        await note(ports, by, "link", customer_id, user=answer.user_id, contact=contact_id)
    return replace(answer, is_decided=True, started=await look_now(ports, answer.connection, answer.user_id))


async def _link(ports: OperatorPorts, answer: Answer, contact_id: int) -> None:
    customer_id = answer.connection.customer_id
    if answer.instead_of:
        await ports.links.unlink(customer_id, answer.instead_of)
    try:
        await ports.links.link(Link(customer_id, answer.user_id, contact_id, "person", ports.clock.now()))
    except Permanent:
        raise OperationError(
            f"Contact {contact_id} was linked to another user just now. Look again: {_show(answer)}"
        ) from None


@asynccontextmanager
async def _alone(ports: OperatorPorts, tied: Connection) -> AsyncIterator[None]:
    """As a look has it: one that is making a contact for the user links it before anybody else links another."""
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(ports.leases.hold(f"customer:{tied.customer_id}", ttl=_LEASE, wait=_WAIT))
        except Transient as error:
            if error.code != LEASE_TAKEN:
                raise
            raise OperationError(
                f"Contacts of {tied.customer_name} are being written without a break. Nothing was decided: repeat the "
                "command in a minute."
            ) from None
        yield


async def _require_own(ports: OperatorPorts, tied: Connection, contact: Contact) -> None:
    owner = contact.customer_id
    if owner in (tied.customer_id, 0):
        return
    other = await ports.connections.get(owner)
    name = f"{other.customer_name} ({owner})" if other is not None else f"customer {owner}"
    raise wrong_use(f"Contact {contact.id} belongs to {name}, not to {tied.customer_name} ({tied.customer_id}).")


async def _refuse_linked(ports: OperatorPorts, tied: Connection, user: str, standing: Link) -> None:
    """A link to a contact that is gone is replaced; any other stands."""
    async with ports.pace.reserve(1) as allowance:
        old = await ports.contact_probe.get(allowance, standing.contact_id)
    if old is not None and old.customer_id in (tied.customer_id, 0):
        raise wrong_use(
            f"User {user} has contact {old.id} ({old.name or old.email}) already, and one user has one contact. What "
            f"is known: entra-syncro explain {user}"
        )


async def _holder(ports: OperatorPorts, tied: Connection, contact: Contact, user: str) -> str:
    """Whose contact it was: "" for nobody's. Refused while Entra has that user."""
    links = await ports.links.of_customer(tied.customer_id)
    policy = await ports.policies.policy(tied.customer_id)
    linked = next((each.user_id for each in links if each.contact_id == contact.id), "")
    written = _object_id(contact.value(policy.fields.object_id))
    for holder in dict.fromkeys(each for each in (linked, written) if each and each != user):
        read = await _user(ports, tied, holder)
        if not isinstance(read, SoftDeleted) and not _is_gone(contact, policy):
            name = _name(read, holder)
            raise wrong_use(
                f"Contact {contact.id} belongs to {name} ({holder}). Choose another one, or make one: "
                f"entra-syncro conflicts resolve {tied.customer_id} {user} --create"
            )
    return linked if linked != user else ""


def _is_gone(contact: Contact, policy: SyncPolicy) -> bool:
    """By what the worker concluded and wrote: that nobody knows a user at the moment may mean "not yet"."""
    return contact.value(policy.fields.account_status).startswith(DELETED_SINCE)


def _name(read: UserRead, holder: str) -> str:
    if not isinstance(read, DirectoryUser):
        return "a user whom Microsoft does not know at the moment"
    return read.display_name or read.mail or read.user_principal_name or holder


def _object_id(text: str) -> str:
    """Whatever people typed into the field: only an id can be asked for."""
    try:
        return str(UUID(normalise.text(text)))
    except ValueError:
        return ""


async def _user(ports: OperatorPorts, tied: Connection, user_id: str) -> UserRead:
    read: UserRead = Missing(user_id)
    for tenant_id in tied.tenants:
        read = (await ports.directory.users(tenant_id, [user_id]))[user_id]
        if not isinstance(read, Missing):
            break
    return read


def _sentence(planned: Plan) -> str:
    match planned:
        case UpdateContact():
            return "It is brought in step with this user."
        case Pinned():
            return "It is locked, so nothing is written until somebody unlocks it."
        case _:
            return "It is in step already; nothing is written but the link."


def _show(answer: Answer) -> str:
    return f"entra-syncro conflicts show {answer.connection.customer_id} {answer.user_id}"
