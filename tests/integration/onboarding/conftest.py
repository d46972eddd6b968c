"""A reception: the simulated vendors, our stores on files, the running services, and an administrator's browser.

No tenant has consented at the start. The door is the real one, with the settings and the wiring of `run all`.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from console.cli.demo.stage import Engine, demo_settings
from console.cli.run import operator_ports, supervisor
from console.operations import OperatorPorts
from sandbox.microsoft.tenant import Tenant
from sandbox.world import World
from shared.runtime.settings import Settings
from shared.runtime.wiring import Adapters, open_adapters

UNLIMITED = 6_000  # calls a minute


@dataclass(frozen=True, slots=True)
class Seen:
    """A page in the browser: where it ended, and what stands there."""

    status: int
    address: str
    text: str
    headers: dict[str, str]


@dataclass
class Browser:
    """Follows redirects, keeps cookies and trusts the sandbox's certificate."""

    session: aiohttp.ClientSession

    async def open(self, address: str, *, method: str = "GET") -> Seen:
        async with self.session.request(method, address) as answer:
            return Seen(answer.status, str(answer.url), await answer.text(), dict(answer.headers))

    async def steps(self, address: str, until: str) -> str:
        """Follow redirects as far as an address that begins with `until`, and give it unopened."""
        for _ in range(5):
            if address.startswith(until):
                return address
            async with self.session.get(address, allow_redirects=False) as answer:
                address = answer.headers["Location"]
        raise AssertionError(f"never came to {until}")


@dataclass
class Reception:
    world: World
    settings: Settings
    adapters: Adapters
    ports: OperatorPorts

    def customer(self, number: int = 0) -> tuple[int, str]:
        """A customer's number and its tenant's id."""
        tenant, customer = list(self.world.customer_ids.items())[number]
        return customer, tenant

    def tenant(self, number: int = 0) -> Tenant:
        return self.world.microsoft.tenants[self.customer(number)[1]]

    def switch(self, **switches: Any) -> None:
        self.world.microsoft.switches.change(switches)

    @property
    def door(self) -> str:
        return self.settings.receiver.public_url

    @asynccontextmanager
    async def browser(self) -> AsyncIterator[Browser]:
        trusted = ssl.create_default_context(cafile=str(self.settings.login.ca_file))
        jar = aiohttp.CookieJar(unsafe=True)  # the door has a number for a name
        connector = aiohttp.TCPConnector(ssl=trusted)
        async with aiohttp.ClientSession(cookie_jar=jar, connector=connector) as session:
            yield Browser(session)

    @asynccontextmanager
    async def services(self) -> AsyncIterator[None]:
        every = supervisor(self.settings, self.adapters)
        task = asyncio.create_task(every.run(signals=False), name="test:services")
        try:
            await self._door_opens()
            yield
        finally:
            every.stop()
            await asyncio.wait_for(task, timeout=30)

    async def _door_opens(self) -> None:
        where = urlsplit(self.door)
        async with asyncio.timeout(20):
            while True:
                try:
                    _, writer = await asyncio.open_connection(where.hostname, where.port)
                except OSError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    return


@pytest.fixture
async def reception(tmp_path: Path) -> AsyncIterator[Reception]:
    async with World.open(tmp_path / "sandbox") as world:
        world.syncro.limiter.per_minute = None
        world.microsoft.switches.change({"replication_lag_s": 0})
        for tenant in world.microsoft.tenants.values():
            tenant.consented = False
        settings = demo_settings(world, tmp_path / "data", Engine(), UNLIMITED)
        async with open_adapters(settings) as adapters:
            yield Reception(world, settings, adapters, operator_ports(settings, adapters))
