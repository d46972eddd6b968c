"""When a tenant is asked for its changes again, and whether a notification had announced those that were found. Pure.

Delta polls are what is trusted; notifications only make them rarer. How often is decided here from what the last round
showed, within `PollPolicy`; nothing here fetches or reads a clock. Next: `worker/rounds.py`, `worker/polls.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from shared.domain.errors import Permanent, Scope, StopTheLine, SyncError, Transient
from shared.domain.records import ConnectionStatus
from shared.domain.watching import Coverage, Poll, PollPolicy, SubscriptionState

ANNOUNCED_FOR = timedelta(hours=1)  # how long a notification of a user is remembered
NOTIFIED_FOR = timedelta(days=30)  # how long the moment of a tenant's last notification is
LINK_AGE = timedelta(days=5)  # an unused link is taken anew by then: Entra forgets it after seven days
MOST_UNJUDGED = 500  # users of a round whose announcement is judged; it is a sample, and kept small in the ledger
_EARLY = timedelta(seconds=60)  # a notification may come this long before the round that could have shown its change
_SLACK = timedelta(minutes=1)  # what is remembered for an hour is trusted for a little less
_GIVEN_UP = timedelta(hours=1)  # a link that was refused for so long is not asked with any more
_BREATH = timedelta(seconds=30)  # after a round began, whoever wishes for another one
_CLOCKS = timedelta(seconds=60)  # by which the clocks of two machines may differ
_FASTER, _SLOWER, _CALM = 0.5, 1.5, 1.1  # factors of the pause between two polls
_FIRST_RETRY = 15.0  # seconds
_STORES_RETRY = 60.0  # seconds; our own broker, state or ledger is away: they are all ours to bring back
_STOPPED_RETRY = 3600.0  # seconds; somebody has to act first
_OURS = frozenset({"broker", "state", "ledger"})


class Need(StrEnum):
    """ROUNDS: somebody of the tenant is kept in step. LINK: a preview is shown, so a link is kept fresh and no more.
    REST: paused, a full sync makes up for it. NOTHING: nobody uses the tenant, its link is forgotten."""

    ROUNDS = "rounds"
    LINK = "link"
    REST = "rest"
    NOTHING = "nothing"


def need_of(statuses: Collection[ConnectionStatus]) -> Need:
    """What a tenant needs whose customers have these statuses."""
    if ConnectionStatus.APPROVED in statuses:
        return Need.ROUNDS
    if ConnectionStatus.PREVIEW in statuses:
        return Need.LINK
    return Need.REST if ConnectionStatus.PAUSED in statuses else Need.NOTHING


def due_at(
    need: Need, poll: Poll | None, now: datetime, *, wanted: datetime | None, intact_since: datetime | None
) -> datetime | None:
    """Since when (or from when on) the tenant is to be polled; None: not at all.

    `wanted`: somebody asked for a poll at once. `intact_since`: when polling began to work again after an outage.
    """
    if need in (Need.REST, Need.NOTHING):
        return None
    if poll is None or poll.link is None or poll.began_at is None:
        return datetime.min.replace(tzinfo=now.tzinfo)
    if poll.code:
        return min(poll.since or now, now)  # how long it waits after a failure is `wait_after`
    if poll.began_at > now:
        return now  # a clock stepped back: by its old time nothing would be due for long
    if need is Need.LINK:
        return poll.began_at + LINK_AGE
    urgent = [
        max(min(wanted, now), poll.began_at + _BREATH)
        if wanted is not None and wanted > poll.began_at - _CLOCKS
        else None,
        intact_since if intact_since is not None and intact_since > poll.began_at else None,
    ]
    return min([poll.began_at + timedelta(seconds=poll.interval), *(each for each in urgent if each is not None)])


def first_interval(policy: PollPolicy, *, has_door: bool) -> float:
    """Seconds. Nothing is known of its notifications yet, so they are not trusted."""
    return policy.shortest if has_door else policy.without_door


def next_interval(before: float, judged: Coverage, policy: PollPolicy, *, has_door: bool, is_subscribed: bool) -> float:
    """Seconds to the next poll. `judged`: changes found earlier, of which it is known now how many were announced."""
    if not has_door:
        return policy.without_door
    factor = _factor(judged) if is_subscribed else _FASTER
    return min(max(before * factor, policy.shortest), policy.longest)


def _factor(judged: Coverage) -> float:
    if judged.announced < judged.found:
        return _FASTER
    return _SLOWER if judged.found else _CALM


def is_subscribed(state: SubscriptionState | None, now: datetime) -> bool:
    """Are notifications to be expected?"""
    if state is None or state.subscription_id is None or state.code:
        return False
    return state.expires_at is None or state.expires_at > now


def wait_after(error: SyncError, failing_for: float, policy: PollPolicy) -> float:
    """Seconds until a tenant whose poll failed is tried again; they grow with the time for which it has failed."""
    if isinstance(error, StopTheLine) and error.scope is Scope.TENANT:
        return max(error.retry_after or 0.0, _STOPPED_RETRY)
    longest = _STORES_RETRY if error.service in _OURS else policy.longest
    if not isinstance(error, Transient | StopTheLine):
        return min(max(failing_for, policy.longest), _STOPPED_RETRY)
    return max(error.retry_after or 0.0, min(max(failing_for, _FIRST_RETRY), longest))


def is_given_up(error: SyncError, poll: Poll, now: datetime) -> bool:
    """Is the link of `poll`, which was refused with this, of no use any more, though nobody called it void?"""
    is_known = poll.code == f"{error.service}:{error.code}" and poll.since is not None
    return isinstance(error, Permanent) and is_known and now - (poll.since or now) >= _GIVEN_UP


# --- announced or not -------------------------------------------------------------------------------------------


def unjudged(
    left: Mapping[str, datetime], found: Iterable[str], began_before: datetime | None
) -> Mapping[str, datetime]:
    """Whom the next round is to judge: user id -> when the round before the one that found it had begun."""
    fresh = {} if began_before is None else dict.fromkeys(found, began_before)
    return dict([*fresh.items(), *((user, since) for user, since in left.items() if user not in fresh)][:MOST_UNJUDGED])


def judgeable(waiting: Mapping[str, datetime], now: datetime) -> Mapping[str, datetime]:
    """Those of whom a notification would still be remembered; of the others nothing can be said, so nothing is."""
    return {user: since for user, since in waiting.items() if now - since + _EARLY <= ANNOUNCED_FOR - _SLACK}


def is_announced(since: datetime, noticed_at: datetime | None) -> bool:
    """Did a notification tell of a change that came after the round which began at `since`?"""
    return noticed_at is not None and noticed_at > since - _EARLY
