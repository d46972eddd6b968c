"""The whole sandbox as one object: simulated Microsoft, simulated Syncro, control API, seeded with a scenario.

`World.open` starts it on free (or given) ports and stops it at the end of the block; `run_sandbox` keeps it up until
SIGINT or SIGTERM. Everything lives in memory, save the throw-away certificates in the data folder.
Next: `sandbox/README.md`.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.clock import SandboxClock
from sandbox.control import Control
from sandbox.microsoft import Microsoft
from sandbox.seeds import PROVIDERS, SCENARIOS, seed_customer, seed_provider, seed_tenant
from sandbox.story.shapes import Company
from sandbox.syncro import Syncro


@dataclass(frozen=True, slots=True)
class Ports:
    """Ports to listen on; 0 means any free one."""

    login: int = 0
    graph: int = 0
    syncro: int = 0
    control: int = 0
    partner: int = 0


@dataclass(slots=True)
class World:
    """The running vendors. `customer_ids` maps tenant id -> customer id for the companies that have a tenant.

    `roster`: every company of the scenario with the id of its customer, in order.
    """

    microsoft: Microsoft
    syncro: Syncro
    control: Control
    companies: tuple[Company, ...]
    customer_ids: dict[str, int] = field(default_factory=dict)
    roster: list[tuple[Company, int]] = field(default_factory=list)

    @staticmethod
    @asynccontextmanager
    async def open(
        data_dir: Path,
        scenario: str = "default",
        ports: Ports | None = None,
        host: str = "127.0.0.1",
        seed: int | None = None,
    ) -> AsyncIterator[World]:
        """Start everything; ValueError for an unknown scenario, OSError for a port that is taken.

        `seed` makes the chances of the delivery engine (delays, duplicates, disorder) repeatable.
        """
        if scenario not in SCENARIOS:
            raise ValueError(f"unknown scenario {scenario!r}; known: {', '.join(SCENARIOS)}")
        wanted = ports or Ports()
        clock = SandboxClock()
        microsoft = Microsoft(data_dir, clock=clock, seed=seed)
        syncro = Syncro(now=clock.now)
        world = World(microsoft, syncro, Control(microsoft, syncro), SCENARIOS[scenario])
        world._seed(PROVIDERS.get(scenario))
        async with AsyncExitStack() as stack:
            stack.push_async_callback(microsoft.stop)
            await microsoft.start(
                host=host, login_port=wanted.login, graph_port=wanted.graph, partner_port=wanted.partner
            )
            stack.push_async_callback(syncro.stop)
            await syncro.start(host, wanted.syncro)
            stack.push_async_callback(world.control.stop)
            await world.control.start(host, wanted.control)
            yield world

    def info(self) -> dict[str, Any]:
        """Addresses (without a path), credentials, tenants and customers, in one order as far as both are there.

        A customer without a tenant has an empty `tenant_id`. `partner_tenant_id` is empty in a scenario without a
        managed service provider.
        """
        return {
            "login": self.microsoft.login_url,
            "graph": self.microsoft.graph_url,
            "syncro": self.syncro.url,
            "control": self.control.url,
            "partner": self.microsoft.partner_url,
            "partner_tenant_id": self.microsoft.partner_tenant_id,
            "ca_file": str(self.microsoft.ca_file),
            "tenants": [
                {"id": one.tenant_id, "name": one.name, "domain": one.domain, "users": len(one.people)}
                for one in self.companies
                if one.has_tenant
            ],
            "customers": [
                {"id": number, "name": one.name, "tenant_id": one.tenant_id if one.has_tenant else ""}
                for one, number in self.roster
            ],
            "app_id": self.microsoft.app_id,
            "app_secret": self.microsoft.app_secret,
            "syncro_token": self.syncro.token.secret,
        }

    def _seed(self, provider: Company | None) -> None:
        if provider is not None:
            seed_provider(self.microsoft, provider)
        for company in self.companies:
            customer = seed_customer(self.syncro, company)
            self.roster.append((company, customer.id))
            if company.has_tenant:
                seed_tenant(self.microsoft, company)
                self.customer_ids[company.tenant_id] = customer.id
        self.control.listed = [(number, _listed(company)) for company, number in self.roster]
        self.syncro.settle_index()


async def run_sandbox(
    data_dir: Path | None = None,
    as_json: bool = False,
    scenario: str = "default",
    ports: Ports | None = None,
    write: Callable[[str], None] | None = None,
) -> int:
    """Start, tell the addresses, stay up until SIGINT or SIGTERM; gives the exit code 0."""
    say = write or _print
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop.set)
    try:
        with tempfile.TemporaryDirectory(prefix="entra-syncro-sandbox-") as scratch:
            async with World.open(data_dir or Path(scratch), scenario, ports) as world:
                say(json.dumps(world.info()) if as_json else readable(world.info()))
                await stop.wait()
    finally:
        for signum in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(signum)
    return 0


SETTINGS = """
  To try the commands against it, write this to entra-syncro.toml:

data_dir = "data"
[graph]
base_url = "{graph}"
app_id = "{app_id}"
app_secret = "{app_secret}"
[login]
base_url = "{login}"
ca_file = "{ca_file}"
[syncro]
base_url = "{syncro}"
api_token = "{syncro_token}"
[receiver]
host = "127.0.0.1"
port = 8080
public_url = "http://127.0.0.1:8080"
"""
PARTNER = """[partner]
base_url = "{partner}"
tenant_id = "{partner_tenant_id}"
"""
_MOST_LINES = 20


def readable(info: dict[str, Any]) -> str:
    """The same facts for a person."""
    names = ("login", "graph", "syncro", "control", "ca_file", "app_id", "app_secret", "syncro_token")
    lines = ["The sandbox is up. Stop it with Ctrl-C.", ""]
    lines += [f"  {name:<13} {info[name]}" for name in names]
    lines += ["", *(_table(info) if len(info["customers"]) <= _MOST_LINES else _summary(info))]
    settings = SETTINGS + (PARTNER if info["partner_tenant_id"] else "")
    return "\n".join(lines) + "\n" + settings.format(**info)


def _table(info: dict[str, Any]) -> list[str]:
    tenants = {tenant["id"]: tenant for tenant in info["tenants"]}
    lines = ["  tenant (users) and its customer"]
    for customer in info["customers"]:
        tenant = tenants[customer["tenant_id"]]
        lines.append(f"  {tenant['id']}  {tenant['name']} ({tenant['users']})  ->  customer {customer['id']}")
    return lines


def _summary(info: dict[str, Any]) -> list[str]:
    customers, users = info["customers"], sum(tenant["users"] for tenant in info["tenants"])
    without = sum(not customer["tenant_id"] for customer in customers)
    first, last = customers[0], customers[-1]
    return [
        f"  {len(customers)} customers, {first['id']} {first['name']} to {last['id']} {last['name']}:",
        f"  {without} without a tenant, {len(info['tenants'])} tenants with {users} users; nobody has consented yet",
        f"  their list, as `customers import` takes it: {info['control']}/customers.csv",
    ]


def _listed(company: Company) -> str:
    return company.tenant_id if company.listed is None else company.listed


def _print(text: str) -> None:
    """Best effort: a caller that closed its end of stdout wants a sandbox all the same."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except OSError:
        # the interpreter flushes once more at its end and would turn the exit code into 120
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
