"""Syncs that a person starts: a whole customer, or one user; and how far a started run has come.

Both only publish hints; the worker reads, plans and writes them like any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid4

from console.operations.customers import connection
from console.operations.errors import guid, held, wrong_use
from console.operations.ports import OperatorPorts
from shared.domain.messages import Lane, Reason, split
from shared.domain.records import Connection, ConnectionStatus, Run
from shared.domain.user import Missing


@dataclass(frozen=True, slots=True)
class StartedRun:
    """`planned` users were handed to the worker."""

    run_id: str
    customer_id: int
    customer_name: str
    planned: int


async def sync_customer(ports: OperatorPorts, customer_id: int) -> StartedRun:
    tied = await connection(ports, customer_id)
    _require_approved(tied)
    return await start_pass(ports, tied)


async def sync_user(ports: OperatorPorts, customer_id: int, user_id: str) -> StartedRun:
    tied = await connection(ports, customer_id)
    _require_approved(tied)
    user = guid(
        user_id,
        "The user must be given by the object id (a GUID such as 84bd8158-6d4d-4958-8b9f-9d6445542f95); "
        "find it in the Entra admin center on the user's page.",
    )
    await _require_known(ports, tied, user)
    now = ports.clock.now()
    run = StartedRun(_new_run_id(), customer_id, tied.customer_name, 1)
    await ports.runs.start(Run(run.run_id, customer_id, Reason.MANUAL, 1, now))
    for message in split(
        tied.tenant_id, [user], reason=Reason.MANUAL, noticed_at=now, trace_id=uuid4().hex, run_id=run.run_id
    ):
        await ports.publisher.publish(message, Lane.LIVE)
    return run


async def start_pass(ports: OperatorPorts, tied: Connection) -> StartedRun:
    run_id = _new_run_id()
    planned = await ports.passes.begin(tied.customer_id, reason=Reason.MANUAL, run_id=run_id)
    return StartedRun(run_id, tied.customer_id, tied.customer_name, planned)


async def progress(ports: OperatorPorts, run_id: str) -> Run:
    run = await ports.runs.get(run_id)
    if run is None:
        raise wrong_use(f"There is no run {run_id}. Start one: entra-syncro sync --customer CUSTOMER")
    return run


def _new_run_id() -> str:
    return uuid4().hex[:12]


async def _require_known(ports: OperatorPorts, tied: Connection, user: str) -> None:
    """A mistyped id would be looked for in vain, and for hours; a linked user that is gone is worth the look."""
    read = (await ports.directory.users(tied.tenant_id, [user]))[user]
    if isinstance(read, Missing) and await ports.links.of_user(tied.customer_id, user) is None:
        raise wrong_use(
            f"Microsoft knows no user {user} in this tenant. Check the object id in the Entra admin center; "
            "a user made a moment ago may take a minute to appear."
        )


def _require_approved(tied: Connection) -> None:
    if tied.status is ConnectionStatus.PAUSED:
        raise held(f"Customer {tied.customer_id} is paused by a person, so nothing is written for it.")
    if tied.status is not ConnectionStatus.APPROVED:
        raise held(
            f"Customer {tied.customer_id} is waiting for approval. "
            f"Look at the plan: entra-syncro preview --customer {tied.customer_id}"
        )
