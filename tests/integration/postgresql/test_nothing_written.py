"""The whole route with its ledger on PostgreSQL: while that is away nothing is written, later nothing is missing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from console import operations
from console.cli.demo.arrival import until
from console.cli.demo.stage import Engine, open_stage
from sandbox.servers import PostgresServer
from tests.support.route import bring_in_step, change_titles, in_step, writes

AWAY = 12.0  # seconds: longer than the ledger's patience, so that every wait has ended in a failure


@pytest.mark.parametrize("how", [pytest.param("killed", marks=pytest.mark.every_run), "frozen"])
async def test_nothing_is_written_while_the_ledger_is_away_and_nothing_is_lost(
    tmp_path: Path, postgres_server: PostgresServer, how: str
) -> None:
    away: Callable[[], None] = postgres_server.freeze if how == "frozen" else postgres_server.kill
    back: Callable[[], None] = postgres_server.thaw if how == "frozen" else postgres_server.start
    async with open_stage(tmp_path, Engine(ledger=postgres_server.fresh_url())) as stage:
        await bring_in_step(stage)
        before = writes(stage)
        await asyncio.to_thread(away)
        changed = await change_titles(stage, ["irene.novak", "sam.lee"])
        await asyncio.sleep(AWAY)
        assert writes(stage) == before
        await asyncio.to_thread(back)
        assert await until(lambda: in_step(stage, changed), within=90)
        assert writes(stage) == before + len(changed)
        assert await operations.letters(stage.ports) == []
