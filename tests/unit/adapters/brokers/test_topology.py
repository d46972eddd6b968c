"""The names, arguments and rungs of RabbitMQ's topology: each line here is a trap that was measured once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.brokers.topology import COARSE_RUNGS, RUNGS, Queue, Topology, expiration, rung_for, rungs_of
from shared.domain.messages import Lane
from shared.domain.policy import RetryPolicy

LANES = st.sampled_from(list(Lane))


@pytest.mark.parametrize("queue", [pytest.param(queue, id=queue.name) for queue in Topology().queues()])
def test_every_queue_is_a_quorum_queue_with_an_explicit_positive_delivery_limit(queue: Queue) -> None:
    arguments = queue.arguments
    assert arguments["x-queue-type"] == "quorum"
    assert int(arguments["x-delivery-limit"]) > 0
    assert "x-single-active-consumer" not in arguments
    assert "x-max-priority" not in arguments


def test_what_dead_letters_does_it_at_least_once_and_keeps_the_routing_key() -> None:
    forwarding = [queue for queue in Topology().queues() if "x-dead-letter-exchange" in queue.arguments]
    assert len(forwarding) == 3 + 2 * len(RUNGS) + 2 * len(COARSE_RUNGS)  # work lanes and all rungs
    for queue in forwarding:
        assert queue.arguments["x-dead-letter-strategy"] == "at-least-once"
        assert queue.arguments["x-overflow"] == "reject-publish"
        assert "x-dead-letter-routing-key" not in queue.arguments


def test_the_dead_queue_gives_nothing_up() -> None:
    dead = next(queue for queue in Topology().lanes() if queue.key == Lane.DEAD.value)
    assert dead.arguments == {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000}


def test_the_retry_ladder_has_its_rungs_on_every_lane() -> None:
    for lane in Lane:
        assert {int(rung) for rung in RetryPolicy().rungs} <= set(rungs_of(lane))


def test_a_version_shares_no_name_with_another() -> None:
    one, two = Topology(1), Topology(2)
    assert not {queue.name for queue in one.queues()} & {queue.name for queue in two.queues()}
    assert not set(one.exchanges()) & set(two.exchanges())


@given(LANES, st.floats(min_value=0.001, max_value=7200))
def test_an_expiration_is_never_short_of_the_delay_nor_past_its_rung(lane: Lane, delay: float) -> None:
    rung = rung_for(lane, delay)
    assert delay <= expiration(rung, delay) / 1000 <= rung
    assert rung in rungs_of(lane)


@given(st.floats(min_value=1, max_value=7200))
def test_no_live_delay_waits_more_than_two_and_a_half_times_itself(delay: float) -> None:
    assert rung_for(Lane.LIVE, delay) <= 2.5 * delay


@given(LANES, st.floats(min_value=7200.1, max_value=1e7))
def test_beyond_the_longest_rung_a_message_waits_there_for_the_whole_of_it(lane: Lane, delay: float) -> None:
    assert expiration(rung_for(lane, delay), delay) == 7_200_000


def test_a_step_of_the_ladder_leaves_its_rung_within_its_bounds() -> None:
    """Drawn from 80 to 100 % of the rung, and no later than the rung whatever lies ahead: -20 % to +0 %."""
    for rung in RetryPolicy().rungs:
        for delay in (0.8 * rung, 0.9 * rung, rung):
            assert rung_for(Lane.LIVE, delay) == rung
