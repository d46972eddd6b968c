"""The breaker: when to stop asking a broker that fails, and when to try again."""

from __future__ import annotations

from receiver.breaker import Breaker


def test_it_opens_at_the_limit_and_lets_one_trial_through_per_pause() -> None:
    breaker = Breaker(failures=2, pause=1.0)
    breaker.failed(10.0)
    assert breaker.allows(10.0)
    breaker.failed(10.0)
    assert not breaker.closed
    assert not breaker.allows(10.9)
    assert breaker.allows(11.0)
    assert not breaker.allows(11.5)
    assert breaker.allows(12.0)


def test_a_success_closes_it_and_forgets_the_failures() -> None:
    breaker = Breaker(failures=2)
    breaker.failed(0.0)
    breaker.succeeded()
    breaker.failed(0.0)
    assert breaker.closed


def test_trust_closes_it_but_not_for_a_second_failure() -> None:
    breaker = Breaker(failures=3)
    for _ in range(3):
        breaker.failed(0.0)
    breaker.trust()
    assert breaker.closed
    breaker.failed(5.0)
    assert not breaker.closed
