"""The pace in Lua is the pace of `shared/domain/pace.py`: same answers, same record, to the last bit."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from sandbox.servers import RedisServer
from shared.adapters.state.redis import PREFIX, open_redis_state
from shared.adapters.state.redis_pace import RedisPace
from shared.domain.messages import Lane
from shared.domain.pace import (
    Granted,
    PaceRecord,
    PaceRule,
    Slots,
    Track,
    give_back,
    reserve,
    slow_down,
)
from tests.support.engine import SteppedClock

AGE = 50_000_000.0
KEY = f"{PREFIX}:pace"

moments = st.one_of(st.just(0.0), st.floats(0.0, 3.0), st.floats(3.0, 900.0))
steps = st.one_of(
    st.tuples(st.just("reserve"), st.integers(1, 14), st.sampled_from(list(Lane)[:2]), moments),
    st.tuples(st.just("give back"), st.integers(0, 5), st.integers(0, 14), moments),
    st.tuples(st.just("refused"), moments),
    st.tuples(st.just("wiped")),
    st.tuples(st.just("other run")),
)
rules = st.builds(
    PaceRule,
    per_minute=st.floats(10, 600),
    backfill_per_minute=st.floats(5, 600),
    burst=st.integers(1, 12),
)


@dataclass
class Twins:
    """The pure function and the script, given the same questions at the same moments."""

    script: RedisPace
    control: Redis
    rule: PaceRule
    clock: SteppedClock
    record: PaceRecord | None = None
    granted: list[Slots] = field(default_factory=list)

    @property
    def now(self) -> float:
        return AGE + self.clock.monotonic()

    async def do(self, step: tuple[object, ...]) -> None:
        match step:
            case ("reserve", int(calls), Lane() as lane, float(pause)):
                self.clock.advance(pause)
                await self.reserve(calls, lane)
            case ("give back", int(which), int(unspent), float(pause)) if self.granted:
                self.clock.advance(pause)
                slots = self.granted[which % len(self.granted)]
                unspent = min(unspent, slots.calls)
                self.record = give_back(self.record, self.rule, slots, unspent, self.now)
                await self.script.take_back(slots, unspent)
            case ("refused", float(pause)):
                self.clock.advance(pause)
                self.record = slow_down(self.record, self.rule, self.now)
                await self.script.refused()
            case ("wiped",):
                self.record = None
                self.control.delete(KEY)
            case ("other run",) if self.record:
                self.record = None
                self.control.hset(KEY, "run", "0" * 40)
        self.compare_records()

    async def reserve(self, calls: int, lane: Lane) -> None:
        expected = reserve(self.record, self.rule, calls, lane, self.now)
        answer = await self.script.decide(calls, lane)
        self.record = expected.record
        if isinstance(expected, Granted):
            assert answer == expected.slots
            self.granted.append(expected.slots)
        else:
            assert answer == expected.seconds

    def compare_records(self) -> None:
        kept = dict(self.control.hgetall(KEY))
        if self.record is None:
            assert not kept or kept["run"] == "0" * 40
            return
        assert self.record == PaceRecord(
            Track(float(kept["shared_tat"]), float(kept["shared_refunded"])),
            Track(float(kept["backfill_tat"]), float(kept["backfill_refunded"])),
            born=float(kept["born"]),
            slow_until=float(kept["slow_until"]) if kept["slow_until"] else None,
        )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rule=rules, schedule=st.lists(steps, min_size=5, max_size=60))
def test_same_answers_and_same_record_on_any_schedule(
    redis_server: RedisServer, rule: PaceRule, schedule: list[tuple[object, ...]]
) -> None:
    async def run() -> None:
        clock = SteppedClock()
        with Redis.from_url(redis_server.url, decode_responses=True) as control:
            control.delete(KEY)
            async with open_redis_state(
                redis_server.url,
                clock,
                pace_per_minute=rule.per_minute,
                backfill_per_minute=rule.backfill_per_minute,
                burst=rule.burst,
                ceiling_per_minute=1_000,
                server_time=lambda: AGE + clock.monotonic(),
            ) as state:
                twins = Twins(state.pace, control, rule.capped(1_000), clock)
                for step in schedule:
                    await twins.do(step)

    asyncio.run(run())


async def test_a_server_whose_clock_jumped_ahead_reads_as_burst_spent(redis_server: RedisServer) -> None:
    clock, ahead = SteppedClock(), 0.0
    async with open_redis_state(redis_server.url, clock, server_time=lambda: AGE + clock.monotonic() + ahead) as state:
        await state.pace.decide(1, Lane.LIVE)
        clock.advance(1)
        assert isinstance(await state.pace.decide(1, Lane.LIVE), Slots)
        ahead = 3_600.0
        assert isinstance(await state.pace.decide(1, Lane.LIVE), float)
        clock.advance(1)
        assert isinstance(await state.pace.decide(1, Lane.LIVE), Slots)


async def test_a_server_whose_clock_was_set_back_reads_as_burst_spent(redis_server: RedisServer) -> None:
    clock, ahead = SteppedClock(), 0.0
    async with open_redis_state(redis_server.url, clock, server_time=lambda: AGE + clock.monotonic() + ahead) as state:
        await state.pace.decide(1, Lane.LIVE)
        clock.advance(30)
        ahead = -3_600.0
        assert isinstance(await state.pace.decide(1, Lane.LIVE), float)
        clock.advance(1)
        assert isinstance(await state.pace.decide(1, Lane.LIVE), Slots)
