"""Approving many customers at once: those whose plan overwrites nothing and leaves nothing to choose.

A preview of the last hour is taken as it is, every other customer that waits gets one now; what is not clean, or cannot
be read, is listed with its reason for a person to look at alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from console.operations.cleanness import Cleanness, judge, remembered
from console.operations.customers import connections
from console.operations.errors import OperationError
from console.operations.ports import OperatorPorts
from console.operations.previews import approve, is_reusable, preview
from console.operations.syncs import NotStarted, StartedRun
from shared.domain.errors import Scope, StopTheLine, SyncError
from shared.domain.records import Connection, ConnectionStatus


@dataclass(frozen=True, slots=True)
class NotClean:
    """A customer that a person must look at, and why; `short`: the same in two words, "" where there are none."""

    customer_id: int
    customer_name: str
    why: str
    short: str = ""


@dataclass(frozen=True, slots=True)
class ApprovedClean:
    """`runs`: approved, their first full sync has begun. `rest`: left as they were. `failed`: could not be read."""

    runs: tuple[StartedRun, ...]
    rest: tuple[NotClean, ...]
    failed: tuple[NotStarted, ...]


async def approve_clean(
    ports: OperatorPorts,
    *,
    by: str,
    expect: Callable[[int], None] = lambda _: None,
    told: Callable[[], None] = lambda: None,
) -> ApprovedClean:
    """Approve the clean plans of all customers that wait for approval.

    `expect` learns how many there are, `told` that one more is decided.
    """
    waiting = [tied for tied in await connections(ports) if tied.status is ConnectionStatus.PREVIEW]
    expect(len(waiting))
    turn = asyncio.Semaphore(ports.nightly.at_once)

    async def decide(tied: Connection) -> StartedRun | NotClean | NotStarted:
        async with turn:
            decided = await _decide(ports, tied, by)
        told()
        return decided

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(decide(tied), name=f"approve:{tied.customer_id}") for tied in waiting]
    done = [task.result() for task in tasks]
    return ApprovedClean(
        runs=tuple(each for each in done if isinstance(each, StartedRun)),
        rest=tuple(each for each in done if isinstance(each, NotClean)),
        failed=tuple(each for each in done if isinstance(each, NotStarted)),
    )


async def _decide(ports: OperatorPorts, tied: Connection, by: str) -> StartedRun | NotClean | NotStarted:
    """One customer's trouble is its own; what stops the whole account stops this too."""
    try:
        found, code = await _judged(ports, tied)
        if not found.is_clean:
            why, short = ", ".join(found.sentences()), ", ".join(found.short())
            return NotClean(tied.customer_id, tied.customer_name, why, short)
        return await approve(ports, tied.customer_id, code, by=by)
    except OperationError as error:
        if isinstance(error.__cause__, SyncError):
            return NotStarted(tied.customer_id, tied.customer_name, error.__cause__)
        return NotClean(tied.customer_id, tied.customer_name, error.message)
    except StopTheLine as error:
        if error.scope is Scope.ACCOUNT:
            raise
        return NotStarted(tied.customer_id, tied.customer_name, error)
    except SyncError as error:
        return NotStarted(tied.customer_id, tied.customer_name, error)


async def _judged(ports: OperatorPorts, tied: Connection) -> tuple[Cleanness, str]:
    """How clean the plan is, and its code. A row that changed since its preview is held alone by the worker."""
    latest = await ports.approvals.latest(tied.customer_id)
    if latest is not None and is_reusable(latest, tied, ports.clock.now()):
        found = remembered(latest.summary)
        if found is not None:
            return found, latest.digest
    shown = await preview(ports, tied.customer_id, seen=False)
    return judge(shown.preview, shown.second_writer), shown.preview.code
