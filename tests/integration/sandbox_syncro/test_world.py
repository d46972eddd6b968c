"""The whole sandbox: what it tells about itself, the seeded story, and the process around it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from pathlib import Path

import aiohttp
import pytest

from sandbox.seeds import SCENARIOS
from sandbox.story.shapes import APPS, BASIC, PREMIUM, STANDARD
from sandbox.world import Ports, World, readable

INFO_KEYS = {
    "login", "graph", "syncro", "control", "partner", "partner_tenant_id", "ca_file", "tenants", "customers", "app_id",
    "app_secret", "syncro_token",
}  # fmt: skip


def _is_certificate(path: str) -> bool:
    file = Path(path)
    return file.exists() and file.read_text().startswith("-----BEGIN CERTIFICATE-----")


async def test_the_default_world_has_three_tenants_and_their_customers_in_one_order(tmp_path: Path) -> None:
    async with World.open(tmp_path) as world:
        info = world.info()
        assert set(info) == INFO_KEYS
        assert info["login"].startswith("https://127.0.0.1:")
        assert all(info[name].startswith("http://127.0.0.1:") for name in ("graph", "syncro", "control"))
        assert all(info[name].count("/") == 2 for name in ("login", "graph", "syncro", "control"))
        assert _is_certificate(info["ca_file"])
        assert [one["name"] for one in info["tenants"]] == [one["name"] for one in info["customers"]]
        assert [one["id"] for one in info["tenants"]] == list(world.microsoft.tenants)
        for tenant in world.microsoft.tenants.values():
            assert tenant.directory.live_count >= 10
        for customer in info["customers"]:
            assert len(world.syncro.account.contacts_of(customer["id"])) >= 8
        assert info["control"] in readable(info)


async def test_the_seeded_contacts_can_be_listed_and_searched_at_once(tmp_path: Path) -> None:
    async with World.open(tmp_path) as world, aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {world.syncro.token.secret}"}
        customer = world.info()["customers"][0]["id"]
        url = f"{world.syncro.url}/api/v1/contacts?customer_id={customer}"
        async with session.get(url, headers=headers) as response:
            rows = {row["name"]: row for row in (await response.json())["contacts"]}
        assert rows["Zoë Brûlé"]["properties"]["Badge No."] == "A-17"
        assert rows["Smith, John"]["processed_phone"] == "2175550112"
        async with session.get(f"{world.syncro.url}/api/v1/search?query=zoe.brule", headers=headers) as response:
            assert len((await response.json())["results"]) == 1


async def test_the_story_is_the_same_in_every_run(tmp_path: Path) -> None:
    seen = []
    for name in ("one", "two"):
        async with World.open(tmp_path / name) as world:
            tenants = [one["id"] for one in world.info()["tenants"]]
            contacts = [(one.id, one.values, one.properties) for one in world.syncro.account.contacts.values()]
            seen.append((tenants, world.info()["customers"], contacts))
    assert seen[0] == seen[1]


def test_the_story_holds_the_cases_that_a_demo_needs() -> None:
    companies = SCENARIOS["default"]
    people = [person for company in companies for person in company.people]
    assert 30 <= len(people) <= 36
    assert len({person.id for person in people}) == len(people)
    held = {entry["skuId"] for person in people for entry in person.graph["assignedLicenses"]}
    assert {BASIC, APPS, STANDARD, PREMIUM} < held
    assert any(not person.graph["accountEnabled"] for person in people)
    assert any("#EXT#" in person.upn for person in people)
    cards = [card for company in companies for card in company.cards]
    assert any("azure_sync_off" in card.properties for card in cards)
    for company in companies:
        mails = [card.fields["email"] for card in company.cards if card.fields["email"]]
        assert len(company.people) >= 10
        assert all(mail and mail.count("@") == 1 for mail in mails)


async def test_an_unknown_scenario_and_a_taken_port_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="known: default, empty"):
        async with World.open(tmp_path, scenario="nonsense"):
            pass
    async with World.open(tmp_path, scenario="empty") as world:
        assert world.info()["tenants"] == []
        taken = int(world.syncro.url.rpartition(":")[2])
        with pytest.raises(OSError, match=str(taken)):
            async with World.open(tmp_path / "second", ports=Ports(syncro=taken)):
                pass


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
async def test_the_process_prints_one_line_and_ends_on_a_signal_with_0(signum: signal.Signals) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sandbox", "--json", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(30):
        info = json.loads(await process.stdout.readline())
        assert set(info) == INFO_KEYS
        async with aiohttp.ClientSession() as session, session.get(info["control"] + "/state") as response:
            assert (await response.json())["syncro"]["customers"] == 4
        process.send_signal(signum)
        rest, errors = await process.communicate()
    assert (process.returncode, rest, errors) == (0, b"", b"")
    assert not _is_certificate(info["ca_file"])


@pytest.mark.parametrize("closed", ["before the start", "by the reader"])
async def test_the_process_stays_up_when_nobody_reads_its_line(closed: str) -> None:
    port = _free_port()
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "sandbox", "--json", "--control-port", str(port)]
    if closed == "before the start":
        command = ["/bin/sh", "-c", 'exec "$@" >&-', "sh", *command]
    process = await asyncio.create_subprocess_exec(*command, stdout=writer, stderr=asyncio.subprocess.PIPE)
    os.close(writer)
    async with asyncio.timeout(30):
        async with aiohttp.ClientSession() as session:
            while not await _answers(session, f"http://127.0.0.1:{port}/state"):
                assert process.returncode is None
                await asyncio.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        _, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")


async def _answers(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as response:
            return response.status == 200
    except aiohttp.ClientConnectionError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
