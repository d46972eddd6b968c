"""A key held for as long as some work takes. A lease ends by itself, so it is taken again and again until then.

So the key of a process that died is free within `TTL`, however long its work would have gone on. Losing the key in
between stops nobody: what is done under it may be done twice. Next: `worker/owed.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

from shared.domain.errors import SyncError
from shared.ports import Leases
from shared.runtime.services import pause

log = structlog.get_logger("worker")
TTL = 18.0  # seconds; with the pause between two rounds a dead leader is followed within 30 s
TERM = 6.0  # seconds of one lease
ASK_AGAIN = 10.0  # seconds before others ask whether the leader is gone
AGAIN = 1.0  # seconds before a key that was lost is asked for again


@asynccontextmanager
async def leading(leases: Leases, key: str, *, wait: float = 0.0) -> AsyncIterator[None]:
    """Raises Transient when another one still leads after `wait` seconds, or when nobody can tell."""
    taken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    keeper = asyncio.create_task(_keep(leases, key, wait, taken), name=f"lead:{key}")
    try:
        await taken
        yield
    finally:
        keeper.cancel()
        await asyncio.wait([keeper])


async def lead_again(
    leases: Leases,
    key: str,
    lead: Callable[[], Awaitable[None]],
    stop: asyncio.Event,
    *,
    not_ours: Callable[[SyncError], None],
) -> None:
    """Come for the key until `stop`, and `lead` whenever it is ours; `lead` returns so that it is asked for anew.

    `not_ours` is told why not each time: another one leads, or nobody can tell.
    """
    while not stop.is_set():
        try:
            async with leading(leases, key):
                await lead()
        except SyncError as error:
            not_ours(error)
            await pause(stop, ASK_AGAIN)


async def _keep(leases: Leases, key: str, wait: float, taken: asyncio.Future[None]) -> None:
    while True:
        try:
            async with leases.hold(key, ttl=TTL, wait=0.0 if taken.done() else wait):
                if not taken.done():
                    taken.set_result(None)
                await asyncio.sleep(TERM)
        except SyncError as error:
            if not taken.done():
                taken.set_exception(error)
                return
            log.info("leadership_lost", key=key, code=error.code)
            await asyncio.sleep(AGAIN)
