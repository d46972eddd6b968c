"""Pausing a customer, or all of them, and going on: while paused nothing is written, and what was missed is owed.

Only an approved customer can be paused: of any other nothing is written anyway, and going on must never mean an
approval that nobody gave. Which customers the one switch stopped stands in the ledger as deeds, one for each, noted
before it is stopped: whoever was paused alone stays paused when everything goes on. Next: `actor.py` beside this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from console.operations.actor import note
from console.operations.customers import change, connection
from console.operations.errors import wrong_use
from console.operations.ports import OperatorPorts
from shared.domain.records import Connection, ConnectionStatus

PAUSE, PAUSE_ALL, RESUME, RESUME_ALL = "pause", "pause-all", "resume", "resume-all"
_ABOUT_PAUSES = frozenset({PAUSE, PAUSE_ALL, RESUME, RESUME_ALL})
_DEEDS_LOOKED_AT = 500  # of one customer, newest first; a pause older than that is nobody's switch any more


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
    """A write that is under way ends; none begins after it."""
    tied = await connection(ports, customer_id)
    if tied.status is ConnectionStatus.PAUSED:
        raise wrong_use(f"Customer {customer_id} is paused already. Go on: entra-syncro customers resume {customer_id}")
    if tied.status is not ConnectionStatus.APPROVED:
        raise wrong_use(
            f"Customer {customer_id} waits for approval: nothing is written for it, there is nothing to pause."
        )
    return await _pause(ports, tied, PAUSE, by=by, why=why)


async def pause_all(ports: OperatorPorts, *, by: str = "", why: str) -> Paused:
    """Every approved customer. Repeat it after a failure: it goes on where it stopped."""
    if not why.strip():
        raise wrong_use("Say why, for those who find everything paused: --why TEXT")
    every = await ports.connections.list()
    before = tuple([each for each in every if each.status is ConnectionStatus.PAUSED])
    approved = [each for each in every if each.status is ConnectionStatus.APPROVED]
    return Paused(tuple([await _pause(ports, each, PAUSE_ALL, by=by, why=why) for each in approved]), before)


async def resume(ports: OperatorPorts, customer_id: int, *, by: str = "", why: str = "") -> Connection:
    """Owed first: whatever dies in between, a full sync finds what was missed."""
    tied = await connection(ports, customer_id)
    if tied.status is not ConnectionStatus.PAUSED:
        raise wrong_use(f"Customer {customer_id} is not paused. See how it stands: entra-syncro customers list")
    return await _resume(ports, tied, RESUME, by=by, why=why)


async def resume_all(ports: OperatorPorts, *, by: str = "", why: str = "") -> Resumed:
    """Those that the switch for everything stopped, and no other."""
    paused = [each for each in await ports.connections.list() if each.status is ConnectionStatus.PAUSED]
    by_switch = [each for each in paused if await _stopped_by(ports, each.customer_id) == PAUSE_ALL]
    resumed = tuple([await _resume(ports, each, RESUME_ALL, by=by, why=why) for each in by_switch])
    return Resumed(resumed, tuple(each for each in paused if each not in by_switch))


async def _pause(ports: OperatorPorts, tied: Connection, what: str, *, by: str, why: str) -> Connection:
    await note(ports, by, what, tied.customer_id, **_because(why))
    paused = replace(tied, status=ConnectionStatus.PAUSED, changed_at=ports.clock.now())
    await change(ports, paused, tied)
    return paused


async def _resume(ports: OperatorPorts, tied: Connection, what: str, *, by: str, why: str) -> Connection:
    await ports.owed.mark(tied.customer_id, "resumed after a pause", ports.clock.now())
    resumed = replace(tied, status=ConnectionStatus.APPROVED, changed_at=ports.clock.now())
    await change(ports, resumed, tied)
    await note(ports, by, what, tied.customer_id, **_because(why))
    return resumed


def _because(why: str) -> dict[str, str]:
    return {"why": why.strip()} if why.strip() else {}


async def _stopped_by(ports: OperatorPorts, customer_id: int) -> str:
    """The newest act about this customer's pause, "" where nobody noted one."""
    deeds: Sequence[str] = [
        deed.what for deed in await ports.deeds.recent(customer_id=customer_id, limit=_DEEDS_LOOKED_AT)
    ]
    return next((what for what in deeds if what in _ABOUT_PAUSES), "")
