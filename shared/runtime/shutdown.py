"""How a process ends: intake stopped, drained until a deadline, the rest cut off, everything closed in reverse.

Every step is logged with what it waits for. Nothing here starts or restarts anything. A task that ignores even its
cancellation is left behind with the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import structlog

from shared.runtime.services import Closer, Draining, Limits, Service, describe, pause

log = structlog.get_logger("supervisor")


class Shutdown:
    """`tasks`: by the name of their service. `abandon(1)` ends the process at once.

    `intake_over` and `all_over` are what services and lasting services wait for; `forced` skips the drain.
    `exit_code`: 1 once anything was cut off or given up.
    """

    def __init__(
        self,
        tasks: Mapping[str, asyncio.Task[None]],
        closers: Sequence[Closer],
        limits: Limits,
        abandon: Callable[[int], object],
    ) -> None:
        self._tasks = tasks
        self._closers = list(closers)
        self._limits = limits
        self._abandon = abandon
        self.forced = asyncio.Event()
        self.intake_over = asyncio.Event()
        self.all_over = asyncio.Event()
        self.exit_code = 0

    async def run(self, services: Sequence[Service], lasting: Sequence[Service]) -> None:
        """Stop and drain the services, then the lasting ones. What cannot be stopped takes the process with it."""
        log.info("shutdown_not_ready", wait_s=self._limits.unready)
        await pause(self.forced, self._limits.unready)
        self.intake_over.set()
        log.info("shutdown_intake_stopped", services=[service.name for service in services])
        await self._drain(services, self._limits.drain)
        self.all_over.set()
        await self._drain(lasting, self._limits.settle)
        stuck = [name for name, task in self._tasks.items() if not task.done()]
        if stuck:
            await self._leave_behind(stuck)

    async def _drain(self, services: Sequence[Service], deadline: float) -> None:
        ends = asyncio.get_running_loop().time() + deadline
        said: dict[str, str] = {}
        while (waiting := self._running(services)) and not self.forced.is_set():
            left = ends - asyncio.get_running_loop().time()
            if left <= 0:
                break
            if (words := self._waiting_for(waiting)) != said:
                log.info("shutdown_waiting", waiting_for=words, left_s=round(left, 1))
                said = words
            await self._one_of(waiting, min(left, 1.0))
        await self._cut_off(self._running(services))

    def _running(self, services: Sequence[Service]) -> list[Service]:
        return [s for s in services if (task := self._tasks.get(s.name)) is not None and not task.done()]

    @staticmethod
    def _waiting_for(services: Sequence[Service]) -> dict[str, str]:
        return {s.name: (s.waiting_for() if isinstance(s, Draining) else "") or "its end" for s in services}

    async def _one_of(self, services: Sequence[Service], seconds: float) -> None:
        forced = asyncio.create_task(self.forced.wait(), name="supervisor:forced")
        try:
            await asyncio.wait(
                [forced, *(self._tasks[s.name] for s in services)],
                timeout=seconds,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            forced.cancel()

    async def _cut_off(self, services: Sequence[Service]) -> None:
        """The drain is over: cancel, and give the services time to put back what they hold."""
        if not services:
            return
        self.exit_code = 1
        log.warning("shutdown_cut_off", services=self._waiting_for(services), forced=self.forced.is_set())
        tasks = [self._tasks[service.name] for service in services]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=self._limits.settle)

    async def _leave_behind(self, stuck: Sequence[str]) -> None:
        # A task that ignores its cancellation also holds up TaskGroup and asyncio.run: only the process can leave.
        log.error("shutdown_abandoned", services=list(stuck))
        await self.close()
        self._abandon(1)

    async def close(self) -> None:
        """Close in reverse, whole, even when this very coroutine is cancelled meanwhile."""
        closing = asyncio.create_task(self._close_all(), name="supervisor:close")
        try:
            await asyncio.shield(closing)
        except asyncio.CancelledError:
            await asyncio.wait([closing])
            raise

    async def _close_all(self) -> None:
        while self._closers:
            closer = self._closers.pop()
            try:
                async with asyncio.timeout(self._limits.settle):
                    await closer.close()
            except Exception as error:
                # One resource that does not close must not keep the others open.
                log.warning("close_failed", resource=closer.name, **describe(error))
        log.info("shutdown_done", exit_code=self.exit_code)
