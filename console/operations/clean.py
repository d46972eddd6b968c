"""Approving many customers at once: those whose plan overwrites nothing and leaves nothing to choose.

Every customer that waits gets a preview of its own, now; what is not clean, or cannot be read, is listed with its
reason for a person to look at alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from console.operations.customers import connections
from console.operations.errors import OperationError
from console.operations.ports import OperatorPorts
from console.operations.previews import approve, preview
from console.operations.syncs import NotStarted, StartedRun
from shared.domain import normalise
from shared.domain.changes import Conflict, FieldChange, Kind, UpdateContact
from shared.domain.errors import Scope, StopTheLine, SyncError
from shared.domain.preview import Preview
from shared.domain.records import Connection, ConnectionStatus


@dataclass(frozen=True, slots=True)
class NotClean:
    """A customer that a person must look at, and why."""

    customer_id: int
    customer_name: str
    why: str


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
    """Preview every customer that waits for approval, and approve the clean ones.

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
        shown = (await preview(ports, tied.customer_id)).preview
        why = ", ".join(_unclean(shown))
        if why:
            return NotClean(tied.customer_id, tied.customer_name, why)
        return await approve(ports, tied.customer_id, shown.code, by=by)
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


def _unclean(shown: Preview) -> Iterator[str]:
    """Why a person must look at this plan."""
    plans = [row.plan for row in shown.rows]
    overwritten = sum(isinstance(plan, UpdateContact) and any(map(_overwrites, plan.changes)) for plan in plans)
    conflicts = sum(isinstance(plan, Conflict) for plan in plans)
    if overwritten:
        yield f"values of {_count(overwritten, 'contact')} would be overwritten"
    if conflicts:
        yield f"{_count(conflicts, 'user')} for a person to choose"


def _overwrites(change: FieldChange) -> bool:
    """A value that stands there is replaced or cleared. What reports say moves every day and is nobody's own text."""
    return change.kind is not Kind.REPORTED and bool(normalise.text(change.before))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
