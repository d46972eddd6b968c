"""A process is a list of named services: started in order, restarted within bounds, stopped in a readable sequence.

Shutdown: not ready -> stop intake -> drain until a deadline, naming what is waited for -> settle what was cut off ->
close in reverse. A second signal skips the drain. A service that crashes or returns unasked is restarted with
backoff, but only if it was ready once (a port in use or a wrong setting ends the process at once); too many crashes
end the process with exit code 1. Services are built by the rooms; `console` starts the supervisor.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import structlog

from shared.domain.errors import SyncError, Transient
from shared.runtime.health import Health

log = structlog.get_logger("supervisor")
READY_POLL = 0.02  # seconds between two looks at a service that is starting


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


def _describe(error: BaseException) -> dict[str, str]:
    """What may be logged about a crash: class, our static code, and where. Never the message: it may hold data."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    where = f"{frame.tb_frame.f_code.co_qualname}:{frame.tb_lineno}" if frame is not None else "unknown"
    described = {"error_class": type(error).__name__, "where": where}
    return described | ({"code": error.code} if isinstance(error, SyncError) else {})


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
        self._closers = list(closers)
        self._health = health
        self._limits = limits or Limits()
        self._abandon = abandon
        self._asked = asyncio.Event()
        self._forced = asyncio.Event()
        self._intake_over = asyncio.Event()
        self._all_over = asyncio.Event()
        self._once_ready: set[str] = set()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._exit_code = 0

    def stop(self) -> None:
        """Once: shut down in order. Twice: skip the drain."""
        if self._asked.is_set():
            self._forced.set()
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
                    await self._shut_down()
        finally:
            await self._close_shielded()
        return self._exit_code

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
            over = self._all_over if service in self._lasting else self._intake_over
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
            log.error("service_crashed", service=service.name, stopping=over.is_set(), **_describe(error))
            if over.is_set():
                self._exit_code = 1
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
        self._exit_code = 1
        self._asked.set()

    # --- shutting down ------------------------------------------------------------------------------------------

    async def _shut_down(self) -> None:
        self._health.stop()
        log.info("shutdown_not_ready", wait_s=self._limits.unready)
        await pause(self._forced, self._limits.unready)
        self._intake_over.set()
        log.info("shutdown_intake_stopped", services=[service.name for service in self._services])
        await self._drain(self._services, self._limits.drain)
        self._all_over.set()
        await self._drain(self._lasting, self._limits.settle)
        stuck = [name for name, task in self._tasks.items() if not task.done()]
        if stuck:
            await self._leave_behind(stuck)

    async def _drain(self, services: Sequence[Service], deadline: float) -> None:
        ends = asyncio.get_running_loop().time() + deadline
        said: dict[str, str] = {}
        while (waiting := self._running(services)) and not self._forced.is_set():
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
        forced = asyncio.create_task(self._forced.wait(), name="supervisor:forced")
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
        self._exit_code = 1
        log.warning("shutdown_cut_off", services=self._waiting_for(services), forced=self._forced.is_set())
        tasks = [self._tasks[service.name] for service in services]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=self._limits.settle)

    async def _leave_behind(self, stuck: Sequence[str]) -> None:
        # A task that ignores its cancellation also holds up TaskGroup and asyncio.run: only the process can leave.
        log.error("shutdown_abandoned", services=list(stuck))
        await self._close_shielded()
        self._abandon(1)

    async def _close_shielded(self) -> None:
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
                log.warning("close_failed", resource=closer.name, **_describe(error))
        log.info("shutdown_done", exit_code=self._exit_code)
