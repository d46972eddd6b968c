"""Group commit in virtual time: who travels with whom, who is answered when, and what a failure costs."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from receiver.breaker import Breaker
from receiver.group_commit import GroupCommit
from shared.domain.errors import Transient
from shared.domain.messages import Lane, LifecycleEvent, SubscriptionTouched
from shared.runtime.metrics import ReceiverMetrics
from tests.support.clock import START, FixedClock
from tests.support.receiver import OTHER, TENANT, FakePublisher, guid
from tests.support.virtual_time import run_virtual


class Bench:
    """A group commit over a gated publisher, and POSTs as tasks."""

    def __init__(self, *, failures: int = 3) -> None:
        self.publisher = FakePublisher()
        self.clock = FixedClock()
        self.breaker = Breaker(failures=failures)
        metrics = ReceiverMetrics(CollectorRegistry())
        self.hints = GroupCommit(self.publisher, clock=self.clock, breaker=self.breaker, metrics=metrics)

    def post(self, *users: int, tenant: str = TENANT, trace: str = "t", at: float = 0.0) -> asyncio.Task[str]:
        ids = [guid(user) for user in users]
        noticed = START + timedelta(seconds=at)
        return asyncio.create_task(
            self.hints.users(tenant, ids, noticed_at=noticed, trace_id=trace), name=f"post:{trace}"
        )


async def settle() -> None:
    """Let everything run that can run."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_an_idle_tenant_is_published_at_once() -> None:
    async def scenario() -> None:
        bench = Bench()
        assert await bench.post(1, 2, trace="first") == "first"
        assert asyncio.get_running_loop().time() == 0.0
        (message,) = bench.publisher.users
        assert message.user_ids == (guid(1), guid(2))
        assert bench.publisher.confirmed[0][1] is Lane.LIVE

    run_virtual(scenario())


def test_hints_that_come_while_a_publish_is_in_flight_share_the_next_message() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.publisher.gate.clear()
        first = bench.post(1, trace="a", at=0)
        await settle()
        later = [bench.post(n, trace=f"b{n}", at=9 - n) for n in range(2, 6)]
        await settle()
        assert bench.publisher.started == 1
        bench.publisher.gate.set()
        assert await first == "a"
        assert await asyncio.gather(*later) == ["b2"] * 4
        alone, together = bench.publisher.users
        assert alone.user_ids == (guid(1),)
        assert together.user_ids == tuple(guid(n) for n in range(2, 6))
        # a read that answers this message must begin after its last hint
        assert together.noticed_at == START + timedelta(seconds=7)

    run_virtual(scenario())


def test_a_post_is_answered_by_its_own_messages_confirm_not_by_an_earlier_one() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.publisher.permits = 0
        first = bench.post(1)
        await settle()
        second = bench.post(2)
        await settle()
        bench.publisher.permits = 1
        await first
        await settle()
        assert bench.publisher.started == 2
        assert not second.done()
        bench.publisher.permits = 1
        await second

    run_virtual(scenario())


def test_tenants_do_not_wait_for_one_another() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.publisher.gate.clear()
        slow = bench.post(1)
        await settle()
        bench.publisher.gate.set()
        await bench.post(2, tenant=OTHER)
        await slow
        assert {message.tenant_id for message in bench.publisher.users} == {TENANT, OTHER}

    run_virtual(scenario())


def test_more_than_a_hundred_users_are_split_and_all_confirmed_before_the_answer() -> None:
    async def scenario() -> None:
        bench = Bench()
        await bench.post(*range(250))
        assert [len(message.user_ids) for message in bench.publisher.users] == [100, 100, 50]
        assert len({user for message in bench.publisher.users for user in message.user_ids}) == 250

    run_virtual(scenario())


def test_a_broker_failure_fails_everybody_who_waits() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.publisher.gate.clear()
        first = bench.post(1)
        await settle()
        second = bench.post(2)
        await settle()
        bench.publisher.broken = True
        bench.publisher.gate.set()
        for failed in await asyncio.gather(first, second, return_exceptions=True):
            assert isinstance(failed, Transient)
        assert bench.publisher.confirmed == []
        bench.publisher.broken = False
        await bench.post(3)
        assert bench.publisher.users[0].user_ids == (guid(3),)

    run_virtual(scenario())


def test_a_silent_broker_costs_a_post_at_most_one_and_a_half_seconds() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.publisher.gate.clear()
        posts = [bench.post(1)]
        await asyncio.sleep(1.0)
        posts.append(bench.post(2))
        with pytest.raises(Transient):
            await posts[0]
        assert asyncio.get_running_loop().time() == pytest.approx(1.5)
        with pytest.raises(Transient):
            await posts[1]
        assert asyncio.get_running_loop().time() <= 2.5

    run_virtual(scenario())


def test_a_cancelled_post_takes_nobodys_hints_with_it() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.publisher.gate.clear()
        first, second, third = bench.post(1), bench.post(2), bench.post(3)
        await settle()
        fourth, fifth = bench.post(4), bench.post(5)
        await settle()
        for gone in (first, fourth):
            gone.cancel()
        await settle()
        bench.publisher.gate.set()
        await asyncio.gather(second, third, fifth)
        sent = {user for message in bench.publisher.users for user in message.user_ids}
        assert sent == {guid(n) for n in range(1, 6)}

    run_virtual(scenario())


def test_after_three_failures_posts_are_refused_without_asking_until_a_trial_succeeds() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.publisher.broken = True
        for n in range(3):
            with pytest.raises(Transient):
                await bench.post(n)
        asked = bench.publisher.started
        with pytest.raises(Transient) as refused:
            await bench.post(4)
        assert refused.value.code == "breaker_open"
        assert bench.publisher.started == asked
        bench.publisher.broken = False
        bench.clock.advance(1.1)
        await bench.post(5)
        assert bench.breaker.closed
        await bench.post(6)

    run_virtual(scenario())


def test_a_lifecycle_event_goes_to_the_control_lane_within_the_same_bound() -> None:
    async def scenario() -> None:
        bench = Bench()
        event = SubscriptionTouched(
            tenant_id=TENANT,
            subscription_id=guid(5),
            event=LifecycleEvent.MISSED,
            noticed_at=START,
            trace_id="t",
        )
        await bench.hints.lifecycle(event)
        assert bench.publisher.confirmed == [(event, Lane.CONTROL)]
        bench.publisher.gate.clear()
        with pytest.raises(Transient):
            await bench.hints.lifecycle(event)
        assert asyncio.get_running_loop().time() <= 1.6

    run_virtual(scenario())


def test_close_waits_for_what_is_in_flight() -> None:
    async def scenario() -> None:
        bench = Bench()
        bench.publisher.gate.clear()
        bench.post(1).cancel()
        post = bench.post(2)
        await settle()
        assert bench.hints.in_flight == 1
        closing = asyncio.create_task(bench.hints.close(), name="close")
        await settle()
        assert not closing.done()
        bench.publisher.gate.set()
        await closing
        await post
        assert bench.hints.in_flight == 0

    run_virtual(scenario())
