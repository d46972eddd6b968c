"""A customer in step, receiver and worker on stores of their own, and polls that come every moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

import worker.service
from console import operations
from console.cli.demo.people import open_administrator
from console.cli.demo.stage import Engine, demo_settings
from console.cli.run import operator_ports, receiver_services, worker_ports, worker_settings
from console.cli.sync import watch_runs
from sandbox.world import World
from shared.domain.watching import Poll, PollPolicy
from shared.runtime.metrics import Metrics
from shared.runtime.services import Service
from shared.runtime.wiring import open_adapters
from tests.integration.console.conftest import UNLIMITED, Office
from worker.parts import PollReport

WITHIN = 60.0  # seconds for one change to arrive
CALM = {"replication_lag_s": 0.0, "delta_lag_s": 0.0, "latency_max_s": 0.1, "duplicate_rate": 0.0}
OFTEN = PollPolicy(shortest=0.5, without_door=0.5, longest=0.5)


@dataclass
class Watch(Office):
    """`polls`: every delta poll that was made."""

    polls: list[PollReport] = field(default_factory=list)

    @asynccontextmanager
    async def services(self) -> AsyncIterator[None]:
        """Until the context is left."""
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for service in self._services():
                group.create_task(service.run(stop), name=service.name)
            try:
                yield
            finally:
                stop.set()

    def _services(self) -> list[Service]:
        door = receiver_services(self.settings, self.adapters, Metrics(CollectorRegistry()))
        settings = replace(
            worker_settings(self.settings, [self.looks.append]),
            polls=OFTEN,
            poll_every=0.1,
            owed_every=0.5,
            owed_backoff=1.0,
            on_poll=self.polls.append,
        )
        return [*door, *worker.service.build(worker_ports(self.adapters), settings)]

    async def bring_in_step(self) -> None:
        shown = await self.previewed()
        started = await operations.approve(self.ports, self.customer, shown.preview.code, by="test")
        async with asyncio.timeout(WITHIN):
            await watch_runs(self.ports, [started])
        await self.is_polled()

    async def poll(self) -> Poll:
        return (await self.adapters.ledger.polls.all())[self.tenant]

    async def is_polled(self) -> None:
        """A whole round begins and ends from now on."""
        before = len(self.polls)
        await eventually(lambda: _said(len([each for each in self.polls[before:] if not each.code]) >= 2))

    async def retitle(self, user_id: str, title: str) -> None:
        await self.admin.patch(self.tenant, user_id, jobTitle=title)

    async def retitle_later(self, title: str) -> None:
        """After a clock was moved: what the administrator signed in with has expired."""
        async with open_administrator(self.world.info()) as admin:
            await admin.patch(self.tenant, self.somebody, jobTitle=title)

    async def has_arrived(self, user_id: str, title: str) -> None:
        await eventually(lambda: _said(self._title(user_id) == title))

    def _title(self, user_id: str) -> str | None:
        contact = self.contact_of(user_id)
        return None if contact is None else contact.values.get("title") or contact.properties.get("title")

    @property
    def somebody(self) -> str:
        """A user with a contact."""
        every = self.world.syncro.account.contacts.values()
        known = {contact.properties.get("azure_object_id") for contact in every}
        people = self.world.microsoft.tenants[self.tenant].directory
        return next(user_id for user_id in sorted(known - {None, ""}, key=str) if user_id and people.latest(user_id))


async def _said(value: bool) -> bool:
    return value


async def eventually(check: Callable[[], Awaitable[bool]], within: float = WITHIN) -> None:
    """TimeoutError when it never was so."""
    async with asyncio.timeout(within):
        while True:
            if await check():
                return
            await asyncio.sleep(0.05)


@pytest.fixture
async def watch(tmp_path: Path) -> AsyncIterator[Watch]:
    """In step and polled, with everything running."""
    async with World.open(tmp_path / "sandbox") as world:
        world.syncro.limiter.per_minute = None
        world.microsoft.switches.change(CALM)
        settings = demo_settings(world, tmp_path / "data", Engine(), UNLIMITED)
        tenant, customer = next(iter(world.customer_ids.items()))
        async with open_adapters(settings) as adapters, open_administrator(world.info()) as admin:
            ports = operator_ports(settings, adapters)
            made = Watch(world, settings, adapters, ports, admin, tenant, customer)
            async with made.services():
                await made.bring_in_step()
                yield made
