"""Previews of all customers that wait for approval, a few at the same time. Nothing is written to Syncro.

Each customer gets a plan, saved contacts and an approval code of its own, exactly as by its own preview. One that
cannot be read is named with its cause and never stops the others. Next: `console/operations/previews.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeGuard

from console.operations.cleanness import judge
from console.operations.customers import connections
from console.operations.errors import OperationError
from console.operations.ports import OperatorPorts
from console.operations.previews import ShownPreview, preview
from shared.domain.errors import Scope, StopTheLine, SyncError
from shared.domain.records import Connection, ConnectionStatus

AT_ONCE = 4  # customers at the same time: each reads a whole tenant


@dataclass(frozen=True, slots=True)
class PreviewedCustomer:
    """`unclean`: why a person must look at the plan alone, () when it overwrites nothing and leaves no choice.

    `short`: the same reasons in two words each.
    """

    shown: ShownPreview
    unclean: tuple[str, ...]
    short: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NotPreviewed:
    """`why`: what failed and who does what next; `error`: the same where a service failed."""

    customer_id: int
    customer_name: str
    why: str = ""
    error: SyncError | None = None


@dataclass(frozen=True, slots=True)
class ManyPreviews:
    previews: tuple[PreviewedCustomer, ...]
    failed: tuple[NotPreviewed, ...]


async def preview_all(
    ports: OperatorPorts,
    *,
    expect: Callable[[int], None] = lambda _: None,
    told: Callable[[], None] = lambda: None,
) -> ManyPreviews:
    """Every customer that waits for approval. After what stops the whole account nobody else is read any more: they
    are given as failed by it, and the previews made until then stay good."""
    waiting = [tied for tied in await connections(ports) if tied.status is ConnectionStatus.PREVIEW]
    expect(len(waiting))
    turn = asyncio.Semaphore(AT_ONCE)
    stops: list[StopTheLine] = []

    async def look(tied: Connection) -> PreviewedCustomer | NotPreviewed:
        async with turn:
            seen = _stopped(tied, stops[0]) if stops else await _looked(ports, tied)
        if isinstance(seen, NotPreviewed) and _stops_all(seen.error):
            stops.append(seen.error)
        told()
        return seen

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(look(tied), name=f"preview:{tied.customer_id}") for tied in waiting]
    done = [task.result() for task in tasks]
    return ManyPreviews(
        previews=tuple(each for each in done if isinstance(each, PreviewedCustomer)),
        failed=tuple(each for each in done if isinstance(each, NotPreviewed)),
    )


async def _looked(ports: OperatorPorts, tied: Connection) -> PreviewedCustomer | NotPreviewed:
    try:
        shown = await preview(ports, tied.customer_id)
    except OperationError as error:
        return NotPreviewed(tied.customer_id, tied.customer_name, why=error.message)
    except SyncError as error:
        return NotPreviewed(tied.customer_id, tied.customer_name, error=error)
    found = judge(shown.preview, shown.second_writer)
    return PreviewedCustomer(shown, tuple(found.sentences()), tuple(found.short()))


def _stopped(tied: Connection, error: StopTheLine) -> NotPreviewed:
    return NotPreviewed(tied.customer_id, tied.customer_name, error=error)


def _stops_all(error: SyncError | None) -> TypeGuard[StopTheLine]:
    return isinstance(error, StopTheLine) and error.scope is Scope.ACCOUNT
