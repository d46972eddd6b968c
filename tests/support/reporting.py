"""Our reports adapter over real HTTP against the simulated Microsoft, with crowds to read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.crowd import found
from sandbox.microsoft.tenant import Tenant
from sandbox.world import World
from shared.adapters.clock import SystemClock
from shared.adapters.graph.attributes import WantedAttributes
from shared.adapters.graph.auth import TokenSource
from shared.adapters.graph.credentials import ClientSecret
from shared.adapters.graph.reports import GraphReports
from shared.adapters.http import HttpClient, open_http
from shared.domain.nightly import FactsPolicy
from shared.domain.tenant import TenantReading


@dataclass(frozen=True)
class Reporting:
    """The running sandbox without its limits; a test switches on what it wants to see."""

    world: World
    http: HttpClient
    tokens: TokenSource

    def switch(self, **values: Any) -> None:
        self.world.microsoft.switches.change(values)

    def crowd(self, number: int, users: int, *, premium: bool) -> Tenant:
        """A new tenant with so many people, names in its usage report open to see."""
        there = found(self.world, number, users=users, contacts=0, premium=premium)
        tenant = self.world.microsoft.tenants[there.tenant_id]
        tenant.names_concealed = False
        return tenant

    async def read(
        self, tenant: Tenant, *, wanted: Sequence[str] = (), also: Sequence[str] = (), **policy: Any
    ) -> TenantReading:
        """One reading by an adapter of its own: no limit is shared between readings of one test.

        `wanted`: directory extensions that rules ask for.
        """

        async def of(tenant_id: str) -> Sequence[str]:
            return wanted

        facts = FactsPolicy(**{"sign_in_lists_per_minute": 1_000, **policy})
        graph_url = self.world.microsoft.graph_url
        attributes = WantedAttributes(self.http, self.tokens, graph_url, of)
        reports = GraphReports(self.http, self.tokens, graph_url, facts, SystemClock(), attributes)
        return await reports.read(tenant.tenant_id, also)

    def requests(self, tenant: Tenant) -> int:
        """Requests that arrived about the tenant, tokens apart; those inside a batch are one with it."""
        calls = self.world.microsoft.calls
        return sum(call.tenant == tenant.tenant_id and call.service != "login" and not call.batched for call in calls)


@asynccontextmanager
async def open_reporting(data_dir: Path) -> AsyncIterator[Reporting]:
    async with World.open(data_dir) as world, open_http("entra-syncro/test") as http:
        microsoft = world.microsoft
        microsoft.switches.change({"throttling": False, "delivery": False})
        secret = ClientSecret(microsoft.app_secret)
        tokens = TokenSource(microsoft.app_id, secret, microsoft.login_url, ca_file=microsoft.ca_file)
        yield Reporting(world, http, tokens)
        await tokens.aclose()
