"""What the registrar tells people of each tenant, how it waits, and how it stays below the limits, in virtual time."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.cures import TABLE
from shared.domain.door import DoorAnswer, DoorFault
from shared.domain.errors import Permanent, Scope, StopTheLine, SyncError, Transient
from shared.domain.records import ConnectionStatus
from shared.domain.watching import SubscriptionState
from tests.support.clock import START
from tests.support.receiver import OTHER, TENANT, guid
from tests.support.registrar import LIFE, connection
from tests.support.virtual_time import run_virtual
from tests.unit.receiver.test_registrar import Bench

NO_CONSENT = StopTheLine("login", "consent_missing", scope=Scope.TENANT)


def test_a_good_subscription_is_told_once() -> None:
    async def scenario() -> None:
        bench = Bench((1, TENANT))
        async with bench.running():
            await asyncio.sleep(8000)
        assert bench.states.held == {
            TENANT: SubscriptionState(TENANT, "sub-1", START + LIFE, code="", since=START, short_by=0.0)
        }

    run_virtual(scenario())


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NO_CONSENT, "login:consent_missing"),
        (Permanent("graph", "quota_tenant"), "graph:quota_tenant"),
        (Transient("graph", "service_fault"), "graph:service_fault"),
    ],
)
def test_a_failure_is_told_with_its_beginning_and_the_next_try(error: SyncError, code: str) -> None:
    async def scenario() -> None:
        bench = Bench((1, TENANT))
        bench.graph.failing[TENANT] = error
        async with bench.running():
            await asyncio.sleep(600)
            told = bench.states.held[TENANT]
            assert (told.code, told.since, told.subscription_id) == (code, START, None)
            assert told.code in TABLE
            assert told.next_try_at is not None
            assert told.next_try_at > bench.clock.now() - timedelta(seconds=10)
            bench.graph.failing.clear()
            await asyncio.sleep(700)
            good = bench.states.held[TENANT]
            assert (good.code, good.subscription_id, good.next_try_at) == ("", "sub-1", None)
            assert good.since > START

    run_virtual(scenario())


def test_one_that_still_lives_is_told_beside_what_is_wrong_now() -> None:
    async def scenario() -> None:
        bench = Bench((1, TENANT))
        async with bench.running():
            await asyncio.sleep(60)
            bench.graph.failing[TENANT] = NO_CONSENT
            await asyncio.sleep(3700)
            told = bench.states.held[TENANT]
            assert (told.code, told.subscription_id, told.expires_at) == (
                "login:consent_missing",
                "sub-1",
                START + LIFE,
            )
            assert told.since > START

    run_virtual(scenario())


def test_another_process_keeps_the_beginning_of_a_lasting_failure() -> None:
    async def scenario() -> None:
        bench = Bench((1, TENANT))
        bench.graph.failing[TENANT] = NO_CONSENT
        before = SubscriptionState(
            TENANT, None, None, code="login:consent_missing", since=START - timedelta(days=3), next_try_at=None
        )
        bench.states.held[TENANT] = before
        async with bench.running():
            await asyncio.sleep(10)
        assert bench.states.held[TENANT].since == before.since

    run_virtual(scenario())


def test_what_another_leader_said_meanwhile_is_corrected() -> None:
    async def scenario() -> None:
        bench = Bench((1, TENANT))
        async with bench.running():
            await asyncio.sleep(20)
            good = bench.states.held[TENANT]
            await asyncio.sleep(3.0)
            bench.states.held[TENANT] = replace(good, code="graph:service_fault")
            await asyncio.sleep(2 * 3600)
            assert bench.states.held[TENANT] == replace(good, since=bench.states.held[TENANT].since)

    run_virtual(scenario())


def test_a_store_that_is_away_stops_no_work_and_is_told_later() -> None:
    async def scenario() -> None:
        bench = Bench((1, TENANT), (2, OTHER))
        bench.graph.failing[OTHER] = NO_CONSENT
        bench.ledger.away = True
        async with bench.running():
            await asyncio.sleep(20)
            assert bench.graph.all(TENANT)
            assert bench.states.held == {}
            bench.ledger.away = False
            await asyncio.sleep(10)
            assert {tenant: state.code for tenant, state in bench.states.held.items()} == {
                TENANT: "",
                OTHER: "login:consent_missing",
            }

    run_virtual(scenario())


def test_a_shorter_life_than_asked_is_told() -> None:
    async def scenario() -> None:
        bench = Bench((1, TENANT))
        bench.graph.grants = timedelta(days=20)
        async with bench.running():
            await asyncio.sleep(8000)
        assert bench.states.held[TENANT].short_by == timedelta(days=8).total_seconds()

    run_virtual(scenario())


def test_a_dropped_tenant_is_forgotten() -> None:
    async def scenario() -> None:
        bench = Bench((1, TENANT))
        async with bench.running():
            await asyncio.sleep(10)
            assert TENANT in bench.states.held
            later = START + timedelta(minutes=1)
            await bench.connections.save(connection(1, TENANT, ConnectionStatus.DISCONNECTED, later))
            await asyncio.sleep(10)
        assert bench.states.held == {}
        assert bench.graph.all(TENANT) == []

    run_virtual(scenario())


def test_a_tenant_that_withdrew_its_consent_and_was_disconnected_is_left_in_peace() -> None:
    async def scenario() -> None:
        bench = Bench((1, TENANT))
        async with bench.running():
            await asyncio.sleep(10)
            bench.graph.failing[TENANT] = NO_CONSENT
            later = START + timedelta(minutes=1)
            await bench.connections.save(connection(1, TENANT, ConnectionStatus.DISCONNECTED, later))
            await asyncio.sleep(30)
            calls = len(bench.graph.calls)
            await asyncio.sleep(3000)
            assert len(bench.graph.calls) == calls
        assert bench.states.held == {}

    run_virtual(scenario())


def test_a_tenant_that_no_connection_names_any_more_is_dropped() -> None:
    """Disconnected and connected to another tenant while nobody led."""

    async def scenario() -> None:
        bench = Bench((1, TENANT))
        async with bench.running():
            await asyncio.sleep(10)
        await bench.connections.save(connection(1, OTHER, ConnectionStatus.PREVIEW, START + timedelta(minutes=1)))
        bench.registrar = bench.build(bench.leases)
        async with bench.running():
            await asyncio.sleep(10)
        assert bench.graph.tenants() == set()
        assert bench.states.held == {}

    run_virtual(scenario())


def test_every_tenant_of_a_customer_is_watched() -> None:
    async def scenario() -> None:
        bench = Bench((1, TENANT))
        await bench.connections.save(replace(connection(1, TENANT), more_tenants=(OTHER,)))
        async with bench.running():
            await asyncio.sleep(10)
        assert bench.graph.tenants() == {TENANT, OTHER}

    run_virtual(scenario())


# --- waiting ------------------------------------------------------------------------------------------------------


def test_a_door_that_somebody_mends_is_tried_every_five_minutes() -> None:
    async def scenario() -> None:
        bench = Bench((1, TENANT))
        bench.graph.failing[TENANT] = Permanent("graph", "handshake_untrusted")
        bench.probe.answer = DoorAnswer(DoorFault.TLS_CHAIN)
        async with bench.running():
            await asyncio.sleep(4 * 3600)
            assert bench.states.held[TENANT].code == "door:tls_chain"
            bench.graph.failing.clear()
            bench.probe.answer = DoorAnswer(DoorFault.NONE)
            await asyncio.sleep(310)
            assert bench.states.held[TENANT].code == ""

    run_virtual(scenario())


def test_other_persons_work_is_tried_hourly_in_the_end_and_the_vendor_is_obeyed() -> None:
    async def scenario() -> None:
        bench = Bench((1, TENANT), (2, OTHER))
        bench.graph.failing[TENANT] = Permanent("graph", "quota_tenant")
        bench.graph.failing[OTHER] = Transient("graph", "throttled", retry_after=500.0)
        async with bench.running():
            await asyncio.sleep(10 * 3600)
            tries = Counter(tenant for _, tenant in bench.graph.calls)
            assert 10 <= tries[TENANT] <= 19
            assert tries[OTHER] <= 10 * 3600 / 500 + 1

    run_virtual(scenario())


# --- limits -------------------------------------------------------------------------------------------------------


def test_many_tenants_at_once_stay_below_the_limits_of_all_calls_and_of_listings() -> None:
    async def scenario() -> None:
        bench = Bench(*((number, guid(number)) for number in range(1, 301)))
        at: list[tuple[float, str]] = []
        called = bench.graph._called

        def noted(verb: str, tenant: str) -> None:
            at.append((asyncio.get_running_loop().time(), verb))
            called(verb, tenant)

        bench.graph._called = noted  # type: ignore[method-assign]  # to see the moments
        async with bench.running():
            await asyncio.sleep(1800)
        assert len(bench.graph.tenants()) == 300
        assert sum(verb == "list" for _, verb in at) == 300
        for verbs, most in (({"list"}, 40), ({"get"}, 2000), ({"create", "renew", "delete"}, 2000)):
            moments = sorted(moment for moment, verb in at if verb in verbs)
            busiest = max((sum(one <= other < one + 20 for other in moments) for one in moments), default=0)
            assert busiest <= most / 2, "half is for the other processes of the same app"

    run_virtual(scenario())
