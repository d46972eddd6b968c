"""A company of forty people in step with their contacts, and everything that could change overnight.

The vendors, the stores and the services are those of `tests/integration/console`; Microsoft notifies nobody unless a
test says so, and the schedule rests, so that a full sync is made only when one is asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from console import operations
from console.cli.demo.people import open_administrator
from console.cli.demo.stage import Engine, demo_settings
from console.cli.run import operator_ports
from console.cli.sync import watch_runs
from sandbox.crowd import Crowd, found
from sandbox.world import World
from shared.domain.records import Hold, Run
from shared.runtime.settings import Settings
from shared.runtime.wiring import open_adapters
from tests.integration.console.conftest import UNLIMITED, Office

USERS = 40
CLEARS_PASS = 4  # the larger of 3 and a tenth of the contacts
NEVER = "0 0 29 2 *"
WITHIN = 60.0  # seconds for one full sync with its looks
SETTINGS = {"NIGHTLY__CRON": NEVER, "FACTS__SIGN_IN_LISTS_PER_MINUTE": "1000", "SYNCRO__BACKFILL_PER_MINUTE": "5000"}
CALM = {
    "delivery": False,
    "replication_lag_s": 0.0,
    "throttling": False,
    "latency_min_s": 0.0,
    "latency_max_s": 0.05,
    "duplicate_rate": 0.0,
}
Contacts = Mapping[int, tuple[dict[str, str | None], dict[str, str]]]


@dataclass
class Ward(Office):
    """The office of one crowd. `extra`: settings that a test gives to the commands it starts."""

    crowd: Crowd = field(kw_only=True)
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {f"ENTRA_SYNCRO_{name}": value for name, value in (SETTINGS | self.extra).items()}

    async def bring_in_step(self) -> None:
        """The services must be running."""
        shown = await self.previewed()
        started = await operations.approve(self.ports, self.customer, shown.preview.code, by="test")
        async with asyncio.timeout(WITHIN):
            await watch_runs(self.ports, [started])

    def contacts(self) -> Contacts:
        """Every contact of the customer as Syncro has it now."""
        every = self.world.syncro.account.contacts.values()
        mine = [contact for contact in every if contact.customer_id == self.customer]
        return {contact.id: (dict(contact.values), dict(contact.properties)) for contact in mine}

    def own_fields(self) -> dict[str, str]:
        return dict(self.world.syncro.account.customers[self.customer].properties)

    def writes(self) -> int:
        return len(self.world.syncro.calls.writes())

    def licence(self, user_id: str) -> str:
        contact = self.contact_of(user_id)
        assert contact is not None
        return contact.properties.get("azure_license", "")

    def licensed(self) -> list[str]:
        """Users whose contact is billed for a licence."""
        return [user_id for user_id in map(self.crowd.user_id, range(USERS)) if self.licence(user_id)]

    async def take_licences(self, users: Sequence[str]) -> Mapping[str, list[str]]:
        """Gives what each of them had."""
        had = {user_id: self._skus(user_id) for user_id in users}
        for user_id, skus in had.items():
            await self.admin.license(self.tenant, user_id, [], skus)
        return had

    def _skus(self, user_id: str) -> list[str]:
        version = self.world.microsoft.tenants[self.tenant].directory.latest(user_id)
        assert version is not None
        return [str(each["skuId"]) for each in version.state["assignedLicenses"]]

    async def reconcile(self) -> Any:
        return await self.command("reconcile", "--customer", str(self.customer))

    async def hold(self) -> Hold:
        """The one that stands."""
        found_hold = await self.ports.holds.of_customer(self.customer)
        assert found_hold is not None
        return found_hold

    async def newest_run(self) -> Run:
        return (await self.ports.runs.recent(self.customer, 1))[0]

    async def is_owed(self) -> bool:
        return any(mark.customer_id == self.customer for mark in await self.ports.owed.owed())


async def eventually(check: Callable[[], Awaitable[bool]], within: float) -> None:
    """TimeoutError when it never was so."""
    async with asyncio.timeout(within):
        while True:
            if await check():
                return
            await asyncio.sleep(0.1)


# What these tests are about is found by full syncs: delta polls see nothing on the day itself.
BLIND_POLLS = {"delta_lag_s": 86_400.0}


def night_settings(world: World, data_dir: Path) -> Settings:
    settings = demo_settings(world, data_dir, Engine(), UNLIMITED)
    return settings.model_copy(
        update={
            "nightly": settings.nightly.model_copy(update={"cron": NEVER}),
            "facts": settings.facts.model_copy(update={"sign_in_lists_per_minute": 1000}),
            "syncro": settings.syncro.model_copy(update={"backfill_per_minute": 5000}),
        }
    )


@pytest.fixture
async def ward(tmp_path: Path) -> AsyncIterator[Ward]:
    """In step; no services run."""
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(World.open(tmp_path / "sandbox", "empty"))
        world.syncro.limiter.per_minute = None
        world.microsoft.switches.change(CALM | BLIND_POLLS)
        crowd = found(world, 1, users=USERS)
        settings = night_settings(world, tmp_path / "data")
        adapters = await stack.enter_async_context(open_adapters(settings))
        info = world.info() | {"tenants": [{"id": crowd.tenant_id}]}
        admin = await stack.enter_async_context(open_administrator(info))
        ports = operator_ports(settings, adapters)
        made = Ward(world, settings, adapters, ports, admin, crowd.tenant_id, crowd.customer_id, crowd=crowd)
        async with made.services():
            await made.bring_in_step()
        yield made
