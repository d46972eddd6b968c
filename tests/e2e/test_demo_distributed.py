"""`make demo-distributed` as people run it, with the other worker killed, and the demo on servers of one's own."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox.servers import PostgresServer, RabbitServer, RedisServer

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
FOREIGN = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


async def run(*arguments: str | Path) -> tuple[int | None, str]:
    environment = {k: v for k, v in os.environ.items() if k not in FOREIGN and not k.startswith("ENTRA_SYNCRO_")}
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *map(str, arguments)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment,
    )
    try:
        said, _ = await asyncio.wait_for(child.communicate(), 280)
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return child.returncode, said.decode()


def summary(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


async def test_work_is_shared_and_survives_the_second_worker(tmp_path: Path) -> None:
    code, said = await run("console.cli.demo.distributed", "--kill", "2", "--json", tmp_path / "summary.json")
    assert code == 0, said
    seen = summary(tmp_path / "summary.json")
    assert seen["killed"] == "worker 2"
    assert min(one["share"] for one in seen["shares"].values()) >= 0.25
    assert seen["carried_on_after_s"] < 30
    assert seen["equal_to_plan"] == seen["in_scope"] > 0
    assert (seen["dead_letters"], seen["live"]["changes"]) == (0, 13)
    assert seen["syncro"]["max_calls_in_60s"] <= 170  # the pace and its burst, over all processes
    assert "carries on" in said


@pytest.mark.chaos
async def test_the_same_story_on_servers_of_ones_own_and_never_twice_on_the_same(
    tmp_path: Path, rabbit_server: RabbitServer, redis_server: RedisServer, postgres_server: PostgresServer
) -> None:
    addresses = (
        *("--broker", rabbit_server.fresh_url()),
        *("--state", redis_server.url),
        *("--ledger", postgres_server.fresh_url()),
    )
    code, said = await run("console.cli", "demo", "--once", "--json", tmp_path / "summary.json", *addresses)
    assert code == 0, said
    seen = summary(tmp_path / "summary.json")
    assert seen["equal_to_plan"] == seen["in_scope"] > 0
    code, said = await run("console.cli", "demo", "--once", *addresses)
    assert code == 2
    assert "The ledger given to the demo is in use" in said
