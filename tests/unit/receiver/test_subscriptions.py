"""One tenant's subscription: created once, renewed in time, taken over after a crash, replaced when it is not ours."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from receiver.client_state import Secrets, verify
from receiver.subscriptions import Door, SubscriptionKeeper
from shared.domain.errors import Transient
from shared.runtime.metrics import RegistrarMetrics
from tests.support.clock import FixedClock
from tests.support.receiver import SECRETS, TENANT
from tests.support.registrar import FakeGraph, FakeLease, FakeMemory

LIFE = timedelta(days=28)


class Bench:
    def __init__(self) -> None:
        self.clock = FixedClock()
        self.graph = FakeGraph(self.clock)
        self.memory = FakeMemory(self.clock)
        self.lease = FakeLease()
        self.keeper = self.restarted()

    def restarted(self, secrets: Secrets = SECRETS, host: str = "https://hooks.example.net") -> SubscriptionKeeper:
        return SubscriptionKeeper(
            self.graph,
            self.graph,
            self.memory,
            clock=self.clock,
            secrets=secrets,
            door=Door(host + "/graph/notifications", host + "/graph/lifecycle"),
            lifetime=LIFE,
            metrics=RegistrarMetrics(CollectorRegistry()),
        )


async def test_a_new_tenant_gets_one_subscription_with_a_state_that_proves_it() -> None:
    bench = Bench()
    rest = await bench.keeper.ensure(TENANT, bench.lease)
    wish = bench.graph.wishes[TENANT]
    assert bench.graph.verbs(TENANT) == ["create"]
    assert (wish.resource, wish.change_type) == ("users", "updated,deleted")
    assert wish.notification_url.startswith("https://hooks.example.net/graph/notifications?key=")
    assert wish.lifecycle_url.startswith("https://hooks.example.net/graph/lifecycle?key=")
    assert verify(SECRETS, TENANT, wish.client_state)
    assert wish.expires_at - bench.clock.now() == LIFE
    assert rest == LIFE.total_seconds() / 2


@pytest.mark.parametrize(("days", "verbs"), [(0, []), (13.9, []), (14.1, ["renew"]), (27.9, ["renew"])])
async def test_it_is_renewed_when_less_than_half_its_life_remains(days: float, verbs: list[str]) -> None:
    bench = Bench()
    await bench.keeper.ensure(TENANT, bench.lease)
    bench.graph.calls.clear()
    bench.clock.advance(days * 86_400)
    await bench.keeper.ensure(TENANT, bench.lease)
    assert bench.graph.verbs(TENANT) == ["get", *verbs]


async def test_one_that_expired_is_created_anew() -> None:
    bench = Bench()
    await bench.keeper.ensure(TENANT, bench.lease)
    bench.clock.advance(29 * 86_400)
    bench.graph.expire()
    await bench.keeper.ensure(TENANT, bench.lease)
    assert bench.graph.living[TENANT].id == "sub-2"


async def test_one_that_somebody_deleted_is_created_anew() -> None:
    bench = Bench()
    await bench.keeper.ensure(TENANT, bench.lease)
    bench.graph.living.clear()
    await bench.keeper.ensure(TENANT, bench.lease)
    assert bench.graph.living[TENANT].id == "sub-2"


async def test_a_crash_between_the_post_and_remembering_it_ends_in_a_take_over() -> None:
    bench = Bench()
    bench.graph.lose_answer = True
    with pytest.raises(Transient):
        await bench.keeper.ensure(TENANT, bench.lease)
    bench.clock.advance(60)
    await bench.restarted().ensure(TENANT, bench.lease)
    assert bench.graph.living[TENANT].id == "sub-1"
    assert bench.graph.living[TENANT].expires_at == bench.clock.now() + LIFE
    assert bench.graph.verbs(TENANT) == ["create", "create", "get", "renew"]


async def test_a_wiped_memory_costs_a_take_over_and_nothing_else() -> None:
    bench = Bench()
    await bench.keeper.ensure(TENANT, bench.lease)
    bench.memory.wipe()
    bench.graph.calls.clear()
    await bench.restarted().ensure(TENANT, bench.lease)
    assert bench.graph.verbs(TENANT) == ["create", "get", "renew"]
    bench.graph.calls.clear()
    await bench.keeper.ensure(TENANT, bench.lease)
    assert bench.graph.verbs(TENANT) == ["get"]


@pytest.mark.parametrize("wiped", [True, False])
async def test_one_that_points_elsewhere_is_replaced(wiped: bool) -> None:
    bench = Bench()
    await bench.keeper.ensure(TENANT, bench.lease)
    if wiped:
        bench.memory.wipe()
    await bench.restarted(host="https://moved.example.net").ensure(TENANT, bench.lease)
    assert bench.graph.living[TENANT].id == "sub-2"
    assert "moved" in bench.graph.living[TENANT].notification_url


async def test_one_signed_with_a_secret_that_is_gone_is_replaced() -> None:
    # Its notifications would all be dropped, in silence, for the rest of its life.
    bench = Bench()
    await bench.keeper.ensure(TENANT, bench.lease)
    bench.memory.wipe()
    await bench.restarted({1: b"another secret altogether"}).ensure(TENANT, bench.lease)
    assert bench.graph.living[TENANT].id == "sub-2"


async def test_a_rotation_keeps_the_subscription_while_the_old_secret_is_accepted() -> None:
    bench = Bench()
    await bench.restarted({1: SECRETS[1]}).ensure(TENANT, bench.lease)
    await bench.restarted(SECRETS).ensure(TENANT, bench.lease)
    assert bench.graph.living[TENANT].id == "sub-1"
    await bench.restarted({2: SECRETS[2]}).ensure(TENANT, bench.lease)
    assert bench.graph.living[TENANT].id == "sub-2"


async def test_one_that_tells_too_little_is_replaced() -> None:
    bench = Bench()
    await bench.keeper.ensure(TENANT, bench.lease)
    bench.graph.living[TENANT] = replace(bench.graph.living[TENANT], change_type="created")
    await bench.keeper.ensure(TENANT, bench.lease)
    assert bench.graph.living[TENANT].change_type == "updated,deleted"


async def test_one_renewed_within_ten_minutes_is_left_alone() -> None:
    bench = Bench()
    await bench.keeper.ensure(TENANT, bench.lease)
    bench.graph.calls.clear()
    for _ in range(3):
        await bench.keeper.reauthorize(TENANT, "sub-1", bench.lease)
    assert bench.graph.verbs(TENANT) == []
    bench.clock.advance(601)
    for _ in range(3):
        await bench.keeper.reauthorize(TENANT, "sub-1", bench.lease)
    assert bench.graph.verbs(TENANT) == ["renew"]


async def test_reauthorizing_one_that_is_gone_creates_it_anew() -> None:
    bench = Bench()
    await bench.keeper.ensure(TENANT, bench.lease)
    bench.clock.advance(601)
    bench.graph.living.clear()
    await bench.keeper.reauthorize(TENANT, "sub-1", bench.lease)
    assert bench.graph.living[TENANT].id == "sub-2"


async def test_without_the_lease_nothing_is_written() -> None:
    bench = Bench()
    bench.lease.lost = True
    with pytest.raises(Transient):
        await bench.keeper.ensure(TENANT, bench.lease)
    assert bench.graph.verbs(TENANT) == []


async def test_a_dropped_tenant_loses_its_subscription_once() -> None:
    bench = Bench()
    await bench.keeper.ensure(TENANT, bench.lease)
    await bench.keeper.drop(TENANT, bench.lease)
    await bench.keeper.drop(TENANT, bench.lease)
    assert bench.graph.verbs(TENANT) == ["create", "delete"]
