"""The watch over a store, in virtual time: what it tells, and the one thing that ends the process."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from shared.domain.errors import Permanent, SyncError, Transient
from shared.runtime.health import Health, State
from shared.runtime.services import Limits
from shared.runtime.supervisor import Supervisor
from shared.runtime.watch import AGAIN, EVERY, Watch
from tests.support.virtual_time import run_virtual

AWAY = Transient("ledger", "unavailable", "the ledger cannot be reached")
NEWER = Permanent("ledger", "ledger_newer", "install that release")


class Store:
    def __init__(self, trouble: SyncError | None = None) -> None:
        self.trouble = trouble

    async def ask(self) -> None:
        if self.trouble is not None:
            raise self.trouble


def test_it_follows_a_store_that_comes_goes_and_comes_again_and_says_each_once() -> None:
    async def scenario() -> None:
        store, stop = Store(AWAY), asyncio.Event()
        watch = Watch("ledger", store.ask)
        with capture_logs() as logs:
            task = asyncio.create_task(watch.run(stop), name="watch")
            for trouble, wait in ((AWAY, 60.0), (None, AGAIN), (AWAY, EVERY), (None, AGAIN)):
                store.trouble = trouble
                await asyncio.sleep(wait + 0.1)
                assert watch.ready() is (trouble is None)
            stop.set()
            await task
        assert [entry["event"] for entry in logs] == ["store_away", "store_answers"] * 2

    run_virtual(scenario())


def test_a_store_that_only_a_person_can_mend_ends_the_process_even_if_it_was_away_at_first() -> None:
    async def scenario() -> None:
        store, health = Store(AWAY), Health()
        supervisor = Supervisor([Watch("ledger", store.ask)], health=health, limits=Limits(start=1.0))
        running = asyncio.create_task(supervisor.run(signals=False), name="run")
        await asyncio.sleep(3600.0)
        assert health.state("ledger") is State.NOT_READY
        assert not running.done()
        store.trouble = NEWER
        with capture_logs() as logs:
            async with asyncio.timeout(2 * AGAIN):
                assert await running == 1
        (said,) = [entry for entry in logs if entry["event"] == "store_unusable"]
        assert (said["code"], said["detail"]) == ("ledger_newer", "install that release")

    run_virtual(scenario())
