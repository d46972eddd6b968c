"""What every answer to a question shares: its value, its code, and the look that carries it out.

Next: `console/operations/resolving_links.py` and `resolving.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from uuid import uuid4

from console.operations.errors import held, wrong_use
from console.operations.ports import OperatorPorts, Supposed
from console.operations.syncs import StartedRun, new_run_id
from shared.domain.changes import CreateContact, FieldChange, NotYet, Plan, UpdateContact
from shared.domain.desk import Choice, Chosen
from shared.domain.messages import Lane, Reason, split
from shared.domain.records import Connection, ConnectionStatus, Link, Run


class Act(StrEnum):
    LINK = "link"
    CREATE = "create"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person would decide about one user, and what would be written for it.

    `contact_id`, `contact_label`: whose link it becomes, None for a creation. `changes`: () where the contact is in
    step or locked. `instead_of`: the deleted user whose contact it was, "" for nobody. `code`: approves exactly this.
    `is_decided`: the ledger says so already. `started`: the look that carries it out, None before it is applied and
    where the customer is not approved: its next preview shows it. `seen`: the contacts that a creation passes over.
    """

    connection: Connection
    user_id: str
    user_label: str
    act: Act
    contact_id: int | None
    contact_label: str
    changes: tuple[FieldChange, ...]
    sentence: str
    code: str
    instead_of: str = ""
    seen: tuple[int, ...] = ()
    is_decided: bool = False
    started: StartedRun | None = None


@dataclass(frozen=True, slots=True)
class Left:
    """A question that nobody asks any more until another contact is in it. `started`: a look, after asking again."""

    connection: Connection
    user_id: str
    why: str
    started: StartedRun | None = None


def chosen(
    ports: OperatorPorts, customer_id: int, user: str, choice: Choice, candidates: str, why: str, by: str
) -> Chosen:
    """As of now. `candidates`: the contacts that the person saw."""
    return Chosen(customer_id, user, choice, candidates, why.strip(), by, ports.clock.now())


async def look_now(ports: OperatorPorts, tied: Connection, user: str) -> StartedRun | None:
    """Ask the worker for one look; None where nothing may be written yet."""
    if tied.status is not ConnectionStatus.APPROVED:
        return None
    now, run_id = ports.clock.now(), new_run_id()
    await ports.runs.start(Run(run_id, tied.customer_id, Reason.MANUAL, 1, now))
    for message in split(
        tied.tenant_id, [user], reason=Reason.MANUAL, noticed_at=now, trace_id=uuid4().hex, run_id=run_id
    ):
        await ports.publisher.publish(message, Lane.LIVE)
    return StartedRun(run_id, tied.customer_id, tied.customer_name, 1, considered=1)


def require_there(tied: Connection, user: str, told: Supposed) -> None:
    """A link or a contact for a user whom nobody knows would be a mistyped id for ever."""
    if isinstance(told.now, NotYet):
        raise wrong_use(f"Microsoft knows no user {user} in the tenant of {tied.customer_name}. Check the object id.")


def require_code(answer: Answer, code: str, how: str) -> None:
    """Raises held for another code than the answer's. `how`: the option that asked for it."""
    if code != answer.code:
        again = f"entra-syncro conflicts resolve {answer.connection.customer_id} {answer.user_id} {how}"
        raise held(f"That code is mistyped, or something changed since it was shown. Look again: {again}")


async def require_same_link(ports: OperatorPorts, answer: Answer, before: Link | None) -> None:
    """`before`: the user's link when the answer was planned. Whoever got a contact since has nothing to be decided."""
    customer_id = answer.connection.customer_id
    now = await ports.links.of_user(customer_id, answer.user_id)
    if now is not None and now != before:
        raise held(
            f"User {answer.user_id} got contact {now.contact_id} just now, so nothing was decided. Look: entra-syncro "
            f"explain {answer.user_id} --customer {customer_id}"
        )


def changes_of(planned: Plan) -> tuple[FieldChange, ...]:
    """() where nothing would be written."""
    return planned.changes if isinstance(planned, CreateContact | UpdateContact) else ()


def nothing_to_choose(tied: Connection, user: str) -> str:
    """A sentence for a user whose contact is certain, or who gets none."""
    return (
        f"Nothing is to be chosen for user {user} at {tied.customer_name}. What happens to this user: "
        f"entra-syncro explain {user}"
    )


def code_of(customer_id: int, user: str, act: Act, *words: str) -> str:
    """Eight hex digits over all that a person was shown."""
    return sha256("\n".join([str(customer_id), user, act, *words]).encode()).hexdigest()[:8]
