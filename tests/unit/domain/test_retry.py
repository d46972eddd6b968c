"""What an outcome means for its message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.changes import NoChange
from shared.domain.errors import Ambiguous, Permanent, Scope, StopTheLine, SyncError, Transient
from shared.domain.outcome import Covered, Failed, Held, NotReplicated, Outcome, Synced
from shared.domain.policy import RetryPolicy
from shared.domain.retry import DeadLetter, Done, MarkOwed, RetryIn, StopAccount, Verdict, decide

POLICY = RetryPolicy()
DOWN = Failed(Transient("graph", "unavailable", "Graph answered 503"))
BUSY = Failed(Transient("leases", "held", counted=False))
IN_STEP = Synced(NoChange("u1", 7, 1))


@pytest.mark.parametrize(
    ("outcome", "attempt", "verdict"),
    [
        (IN_STEP, 3, Done()),
        (Covered(), 0, Done()),
        (Held("waits for approval", owed=True), 0, MarkOwed("waits for approval")),
        (Held("the row changed since", owed=False), 0, Done()),
        (DOWN, 0, RetryIn(10, 1)),
        (DOWN, 1, RetryIn(60, 2)),
        (DOWN, 2, RetryIn(300, 3)),
        (DOWN, 3, RetryIn(1800, 4)),
        (DOWN, 4, RetryIn(7200, 5)),
        (DOWN, 13, RetryIn(7200, 14)),
        (DOWN, 14, DeadLetter("unavailable", "Graph answered 503", "graph")),
        (DOWN, 99, DeadLetter("unavailable", "Graph answered 503", "graph")),
        (Failed(Transient("graph", "throttled", retry_after=25)), 0, RetryIn(25, 1)),
        (Failed(Transient("graph", "throttled", retry_after=1)), 0, RetryIn(10, 1)),
        (Failed(Ambiguous("syncro", "no_answer")), 0, RetryIn(10, 1)),
        (BUSY, 0, RetryIn(2, 0)),
        (BUSY, 14, RetryIn(2, 14)),
        (Failed(Transient("pace", "spent", retry_after=0.5, counted=False)), 4, RetryIn(0.5, 4)),
        (Failed(Permanent("syncro", "invalid", "email refused")), 0, DeadLetter("invalid", "email refused", "syncro")),
        (Failed(SyncError("syncro", "strange")), 0, DeadLetter("strange", "", "syncro")),
        (
            Failed(StopTheLine("graph", "consent", "consent revoked", scope=Scope.TENANT)),
            0,
            MarkOwed("consent revoked"),
        ),
        (Failed(StopTheLine("graph", "consent", scope=Scope.TENANT)), 0, MarkOwed("consent")),
        (Failed(StopTheLine("syncro", "token", scope=Scope.ACCOUNT, retry_after=9)), 5, StopAccount("token", 9)),
        (NotReplicated(), 0, RetryIn(10, 1)),
        (NotReplicated(), 4, RetryIn(7200, 5)),
        (NotReplicated(), 14, Done()),
    ],
)
def test_verdict(outcome: Outcome, attempt: int, verdict: Verdict) -> None:
    assert decide(outcome, attempt, POLICY) == verdict


def test_jitter_takes_up_to_a_fifth_off_a_rung_and_never_off_the_vendors_own_wish() -> None:
    halfway = decide(DOWN, 1, POLICY, jitter=0.5)
    assert isinstance(halfway, RetryIn)
    assert halfway.seconds == pytest.approx(54)
    shortest = decide(DOWN, 1, POLICY, jitter=0.0)
    assert isinstance(shortest, RetryIn)
    assert shortest.seconds == pytest.approx(48)
    assert decide(Failed(Transient("g", "c", retry_after=59)), 1, POLICY, jitter=0.0) == RetryIn(59, 2)


def test_the_ladder_outlasts_a_day_of_outage_nearly_and_the_hour_of_a_missing_user() -> None:
    waits: list[float] = []
    for attempt in range(POLICY.max_attempts - 1):
        verdict = decide(NotReplicated(), attempt, POLICY, jitter=0.0)
        assert isinstance(verdict, RetryIn)
        waits.append(verdict.seconds)
    assert sum(waits[:5]) > 3600
    assert sum(waits) > 16 * 3600


@given(
    outcome=st.sampled_from([IN_STEP, Covered(), NotReplicated(), DOWN, BUSY, Held("x", owed=True)]),
    attempt=st.integers(0, 10**6),
    jitter=st.floats(0, 1),
)
def test_decide_answers_for_every_attempt(outcome: Outcome, attempt: int, jitter: float) -> None:
    verdict = decide(outcome, attempt, POLICY, jitter=jitter)
    if isinstance(verdict, RetryIn):
        assert 0 < verdict.seconds <= 7200
        assert verdict.attempt in (attempt, attempt + 1)
        assert outcome is BUSY or verdict.attempt < POLICY.max_attempts
