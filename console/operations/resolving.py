"""Answering whose contact it is: make one, leave the question alone, or ask it again. Linking: `resolving_links.py`.

Creating writes to Syncro, so it is shown first and done by the code of what was shown. The decision goes into the
ledger before the worker is asked to look: whatever dies in between, the next full sync carries it out. Leaving alone
writes nothing and is done at once. Next: `shared/domain/matching.py` for what a choice means.
"""

from __future__ import annotations

from dataclasses import replace

from console.operations.actor import note
from console.operations.conflicts import NO_GUID, conflicts
from console.operations.customers import connection
from console.operations.errors import OperationError, guid, wrong_use
from console.operations.ports import OperatorPorts, Supposed
from console.operations.resolving_parts import (
    Act,
    Answer,
    Left,
    chosen,
    code_of,
    look_now,
    nothing_to_choose,
    require_code,
    require_same_link,
    require_there,
)
from shared.domain.changes import Conflict, CreateContact, Excluded, Plan, row_digest
from shared.domain.choosing import seen
from shared.domain.desk import Choice
from shared.domain.records import Connection, Link


async def plan_create(ports: OperatorPorts, customer_id: int, user_id: str, *, by: str, why: str) -> Answer:
    """Refused (wrong use) unless a person has to choose for this user. Writes nothing."""
    answer, _ = await _created(ports, customer_id, user_id, by, why)
    return answer


async def create_for(ports: OperatorPorts, customer_id: int, user_id: str, code: str, *, by: str, why: str) -> Answer:
    """Decide what `plan_create` shows under this code. Harmless when it is repeated."""
    before = await ports.links.of_user(customer_id, guid(user_id, NO_GUID))
    answer, told = await _created(ports, customer_id, user_id, by, why)
    if not answer.is_decided:
        require_code(answer, code, "--create")
        made = chosen(ports, customer_id, answer.user_id, Choice.CREATE, told.seen, why, by)
        await ports.choices.choose(made)
        await _require_unlinked(ports, answer, before)
        await note(ports, by, "create", customer_id, user=answer.user_id, seen=told.seen, why=why)
    return replace(answer, is_decided=True, started=await look_now(ports, answer.connection, answer.user_id))


async def _require_unlinked(ports: OperatorPorts, answer: Answer, before: Link | None) -> None:
    """After choosing: a link that is made from now on is younger than the choice, and uses it up."""
    try:
        await require_same_link(ports, answer, before)
    except OperationError:
        await ports.choices.forget(answer.connection.customer_id, answer.user_id)
        raise


async def _created(ports: OperatorPorts, customer_id: int, user_id: str, by: str, why: str) -> tuple[Answer, Supposed]:
    user, tied = guid(user_id, NO_GUID), await connection(ports, customer_id)
    wish = chosen(ports, customer_id, user, Choice.CREATE, "", why, by)
    told = await ports.passes.suppose(customer_id, user, chosen=wish)
    require_there(tied, user, told)
    is_decided = isinstance(told.now, CreateContact) and bool(told.now.chosen_by)
    if not (isinstance(told.now, Conflict) or is_decided):
        raise wrong_use(nothing_to_choose(tied, user))
    then = told.now if is_decided else told.then
    if not isinstance(then, CreateContact):
        raise wrong_use(_why_not_created(tied, user, then))
    answer = Answer(
        connection=tied,
        user_id=user,
        user_label=told.user_label,
        act=Act.CREATE,
        contact_id=None,
        contact_label="",
        changes=then.changes,
        sentence="A new contact is created.",
        code=code_of(customer_id, user, Act.CREATE, told.seen, row_digest(then)),
        seen=tuple(map(int, told.seen.split())),
        is_decided=is_decided,
    )
    return answer, told


def _why_not_created(tied: Connection, user: str, then: Plan) -> str:
    if isinstance(then, Excluded):
        return f"No contact can be made for this user: {then.reason}. Change that in Entra first."
    return (
        "Contacts carry this user's own object id, so a new one would be a second. Choose one of them: "
        f"entra-syncro conflicts show {tied.customer_id} {user}"
    )


async def leave_alone(ports: OperatorPorts, customer_id: int, user_id: str, *, by: str, why: str) -> Left:
    """Leave the question alone until another contact is in it. At once: nothing is written to Syncro."""
    user, tied = guid(user_id, NO_GUID), await connection(ports, customer_id)
    if not why.strip():
        raise wrong_use('Say why, for whoever asks again: --why "left the company, contact kept for its tickets"')
    asked = await _in_question(ports, tied, user)
    await ports.choices.choose(chosen(ports, customer_id, user, Choice.DISMISS, asked, why, by))
    await ports.conflicts.close(customer_id, user)
    await note(ports, by, "dismiss", customer_id, user=user, seen=asked, why=why.strip())
    return Left(tied, user, why.strip())


async def ask_again(ports: OperatorPorts, customer_id: int, user_id: str, *, by: str) -> Left:
    """Take back what was chosen for a user, and look again."""
    user, tied = guid(user_id, NO_GUID), await connection(ports, customer_id)
    standing = (await ports.choices.of_customer(customer_id)).get(user)
    if standing is None:
        raise wrong_use(
            f"Nobody chose anything for user {user} that could be taken back. What is chosen: "
            f"entra-syncro conflicts list --customer {customer_id} --all"
        )
    await ports.choices.forget(customer_id, user)
    await note(ports, by, "reopen", customer_id, user=user)
    return Left(tied, user, standing.why, await look_now(ports, tied, user))


async def _in_question(ports: OperatorPorts, tied: Connection, user: str) -> str:
    """What the person saw: as it was listed, else as it is now."""
    listed = await conflicts(ports, tied.customer_id, include_left=True)
    mine = next((each for each in listed if each.user_id == user), None)
    if mine is not None:
        return seen(each.contact_id for each in mine.candidates)
    told = await ports.passes.suppose(tied.customer_id, user)
    require_there(tied, user, told)
    if not isinstance(told.now, Conflict):
        raise wrong_use(nothing_to_choose(tied, user))
    return told.seen
