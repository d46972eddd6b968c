"""What the embedded broker promises beyond the port: dead owners, frozen owners, worn-out messages, a full disk."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
import time
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.brokers import open_embedded_broker
from shared.adapters.brokers.consumer import Take
from shared.adapters.clock import SystemClock
from shared.domain.errors import Permanent, Transient
from shared.domain.messages import DeadLettered, Lane, encode
from tests.support.engine import POLL, SteppedClock, child_holding, hint, nothing, take


async def test_a_killed_owners_deliveries_come_back_at_once(tmp_path: Path) -> None:
    path = str(tmp_path / "broker.db")
    async with open_embedded_broker(path, SystemClock()) as broker:
        await broker.publish(hint(), Lane.LIVE)
    async with child_holding(f"embedded:{path}", 1) as (child, _):
        child.kill()
        await child.wait()
    began = time.monotonic()
    async with (
        open_embedded_broker(path, SystemClock()) as restarted,
        restarted.deliveries(Lane.LIVE, prefetch=1) as deliveries,
    ):
        await (await take(deliveries)).ack()
    assert time.monotonic() - began < 2.0  # the dead one's hold had 30 s to go
    assert list((tmp_path / "broker.db-owners").iterdir()) == []


async def test_a_frozen_owner_loses_its_deliveries_and_cannot_end_them_after_thawing(tmp_path: Path) -> None:
    path = str(tmp_path / "broker.db")
    async with open_embedded_broker(path, SystemClock()) as broker:
        await broker.publish(hint(), Lane.LIVE)
        async with (
            child_holding(f"embedded:{path}", 1, hold_for=1.0) as (child, ack_all),
            broker.deliveries(Lane.LIVE, prefetch=1) as deliveries,
        ):
            assert await nothing(deliveries, within=2.0)  # a living owner renews
            os.kill(child.pid, signal.SIGSTOP)
            delivery = await take(deliveries)
            os.kill(child.pid, signal.SIGCONT)
            await ack_all()
            assert (await broker.depths())[Lane.LIVE] == 1
            await delivery.ack()
        assert (await broker.depths())[Lane.LIVE] == 0


@pytest.mark.parametrize("step", [-86_400.0, 86_400.0])
async def test_a_step_of_the_wall_clock_takes_no_delivery_away(tmp_path: Path, step: float) -> None:
    clock = SteppedClock()
    path = str(tmp_path / "broker.db")
    async with (
        open_embedded_broker(path, clock, poll=POLL) as one,
        open_embedded_broker(path, clock, poll=POLL) as two,
        one.deliveries(Lane.LIVE, prefetch=1) as left,
        two.deliveries(Lane.LIVE, prefetch=1) as right,
    ):
        await one.publish(hint(), Lane.LIVE)
        readers = [asyncio.ensure_future(anext(side)) for side in (left, right)]
        _, waiting = await asyncio.wait(readers, return_when=asyncio.FIRST_COMPLETED, timeout=5)
        clock.step_wall(step)
        assert len(waiting) == 1
        _, still_waiting = await asyncio.wait(waiting, timeout=0.3)
        assert still_waiting == waiting
        waiting.pop().cancel()


async def test_after_20_deaths_a_message_goes_to_the_dead_lane_and_its_neighbour_goes_on(tmp_path: Path) -> None:
    path = str(tmp_path / "broker.db")
    poison, healthy = hint("poison"), hint("healthy")

    async def die_holding_it() -> None:
        """Take it and vanish: nobody has an owner file for this holder."""
        async with broker.deliveries(Lane.LIVE, prefetch=1) as deliveries:
            assert (await take(deliveries)).message == poison
            with closing(sqlite3.connect(path, isolation_level=None)) as connection:
                connection.execute("UPDATE message SET holder = 'nobody.1' WHERE holder IS NOT NULL")

    async with open_embedded_broker(path, SystemClock(), poll=POLL) as broker:
        await broker.publish(poison, Lane.LIVE)
        await broker.publish(healthy, Lane.LIVE)
        for _ in range(20):
            await die_holding_it()
        async with (
            broker.deliveries(Lane.LIVE, prefetch=1) as live,
            broker.deliveries(Lane.DEAD, prefetch=1) as dead,
        ):
            assert (await take(live)).message == healthy
            letter = (await take(dead)).message
    assert isinstance(letter, DeadLettered)
    assert (letter.body, letter.lane, letter.attempts) == (encode(poison), Lane.LIVE, 20)
    assert letter.error_class == "delivery_limit"


async def test_what_was_taken_but_answered_too_late_is_delivered_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk hung for longer than anybody waits for it, and the commit came through in the end."""
    async with open_embedded_broker(":memory:", SystemClock(), poll=POLL) as broker:
        true_take, takes = broker._take, count()

        async def late(*about: Any) -> Take:
            found = await true_take(*about)
            if next(takes) == 0:
                raise Transient("broker", "timeout")
            return found

        monkeypatch.setattr(broker, "_take", late)
        await broker.publish(hint(), Lane.LIVE)
        async with broker.deliveries(Lane.LIVE, prefetch=1) as deliveries:
            await (await take(deliveries)).ack()
        assert (await broker.depths())[Lane.LIVE] == 0


async def test_a_full_disk_refuses_and_heals_and_loses_nothing(tmp_path: Path) -> None:
    """In a child process whose files may not grow; what it was told is safe must be there afterwards."""
    fill = """
import asyncio, resource, sys
from shared.adapters.brokers import open_embedded_broker
from shared.adapters.brokers.consumer import Take
from shared.adapters.clock import SystemClock
from shared.domain.errors import Transient
from shared.domain.messages import Lane
from tests.support.engine import hint

async def main() -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    safe = refused = 0
    async with open_embedded_broker(sys.argv[1], SystemClock()) as broker:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
        while refused < 3:
            try:
                await broker.publish(hint("x" * 900), Lane.LIVE)
                safe += 1
            except Transient:
                refused += 1
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        await broker.publish(hint("healed"), Lane.LIVE)
    print(safe + 1)

asyncio.run(main())
"""
    path = str(tmp_path / "broker.db")
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", fill, path, stdout=pipe)
    async with asyncio.timeout(30):
        told, _ = await child.communicate()
    async with open_embedded_broker(path, SystemClock()) as broker:
        assert (await broker.depths())[Lane.LIVE] == int(told) > 10


async def test_two_thousand_publishes_need_few_commits() -> None:
    async with open_embedded_broker(":memory:", SystemClock()) as broker, asyncio.TaskGroup() as group:
        for _ in range(2_000):
            group.create_task(broker.publish(hint(), Lane.LIVE))
    assert broker.commits <= 20


async def test_a_file_that_cannot_be_opened_is_transient(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Transient):
        async with open_embedded_broker(str(tmp_path / "file" / "broker.db"), SystemClock()):
            pass


async def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broker.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(Permanent, match="file_of_other_version"):
        async with open_embedded_broker(str(path), SystemClock()):
            pass


async def test_publishing_after_the_end_is_transient() -> None:
    async with open_embedded_broker(":memory:", SystemClock()) as broker:
        pass
    with pytest.raises(Transient, match="closed"):
        await broker.publish(hint(), Lane.LIVE)
