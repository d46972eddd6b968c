"""A process is a list of named services: started in order, restarted within bounds, stopped in a readable sequence.

Shutdown: not ready -> stop intake -> drain until a deadline, naming what is waited for -> settle what was cut off ->
close in reverse. A second signal skips the drain. A service that crashes or returns unasked is restarted with
backoff, but only if it was ready once (a port in use or a wrong setting ends the process at once); too many crashes
end the process with exit code 1. Services are built by the rooms; `console` starts the supervisor. Next:
`shared/runtime/shutdown.py`.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import structlog

from shared.domain.errors import Transient
from shared.runtime.health import Health
from shared.runtime.services import Closer, Limits, Service, describe, pause
from shared.runtime.shutdown import Shutdown

log = structlog.get_logger("supervisor")
READY_POLL = 0.02  # seconds between two looks at a service that is starting


class Supervisor:
    """Runs services until `stop()` or a signal. `lasting` services (the private site) outlive the drain."""

    def __init__(
        self,
        services: Sequence[Service],
        *,
        health: Health,
        lasting: Sequence[Service] = (),
        closers: Sequence[Closer] = (),
        limits: Limits | None = None,
        abandon: Callable[[int], object] = os._exit,
    ) -> None:
        self._services = list(services)
        self._lasting = list(lasting)
        self._health = health
        self._limits = limits or Limits()
        self._asked = asyncio.Event()
        self._once_ready: set[str] = set()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._end = Shutdown(self._tasks, closers, self._limits, abandon)

    def stop(self) -> None:
        """Once: shut down in order. Twice: skip the drain."""
        if self._asked.is_set():
            self._end.forced.set()
        self._asked.set()

    async def run(self, *, signals: bool = True) -> int:
        """Serve until asked to stop. Gives the exit code: 0 clean, 1 a service was given up or cut off."""
        for service in (*self._lasting, *self._services):
            self._health.watch(service.name, service.ready)
        try:
            with self._signals(signals):
                async with asyncio.TaskGroup() as group:
                    await self._start(group)
                    await self._asked.wait()
                    self._health.stop()
                    await self._end.run(self._services, self._lasting)
        finally:
            await self._end.close()
        return self._end.exit_code

    @contextmanager
    def _signals(self, wanted: bool) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        names = (signal.SIGTERM, signal.SIGINT) if wanted else ()
        for name in names:
            loop.add_signal_handler(name, self.stop)
        try:
            yield
        finally:
            for name in names:
                loop.remove_signal_handler(name)

    # --- starting and keeping -----------------------------------------------------------------------------------

    async def _start(self, group: asyncio.TaskGroup) -> None:
        for service in (*self._lasting, *self._services):
            if self._asked.is_set():
                return
            over = self._end.all_over if service in self._lasting else self._end.intake_over
            task = group.create_task(self._keep(service, over), name=f"service:{service.name}")
            self._tasks[service.name] = task
            await self._until_ready(service, task)
        log.info("services_started", services=list(self._tasks))

    async def _until_ready(self, service: Service, task: asyncio.Task[None]) -> None:
        """The next service may need this one (the registrar needs an open door), so wait, but not for ever."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._limits.start):
                while not (task.done() or self._asked.is_set()):
                    if service.ready():
                        self._once_ready.add(service.name)
                        log.info("service_ready", service=service.name)
                        return
                    await asyncio.sleep(READY_POLL)
                return
        log.warning("service_slow_to_start", service=service.name, waited_s=self._limits.start)

    async def _keep(self, service: Service, over: asyncio.Event) -> None:
        crashes: deque[float] = deque()
        while not over.is_set():
            self._health.running(service.name)
            error = await self._run_once(service, over)
            if over.is_set():
                return
            self._health.crashed(service.name)
            delay = self._backoff(service, crashes, error)
            if delay is None:
                self._give_up(service)
                return
            log.warning("service_restarts", service=service.name, delay_s=delay, crashes=len(crashes))
            await pause(over, delay)

    async def _run_once(self, service: Service, over: asyncio.Event) -> Exception | None:
        try:
            await service.run(over)
        except Exception as error:
            # Every failure of a service ends here on purpose: the others must go on, and this one is judged below.
            log.error("service_crashed", service=service.name, stopping=over.is_set(), **describe(error))
            if over.is_set():
                self._end.exit_code = 1
            return error
        if not over.is_set():
            log.error("service_finished_unasked", service=service.name)
        return None

    def _backoff(self, service: Service, crashes: deque[float], error: Exception | None) -> float | None:
        """Seconds until the restart, None to give up."""
        if service.ready():
            self._once_ready.add(service.name)
        if service.name not in self._once_ready and not isinstance(error, Transient):
            return None
        now = asyncio.get_running_loop().time()
        crashes.append(now)
        while crashes[0] < now - self._limits.window:
            crashes.popleft()
        if len(crashes) > self._limits.restarts:
            return None
        return float(min(self._limits.first_backoff * 2 ** (len(crashes) - 1), self._limits.last_backoff))

    def _give_up(self, service: Service) -> None:
        log.error("service_given_up", service=service.name)
        self._end.exit_code = 1
        self._asked.set()
