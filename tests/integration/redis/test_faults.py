"""One process and a Redis that is away, frozen, slow to tell or wrong: no call outlasts 1.5 s, nothing is granted twice
or without Redis, and afterwards everything works again by itself."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from redis import Redis
from structlog.testing import capture_logs

from sandbox.servers import RedisServer
from shared.adapters.clock import SystemClock
from shared.adapters.state import open_state
from shared.adapters.state.redis import PREFIX, RedisState, open_redis_state
from shared.domain.errors import Permanent, Transient
from shared.domain.messages import Lane
from shared.domain.pace import Slots
from tests.support.tcp_proxy import TcpProxy

LONGEST = 1.5
Call = Callable[[RedisState], Awaitable[object]]


async def reserve(state: RedisState) -> None:
    async with state.pace.reserve(1, wait=0) as allowance:
        await allowance.spend()


async def hold(state: RedisState) -> None:
    async with state.leases.hold("customer:1", ttl=30) as lease:
        lease.ensure(20)


async def recall(state: RedisState) -> str | None:
    return await state.memory.recall("key")


async def remember(state: RedisState) -> None:
    await state.memory.remember("key", "value", ttl=60)


async def refused(state: RedisState) -> None:
    await state.pace.refused()


CALLS = [reserve, hold, recall, remember, refused]


async def failure(state: RedisState, call: Call) -> Transient:
    """The call must fail as nobody's failure, in time."""
    began = time.monotonic()
    with pytest.raises(Transient) as caught:
        await call(state)
    assert time.monotonic() - began <= LONGEST
    assert not caught.value.counted
    assert caught.value.service in ("state", "pace")  # the pace: who stood in line behind others did not come to ask
    return caught.value


async def works(state: RedisState, within: float = 5.0) -> None:
    async with asyncio.timeout(within):
        await remember(state)
        assert await recall(state) == "value"
        async with state.leases.hold("customer:1", ttl=5, wait=within):
            pass
        async with state.pace.reserve(1, wait=within) as allowance:
            await allowance.spend()


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[RedisState]:
    async with open_redis_state(url, SystemClock()) as state:
        yield state


@pytest.mark.parametrize(
    "warm",
    [
        pytest.param(True, id="connected before"),
        pytest.param(False, id="never connected"),
    ],
)
@pytest.mark.parametrize("call", CALLS)
async def test_a_frozen_redis_does_not_freeze_us(redis_server: RedisServer, call: Call, warm: bool) -> None:
    async with opened(redis_server.url) as state:
        if warm:
            await works(state)
        redis_server.freeze()
        for _ in range(2):
            assert (await failure(state, call)).code == "timeout"
        redis_server.thaw()
        await works(state)


async def test_many_calls_at_once_to_a_frozen_redis_all_end_in_time(redis_server: RedisServer) -> None:
    async with opened(redis_server.url) as state:
        await works(state)
        redis_server.freeze()
        await asyncio.gather(*(failure(state, CALLS[number % len(CALLS)]) for number in range(60)))
        redis_server.thaw()
        await works(state)


@pytest.mark.every_run
@pytest.mark.parametrize("call", CALLS)
async def test_a_killed_redis_is_noticed_and_its_return_too(redis_server: RedisServer, call: Call) -> None:
    async with opened(redis_server.url) as state:
        await works(state)
        with capture_logs() as logs:
            await asyncio.to_thread(redis_server.kill)
            for _ in range(3):
                assert (await failure(state, call)).code == "unreachable"
            await asyncio.to_thread(redis_server.start)
            await works(state)
    events = [line["event"] for line in logs if line["event"].startswith("state.")]
    assert events == ["state.unreachable", "state.reachable"]


async def test_a_redis_that_is_away_at_the_start_fails_nothing_but_the_calls(redis_server: RedisServer) -> None:
    await asyncio.to_thread(redis_server.kill)
    async with opened(redis_server.url) as state:
        for call in CALLS:
            await failure(state, call)
        await asyncio.to_thread(redis_server.start)
        await works(state)


async def test_a_restarted_redis_reads_as_burst_spent_even_if_it_brings_an_old_record(
    redis_server: RedisServer,
) -> None:
    async with opened(redis_server.url) as state:
        await works(state)
        with Redis.from_url(redis_server.url) as control:
            old = control.hgetall(f"{PREFIX}:pace")
        await asyncio.to_thread(redis_server.restart)
        with Redis.from_url(redis_server.url) as control:
            control.hset(f"{PREFIX}:pace", mapping=old)  # as a snapshot would
        await asyncio.sleep(6)  # by the old record the whole burst is there
        assert isinstance(await state.pace.decide(1, Lane.LIVE), float)


async def test_a_wrong_password_is_said_without_saying_it(redis_server: RedisServer) -> None:
    url = redis_server.url.replace(redis_server.password, "hunter2")
    async with opened(url) as state:
        with capture_logs() as logs:
            error = await failure(state, recall)
    assert error.code == "denied"
    assert "hunter2" not in str(error) + str(logs)


async def test_a_full_redis_grants_nothing(redis_server: RedisServer) -> None:
    async with opened(redis_server.url) as state:
        await works(state)
        redis_server.command("CONFIG", "SET", "maxmemory", "1")
        try:
            await asyncio.sleep(0.6)  # a call is due
            for call in (reserve, hold, remember):
                assert (await failure(state, call)).code == "not_now"
        finally:
            redis_server.command("CONFIG", "SET", "maxmemory", "0")
        await works(state)


@pytest.mark.parametrize("url", ["redis://:hunter2@host:port", "redis://:hunter2@[host"])
async def test_an_unreadable_address_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(Permanent) as caught:
        async with open_state(url, SystemClock()):
            pass
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["unix:///nowhere/redis.sock", "rediss://127.0.0.1:{port}/0", "redis://127.0.0.1:1/0"])
async def test_every_kind_of_address_opens_and_its_calls_say_that_redis_is_away(
    redis_server: RedisServer, url: str
) -> None:
    async with open_state(url.format(port=redis_server.port), SystemClock()) as state:
        with pytest.raises(Transient) as caught:
            await state.memory.recall("key")
    assert caught.value.code in ("unreachable", "timeout")


async def test_a_user_with_the_least_rights_can_do_everything(redis_server: RedisServer) -> None:
    commands = (
        "eval evalsha time info get set del pexpire hmget hset zadd zrem zscore zrange zrangebyscore ping select client"
    )
    rights = ["+" + command for command in commands.split()]
    redis_server.command("ACL", "SETUSER", "least", "on", ">secret", "~entra-syncro:*", "-@all", *rights)
    url = redis_server.url.replace(f":{redis_server.password}@", "least:secret@")
    async with opened(url) as state:
        await works(state)
        await refused(state)


async def test_a_question_heard_after_its_asker_gave_up_takes_nothing(redis_server: RedisServer) -> None:
    async with opened(redis_server.url) as state:
        await works(state)
        redis_server.freeze()
        await failure(state, hold)
        await asyncio.sleep(0.5)
        redis_server.thaw()  # now it hears the question
        await asyncio.sleep(0.1)
        async with opened(redis_server.url) as other, other.leases.hold("customer:1", ttl=5) as lease:
            lease.ensure()


# --- the answer is swallowed ------------------------------------------------------------------------------------------


@asynccontextmanager
async def through_proxy(server: RedisServer) -> AsyncIterator[tuple[RedisState, TcpProxy]]:
    async with (
        TcpProxy(server.port).listening() as proxy,
        opened(server.url.replace(f":{server.port}", f":{proxy.port}")) as state,
    ):
        await works(state)
        yield state, proxy


def charged(server: RedisServer) -> float:
    with Redis.from_url(server.url, decode_responses=True) as control:
        return float(dict(control.hgetall(f"{PREFIX}:pace"))["shared_tat"])


async def test_a_grant_whose_answer_was_lost_counts_as_spent_and_is_charged_once(redis_server: RedisServer) -> None:
    async with through_proxy(redis_server) as (state, proxy), opened(redis_server.url) as other:
        await asyncio.sleep(5.2)  # the burst is there
        before = await other.pace.decide(1, Lane.LIVE)
        assert isinstance(before, Slots)
        proxy.swallow(b"EVALSHA")
        await failure(state, reserve)
        assert proxy.swallowed == 1
        cost = before.shared.cost
        assert charged(redis_server) == pytest.approx(before.shared.end + cost, abs=0.05)


async def test_a_lease_whose_answer_was_lost_is_taken_by_the_second_question(redis_server: RedisServer) -> None:
    async with through_proxy(redis_server) as (state, proxy), opened(redis_server.url) as other:
        proxy.swallow(b"EVALSHA")
        async with state.leases.hold("customer:1", ttl=30) as lease:
            assert proxy.swallowed == 1
            lease.ensure(20)
            with pytest.raises(Transient, match="lease_taken"):
                await hold(other)
        await hold(other)


async def test_a_release_whose_answer_was_lost_released(redis_server: RedisServer) -> None:
    async with through_proxy(redis_server) as (state, proxy), opened(redis_server.url) as other:
        async with state.leases.hold("customer:1", ttl=30):
            proxy.swallow(b"EVALSHA")
        await hold(other)


async def test_a_lease_whose_every_answer_was_lost_leaves_nothing_behind(redis_server: RedisServer) -> None:
    async with through_proxy(redis_server) as (state, proxy), opened(redis_server.url) as other:
        proxy.swallow(b"EVALSHA", times=2)
        await failure(state, hold)
        assert proxy.swallowed == 2
        await hold(other)


async def test_cancelled_calls_never_give_one_the_answer_of_another(redis_server: RedisServer) -> None:
    async with opened(redis_server.url) as state:
        for number in range(20):
            await state.memory.remember(f"key{number}", str(number), ttl=60)

        async def right(number: int) -> bool:
            return await state.memory.recall(f"key{number}") == str(number)

        for _ in range(15):
            tasks = [asyncio.create_task(right(number)) for number in range(20)]
            await asyncio.sleep(random.uniform(0, 0.002))
            for task in random.sample(tasks, 10):
                task.cancel()
            answers = await asyncio.gather(*tasks, return_exceptions=True)
            assert not [answer for answer in answers if answer is False]
            assert all(isinstance(answer, asyncio.CancelledError) or answer is True for answer in answers)


@pytest.mark.parametrize("kind", ["FLUSHALL", "SCRIPT FLUSH", "CLIENT KILL TYPE normal"])
async def test_nothing_but_transients_whatever_is_dropped_at_random_moments(
    redis_server: RedisServer, kind: str
) -> None:
    stop = asyncio.Event()
    done = 0

    async def use(state: RedisState, call: Call) -> None:
        nonlocal done
        while not stop.is_set():
            try:
                await call(state)
                done += 1
            except Transient as error:
                if error.counted:
                    raise
            await asyncio.sleep(0.001)

    async with opened(redis_server.url) as state:
        async with asyncio.TaskGroup() as group:
            for call in CALLS:
                group.create_task(use(state, call))
            for _ in range(20):
                await asyncio.sleep(random.uniform(0.01, 0.08))
                await asyncio.to_thread(redis_server.command, *kind.split())
            stop.set()
        assert done > 50
        await works(state)
