"""A managed service provider with 140 customers: the simulated vendors and Partner Center, our stores on files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from console.cli.demo.stage import Engine, demo_settings
from console.cli.run import operator_ports
from console.operations import OperatorPorts
from sandbox.microsoft.tenant import Tenant
from sandbox.world import World
from shared.adapters.http import open_http
from shared.adapters.partner import PartnerCenter
from shared.adapters.partner_login import PersonTokens
from shared.runtime.settings import Settings
from shared.runtime.wiring import open_adapters

UNLIMITED = 6_000  # calls a minute
LAGS = ("replication_lag_s", "token_lag_s", "introduction_lag_s", "role_lag_s")  # seconds until a change is seen


@dataclass
class Provider:
    """`partner` waits for nothing that replicates: nothing does here unless a switch says so."""

    world: World
    settings: Settings
    ports: OperatorPorts
    partner: PartnerCenter
    told: list[tuple[str, str]] = field(default_factory=list)

    def tell(self, address: str, code: str) -> None:
        self.told.append((address, code))

    def tenant(self, number: int = 0) -> Tenant:
        """Of the number-th customer that has one."""
        return self.world.microsoft.tenants[list(self.world.customer_ids)[number]]

    def switch(self, **switches: Any) -> None:
        self.world.microsoft.switches.change(switches)


@pytest.fixture
async def provider(tmp_path: Path) -> AsyncIterator[Provider]:
    async with World.open(tmp_path / "sandbox", scenario="msp") as world:
        world.syncro.limiter.per_minute = None
        world.microsoft.switches.change(
            dict.fromkeys(LAGS, 0) | {"device_code_interval_s": 1, "device_code_pending": 0}
        )
        info = world.info()
        address = {"base_url": info["partner"], "tenant_id": info["partner_tenant_id"]}
        bare = demo_settings(world, tmp_path / "data", Engine(), UNLIMITED)
        settings = bare.model_copy(
            update={
                "partner": bare.partner.model_copy(update=address),
                "syncro": bare.syncro.model_copy(update={"backfill_per_minute": UNLIMITED}),
            }
        )
        async with open_adapters(settings) as adapters, open_http("test") as http:
            person = PersonTokens(info["app_id"], info["partner_tenant_id"], info["login"], info["ca_file"])
            partner = PartnerCenter(
                http,
                person,
                app_id=info["app_id"],
                base_url=info["partner"],
                graph_base_url=info["graph"],
                graph_scope=settings.graph.scope,
                pauses=(0.05, 0.05, 0.05),
            )
            yield Provider(world, settings, operator_ports(settings, adapters), partner)
            await person.aclose()
