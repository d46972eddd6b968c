"""What a process is made of: named services, the resources under them, and the times they are given.

Rooms build services; the supervisor runs them. `pause` is how a service waits between two rounds. Next:
`shared/runtime/supervisor.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from shared.domain.errors import SyncError


class Service(Protocol):
    """One named part of a process."""

    @property
    def name(self) -> str: ...

    def ready(self) -> bool:
        """Can it do its work right now? Quick, never raises."""

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set; then take nothing new, finish what is in hand, and return.

        May be cancelled when the drain took too long: release what is held and re-raise.
        """


@runtime_checkable
class Draining(Protocol):
    """A service that can say what its drain waits for ("2 POSTs being answered"; empty: nothing)."""

    def waiting_for(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Closer:
    """Something to close after the services ended: a connection, a database, a session."""

    name: str
    close: Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, save `restarts`: crashes of one service within `window` that are followed by a restart."""

    start: float = 10.0
    unready: float = 0.0  # between "not ready" and closing the door, for load balancers that poll
    drain: float = 20.0
    settle: float = 5.0
    window: float = 600.0
    restarts: int = 5
    first_backoff: float = 1.0
    last_backoff: float = 30.0


async def pause(event: asyncio.Event, seconds: float) -> bool:
    """Wait for the event, at most `seconds`. True: it is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


def describe(error: BaseException) -> dict[str, str]:
    """What may be logged about a crash: class, our static code, and where. Never the message: it may hold data."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    where = f"{frame.tb_frame.f_code.co_qualname}:{frame.tb_lineno}" if frame is not None else "unknown"
    described = {"error_class": type(error).__name__, "where": where}
    return described | ({"code": error.code} if isinstance(error, SyncError) else {})
