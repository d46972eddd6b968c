"""The supervisor and real signals: SIGTERM drains, a second one forces."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from shared.runtime.health import Health
from shared.runtime.services import Limits
from shared.runtime.supervisor import Supervisor


class Slow:
    name = "slow"

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ready = False
        self.finished = False

    def ready(self) -> bool:
        return self._ready

    async def run(self, stop: asyncio.Event) -> None:
        self._ready = True
        await stop.wait()
        await asyncio.sleep(self._seconds)
        self.finished = True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_one_signal_lets_the_services_finish(number: signal.Signals) -> None:
    slow = Slow(0.2)
    asyncio.get_running_loop().call_later(0.2, os.kill, os.getpid(), number)
    assert await Supervisor([slow], health=Health()).run() == 0
    assert slow.finished


async def test_a_second_signal_forces_the_end() -> None:
    slow = Slow(60.0)
    for delay in (0.2, 0.4):
        asyncio.get_running_loop().call_later(delay, os.kill, os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(5):
        assert await Supervisor([slow], health=Health(), limits=Limits(drain=60.0)).run() == 1
    assert not slow.finished
