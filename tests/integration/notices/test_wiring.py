"""From the settings to a message: channels as they are set, and two workers on one ledger that tell once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web

from console import operations
from console.cli.run import operator_ports, supervisor, worker_ports, worker_settings
from shared.domain.records import Hold
from shared.runtime.settings import Settings, load_settings
from shared.runtime.wiring import open_adapters
from tests.support.ledger import a_connection
from tests.support.load import until
from tests.support.vendor_stub import Stub, stub_server
from worker.notices import NoticeBoard

SMTP = {"host": "localhost", "sender": "sync@msp.example", "to": "desk@msp.example", "ca_file": "ca.pem"}


@pytest.fixture
async def teams() -> AsyncIterator[Stub]:
    async def taken(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.3)
        return web.Response(status=202)

    async with stub_server(taken) as stub:
        yield stub


def settings(folder: Path, **notices: object) -> Settings:
    return load_settings(
        data_dir=folder,
        graph={"app_id": "a", "app_secret": "s"},
        syncro={"subdomain": "acme", "api_token": "t"},
        notices={"summary": "", **notices},
    )


async def test_channels_are_those_that_are_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    every = {
        "smtp": SMTP,
        "teams_url": "https://flow.example/x",
        "ticket_customer": 7,
        "heartbeat_url": "https://hc.example/x",
    }
    async with open_adapters(settings(tmp_path, **every)) as adapters:
        assert [channel.name for channel in adapters.channels] == ["smtp", "teams", "ticket"]
        assert adapters.beacon is not None
    async with open_adapters(settings(tmp_path)) as adapters:
        assert (list(adapters.channels), adapters.beacon) == ([], None)


async def test_a_process_beats_once_all_its_services_are_ready(
    tmp_path: Path, teams: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    chosen = settings(tmp_path, heartbeat_url=f"{teams.base_url}/beat")
    free = {"host": "127.0.0.1", "port": 0}
    chosen = chosen.model_copy(
        update={
            "receiver": chosen.receiver.model_copy(update=free),
            "private": chosen.private.model_copy(update=free),
        }
    )
    async with open_adapters(chosen, lazy=True) as adapters, asyncio.TaskGroup() as group:
        running = supervisor(chosen, adapters)
        group.create_task(running.run(signals=False), name="run")
        await until(lambda: bool(teams.seen), within=30.0)
        running.stop()
    assert [(method, path) for method, path, _, _ in teams.seen] == [("GET", "/beat")]


async def test_two_workers_on_one_ledger_tell_once(
    tmp_path: Path, teams: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    chosen = settings(tmp_path, teams_url=f"{teams.base_url}/flow")
    stop = asyncio.Event()
    async with open_adapters(chosen) as one, open_adapters(chosen) as two, asyncio.TaskGroup() as group:
        now = one.clock.now()
        await one.ledger.connections.save(a_connection(7, changed_at=now, customer_name="Contoso"))
        expires = now + timedelta(hours=72)
        await one.ledger.holds.open(Hold(7, "c0de", "run", {"clears": (12, 3)}, (), "Too many.", now, expires))
        for number, adapters in enumerate((one, two)):
            board = NoticeBoard(worker_ports(adapters), replace(worker_settings(chosen), notices_every=0.1))
            group.create_task(board.run(stop), name=f"board:{number}")
        ports = operator_ports(chosen, two)
        await until(lambda: bool(teams.seen), within=20.0)
        seen = await _told(ports)
        stop.set()
    assert seen.notices[0].notice.sentence.startswith("Contoso (7): waiting for approval")
    assert len(teams.seen) == 1


async def _told(ports: operations.OperatorPorts) -> operations.NoticesSeen:
    while True:
        seen = await operations.notices(ports)
        if seen.notices and seen.notices[0].notice.told_at is not None:
            return seen
        await asyncio.sleep(0.05)
