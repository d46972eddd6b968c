"""The supervisor in virtual time: order, restarts, and the sequence of a shutdown."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping

import pytest
from structlog.testing import capture_logs

from shared.domain.errors import Transient
from shared.runtime.health import Health, State
from shared.runtime.services import Closer, Limits
from shared.runtime.supervisor import Supervisor
from tests.support.virtual_time import run_virtual


class Part:
    """A service that writes down what happens to it. `end`: what it does once it was asked to stop."""

    def __init__(
        self,
        name: str,
        story: list[str],
        *,
        start: float = 0.0,
        crashes: int = 0,
        error: Exception | None = None,
        crash_after: float = 1.0,
        end: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self.name = name
        self.story = story
        self.starts = 0
        self._start = start
        self._crashes = crashes
        self._error = error or RuntimeError("a message that nobody may log")
        self._crash_after = crash_after
        self._end = end
        self._ready = False

    def ready(self) -> bool:
        return self._ready

    def waiting_for(self) -> str:
        return f"the end of {self.name}"

    async def run(self, stop: asyncio.Event) -> None:
        self.starts += 1
        self.story.append(f"{self.name} starts")
        await asyncio.sleep(self._start)
        if self.starts <= self._crashes:
            self._ready = self._crash_after > 0
            await asyncio.sleep(self._crash_after)
            self._ready = False
            raise self._error
        self._ready = True
        try:
            await stop.wait()
            self.story.append(f"{self.name} stops")
            if self._end is not None:
                await self._end()
            self.story.append(f"{self.name} ended")
        finally:
            self._ready = False


async def _never() -> None:
    await asyncio.Event().wait()


def events(logs: Iterable[Mapping[str, object]]) -> list[object]:
    return [entry["event"] for entry in logs]


def test_services_start_in_order_each_after_the_one_before_is_ready() -> None:
    async def scenario() -> None:
        story: list[str] = []
        parts = [Part("a", story, start=3.0), Part("b", story)]
        supervisor = Supervisor(parts, health=Health(), lasting=[Part("site", story)])
        running = asyncio.create_task(supervisor.run(signals=False), name="run")
        await asyncio.sleep(1.0)
        assert story == ["site starts", "a starts"]
        await asyncio.sleep(3.0)
        assert story == ["site starts", "a starts", "b starts"]
        supervisor.stop()
        assert await running == 0

    run_virtual(scenario())


def test_a_slow_starter_does_not_hold_up_the_others_for_ever() -> None:
    async def scenario() -> None:
        story: list[str] = []
        supervisor = Supervisor([Part("slow", story, start=60.0), Part("next", story)], health=Health())
        running = asyncio.create_task(supervisor.run(signals=False), name="run")
        await asyncio.sleep(11.0)
        assert "next starts" in story
        supervisor.stop()
        await running

    run_virtual(scenario())


def test_the_shutdown_sequence() -> None:
    async def scenario() -> None:
        story: list[str] = []
        health = Health()

        async def drain() -> None:
            story.append(f"ready: {health.state('door')}")
            await asyncio.sleep(5.0)

        def closing(name: str) -> Closer:
            async def close() -> None:
                story.append(f"{name} closed")

            return Closer(name, close)

        supervisor = Supervisor(
            [Part("door", story, end=drain), Part("worker", story)],
            health=health,
            lasting=[Part("private", story)],
            closers=[closing("database"), closing("broker")],
        )
        running = asyncio.create_task(supervisor.run(signals=False), name="run")
        await asyncio.sleep(1.0)
        assert health.ready()
        story.clear()
        with capture_logs() as logs:
            supervisor.stop()
            assert await running == 0
        assert story == [
            "door stops",
            f"ready: {State.STOPPING}",
            "worker stops",
            "worker ended",
            "door ended",
            "private stops",
            "private ended",
            "broker closed",
            "database closed",
        ]
        assert events(logs)[:3] == ["shutdown_not_ready", "shutdown_intake_stopped", "shutdown_waiting"]
        assert events(logs)[-1] == "shutdown_done"
        assert {"door": "the end of door"} in [entry.get("waiting_for") for entry in logs]

    run_virtual(scenario())


def test_a_drain_that_takes_too_long_is_cut_off_and_may_still_settle() -> None:
    async def scenario() -> None:
        story: list[str] = []

        async def stuck() -> None:
            try:
                await _never()
            finally:
                await asyncio.sleep(1.0)
                story.append("given back")

        supervisor = Supervisor([Part("worker", story, end=stuck)], health=Health(), limits=Limits(drain=20.0))
        running = asyncio.create_task(supervisor.run(signals=False), name="run")
        await asyncio.sleep(1.0)
        began = asyncio.get_running_loop().time()
        supervisor.stop()
        assert await running == 1
        assert asyncio.get_running_loop().time() - began == pytest.approx(21.0, abs=0.1)
        assert story[-1] == "given back"

    run_virtual(scenario())


def test_a_second_signal_skips_the_drain() -> None:
    async def scenario() -> None:
        story: list[str] = []
        supervisor = Supervisor([Part("worker", story, end=_never)], health=Health())
        running = asyncio.create_task(supervisor.run(signals=False), name="run")
        await asyncio.sleep(1.0)
        supervisor.stop()
        await asyncio.sleep(2.0)
        supervisor.stop()
        assert await running == 1
        assert asyncio.get_running_loop().time() < 4.0

    run_virtual(scenario())


def test_a_service_that_ignores_its_cancellation_is_left_behind_after_everything_was_closed() -> None:
    async def scenario() -> None:
        story: list[str] = []
        release = asyncio.Event()

        async def ignoring() -> None:
            while not release.is_set():
                try:
                    await release.wait()
                except asyncio.CancelledError:
                    story.append("ignored")

        async def close() -> None:
            story.append("closed")

        def abandon(code: int) -> None:
            story.append(f"exit {code}")
            release.set()  # in a test the process goes on

        supervisor = Supervisor(
            [Part("worker", story, end=ignoring)],
            health=Health(),
            closers=[Closer("broker", close)],
            abandon=abandon,
        )
        running = asyncio.create_task(supervisor.run(signals=False), name="run")
        await asyncio.sleep(1.0)
        supervisor.stop()
        await running
        assert story[2:5] == ["ignored", "closed", "exit 1"]

    run_virtual(scenario())


def test_a_crashed_service_is_restarted_and_the_crash_logged_without_its_message() -> None:
    async def scenario() -> None:
        story: list[str] = []
        health = Health()
        part = Part("worker", story, crashes=2)
        supervisor = Supervisor([part], health=health)
        with capture_logs() as logs:
            running = asyncio.create_task(supervisor.run(signals=False), name="run")
            await asyncio.sleep(1.5)
            assert health.state("worker") is State.CRASHED
            await asyncio.sleep(20.0)
            assert part.starts == 3
            assert health.state("worker") is State.READY
            supervisor.stop()
            assert await running == 0
        crash = next(entry for entry in logs if entry["event"] == "service_crashed")
        assert crash["error_class"] == "RuntimeError"
        assert "nobody may log" not in str(logs)

    run_virtual(scenario())


def test_too_many_crashes_end_the_process_in_order_with_exit_code_one() -> None:
    async def scenario() -> None:
        story: list[str] = []
        worker = Part("worker", story, crashes=1000)
        supervisor = Supervisor([Part("door", story), worker], health=Health())
        assert await supervisor.run(signals=False) == 1
        assert worker.starts == 6
        assert story[-1] == "door ended"

    run_virtual(scenario())


def test_what_never_became_ready_is_not_restarted() -> None:
    async def scenario() -> None:
        part = Part("door", [], crashes=1, crash_after=0.0, error=OSError("address in use"))
        assert await Supervisor([part], health=Health()).run(signals=False) == 1
        assert part.starts == 1

    run_virtual(scenario())


def test_but_a_neighbour_that_is_not_up_yet_is_waited_for() -> None:
    async def scenario() -> None:
        part = Part("worker", [], crashes=2, crash_after=0.0, error=Transient("broker", "refused"))
        supervisor = Supervisor([part], health=Health())
        running = asyncio.create_task(supervisor.run(signals=False), name="run")
        await asyncio.sleep(30.0)
        assert part.starts == 3
        supervisor.stop()
        assert await running == 0

    run_virtual(scenario())


def test_a_service_that_returns_unasked_counts_as_crashed() -> None:
    class Quitter(Part):
        async def run(self, stop: asyncio.Event) -> None:
            self.starts += 1
            self._ready = True
            await asyncio.sleep(1.0)

    async def scenario() -> None:
        part = Quitter("worker", [])
        assert await Supervisor([part], health=Health(), limits=Limits(restarts=1)).run(signals=False) == 1
        assert part.starts == 2

    run_virtual(scenario())


def test_one_resource_that_does_not_close_keeps_no_other_open() -> None:
    async def scenario() -> None:
        closed: list[str] = []

        async def bad() -> None:
            raise OSError("no")

        async def good() -> None:
            closed.append("good")

        supervisor = Supervisor(
            [Part("a", [])],
            health=Health(),
            closers=[Closer("good", good), Closer("bad", bad), Closer("slow", _never)],
        )
        running = asyncio.create_task(supervisor.run(signals=False), name="run")
        await asyncio.sleep(0.1)
        supervisor.stop()
        await running
        assert closed == ["good"]

    run_virtual(scenario())
