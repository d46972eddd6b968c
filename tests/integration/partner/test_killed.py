"""`customers import` killed outright, in a process of its own: the next run ends the work, and no link changes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from tests.integration.partner.conftest import Provider
from tests.integration.partner.test_many import the_list

GOAL = 50  # invites after which it is killed


def environment(provider: Provider) -> dict[str, str]:
    """What another process needs to share our files, and nothing of this machine's certificates."""
    settings, unwanted = provider.settings, {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"}
    mine = {
        "DATA_DIR": str(settings.data_dir),
        "GRAPH__BASE_URL": settings.graph.base_url,
        "GRAPH__APP_ID": settings.graph.app_id,
        "GRAPH__APP_SECRET": settings.graph.app_secret.get_secret_value(),
        "LOGIN__BASE_URL": settings.login.base_url,
        "LOGIN__CA_FILE": str(settings.login.ca_file),
        "SYNCRO__BASE_URL": settings.syncro.base_url,
        "SYNCRO__API_TOKEN": settings.syncro.api_token.get_secret_value(),
        "SYNCRO__PACE_PER_MINUTE": str(settings.syncro.pace_per_minute),
        "RECEIVER__PUBLIC_URL": settings.receiver.public_url,
    }
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    return kept | {f"ENTRA_SYNCRO_{name}": value for name, value in mine.items()}


async def begin(provider: Provider, file: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from console.cli import main; main()", "customers", "import", str(file)),
        env=environment(provider),
        cwd=Path(__file__).parents[3],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )


async def links(provider: Provider) -> dict[int, str]:
    return {number: each.nonce for number, each in (await provider.ports.invites.newest()).items()}


async def test_an_import_that_was_killed_is_ended_by_the_next(provider: Provider, tmp_path: Path) -> None:
    file = tmp_path / "customers.csv"
    file.write_bytes(await the_list(provider))
    killed = await begin(provider, file)
    while killed.returncode is None and len(await links(provider)) < GOAL:  # noqa: ASYNC110 - seen from outside
        await asyncio.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    await killed.communicate()
    before = await links(provider)
    assert GOAL <= len(before) < 133
    ended = await begin(provider, file)
    said, _ = await ended.communicate()
    assert b"133 waiting for consent, 6 without Entra, 1 failed" in said
    after = await links(provider)
    assert len(after) == 133
    assert {number: after[number] for number in before} == before
