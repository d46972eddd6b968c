"""What the embedded state promises beyond the ports: reboots, the ceiling, and no file, no grant."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from shared.adapters.clock import SystemClock
from shared.adapters.state import open_embedded_state, open_state
from shared.domain.errors import Permanent, Transient
from tests.support.engine import POLL, SteppedClock


async def test_a_reboot_drops_leases_and_reads_as_burst_spent_but_keeps_the_memory(tmp_path: Path) -> None:
    path = str(tmp_path / "state.db")
    before, after = SteppedClock(), SteppedClock()
    before.advance(1_000_000)  # a long uptime; after the reboot the monotonic clock starts anew
    async with open_embedded_state(path, before, poll=POLL, boot="first") as state:
        await state.memory.remember("key", "value", ttl=30_000_000)
        with pytest.raises(Transient):
            async with state.pace.reserve(1, wait=0):
                pass
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:  # its holder dies with the machine
            connection.execute("INSERT INTO lease VALUES ('customer:1', 'dead', 500000, 1500000)")
    async with open_embedded_state(path, after, poll=POLL, boot="second") as state:
        async with state.leases.hold("customer:1", ttl=10) as lease:
            lease.ensure()
        with pytest.raises(Transient):
            async with state.pace.reserve(1, wait=0):
                pass
        after.advance(1.1)
        async with state.pace.reserve(2, wait=0) as allowance:
            await allowance.spend()
        assert await state.memory.recall("key") == "value"


@pytest.mark.parametrize(("asked", "ceiling", "granted"), [(600, 160, 2), (600, 600, 9)])
async def test_the_ceiling_is_enforced_here(asked: int, ceiling: int, granted: int) -> None:
    clock = SteppedClock()
    async with open_embedded_state(
        ":memory:", clock, pace_per_minute=asked, burst=10, ceiling_per_minute=ceiling, poll=POLL
    ) as state:
        with pytest.raises(Transient):
            async with state.pace.reserve(1, wait=0):
                pass
        clock.advance(0.93)
        async with state.pace.reserve(granted, wait=0):
            with pytest.raises(Transient):
                async with state.pace.reserve(1, wait=0):
                    pass


async def test_no_file_no_grant(tmp_path: Path) -> None:
    path = str(tmp_path / "state.db")
    async with open_embedded_state(path, SystemClock()) as state:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            with pytest.raises(Transient):
                async with state.pace.reserve(1, wait=0):
                    pass
            with pytest.raises(Transient):
                async with state.leases.hold("customer:1", ttl=10):
                    pass
            connection.execute("ROLLBACK")


@pytest.mark.parametrize("url", ["", "embedded:", "amqp://user:hunter2@host"])
def test_an_unknown_address_is_refused_with_the_supported_ones_and_without_its_password(url: str) -> None:
    with pytest.raises(Permanent, match="embedded:PATH") as caught:
        open_state(url, SystemClock())
    assert "hunter2" not in str(caught.value)
