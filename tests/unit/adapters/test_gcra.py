"""The pace's arithmetic: whatever is asked, given back, refused, forgotten or spent late, the limit holds."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.messages import Lane
from shared.domain.pace import (
    MAX_SLOT_AGE,
    Granted,
    PaceRecord,
    PaceRule,
    Slots,
    Wait,
    give_back,
    reserve,
    slow_down,
)

RULE = PaceRule(per_minute=120, backfill_per_minute=80, burst=10)
INTERVAL = (60 + MAX_SLOT_AGE) / 120


def quiet(rule: PaceRule = RULE, now: float = 1_000.0) -> PaceRecord:
    """A record after a long silence: the whole burst is there."""
    return reserve(None, rule, 1, Lane.LIVE, now - 600).record


def grants(record: PaceRecord, lane: Lane, now: float, rule: PaceRule = RULE) -> int:
    """How many single calls are granted at this very moment."""
    count = 0
    while isinstance(decision := reserve(record, rule, 1, lane, now), Granted):
        record, count = decision.record, count + 1
    return count


@pytest.mark.parametrize(("lane", "at_once"), [(Lane.LIVE, 10), (Lane.CONTROL, 10), (Lane.BACKFILL, 5)])
def test_after_silence_live_gets_the_burst_and_backfill_half_of_it(lane: Lane, at_once: int) -> None:
    assert grants(quiet(), lane, 1_000.0) == at_once


def test_backfill_leaves_half_the_burst_to_live() -> None:
    record = quiet()
    for _ in range(5):
        decision = reserve(record, RULE, 1, Lane.BACKFILL, 1_000.0)
        assert isinstance(decision, Granted)
        record = decision.record
    assert isinstance(reserve(record, RULE, 1, Lane.BACKFILL, 1_000.0), Wait)
    assert grants(record, Lane.LIVE, 1_000.0) == 5


@pytest.mark.parametrize("lane", [Lane.LIVE, Lane.BACKFILL])
def test_a_missing_record_reads_as_burst_spent(lane: Lane) -> None:
    decision = reserve(None, RULE, 1, lane, 1_000.0)
    assert isinstance(decision, Wait)
    assert decision.seconds >= INTERVAL - 1e-9


@pytest.mark.parametrize("record_time", [5_000.0, 1e9])
def test_a_record_of_an_earlier_boot_reads_as_burst_spent_too(record_time: float) -> None:
    decision = reserve(quiet(now=record_time), RULE, 1, Lane.LIVE, 10.0)
    assert isinstance(decision, Wait)
    assert decision.seconds == pytest.approx(INTERVAL)


def test_calls_are_reserved_together_or_not_at_all() -> None:
    record = quiet()
    for _ in range(9):
        decision = reserve(record, RULE, 1, Lane.LIVE, 1_000.0)
        assert isinstance(decision, Granted)
        record = decision.record
    pair = reserve(record, RULE, 2, Lane.LIVE, 1_000.0)
    assert isinstance(pair, Wait)
    assert pair.record == record
    assert pair.seconds == pytest.approx(INTERVAL)


def test_more_than_the_burst_is_granted_as_much_as_fits() -> None:
    decision = reserve(quiet(), RULE, 50, Lane.LIVE, 1_000.0)
    assert isinstance(decision, Granted)
    assert decision.slots.calls == 10


def test_after_a_refusal_calls_come_at_half_the_pace_for_ten_minutes() -> None:
    record = slow_down(quiet(), RULE, 1_000.0)
    assert grants(record, Lane.LIVE, 1_000.0) == 5
    assert grants(record, Lane.LIVE, 1_599.0) == 5
    assert grants(record, Lane.LIVE, 1_600.0) == 10


def test_what_was_not_spent_comes_back_at_once() -> None:
    taken = reserve(quiet(), RULE, 10, Lane.LIVE, 1_000.0)
    assert isinstance(taken, Granted)
    assert grants(taken.record, Lane.LIVE, 1_000.0) == 0
    back = give_back(taken.record, RULE, taken.slots, 4, 1_000.0)
    assert grants(back, Lane.LIVE, 1_000.0) == 4


def test_what_time_has_worked_off_does_not_come_back_a_second_time() -> None:
    old = reserve(quiet(), RULE, 10, Lane.LIVE, 1_000.0)
    assert isinstance(old, Granted)
    new = reserve(old.record, RULE, 10, Lane.LIVE, 1_060.0)
    assert isinstance(new, Granted)
    back = give_back(new.record, RULE, old.slots, 10, 1_060.0)
    assert grants(back, Lane.LIVE, 1_060.0) == 0


def test_two_who_give_back_do_not_give_the_same_time_back_twice() -> None:
    first = reserve(quiet(), RULE, 2, Lane.LIVE, 1_000.0)
    assert isinstance(first, Granted)
    second = reserve(first.record, RULE, 2, Lane.LIVE, 1_000.0)
    assert isinstance(second, Granted)
    once = give_back(second.record, RULE, first.slots, 2, 1_000.0)
    now = 1_000.0 + 3 * INTERVAL  # by now all four would be worked off but one; without the first two, all are
    later = reserve(once, RULE, 10, Lane.LIVE, now)
    assert isinstance(later, Granted)
    assert grants(give_back(later.record, RULE, second.slots, 2, now), Lane.LIVE, now) == 0


def test_a_grant_of_a_lost_record_gives_nothing_back() -> None:
    taken = reserve(quiet(), RULE, 10, Lane.LIVE, 1_000.0)
    assert isinstance(taken, Granted)
    assert grants(give_back(None, RULE, taken.slots, 10, 1_000.5), Lane.LIVE, 1_000.5) == 0


@pytest.mark.parametrize("numbers", [(0, 80, 10), (120, 0, 10), (120, 80, 0)])
def test_a_rule_of_nothing_is_refused(numbers: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="positive"):
        PaceRule(*numbers)


def test_the_ceiling_lowers_both_paces() -> None:
    assert PaceRule(500, 400, 10).capped(160) == PaceRule(160, 160, 10)
    assert PaceRule(120, 80, 10).capped(160) == PaceRule(120, 80, 10)


# --- any schedule -----------------------------------------------------------------------------------------------


@dataclass
class World:
    """A few processes that share one record and make their calls when the schedule says so."""

    rule: PaceRule
    now: float = 1_000.0
    record: PaceRecord | None = None
    open: list[tuple[Slots, Lane, int]] = field(default_factory=list)
    made: list[tuple[float, Lane]] = field(default_factory=list)

    def ask(self, calls: int, lane: Lane) -> None:
        decision = reserve(self.record, self.rule, calls, lane, self.now)
        self.record = decision.record
        if isinstance(decision, Granted):
            self.open.append((decision.slots, lane, decision.slots.calls))

    def settle(self, which: int, spent: int) -> None:
        """Make some of the calls of one open grant, if they are not void, and give the others back."""
        if not self.open:
            return
        slots, lane, calls = self.open.pop(which % len(self.open))
        spent = 0 if slots.is_void(self.now) else min(spent, calls)
        self.made += [(self.now, lane)] * spent
        if calls > spent:
            self.record = give_back(self.record, self.rule, slots, calls - spent, self.now)

    def most_in_a_minute(self, *lanes: Lane) -> int:
        times = [at for at, lane in self.made if lane in lanes]
        return max((bisect_left(times, at + 60.0) - index for index, at in enumerate(times)), default=0)


LANES = st.sampled_from([Lane.LIVE, Lane.BACKFILL])
STEPS = st.one_of(
    st.tuples(st.just("ask"), st.integers(1, 12), LANES),
    st.tuples(st.just("surge"), st.sampled_from([2, 20, 62]), LANES),
    st.tuples(st.just("return"), st.none(), st.none()),
    st.tuples(st.just("settle"), st.integers(0, 30), st.integers(0, 3)),
    st.tuples(st.just("pass"), st.sampled_from([0.001, 0.1, 0.3, 0.51, 0.99, 2.0, 7.3, 30.0, 61.0]), st.none()),
    st.tuples(st.just("refuse"), st.none(), st.none()),
    st.tuples(st.just("wipe"), st.none(), st.none()),
)
RULES = st.builds(
    PaceRule,
    per_minute=st.sampled_from([30, 120, 160]),
    backfill_per_minute=st.sampled_from([10, 30, 80]),
    burst=st.sampled_from([1, 2, 7, 10]),
)


def surge(world: World, lane: Lane, seconds: int) -> None:
    """The worst caller: gather for as long as slots stay good, make all calls at once, then every further one."""
    hoard = World(world.rule, world.now, world.record)
    while hoard.now < world.now + MAX_SLOT_AGE:
        hoard.ask(1, lane)
        hoard.now += 0.0625
    while hoard.open:
        hoard.settle(0, 1)
    while hoard.now < world.now + seconds:
        hoard.ask(1, lane)
        hoard.settle(0, 1)
        hoard.now += 0.0625
    world.now, world.record = hoard.now, hoard.record
    world.made += hoard.made


def carry_out(world: World, step: tuple[str, float | int | None, Lane | int | None]) -> None:
    match step:
        case ("ask", int(calls), Lane() as lane):
            world.ask(calls, lane)
        case ("surge", int(seconds), Lane() as lane):
            surge(world, lane, seconds)
        case ("return", None, None):
            while world.open:
                world.settle(0, 0)
        case ("settle", int(which), int(spent)):
            world.settle(which, spent)
        case ("pass", float(seconds), None):
            world.now += seconds
        case ("refuse", None, None):
            world.record = slow_down(world.record, world.rule, world.now)
        case ("wipe", None, None):
            world.record = None
        case _:
            raise AssertionError(step)


@settings(max_examples=400, deadline=None)
@given(rule=RULES, steps=st.lists(STEPS, min_size=3, max_size=40))
def test_never_more_than_pace_plus_burst_in_any_60_s(
    rule: PaceRule, steps: list[tuple[str, float | int | None, Lane | int | None]]
) -> None:
    world = World(rule, record=quiet(rule))
    for step in steps:
        carry_out(world, step)
    while world.open:
        world.settle(0, 12)
    assert world.most_in_a_minute(Lane.LIVE, Lane.BACKFILL) <= rule.per_minute + rule.burst
    assert world.most_in_a_minute(Lane.BACKFILL) <= rule.backfill_per_minute + max(1, rule.burst / 2)


@settings(max_examples=200, deadline=None)
@given(rule=RULES, steps=st.lists(STEPS, max_size=30), calls=st.integers(1, 12), lane=LANES)
def test_a_wait_is_honest(
    rule: PaceRule, steps: list[tuple[str, float | int | None, Lane | int | None]], calls: int, lane: Lane
) -> None:
    world = World(rule)
    for step in steps:
        carry_out(world, step)
    decision = reserve(world.record, rule, calls, lane, world.now)
    if isinstance(decision, Wait):
        decision = reserve(decision.record, rule, calls, lane, world.now + decision.seconds)
    assert isinstance(decision, Granted)


def test_the_full_pace_is_really_reached() -> None:
    world = World(RULE)
    for _ in range(6_000):
        world.ask(1, Lane.LIVE)
        world.settle(0, 1)
        world.now += 0.02
    assert world.most_in_a_minute(Lane.LIVE) >= 118


def test_slots_that_are_spent_late_do_not_break_the_limit() -> None:
    world = World(RULE, record=quiet())
    surge(world, Lane.LIVE, 62)
    assert 125 <= world.most_in_a_minute(Lane.LIVE) <= 130
