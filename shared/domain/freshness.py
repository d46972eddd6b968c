"""How fresh a customer's contacts are, and how much of what changed notifications told of. Pure sums.

What is measured: seconds from the moment a change was noticed (a notification came, a delta poll found it) to the
moment its write was answered. Microsoft's own delay before that is not in it; what notifications missed shows in
`Coverage`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.domain.messages import Reason
from shared.domain.records import Delay
from shared.domain.watching import Coverage, Poll, SubscriptionState

SILENCE = timedelta(minutes=15)  # no poll in it, although each tenant is due every ten minutes: nobody is at work
_LONGEST_POLL = timedelta(minutes=15)  # it is dated by its beginning, and seen when it has ended


@dataclass(frozen=True, slots=True)
class Spread:
    """Of `count` changes: half were written within `p50` seconds, 95 % within `p95`, the last after `longest`."""

    count: int
    p50: float
    p95: float
    longest: float


def spread(seconds: Iterable[float]) -> Spread | None:
    """By nearest rank, so that every figure is one that really happened. None of nothing."""
    ordered = sorted(seconds)
    if not ordered:
        return None
    return Spread(len(ordered), _rank(ordered, 50), _rank(ordered, 95), ordered[-1])


def _rank(ordered: Sequence[float], percent: int) -> float:
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


@dataclass(frozen=True, slots=True)
class Freshness:
    """One customer, its tenants taken together. `notified`, `polled`: the last 24 hours' changes by what noticed them.

    `coverage`: of the last 24 hours, `coverage_now`: of this hour and the one before. `last_poll`: when the last
    complete delta round began, None while a tenant had none, `unpolled_since`: since when it should have. `problems`:
    codes ("service:code") of a subscription or a poll that does not work.
    """

    notified: Spread | None
    polled: Spread | None
    coverage: Coverage
    coverage_now: Coverage
    last_notification: datetime | None
    last_poll: datetime | None
    subscription_expires_at: datetime | None
    problems: tuple[str, ...]
    unpolled_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Watched:
    """What is known of every tenant, each by tenant id. `since`: since when those of approved customers should be
    polled. `asked_at`: when a service last saw to the polls, None where that is not known."""

    states: Mapping[str, SubscriptionState]
    polls: Mapping[str, Poll]
    day: Mapping[str, Coverage]
    now: Mapping[str, Coverage]
    notified: Mapping[str, datetime]
    since: Mapping[str, datetime] = field(default_factory=dict)
    asked_at: datetime | None = None


def freshness(tenants: Sequence[str], delays: Sequence[Delay], watched: Watched) -> Freshness:
    """Of one customer with these tenants; `delays`: its own."""
    states = [watched.states[tenant] for tenant in tenants if tenant in watched.states]
    polls = [watched.polls[tenant] for tenant in tenants if tenant in watched.polls]
    polled = {poll.tenant_id: poll.began_at for poll in polls if poll.began_at}
    unpolled = [watched.since[tenant] for tenant in tenants if tenant in watched.since and tenant not in polled]
    return Freshness(
        notified=spread(delay.seconds for delay in delays if delay.cause is Reason.NOTIFICATION),
        polled=spread(delay.seconds for delay in delays if delay.cause is Reason.DELTA),
        coverage=together(watched.day.get(tenant) for tenant in tenants),
        coverage_now=together(watched.now.get(tenant) for tenant in tenants),
        last_notification=max((watched.notified[t] for t in tenants if t in watched.notified), default=None),
        # the tenant that is worst off: one that is silent must not hide behind another
        last_poll=None if unpolled else min(polled.values(), default=None),
        subscription_expires_at=min((state.expires_at for state in states if state.expires_at), default=None),
        problems=tuple(dict.fromkeys(code for code in (*(s.code for s in states), *(p.code for p in polls)) if code)),
        unpolled_since=min(unpolled, default=None),
    )


def silent_since(watched: Watched, now: datetime) -> datetime | None:
    """Since when nobody has asked for the changes of any tenant that should be polled; None: somebody does.

    Whoever asks says so (`asked_at`), however its polls end. Where that is not known, complete polls are the witnesses:
    a tenant whose last attempt failed is none then.
    """
    if not watched.since:
        return None
    if watched.asked_at is not None:
        polled = [poll.began_at for poll in watched.polls.values() if poll.began_at]
        asked = max(watched.asked_at, min(watched.since.values()), *polled)
        return asked if now > asked + SILENCE else None
    polls = [(watched.polls.get(tenant), since) for tenant, since in watched.since.items()]
    due = [_asked_and_due(poll, since) for poll, since in polls if poll is None or not poll.code]
    return max(asked for asked, _ in due) if due and all(now > late for _, late in due) else None


def _asked_and_due(poll: Poll | None, since: datetime) -> tuple[datetime, datetime]:
    """When a tenant was last asked, and when it should have been again at the very latest."""
    if poll is None:
        return since, since + SILENCE
    asked = max(since, poll.began_at) if poll.began_at else since
    return asked, asked + max(SILENCE, timedelta(seconds=3 * poll.interval)) + _LONGEST_POLL


def together(parts: Iterable[Coverage | None]) -> Coverage:
    known = [part for part in parts if part is not None]
    return Coverage(sum(part.found for part in known), sum(part.announced for part in known))
