"""Bounded waiting and orderly ending inside one process, shared by the embedded broker and the embedded state."""

from __future__ import annotations

import asyncio
import contextlib


async def nap(signal: asyncio.Event, seconds: float) -> bool:
    """Sleep until the signal comes, `seconds` at most; take the signal and say whether it came."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, seconds)):
            await signal.wait()
    came = signal.is_set()
    signal.clear()
    return came


async def stop(task: asyncio.Task[None]) -> None:
    """Cancel our own helper task and see it end. Raises what it died of, should it have died before."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.result()
