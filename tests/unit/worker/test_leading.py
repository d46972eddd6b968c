"""One customer's owed pass among several workers: made by one alone, and taken over soon from one that died."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.domain.messages import Lane
from shared.ports import Lease
from tests.support.clock import START
from tests.support.fake_state import FakeLeases
from tests.support.station import CUSTOMER, Station
from tests.support.virtual_time import run_virtual
from tests.unit.worker.test_passes import serve
from worker.leading import leading
from worker.owed import OwedPasses


class TheDeadNeverLetGo:
    """Leases of a process that is killed: what it holds ends by its ttl alone."""

    def __init__(self, leases: FakeLeases) -> None:
        self._leases = leases

    @asynccontextmanager
    async def hold(self, key: str, *, ttl: float, wait: float = 0.0, lane: Lane = Lane.LIVE) -> AsyncIterator[Lease]:
        self._leases.steal(key)  # its own, of the term before
        yield await self._leases._acquire(key, ttl, wait, lane)


def test_a_long_pass_is_made_by_one_worker_alone() -> None:
    async def main() -> None:
        station = Station()
        station.world.directory.latency = 90.0
        await station.world.ledger.owed.mark(CUSTOMER, "paused", START)
        await serve(station, [OwedPasses(station.ports, station.settings) for _ in range(2)], 150.0)
        assert len(station.world.ledger.runs.held) == 1
        assert len(station.world.directory.reads) <= 2

    run_virtual(main())


def test_the_pass_of_a_killed_worker_is_made_by_another_within_30_s() -> None:
    async def main() -> None:
        station = Station()
        began: list[float] = []
        station.world.contacts.on_call["list"] = lambda: began.append(station.world.clock.monotonic())
        await station.world.ledger.owed.mark(CUSTOMER, "paused", START)
        killed = leading(TheDeadNeverLetGo(station.world.leases), f"full-pass:{CUSTOMER}")
        async with killed:
            await asyncio.sleep(100.0)
        died = station.world.clock.monotonic()
        await serve(station, [OwedPasses(station.ports, station.settings)], 60.0)
        assert began
        assert began[0] - died <= 30.0

    run_virtual(main())
