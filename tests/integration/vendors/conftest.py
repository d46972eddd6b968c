"""The simulated vendors in this process, and our adapters over real HTTP against them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox.world import World
from shared.adapters.graph.auth import TokenSource
from shared.adapters.graph.credentials import ClientSecret
from shared.adapters.graph.directory import GraphDirectory
from shared.adapters.graph.subscriptions import GraphSubscriptions
from shared.adapters.http import HttpClient, open_http
from shared.adapters.syncro.account import SyncroAccount
from shared.adapters.syncro.contacts import SyncroContacts
from shared.adapters.syncro.customers import SyncroCustomers
from tests.support.vendor_stub import TellTalePace


@dataclass(frozen=True)
class Vendors:
    """The running sandbox with every adapter wired to it. `tenant` and `customer` are the scenario's first."""

    world: World
    http: HttpClient
    tokens: TokenSource
    directory: GraphDirectory
    subscriptions: GraphSubscriptions
    contacts: SyncroContacts
    customers: SyncroCustomers
    account: SyncroAccount
    pace: TellTalePace
    tenant: str
    customer: int


@pytest.fixture
async def vendors(tmp_path: Path) -> AsyncIterator[Vendors]:
    async with World.open(tmp_path) as world, open_http("entra-syncro/test") as http:
        microsoft, syncro, pace = world.microsoft, world.syncro, TellTalePace()
        microsoft.switches.change({"throttling": False, "delivery": False})
        syncro.limiter.per_minute = None
        tenant = world.companies[0].tenant_id
        secret = ClientSecret(microsoft.app_secret)
        tokens = TokenSource(microsoft.app_id, secret, microsoft.login_url, ca_file=microsoft.ca_file)
        yield Vendors(
            world,
            http,
            tokens,
            GraphDirectory(http, tokens, microsoft.graph_url),
            GraphSubscriptions(http, tokens, microsoft.graph_url),
            SyncroContacts(http, syncro.url, syncro.token.secret, pace),
            SyncroCustomers(http, syncro.url, syncro.token.secret, pace),
            SyncroAccount(http, syncro.url, syncro.token.secret, pace),
            pace,
            tenant,
            world.customer_ids[tenant],
        )
        await tokens.aclose()
