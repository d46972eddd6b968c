"""A calm simulated Microsoft (no lag, no duplicates, no latency): each test turns on what it is about."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.microsoft import Microsoft, Switches
from tests.support.microsoft import CONTOSO, FABRIKAM, GraphCaller, Hook


@pytest.fixture(scope="session")
def signing_key() -> rsa.RSAPrivateKey:
    """Made once: it takes longer than most of the tests."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def switches() -> Switches:
    calm = Switches()
    calm.change(
        {
            "replication_lag_s": 0.0,
            "delta_lag_s": 0.0,
            "token_lag_s": 0.0,
            "latency_min_s": 0.0,
            "latency_max_s": 0.02,
            "duplicate_rate": 0.0,
            "disorder": False,
            "delta_empty_page_rate": 0.0,
            "delta_repeat_rate": 0.0,
            "batch_shuffle": False,
        }
    )
    return calm


@pytest.fixture
async def microsoft(tmp_path: Path, switches: Switches, signing_key: rsa.RSAPrivateKey) -> AsyncIterator[Microsoft]:
    sandbox = Microsoft(tmp_path, switches=switches, seed=7, signing_key=signing_key)
    sandbox.add_tenant(CONTOSO, "Contoso", "contoso.onmicrosoft.com", ["contoso.com"])
    sandbox.add_tenant(FABRIKAM, "Fabrikam", "fabrikam.com", premium=False)
    for number in range(5):
        sandbox.seed_user(
            CONTOSO,
            displayName=f"Person {number}",
            givenName="Person",
            surname=str(number),
            userPrincipalName=f"person{number}@contoso.com",
            mail=f"person{number}@contoso.com",
        )
    sandbox.seed_user(FABRIKAM, displayName="Fay", userPrincipalName="fay@fabrikam.com")
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@pytest.fixture
async def session(microsoft: Microsoft) -> AsyncIterator[aiohttp.ClientSession]:
    trusted = ssl.create_default_context(cafile=str(microsoft.ca_file))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusted)) as client:
        yield client
    # TLS transports close in a later turn of the loop
    await asyncio.sleep(0.02)


@pytest.fixture
async def contoso(microsoft: Microsoft, session: aiohttp.ClientSession) -> GraphCaller:
    caller = GraphCaller(microsoft, session, CONTOSO)
    await caller.sign_in()
    return caller


@pytest.fixture
async def fabrikam(microsoft: Microsoft, session: aiohttp.ClientSession) -> GraphCaller:
    caller = GraphCaller(microsoft, session, FABRIKAM)
    await caller.sign_in()
    return caller


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    receiver = Hook()
    app = web.Application()
    app.router.add_post("/{tail:.*}", receiver.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield receiver
    await runner.cleanup()
