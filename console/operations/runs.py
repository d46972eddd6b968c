"""Full syncs that were made, and the decisions about what a brake held back.

An approval releases exactly what its code stands for: the full sync is made again, and a plan that changed since is
refused row by row. Who decided and when is kept with the hold. Words: `console/operations/holding.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from console.operations.actor import note
from console.operations.customers import connection
from console.operations.errors import OperationError, held, wrong_use
from console.operations.holding import REJECTED, decisions, has_expired, is_rejected, next_step, waiting_lines
from console.operations.ports import OperatorPorts
from console.operations.rejections import rejection
from console.operations.syncs import StartedRun, progress, require_approved, start_pass
from shared.domain.errors import Permanent
from shared.domain.records import Hold, HoldState, Run

_OVERTAKEN = frozenset({"unknown_code", "approval_expired", "already_decided", "not_approved"})  # between two looks
_DECIDED = {HoldState.APPROVED: "approved", HoldState.REJECTED: "rejected"}


@dataclass(frozen=True, slots=True)
class ShownRun:
    """A run, None where only the code of a hold without one was given; `holds`: what it held back, newest first.

    `rejections`: code -> a sentence about who rejected exactly the same before, where somebody did.
    """

    run: Run | None
    customer_name: str
    holds: tuple[Hold, ...]
    seen_at: datetime
    rejections: Mapping[str, str] = field(default_factory=dict)


async def recent_runs(ports: OperatorPorts, customer_id: int | None = None, *, limit: int = 20) -> Sequence[Run]:
    """Newest first."""
    if customer_id is not None:
        await connection(ports, customer_id)
    return await ports.runs.recent(customer_id, limit)


async def show_run(ports: OperatorPorts, named: str) -> ShownRun:
    """`named`: a run's id, or an approval code."""
    coded = await ports.holds.list(code=named, state=None)
    if coded:
        hold = next((each for each in coded if each.state is HoldState.OPEN), coded[0])
        run = await ports.runs.get(hold.run_id) if hold.run_id else None
        return await _shown(ports, run, hold.customer_id, (hold,))
    run = await progress(ports, named)
    mine = {hold.code: hold for hold in reversed(await ports.holds.list(state=None)) if hold.run_id == run.run_id}
    return await _shown(ports, run, run.customer_id, tuple(reversed(mine.values())))


async def _shown(ports: OperatorPorts, run: Run | None, customer_id: int, holds: tuple[Hold, ...]) -> ShownRun:
    told = {hold.code: await rejection(ports, hold) for hold in holds}
    rejections = {code: sentence for code, sentence in told.items() if sentence}
    return ShownRun(run, await _name(ports, customer_id), holds, ports.clock.now(), rejections)


async def approve_hold(ports: OperatorPorts, code: str, *, by: str) -> StartedRun:
    """Release what stands under this code and start the full sync that writes it.

    A code that a newer one replaced may be tried: only the full sync can tell whether it is the same plan again.
    """
    hold = await _undecided(ports, code)
    now = ports.clock.now()
    if has_expired(hold, now):
        was = "" if is_rejected(hold, now) else f"This code was valid until {hold.expires_at:%Y-%m-%d %H:%M} UTC. "
        raise held(f"{was}{next_step(hold, now)}")
    if not decisions(hold, now):
        raise held(f"Nobody has seen yet what this code stands for. {next_step(hold, now)}")
    tied = await connection(ports, hold.customer_id)
    require_approved(tied)
    rejected = await rejection(ports, hold)
    try:
        started = await start_pass(ports, tied, release=code, by=by)
    except Permanent as error:
        if error.code not in _OVERTAKEN:
            raise
        raise held(f"Somebody else was faster: {error.detail}. Look: entra-syncro runs show {code}") from None
    if started.stale:
        raise held(_stale(started, ports))
    await note(ports, by, "approve-held", hold.customer_id, code=code, run=started.run_id)
    return replace(started, rejected_before=rejected) if started.hold is None else started


async def reject_hold(ports: OperatorPorts, code: str, *, why: str, by: str) -> Hold:
    """Nothing of it is written, and the brake goes on standing until a full sync has looked anew.

    The decision is kept under its code; a copy without a valid code takes its place, for a hold that is settled
    would let the looks write its changes one by one.
    """
    if not why.strip():
        raise wrong_use("Say why it is rejected, for those who look at it later: --why REASON")
    hold = await _undecided(ports, code)
    if hold.state is HoldState.LIFTED:
        raise held("Nothing waits under this code any more. What waits for approval: entra-syncro status")
    now = ports.clock.now()
    if is_rejected(hold, now):
        raise held(next_step(hold, now))
    decided_by = f"{by}: {why.strip()}"
    if not await ports.holds.settle(hold.customer_id, code, HoldState.REJECTED, decided_by, now):
        raise OperationError("Somebody else decided about it just now. Look: entra-syncro runs show " + code)
    await ports.holds.open(replace(hold, detail=_rejected_detail(hold, decided_by), held_at=now, expires_at=now))
    await note(ports, by, "reject", hold.customer_id, code=code, why=why.strip())
    return replace(hold, state=HoldState.REJECTED, settled_at=now, settled_by=decided_by)


def _rejected_detail(hold: Hold, decided_by: str) -> str:
    """A halt has no rows: its numbers stand in its detail alone."""
    return f"{REJECTED}{decided_by}." + ("" if hold.rows else f" {hold.detail}")


async def _undecided(ports: OperatorPorts, code: str) -> Hold:
    """The hold of this code: the open one, or the newest that is gone by itself."""
    found = await ports.holds.list(code=code, state=None)
    if not found:
        raise wrong_use(f"There is no approval code {code}. What waits for approval: entra-syncro status")
    hold = next((each for each in found if each.state is HoldState.OPEN), found[0])
    if hold.state in _DECIDED:
        when = f"{hold.settled_at:%Y-%m-%d %H:%M} UTC" if hold.settled_at else "before"
        raise held(f"This code was {_DECIDED[hold.state]} by {hold.settled_by or 'somebody'} ({when}).")
    return hold


def _stale(started: StartedRun, ports: OperatorPorts) -> str:
    """What changed since, and the code that takes its place."""
    lines = "".join(f"\n  {change}" for change in started.stale)
    if started.hold is None:
        return f"Nothing waits under this code any more; the plan has changed since:{lines}"
    waits = waiting_lines(started.hold, started.customer_name, ports.clock.now())
    return f"The plan has changed since this code was given:{lines}\n{waits}"


async def _name(ports: OperatorPorts, customer_id: int) -> str:
    known = await ports.connections.get(customer_id)
    return known.customer_name if known else f"customer {customer_id}"
