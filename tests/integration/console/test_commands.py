"""The command line in processes of its own, sharing the service's files: what it prints, and its exit codes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from console import operations
from console.cli.reporting import report
from shared.domain.errors import Permanent, SyncError
from shared.domain.records import ConnectionStatus
from shared.runtime.settings import load_settings
from shared.runtime.wiring import open_adapters
from tests.integration.console.conftest import Office


async def test_commands_and_services_share_the_files(office: Office) -> None:
    customer = str(office.customer)
    async with office.services():
        connected = await office.command("customers", "connect", customer, "--tenant", office.tenant, "--yes", "--json")
        assert json.loads(connected.stdout)["status"] == "preview", connected.stderr
        (mine,) = await operations.connections(office.ports)  # what one process decides, the other sees at once
        assert (mine.customer_id, mine.status) == (office.customer, ConnectionStatus.PREVIEW)
        early = await office.command("sync", "--customer", customer)
        shown = json.loads((await office.command("preview", "--customer", customer, "--json")).stdout)
        wrong = await office.command("customers", "approve", customer, "00000000")
        approved = await office.command("customers", "approve", customer, shown["approval_code"])
        again = await office.command("sync", "--customer", customer)
        seen = json.loads((await office.command("status", "--json")).stdout)
        failed = json.loads((await office.command("failed", "list", "--json")).stdout)
    assert early.returncode == 3
    assert "waiting for approval" in early.stderr
    assert wrong.returncode == 3
    assert approved.returncode == 0, approved.stderr
    assert "Done: " in approved.stdout
    assert "in step already" in again.stdout
    assert [c["status"] for c in seen["connections"]] == ["approved"]
    assert (seen["failed_changes"], failed) == (0, [])
    assert {user["kind"] for user in shown["users"]} >= {"UpdateContact", "Excluded", "Conflict"}


async def test_a_person_reads_pages_and_nothing_on_the_error_stream(office: Office) -> None:
    await operations.connect(office.ports, office.customer, office.tenant)
    page, state = await asyncio.gather(  # two at once: they do not disturb one another
        office.command("preview", "--customer", str(office.customer)), office.command("status")
    )
    assert (page.returncode, page.stderr) == (0, "")
    assert (state.returncode, state.stderr) == (0, "")
    assert page.stdout.rstrip().splitlines()[-1].startswith("Next: entra-syncro customers approve")
    assert "waiting for approval" in state.stdout
    assert f"entra-syncro preview --customer {office.customer}" in state.stdout


async def test_a_vendors_refusal_is_a_sentence_and_code_1(office: Office) -> None:
    office.world.syncro.token.valid = False
    said = await office.command("customers", "connect", str(office.customer), "--tenant", office.tenant, "--yes")
    assert said.returncode == 1
    assert "put it into syncro.api_token" in said.stderr
    assert office.settings.syncro.api_token.get_secret_value() not in said.stderr
    assert "Traceback" not in said.stderr


@pytest.mark.parametrize("part", ["broker", "state", "ledger"])
@pytest.mark.parametrize("url", ["ftp://user:hunter2@host/x", "embedded:", "nonsense", "mysql://u:hunter2@h/d"])
async def test_an_address_of_no_known_form_is_refused_clearly_and_never_repeated(
    office: Office, part: str, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen: dict[str, Any] = {part: {"url": url}}
    settings = load_settings(needs=(), data_dir=office.settings.data_dir / part, **chosen)
    with pytest.raises(Permanent) as caught:
        async with open_adapters(settings):
            pytest.fail("it was opened")
    assert isinstance(caught.value, SyncError)
    assert report(caught.value) == 2
    said = capsys.readouterr().err
    assert f"ENTRA_SYNCRO_{part.upper()}__URL" in said
    assert "embedded:PATH" in said
    assert "hunter2" not in said
