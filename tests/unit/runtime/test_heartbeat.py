"""The heartbeat: every five minutes while all is well, silent while something is not, never the end of anything."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from shared.domain.errors import SyncError, Transient
from shared.runtime.heartbeat import EVERY, Heartbeat
from tests.support.virtual_time import run_virtual


@dataclass
class FakeBeacon:
    broken: SyncError | None = None
    beats: list[float] = field(default_factory=list)

    async def beat(self) -> None:
        if self.broken is not None:
            raise self.broken
        self.beats.append(asyncio.get_running_loop().time())


def test_beats_only_while_all_is_well() -> None:
    async def main() -> None:
        beacon, stop, well = FakeBeacon(), asyncio.Event(), [True]
        heart = Heartbeat(beacon, lambda: well[0])
        async with asyncio.TaskGroup() as group:
            group.create_task(heart.run(stop), name="heartbeat")
            await asyncio.sleep(3600)
            assert [later - earlier for earlier, later in zip(beacon.beats, beacon.beats[1:], strict=False)] == [
                EVERY
            ] * 11
            assert heart.ready()
            well[0] = False
            await asyncio.sleep(3600)
            assert len(beacon.beats) <= 13
            well[0] = True
            before = len(beacon.beats)
            await asyncio.sleep(35)  # it need not wait for the next five minutes
            assert len(beacon.beats) == before + 1
            stop.set()
        assert not heart.ready()

    run_virtual(main())


def test_a_beat_that_fails_ends_nothing_and_comes_again_sooner() -> None:
    async def main() -> None:
        beacon, stop = FakeBeacon(Transient("heartbeat", "service_fault")), asyncio.Event()
        heart = Heartbeat(beacon, lambda: True)
        async with asyncio.TaskGroup() as group:
            group.create_task(heart.run(stop), name="heartbeat")
            await asyncio.sleep(600)
            assert heart.ready()
            beacon.broken = None
            await asyncio.sleep(31)
            assert len(beacon.beats) == 1
            stop.set()

    run_virtual(main())
