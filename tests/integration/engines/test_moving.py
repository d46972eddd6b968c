"""From one machine to servers and back, by the steps of the README: no hint and no decision is lost on the way.

One set of simulated vendors lives through all of it. People change right before the move, while the old worker
drains, and while nothing runs at all (then Microsoft sends again).
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from console import operations
from console.cli.demo.arrival import until, value_of
from console.cli.demo.people import open_administrator
from console.cli.demo.stage import Engine, demo_settings
from console.cli.run import Role, operator_ports, supervisor
from console.cli.sync import watch_runs
from console.operations import OperatorPorts
from sandbox.servers import PostgresServer, RabbitServer, RedisServer
from sandbox.world import World
from shared.adapters.ledger.copy import copy_ledger
from shared.domain.changes import CreateContact, UpdateContact
from shared.domain.records import ConnectionStatus
from shared.runtime.settings import KEY_FILE, Settings
from shared.runtime.wiring import open_adapters

WITHIN = 60.0  # seconds for a hint to become a contact; Microsoft's own retries included
DRAINED_WITHIN = 60.0  # seconds
CONFIRM_AFTER = 3.0  # seconds instead of a minute, so that the old worker has nothing left sooner
PEOPLE = ("irene.novak", "priya.nair", "sam.lee", "marco.silva")


@dataclass
class Company:
    """One customer of the simulated vendors, and everything that may be asked of it from outside."""

    world: World

    def __post_init__(self) -> None:
        self.shape = next(one for one in self.world.companies if one.domain == "harborlane.test")
        self.customer_id = self.world.customer_ids[self.shape.tenant_id]
        self.titles: dict[str, str] = {}

    async def change(self, name: str) -> None:
        """A new title for one person; it must stand in Syncro in the end."""
        person = next(one for one in self.shape.people if one.upn.startswith(name))
        self.titles[person.id] = f"Title {secrets.token_hex(4)}"
        async with open_administrator(self.world.info()) as admin:
            await admin.patch(self.shape.tenant_id, person.id, jobTitle=self.titles[person.id])

    async def accepted(self) -> None:
        """Microsoft has nothing left to send."""
        assert await until(lambda: self.world.microsoft.pending_notifications == 0, within=WITHIN)

    async def arrived(self) -> None:
        assert await until(lambda: self.found() == self.titles, within=WITHIN)

    def found(self) -> dict[str, str]:
        contacts = self.world.syncro.account.contacts.values()
        owners = {value_of(c, "azure_object_id"): value_of(c, "title") for c in contacts}
        return {user_id: owners.get(user_id, "") for user_id in self.titles}

    @property
    def subscriptions(self) -> set[str]:
        return set(self.world.microsoft.tenants[self.shape.tenant_id].subscriptions)

    @property
    def contacts(self) -> int:
        return len(self.world.syncro.account.contacts)


@asynccontextmanager
async def running(settings: Settings, role: Role) -> AsyncIterator[OperatorPorts]:
    """The services of a role, as `entra-syncro run ROLE` runs them, ended in order."""
    async with open_adapters(settings) as adapters:
        services = supervisor(settings, adapters, role)
        task = asyncio.create_task(services.run(signals=False), name=f"services:{role.value}")
        try:
            yield operator_ports(settings, adapters)
        finally:
            services.stop()
            assert await asyncio.wait_for(task, 30) == 0


async def drained(ports: OperatorPorts) -> None:
    """Until `status` shows nothing waiting."""
    async with asyncio.timeout(DRAINED_WITHIN):
        while any((await operations.status(ports)).waiting.values()):  # noqa: ASYNC110 - as an operator would look
            await asyncio.sleep(0.2)


def placed(settings: Settings, engine: Engine, key: str | None = None) -> Settings:
    """The same deployment on other addresses; `key` is what the key file held."""
    places = {name: getattr(settings, name).model_copy(update=to) for name, to in engine.sections().items()}
    keys = {} if key is None else {"k1": SecretStr(key)}
    own = {
        "receiver": settings.receiver.model_copy(update={"secrets": keys}),
        "private": settings.private.model_copy(update={"port": 0}),
        "coalesce": settings.coalesce.model_copy(update={"confirm_after": CONFIRM_AFTER}),
    }
    return settings.model_copy(update=places | own)


async def set_up(company: Company, ports: OperatorPorts) -> None:
    await operations.connect(ports, company.customer_id, company.shape.tenant_id)
    shown = await operations.preview(ports, company.customer_id)
    await watch_runs(ports, [await operations.approve(ports, company.customer_id, shown.preview.code, by="test")])
    assert await until(lambda: bool(company.subscriptions), within=20)


async def hand_over(company: Company, old: Settings, bridge: Settings) -> None:
    """The door already fills the new broker while a worker empties the old one."""
    async with running(bridge, Role.RECEIVER), running(old, Role.WORKER) as ports:
        await company.change(PEOPLE[1])
        await company.accepted()
        await drained(ports)


async def nothing_is_missing(company: Company, ports: OperatorPorts) -> None:
    await company.arrived()
    rows = (await operations.preview(ports, company.customer_id)).preview.rows
    assert [row for row in rows if isinstance(row.plan, CreateContact | UpdateContact)] == []
    seen = await operations.status(ports)
    assert [one.status for one in seen.connections] == [ConnectionStatus.APPROVED]
    assert seen.failed_changes == 0


@pytest.mark.timeout(300)
async def test_moving_to_servers_and_back_loses_no_hint_and_no_decision(
    tmp_path: Path, rabbit_server: RabbitServer, redis_server: RedisServer, postgres_server: PostgresServer
) -> None:
    files = {name: f"embedded:{tmp_path / 'back' / name}.db" for name in ("broker", "state", "ledger")}
    servers = Engine(rabbit_server.fresh_url(), redis_server.url, postgres_server.fresh_url())
    async with World.open(tmp_path / "sandbox") as world:
        world.microsoft.switches.retry_cap_s = 4.0
        company = Company(world)
        base = demo_settings(world, tmp_path / "data", Engine())
        first = placed(base, Engine())
        async with running(first, Role.ALL) as ports:
            await set_up(company, ports)
            await company.change(PEOPLE[0])
            await company.arrived()
            subscriptions, contacts = company.subscriptions, company.contacts
            await company.change(PEOPLE[2])
            await company.accepted()  # and the services end with this hint in hand
        key = await asyncio.to_thread((tmp_path / "data" / KEY_FILE).read_text)
        second = placed(base, servers, key)
        await hand_over(company, first, placed(base, replace(servers, ledger=first.ledger.url), key))
        await company.change(PEOPLE[3])  # nothing runs: Microsoft will send it again
        await copy_ledger(first.ledger.url, servers.ledger)
        async with running(second, Role.ALL) as ports:
            await nothing_is_missing(company, ports)
            await company.change(PEOPLE[2])
            await company.accepted()
        third = placed(base, Engine(**files), key)
        (tmp_path / "back").mkdir()
        await hand_over(company, second, placed(base, Engine(**files | {"ledger": servers.ledger}), key))
        await company.change(PEOPLE[3])
        await copy_ledger(servers.ledger, files["ledger"])
        async with running(third, Role.ALL) as ports:
            await nothing_is_missing(company, ports)
            await company.change(PEOPLE[0])
            await nothing_is_missing(company, ports)
        assert company.subscriptions == subscriptions  # the same key: Microsoft's subscriptions are still ours
        assert company.contacts == contacts  # nobody got a second contact
