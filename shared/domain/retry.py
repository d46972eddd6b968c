"""The only place that knows retries: what an outcome means for the message that asked for it.

`decide(outcome, attempt, policy) -> Verdict` is pure: no clock, no randomness (jitter comes in as a number), no
I/O. The consumer carries the verdict out (`worker/settle.py`). The timetable stands in `shared/domain/policy.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from shared.domain.errors import Scope, StopTheLine, SyncError, Transient
from shared.domain.outcome import Covered, Failed, Held, NotReplicated, Outcome, Synced
from shared.domain.policy import RetryPolicy


@dataclass(frozen=True, slots=True)
class Done:
    """The hint is answered."""


@dataclass(frozen=True, slots=True)
class RetryIn:
    """Look again after `seconds`; `attempt` is what the fresh copy carries."""

    seconds: float
    attempt: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Given up, for a person. `code` is static, `detail` carries nothing personal; `service`: who failed."""

    code: str
    detail: str
    service: str = ""


@dataclass(frozen=True, slots=True)
class MarkOwed:
    """The hint is answered, but the customer is owed a full pass: what it misses, one look cannot give."""

    reason: str


@dataclass(frozen=True, slots=True)
class StopAccount:
    """Nothing can be written anywhere: put everything back uncounted, probe, resume."""

    code: str
    retry_after: float | None


Verdict = Done | RetryIn | DeadLetter | MarkOwed | StopAccount


def decide(outcome: Outcome, attempt: int, policy: RetryPolicy, *, jitter: float = 1.0) -> Verdict:
    """What to do with one user's message after `attempt` failed attempts so far (`jitter` in 0..1)."""
    match outcome:
        case Synced(owed=why):
            return MarkOwed(why) if why else Done()
        case Covered():
            return Done()
        case Held(why=why, owed=owed):
            return MarkOwed(why) if owed else Done()
        case NotReplicated():
            return _missing(attempt, policy, jitter)
        case Failed(error=error):
            return _failed(error, attempt, policy, jitter)
        case _:
            assert_never(outcome)


def _missing(attempt: int, policy: RetryPolicy, jitter: float) -> Verdict:
    """A user that Graph does not know (yet) is nobody's failure: climb the ladder, and never die of it.

    The ladder passes the hour after which a second miss means deleted for good; whoever is still missing when it
    ends is known to the next full pass, so the hint is done.
    """
    if attempt + 1 >= policy.max_attempts:
        return Done()
    return RetryIn(_rung(attempt, policy, jitter), attempt + 1)


def _failed(error: SyncError, attempt: int, policy: RetryPolicy, jitter: float) -> Verdict:
    match error:
        case StopTheLine(scope=Scope.TENANT):
            return MarkOwed(error.detail or error.code)
        case StopTheLine():
            return StopAccount(error.code, error.retry_after)
        case Transient(counted=False):
            wait = policy.uncounted_delay if error.retry_after is None else error.retry_after
            return RetryIn(wait, attempt)
        case Transient():
            return _again(error, attempt, policy, jitter)
        case _:
            return DeadLetter(error.code, error.detail, error.service)


def _again(error: Transient, attempt: int, policy: RetryPolicy, jitter: float) -> Verdict:
    """The vendor's own wish can only lengthen a rung: a short one must not turn the ladder into a loop."""
    if attempt + 1 >= policy.max_attempts:
        return DeadLetter(error.code, error.detail, error.service)
    return RetryIn(max(error.retry_after or 0.0, _rung(attempt, policy, jitter)), attempt + 1)


def _rung(attempt: int, policy: RetryPolicy, jitter: float) -> float:
    """Seconds to wait after the failure that follows `attempt` earlier ones; the last rung repeats."""
    rung = policy.rungs[min(max(attempt, 0), len(policy.rungs) - 1)]
    return rung * (policy.jitter_floor + (1.0 - policy.jitter_floor) * jitter)
