"""The receiver as it is built against the simulated Microsoft, over real HTTP: rotation, orphans, faults."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from receiver.client_state import fingerprint
from receiver.service import RegistrarPorts, build
from sandbox.microsoft.subscription import Subscription
from sandbox.world import World
from shared.adapters.door import HttpDoorProbe
from shared.adapters.graph.auth import TokenSource
from shared.adapters.graph.credentials import ClientSecret
from shared.adapters.graph.subscriptions import GraphSubscriptions
from shared.adapters.http import open_http
from shared.domain.cures import Action, cure_of_code
from shared.domain.records import ConnectionStatus
from shared.runtime.metrics import Metrics
from shared.runtime.settings import ReceiverSettings
from tests.integration.receiver.test_door import FakeDepths, MovingClock, running
from tests.support.fake_ledger import FakeSubscriptionStates, Switch
from tests.support.receiver import SECRETS, FakePublisher
from tests.support.registrar import FakeConnections, FakeInbox, FakeLeases, FakeMemory, FakeOwed, connection


class Now(MovingClock):
    def now(self) -> datetime:
        return datetime.now(UTC)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@dataclass
class Deployment:
    """What outlives a process of the receiver."""

    world: World
    graph: GraphSubscriptions
    clock: Now = field(default_factory=Now)
    port: int = field(default_factory=free_port)
    publisher: FakePublisher = field(default_factory=FakePublisher)

    def __post_init__(self) -> None:
        self.memory = FakeMemory(self.clock)
        self.states = FakeSubscriptionStates(Switch())
        self.tenant = self.world.companies[0].tenant_id
        self.connections = FakeConnections(connection(1, self.tenant))

    def living(self) -> list[Subscription]:
        return list(self.world.microsoft.tenants[self.tenant].subscriptions.values())

    def signed_by(self, secret: bytes) -> bool:
        """Exactly one, and by this one."""
        living = self.living()
        return len(living) == 1 and f"key={fingerprint(secret)}" in living[0].notification_url

    def code(self) -> str | None:
        state = self.states.held.get(self.tenant)
        return None if state is None else state.code

    @asynccontextmanager
    async def process(
        self, secrets: Mapping[int, bytes] = SECRETS, *, open_door: bool = True, port: int | None = None
    ) -> AsyncIterator[None]:
        """`open_door` False: the registrar alone, and nobody at the public address."""
        settings = {
            "host": "127.0.0.1",
            "port": self.port,
            "public_url": f"http://127.0.0.1:{port or self.port}",
            "interval": 0.2,
        }
        ports = RegistrarPorts(
            connections=self.connections,
            reads=self.graph,
            writes=self.graph,
            memory=self.memory,
            leases=FakeLeases(),
            inbox=FakeInbox(),
            owed=FakeOwed(),
            publisher=self.publisher,
            states=self.states,
            door=HttpDoorProbe(),
        )
        services = build(
            ReceiverSettings.model_validate(settings),
            secrets=secrets,
            publisher=self.publisher,
            probe=FakeDepths(),
            registrar=ports,
            clock=self.clock,
            metrics=Metrics(CollectorRegistry()),
        )
        async with AsyncExitStack() as stack:
            for service in services if open_door else services[1:2]:
                await stack.enter_async_context(running(service))
            yield


@pytest.fixture
async def deployment(tmp_path: Path) -> AsyncIterator[Deployment]:
    async with World.open(tmp_path) as world, open_http("entra-syncro/test") as http:
        microsoft = world.microsoft
        microsoft.switches.change({"throttling": False, "delivery": False})
        secret = ClientSecret(microsoft.app_secret)
        tokens = TokenSource(microsoft.app_id, secret, microsoft.login_url, ca_file=microsoft.ca_file)
        yield Deployment(world, GraphSubscriptions(http, tokens, microsoft.graph_url))
        await tokens.aclose()


async def until(true: Callable[[], bool], within: float = 15.0) -> bool:
    ends = time.monotonic() + within
    while time.monotonic() < ends:
        if true():
            return True
        await asyncio.sleep(0.01)
    return False


async def test_a_subscription_is_made_told_and_rotated_without_a_gap(deployment: Deployment) -> None:
    async with deployment.process({1: SECRETS[1]}):
        assert await until(lambda: deployment.signed_by(SECRETS[1]))
        assert await until(lambda: deployment.code() == "")
    seen: list[int] = []

    async def watch() -> None:
        while True:
            seen.append(len(deployment.living()))
            await asyncio.sleep(0)

    watching = asyncio.create_task(watch(), name="watch")
    async with deployment.process(SECRETS):
        assert await until(lambda: deployment.signed_by(SECRETS[2]))
        assert await until(lambda: deployment.states.held[deployment.tenant].subscription_id in _ids(deployment))
    watching.cancel()
    assert min(seen) == 1, "there was a moment without any"
    assert max(seen) == 2


def _ids(deployment: Deployment) -> list[str]:
    return [each.subscription_id for each in deployment.living()]


async def test_orphans_of_a_dead_process_are_adopted_and_swept(deployment: Deployment) -> None:
    async with deployment.process():
        assert await until(lambda: deployment.signed_by(SECRETS[2]))
    [first] = _ids(deployment)
    living = deployment.world.microsoft.tenants[deployment.tenant].subscriptions
    wish = deployment.living()[0]
    deployment.memory.wipe()
    async with deployment.process({1: SECRETS[1]}):  # another secret: what is there is useless, and is replaced
        assert await until(lambda: deployment.signed_by(SECRETS[1]))
    assert first not in living
    assert wish.subscription_id == first


async def test_a_disconnected_customer_leaves_nothing_at_microsoft(deployment: Deployment) -> None:
    async with deployment.process():
        assert await until(lambda: deployment.signed_by(SECRETS[2]))
        gone = connection(1, deployment.tenant, ConnectionStatus.DISCONNECTED, deployment.clock.now())
        await deployment.connections.save(gone)
        assert await until(lambda: not deployment.living() and not deployment.states.held)


async def test_a_first_creation_that_is_refused_waits_and_a_new_decision_starts_afresh(deployment: Deployment) -> None:
    # The first 401 may mean an old token: a new one is fetched at once.
    deployment.world.microsoft.switches.change({"first_create_unauthorized": 2})
    async with deployment.process():
        assert await until(lambda: deployment.code() == "graph:not_yet_authorized")
        assert cure_of_code("graph:not_yet_authorized").action is Action.RETRY_SOON
        again = connection(1, deployment.tenant, ConnectionStatus.APPROVED, deployment.clock.now())
        await deployment.connections.save(again)
        assert await until(lambda: deployment.code() == "", within=10), "it would have waited for 15 s"
        assert deployment.signed_by(SECRETS[2])


async def test_a_closed_door_is_named_as_it_is_found(deployment: Deployment) -> None:
    async with deployment.process(open_door=False):
        assert await until(lambda: deployment.code() == "door:refused"), deployment.code()
    assert deployment.living() == []


@pytest.mark.parametrize(
    ("quota", "code"),
    [
        ({"quota_per_tenant": 0}, "graph:quota_tenant"),
        ({"quota_per_app_and_tenant": 0}, "graph:quota_app_tenant"),
        ({"quota_per_app": 0}, "graph:quota_app"),
    ],
)
async def test_a_quota_is_named_by_whose_it_is(deployment: Deployment, quota: dict[str, int], code: str) -> None:
    deployment.world.microsoft.switches.change(quota)
    async with deployment.process():
        assert await until(lambda: bool(deployment.code()))
    assert deployment.code() == code
