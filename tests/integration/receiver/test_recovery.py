"""The receiver as it is built: POSTs that were refused end in polls that are asked for, over real HTTP."""

from __future__ import annotations

import asyncio
import io
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import aiohttp
from prometheus_client import CollectorRegistry

from receiver.service import RegistrarPorts, build
from receiver.site import PublicSite
from shared.domain.watching import POLL_WANTED_KEY
from shared.runtime.metrics import Metrics
from shared.runtime.settings import ReceiverSettings
from tests.integration.receiver.test_door import FakeDepths, MovingClock, running
from tests.support.fake_ledger import FakeSubscriptionStates, Switch
from tests.support.fake_onboarding import FakeDoor
from tests.support.receiver import SECRETS, TENANT, FakePublisher, body, change
from tests.support.registrar import FakeConnections, FakeGraph, FakeInbox, FakeLeases, FakeMemory, FakeOwed, connection


class Now(MovingClock):
    def now(self) -> datetime:
        return datetime.now(UTC)


async def test_after_a_period_of_503s_every_tenant_is_polled_and_tenants_are_subscribed() -> None:
    clock, publisher, registry = Now(), FakePublisher(), CollectorRegistry()
    graph, memory, door = FakeGraph(clock), FakeMemory(clock), FakeDoor()
    states = FakeSubscriptionStates(Switch())
    services = build(
        ReceiverSettings.model_validate({"host": "127.0.0.1", "port": 0, "public_url": "https://hooks.example.net"}),
        secrets=SECRETS,
        publisher=publisher,
        probe=FakeDepths(),
        registrar=RegistrarPorts(
            connections=FakeConnections(connection(1, TENANT)),
            reads=graph,
            writes=graph,
            memory=memory,
            leases=FakeLeases(),
            inbox=FakeInbox(),
            owed=FakeOwed(),
            publisher=publisher,
            states=states,
            door=door,
        ),
        clock=clock,
        metrics=Metrics(registry),
    )
    assert [service.name for service in services] == ["receiver", "registrar", "recovery"]
    site = services[0]
    assert isinstance(site, PublicSite)
    async with AsyncExitStack() as stack:
        for service in services:
            await stack.enter_async_context(running(service))
        session = await stack.enter_async_context(aiohttp.ClientSession())

        async def post() -> int:
            address = f"http://127.0.0.1:{site.port}/graph/notifications"
            async with session.post(address, data=io.BytesIO(body(change(1)))) as answer:
                return answer.status

        async def wanted_after(moment: datetime) -> bool:
            ends = time.monotonic() + 10
            while time.monotonic() < ends:
                value = await memory.recall(POLL_WANTED_KEY)
                if value is not None and datetime.fromisoformat(value) > moment:
                    return True
                await asyncio.sleep(0.05)
            return False

        assert await wanted_after(datetime.min.replace(tzinfo=UTC)), "the start ends an outage"
        assert graph.the(TENANT).id == states.held[TENANT].subscription_id
        assert door.knocked
        publisher.broken = True
        assert await post() == 503
        refused = clock.now()
        publisher.broken = False
        assert await wanted_after(refused)
        assert await post() == 202
