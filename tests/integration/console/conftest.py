"""The simulated vendors, our stores on files and the operator's ports: everything but the services.

The limit of the simulated Syncro and our pace are lifted together: what is not about a limit need not wait for one.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from console import operations
from console.cli.demo.people import Administrator, open_administrator
from console.cli.demo.stage import Engine, demo_settings
from console.cli.run import LookReport, operator_ports, supervisor
from console.operations import OperatorPorts, ShownPreview
from sandbox.syncro.account import Contact
from sandbox.world import World
from shared.domain.changes import UpdateContact
from shared.runtime.settings import Settings
from shared.runtime.wiring import Adapters, open_adapters
from tests.support.warm import run_warm

UNLIMITED = 6_000  # calls a minute


@dataclass
class Office:
    """One customer (the scenario's first), not connected yet."""

    world: World
    settings: Settings
    adapters: Adapters
    ports: OperatorPorts
    admin: Administrator
    tenant: str
    customer: int
    looks: list[LookReport] = field(default_factory=list)

    async def previewed(self) -> ShownPreview:
        await operations.connect(self.ports, self.customer, self.tenant)
        return await operations.preview(self.ports, self.customer)

    @asynccontextmanager
    async def services(self) -> AsyncIterator[None]:
        """Receiver and worker, as `run all` has them."""
        every = supervisor(self.settings, self.adapters, on_look=self.looks.append)
        task = asyncio.create_task(every.run(signals=False), name="test:services")
        try:
            yield
        finally:
            every.stop()
            await asyncio.wait_for(task, timeout=30)

    def contact(self, contact_id: int) -> Contact:
        return self.world.syncro.account.contacts[contact_id]

    def contact_of(self, user_id: str) -> Contact | None:
        every = self.world.syncro.account.contacts.values()
        return next((c for c in every if c.properties.get("azure_object_id") == user_id), None)

    @property
    def environment(self) -> dict[str, str]:
        """What another process needs to share our files, and nothing of this machine's certificates."""
        settings, unwanted = self.settings, {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"}
        mine = {
            "DATA_DIR": str(settings.data_dir),
            "GRAPH__BASE_URL": settings.graph.base_url,
            "GRAPH__APP_ID": settings.graph.app_id,
            "GRAPH__APP_SECRET": settings.graph.app_secret.get_secret_value(),
            "LOGIN__BASE_URL": settings.login.base_url,
            "LOGIN__CA_FILE": str(settings.login.ca_file),
            "SYNCRO__SUBDOMAIN": "sandbox",
            "SYNCRO__BASE_URL": settings.syncro.base_url,
            "SYNCRO__API_TOKEN": settings.syncro.api_token.get_secret_value(),
            "SYNCRO__PACE_PER_MINUTE": str(UNLIMITED),
        }
        kept = {name: value for name, value in os.environ.items() if name not in unwanted}
        return kept | {f"ENTRA_SYNCRO_{name}": value for name, value in mine.items()}

    async def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`entra-syncro ...` in a process of its own."""
        return await asyncio.to_thread(run_warm, arguments, Path(__file__).parents[3], self.environment, 60)


def updates(shown: ShownPreview) -> list[UpdateContact]:
    return [row.plan for row in shown.preview.rows if isinstance(row.plan, UpdateContact)]


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with World.open(tmp_path / "sandbox") as world:
        world.syncro.limiter.per_minute = None
        world.microsoft.switches.change({"replication_lag_s": 0})
        settings = demo_settings(world, tmp_path / "data", Engine(), UNLIMITED)
        tenant, customer = next(iter(world.customer_ids.items()))
        async with open_adapters(settings) as adapters, open_administrator(world.info()) as admin:
            ports = operator_ports(settings, adapters)
            yield Office(world, settings, adapters, ports, admin, tenant, customer)
