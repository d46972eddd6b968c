"""Syncs that a person starts: a customer, all of them, or one user; and how far a started run has come.

They only publish hints; the worker reads, plans and writes them like any other. Next: `console/operations/runs.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import uuid4

from console.operations.actor import note
from console.operations.customers import connection
from console.operations.errors import guid, held, wrong_use
from console.operations.ports import Explanation, OperatorPorts
from console.operations.rejections import rejection
from shared.domain.errors import Scope, StopTheLine, SyncError
from shared.domain.forecast import Forecast, by_hand, together
from shared.domain.messages import Lane, Reason, split
from shared.domain.records import Connection, ConnectionStatus, Hold, JournalEntry, Run
from shared.domain.user import Missing


@dataclass(frozen=True, slots=True)
class StartedRun:
    """`planned` users were handed to the worker. The rest is as in `Begun`; `forecast` is None for a single user.

    `rejected_before`: who said no earlier to exactly what is held or was released now, a sentence; "" for nobody.
    """

    run_id: str
    customer_id: int
    customer_name: str
    planned: int
    considered: int = 0
    hold: Hold | None = None
    halted: bool = False
    stale: tuple[str, ...] = ()
    forecast: Forecast | None = None
    rejected_before: str = ""


@dataclass(frozen=True, slots=True)
class NotStarted:
    """A customer whose full sync could not begin, and why."""

    customer_id: int
    customer_name: str
    error: SyncError


@dataclass(frozen=True, slots=True)
class StartedRuns:
    """`left_out`: connected, and a person has not approved them or has paused them. `forecast`: of all together."""

    runs: tuple[StartedRun, ...]
    failed: tuple[NotStarted, ...]
    left_out: tuple[Connection, ...]
    forecast: Forecast


Told = Callable[[StartedRun | NotStarted], None]


def _nobody(_: StartedRun | NotStarted) -> None:
    """Nobody is told."""


async def sync_customer(ports: OperatorPorts, customer_id: int, *, by: str = "") -> StartedRun:
    tied = await connection(ports, customer_id)
    require_approved(tied)
    started = await start_pass(ports, tied)
    await note(ports, by, "sync", customer_id, run=started.run_id)
    return started


async def sync_all(
    ports: OperatorPorts, *, expect: Callable[[int], None] = lambda _: None, told: Told = _nobody, by: str = ""
) -> StartedRuns:
    """Begin a full sync of every approved customer, `nightly.at_once` at the same time.

    `expect` learns how many there are, `told` of each as it has begun or failed.
    """
    connected = [c for c in await ports.connections.list() if c.status is not ConnectionStatus.DISCONNECTED]
    approved = [c for c in connected if c.status is ConnectionStatus.APPROVED]
    if not approved:
        raise held("No customer is approved yet, so there is nothing to sync. Whose turn it is: entra-syncro status")
    expect(len(approved))
    begun = await _begin_each(ports, approved, told)
    runs = tuple(each for each in begun if isinstance(each, StartedRun))
    await note(ports, by, "sync-all", runs=len(runs))
    costs = [run.forecast for run in runs if run.forecast is not None]
    return StartedRuns(
        runs=runs,
        failed=tuple(each for each in begun if isinstance(each, NotStarted)),
        left_out=tuple(c for c in connected if c.status is not ConnectionStatus.APPROVED),
        forecast=together(costs, per_minute=ports.backfill_per_minute),
    )


async def _begin_each(ports: OperatorPorts, tied: Sequence[Connection], told: Told) -> list[StartedRun | NotStarted]:
    turn = asyncio.Semaphore(ports.nightly.at_once)

    async def begin(one: Connection) -> StartedRun | NotStarted:
        async with turn:
            begun = await _started_or_why(ports, one)
        told(begun)
        return begun

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(begin(one), name=f"begin:{one.customer_id}") for one in tied]
    return [task.result() for task in tasks]


async def _started_or_why(ports: OperatorPorts, tied: Connection) -> StartedRun | NotStarted:
    """One customer's trouble is its own; what stops the whole account stops this too."""
    try:
        return await start_pass(ports, tied)
    except StopTheLine as error:
        if error.scope is Scope.ACCOUNT:
            raise
        return NotStarted(tied.customer_id, tied.customer_name, error)
    except SyncError as error:
        return NotStarted(tied.customer_id, tied.customer_name, error)


async def sync_user(ports: OperatorPorts, customer_id: int, user_id: str, *, by: str = "") -> StartedRun:
    tied, user = await _approved_user(ports, customer_id, user_id)
    home = await _home(ports, tied, user)
    now = ports.clock.now()
    run = StartedRun(new_run_id(), customer_id, tied.customer_name, 1, considered=1)
    await ports.runs.start(Run(run.run_id, customer_id, Reason.MANUAL, 1, now))
    for message in split(home, [user], reason=Reason.MANUAL, noticed_at=now, trace_id=uuid4().hex, run_id=run.run_id):
        await ports.publisher.publish(message, Lane.LIVE)
    await note(ports, by, "sync-user", customer_id, user=user, run=run.run_id)
    return run


async def explain_user(ports: OperatorPorts, customer_id: int, user_id: str) -> Explanation:
    """The five steps for one user as they stand now. Writes nothing."""
    tied, user = await _approved_user(ports, customer_id, user_id)
    await _home(ports, tied, user)
    return await ports.passes.explain(customer_id, user)


async def written_in(ports: OperatorPorts, run: Run, user_id: str) -> Sequence[JournalEntry]:
    """What a run wrote for one user, newest first."""
    user = guid(user_id, "The user must be given by the object id.")
    entries = await ports.journal.entries(customer_id=run.customer_id, user_id=user, limit=20)
    return [entry for entry in entries if entry.run_id == run.run_id]


async def start_pass(
    ports: OperatorPorts, tied: Connection, *, release: str | None = None, first: int | None = None, by: str = ""
) -> StartedRun:
    run_id = new_run_id()
    begun = await ports.passes.begin(
        tied.customer_id, reason=Reason.MANUAL, run_id=run_id, release=release, first=first, by=by
    )
    return StartedRun(
        run_id=run_id,
        customer_id=tied.customer_id,
        customer_name=tied.customer_name,
        planned=begun.planned,
        considered=begun.considered,
        hold=begun.hold,
        halted=begun.halted,
        stale=begun.stale,
        forecast=by_hand(begun.forecast, begun.planned),
        rejected_before=await rejection(ports, begun.hold),
    )


async def progress(ports: OperatorPorts, run_id: str) -> Run:
    run = await ports.runs.get(run_id)
    if run is None:
        raise wrong_use(f"There is no run {run_id}. Look at those there are: entra-syncro runs list")
    return run


def new_run_id() -> str:
    return uuid4().hex[:12]


async def _approved_user(ports: OperatorPorts, customer_id: int, user_id: str) -> tuple[Connection, str]:
    tied = await connection(ports, customer_id)
    require_approved(tied)
    user = guid(
        user_id,
        "The user must be given by the object id (a GUID such as 84bd8158-6d4d-4958-8b9f-9d6445542f95); "
        "find it in the Entra admin center on the user's page.",
    )
    return tied, user


async def _home(ports: OperatorPorts, tied: Connection, user: str) -> str:
    """The tenant of the customer that knows the user, or the first for a linked user that is gone: worth the look.

    A mistyped id would be looked for in vain, and for hours.
    """
    for tenant in tied.tenants:
        if not isinstance((await ports.directory.users(tenant, [user]))[user], Missing):
            return tenant
    if await ports.links.of_user(tied.customer_id, user) is None:
        raise wrong_use(
            f"Microsoft knows no user {user} in this tenant. Check the object id in the Entra admin center; "
            "a user made a moment ago may take a minute to appear."
        )
    return tied.tenant_id


def require_approved(tied: Connection) -> None:
    if tied.status is ConnectionStatus.PAUSED:
        raise held(f"Customer {tied.customer_id} is paused by a person, so nothing is written for it.")
    if tied.status is not ConnectionStatus.APPROVED:
        raise held(
            f"Customer {tied.customer_id} is waiting for approval. "
            f"Look at the plan: entra-syncro preview --customer {tied.customer_id}"
        )
