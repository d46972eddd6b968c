"""Pausing a customer, or all of them, and going on: while paused nothing is written, and what was missed is owed.

Only an approved customer can be paused: of any other nothing is written anyway, and going on must never mean an
approval that nobody gave. Whether the one switch stopped a customer, or a person did so alone, is saved with the pause
itself, in one step: whoever is paused alone, before or after the switch, stays paused when everything goes on. One
customer that cannot be changed right now does not keep the switch from the others; who is left is named. The deeds say
who did it and why. Next: `actor.py` beside this.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from console.operations.actor import note
from console.operations.customers import change, connection
from console.operations.errors import OperationError, wrong_use
from console.operations.ports import OperatorPorts
from shared.domain.errors import SyncError
from shared.domain.records import Connection, ConnectionStatus

ROUNDS = 5  # over everybody: who was changed by somebody else meanwhile, or came since, is met again
PAUSE, PAUSE_ALL, RESUME, RESUME_ALL = "pause", "pause-all", "resume", "resume-all"


@dataclass(frozen=True, slots=True)
class Paused:
    """`paused` by this act; `before`: those that were paused already and stay so when everything goes on."""

    paused: tuple[Connection, ...]
    before: tuple[Connection, ...]


@dataclass(frozen=True, slots=True)
class Resumed:
    """`resumed` by this act; `still_paused`: those that a person had paused one by one."""

    resumed: tuple[Connection, ...]
    still_paused: tuple[Connection, ...]


async def pause(ports: OperatorPorts, customer_id: int, *, by: str = "", why: str = "") -> Connection:
    """A write that is under way ends; none begins after it.

    One that the switch for everything stopped is then paused by itself: it does not go on with the others.
    """
    tied = await connection(ports, customer_id)
    if tied.status is ConnectionStatus.PAUSED and not tied.paused_with_all:
        raise wrong_use(f"Customer {customer_id} is paused already. Go on: entra-syncro customers resume {customer_id}")
    if tied.status not in (ConnectionStatus.APPROVED, ConnectionStatus.PAUSED):
        raise wrong_use(
            f"Customer {customer_id} waits for approval: nothing is written for it, there is nothing to pause."
        )
    paused = _paused(ports, tied, with_all=False)
    await change(ports, paused, tied)
    await note(ports, by, PAUSE, customer_id, **_because(why))
    return paused


async def pause_all(ports: OperatorPorts, *, by: str = "", why: str) -> Paused:
    """Every approved customer. Raises OperationError with the names of those that are still written, if any; repeated,
    it goes on there."""
    if not why.strip():
        raise wrong_use("Say why, for those who find everything paused: --why TEXT")
    before = tuple([each for each in await ports.connections.list() if each.status is ConnectionStatus.PAUSED])

    async def stop(tied: Connection) -> Connection | None:
        paused = _paused(ports, tied, with_all=True)
        return paused if await ports.connections.change(paused, tied) else None

    done, left = await _everybody(ports, PAUSE_ALL, _is_approved, stop, by=by, why=why)
    if left:
        raise _unfinished(done, left, "Still written", "customers pause --all --why TEXT")
    return Paused(done, before)


async def resume(ports: OperatorPorts, customer_id: int, *, by: str = "", why: str = "") -> Connection:
    """Owed first: whatever dies in between, a full sync finds what was missed."""
    tied = await connection(ports, customer_id)
    if tied.status is not ConnectionStatus.PAUSED:
        raise wrong_use(f"Customer {customer_id} is not paused. See how it stands: entra-syncro customers list")
    resumed = await _owed(ports, tied)
    await change(ports, resumed, tied)
    await note(ports, by, RESUME, customer_id, **_because(why))
    return resumed


async def resume_all(ports: OperatorPorts, *, by: str = "", why: str = "") -> Resumed:
    """Those that the switch for everything stopped, and no other. Raises as `pause_all` does."""

    async def go_on(tied: Connection) -> Connection | None:
        resumed = await _owed(ports, tied)
        return resumed if await ports.connections.change(resumed, tied) else None

    done, left = await _everybody(ports, RESUME_ALL, _is_by_switch, go_on, by=by, why=why)
    if left:
        raise _unfinished(done, left, "Still paused", "customers resume --all")
    paused = [each for each in await ports.connections.list() if each.status is ConnectionStatus.PAUSED]
    return Resumed(done, tuple(paused))


async def _everybody(
    ports: OperatorPorts,
    what: str,
    is_meant: Callable[[Connection], bool],
    turn: Callable[[Connection], Awaitable[Connection | None]],
    *,
    by: str,
    why: str,
) -> tuple[tuple[Connection, ...], Sequence[Connection]]:
    """Who was changed, and who is left after all rounds. `turn` gives None where somebody else was faster.

    A deed that cannot be noted fails the command, and only when everybody had a turn.
    """
    done: list[Connection] = []
    unnoted: SyncError | None = None
    left: Sequence[Connection] = ()
    for _ in range(ROUNDS):
        left = [each for each in await ports.connections.list() if is_meant(each)]
        if not left:
            break
        for each in left:
            try:
                changed = await turn(each)
            except SyncError:  # the ledger is busy, say: the others must not wait for that
                continue
            if changed is not None:
                done.append(changed)
                unnoted = await _noted(ports, what, changed, by=by, why=why) or unnoted
    else:
        left = [each for each in await ports.connections.list() if is_meant(each)]
    if unnoted is not None and not left:
        raise unnoted
    return tuple(done), left


async def _noted(ports: OperatorPorts, what: str, changed: Connection, *, by: str, why: str) -> SyncError | None:
    try:
        await note(ports, by, what, changed.customer_id, **_because(why))
    except SyncError as error:
        return error
    return None


def _unfinished(done: Sequence[Connection], left: Sequence[Connection], state: str, again: str) -> OperationError:
    names = ", ".join(f"{each.customer_name} ({each.customer_id})" for each in left)
    return OperationError(
        f"{state}, for the ledger did not take the change: {names}. Done: {len(done)}. Repeat: entra-syncro {again}"
    )


def _is_approved(tied: Connection) -> bool:
    return tied.status is ConnectionStatus.APPROVED


def _is_by_switch(tied: Connection) -> bool:
    return tied.status is ConnectionStatus.PAUSED and tied.paused_with_all


def _paused(ports: OperatorPorts, tied: Connection, *, with_all: bool) -> Connection:
    now = ports.clock.now()
    return replace(tied, status=ConnectionStatus.PAUSED, changed_at=now, paused_with_all=with_all)


async def _owed(ports: OperatorPorts, tied: Connection) -> Connection:
    """As it is to go on, what it missed owed already."""
    await ports.owed.mark(tied.customer_id, "resumed after a pause", ports.clock.now())
    return replace(tied, status=ConnectionStatus.APPROVED, changed_at=ports.clock.now(), paused_with_all=False)


def _because(why: str) -> dict[str, str]:
    return {"why": why.strip()} if why.strip() else {}
