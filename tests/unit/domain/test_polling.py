"""When a tenant is polled, how often, how long a failure waits, and what counts as announced."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import Permanent, Scope, StopTheLine, SyncError, Transient
from shared.domain.polling import (
    ANNOUNCED_FOR,
    LINK_AGE,
    MOST_UNJUDGED,
    Need,
    due_at,
    first_interval,
    is_announced,
    is_given_up,
    is_subscribed,
    judgeable,
    need_of,
    next_interval,
    unjudged,
    wait_after,
)
from shared.domain.records import ConnectionStatus
from shared.domain.watching import Coverage, Poll, PollPolicy, SubscriptionState
from tests.support.clock import START

POLICY = PollPolicy()
APPROVED, PREVIEW = ConnectionStatus.APPROVED, ConnectionStatus.PREVIEW
PAUSED, DISCONNECTED = ConnectionStatus.PAUSED, ConnectionStatus.DISCONNECTED


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def polled(began: float = 0.0, interval: float = 300.0, code: str = "", since: datetime | None = None) -> Poll:
    return Poll("t", "link", after(began), interval, code=code, since=since)


@pytest.mark.parametrize(
    ("statuses", "need"),
    [
        ([APPROVED], Need.ROUNDS),
        ([PREVIEW, APPROVED, DISCONNECTED], Need.ROUNDS),
        ([PREVIEW, PAUSED], Need.LINK),
        ([PAUSED, DISCONNECTED], Need.REST),
        ([DISCONNECTED], Need.NOTHING),
        ([], Need.NOTHING),
    ],
)
def test_what_a_tenant_needs_is_the_most_that_a_customer_of_it_needs(
    statuses: list[ConnectionStatus], need: Need
) -> None:
    assert need_of(statuses) is need


# --- due or not -------------------------------------------------------------------------------------------------


def due(
    poll: Poll | None,
    now: float,
    need: Need = Need.ROUNDS,
    wanted: float | None = None,
    intact_since: float | None = None,
) -> bool:
    since = due_at(
        need,
        poll,
        after(now),
        wanted=None if wanted is None else after(wanted),
        intact_since=None if intact_since is None else after(intact_since),
    )
    return since is not None and since <= after(now)


def test_a_tenant_without_a_link_is_due_at_once_and_before_all_others() -> None:
    assert due(None, 0)
    assert due(Poll("t", None, None, 300.0), 0)
    first = due_at(Need.ROUNDS, None, START, wanted=None, intact_since=None)
    late = due_at(Need.ROUNDS, polled(-90_000), START, wanted=None, intact_since=None)
    assert first is not None
    assert late is not None
    assert first < late


def test_an_interval_after_the_last_round_began() -> None:
    assert not due(polled(0, 300), 299)
    assert due(polled(0, 300), 300)


def test_a_wish_that_is_later_than_the_round_makes_it_due_at_once() -> None:
    assert due(polled(100), 200, wanted=150)
    assert due(polled(100), 200, wanted=99)  # by another machine's clock
    assert due(polled(100), 200, wanted=900)
    assert not due(polled(100), 200, wanted=30)


def test_a_wish_waits_until_the_last_round_is_half_a_minute_old() -> None:
    """Many of them, one after another, must not become as many rounds."""
    assert not due(polled(100), 129, wanted=129)
    assert due(polled(100), 130, wanted=129)
    assert due(polled(100), 130, wanted=101)


def test_after_an_outage_who_was_not_polled_since_is_due() -> None:
    assert due(polled(100), 200, intact_since=150)
    assert not due(polled(160), 200, intact_since=150)


def test_a_preview_needs_a_fresh_link_and_no_rounds() -> None:
    days = LINK_AGE.total_seconds()
    assert due(None, 0, Need.LINK)
    assert not due(polled(0), days - 1, Need.LINK, wanted=days - 10, intact_since=days - 10)
    assert due(polled(0), days, Need.LINK)
    assert days < 7 * 86_400  # by then Entra has forgotten it


@pytest.mark.parametrize("need", [Need.REST, Need.NOTHING])
@pytest.mark.parametrize("poll", [None, polled(-1e6)])
def test_whom_nobody_keeps_in_step_is_never_due(need: Need, poll: Poll | None) -> None:
    assert due_at(need, poll, START, wanted=START, intact_since=START) is None


def test_a_failure_is_due_whatever_the_interval_says_for_its_wait_holds_it_back() -> None:
    assert due(polled(0, 300, code="graph:throttled", since=after(10)), 20)
    assert due(polled(0, 300, code="graph:throttled", since=after(99)), 20)  # a clock stepped back


def test_a_clock_that_stepped_back_starves_nobody() -> None:
    assert due(polled(86_400), 0)


SECONDS = st.integers(-1_000_000, 1_000_000)


@given(
    began=SECONDS,
    interval=st.integers(1, 3600),
    now=SECONDS,
    wanted=st.none() | SECONDS,
    intact=st.none() | SECONDS,
)
def test_a_tenant_in_step_is_never_left_longer_than_its_interval(
    began: int, interval: int, now: int, wanted: int | None, intact: int | None
) -> None:
    if now >= began + interval or now < began:
        assert due(polled(began, interval), now, wanted=wanted, intact_since=intact)
    elif wanted is None and intact is None:
        assert not due(polled(began, interval), now)


# --- how often --------------------------------------------------------------------------------------------------


def following(before: float, found: int, announced: int, *, has_door: bool = True, is_subscribed: bool = True) -> float:
    judged = Coverage(found, announced)
    return next_interval(before, judged, POLICY, has_door=has_door, is_subscribed=is_subscribed)


def test_unannounced_changes_and_no_subscription_make_polls_more_frequent() -> None:
    assert following(400.0, 3, 2) == 200.0
    assert following(400.0, 3, 3, is_subscribed=False) == 200.0
    assert following(200.0, 1, 0) == POLICY.shortest


def test_announced_changes_make_them_rarer_and_silence_does_so_slowly() -> None:
    assert following(200.0, 3, 3) == 300.0
    assert following(200.0, 0, 0) == pytest.approx(220.0)
    assert following(500.0, 3, 3) == POLICY.longest


def test_without_a_public_address_one_pause_holds() -> None:
    assert following(600.0, 5, 0, has_door=False, is_subscribed=False) == POLICY.without_door
    assert first_interval(POLICY, has_door=False) == POLICY.without_door
    assert first_interval(POLICY, has_door=True) == POLICY.shortest


POLICIES = (
    st.lists(st.floats(1, 86_400), min_size=3, max_size=3)
    .map(sorted)
    .map(lambda three: PollPolicy(shortest=three[0], without_door=three[1], longest=three[2]))
)


@given(
    policy=POLICIES,
    before=st.floats(0.001, 1e6),
    rounds=st.lists(st.tuples(st.integers(0, 500), st.floats(0, 1), st.booleans(), st.booleans()), min_size=1),
)
def test_the_interval_stays_between_shortest_and_longest(
    policy: PollPolicy, before: float, rounds: list[tuple[int, float, bool, bool]]
) -> None:
    interval = before
    for found, share, has_door, subscribed in rounds:
        judged = Coverage(found, int(found * share))
        interval = next_interval(interval, judged, policy, has_door=has_door, is_subscribed=subscribed)
        assert policy.shortest <= interval <= policy.longest


@pytest.mark.parametrize(
    ("state", "good"),
    [
        (None, False),
        (SubscriptionState("t", None, None, "", START), False),
        (SubscriptionState("t", "s", after(60), "graph:quota", START), False),
        (SubscriptionState("t", "s", after(-1), "", START), False),
        (SubscriptionState("t", "s", after(60), "", START), True),
    ],
)
def test_notifications_are_expected_of_a_living_subscription_alone(state: SubscriptionState | None, good: bool) -> None:
    assert is_subscribed(state, START) is good


# --- failures ---------------------------------------------------------------------------------------------------

STOPPED = StopTheLine("login", "consent_missing", scope=Scope.TENANT)
EVERYBODY = StopTheLine("login", "assertion_unreadable", scope=Scope.ACCOUNT)


@pytest.mark.parametrize(
    ("error", "failing_for", "wait"),
    [
        (Transient("graph", "service_fault"), 0.0, 15.0),
        (Transient("graph", "service_fault"), 90.0, 90.0),
        (Transient("graph", "service_fault"), 9_000.0, POLICY.longest),
        (Transient("graph", "throttled", retry_after=1_800.0), 0.0, 1_800.0),
        (Transient("graph", "throttled", retry_after=1.0), 90.0, 90.0),
        (Transient("broker", "unreachable"), 0.0, 15.0),
        (Transient("ledger", "unreachable"), 9_000.0, 60.0),
        (Permanent("graph", "foreign_link"), 0.0, POLICY.longest),
        (Permanent("graph", "foreign_link"), 90_000.0, 3_600.0),
        (STOPPED, 0.0, 3_600.0),
        (STOPPED, 90_000.0, 3_600.0),
        (EVERYBODY, 0.0, 15.0),
        (EVERYBODY, 90.0, 90.0),
        (EVERYBODY, 90_000.0, POLICY.longest),
        (StopTheLine("login", "throttled", scope=Scope.ACCOUNT, retry_after=900.0), 0.0, 900.0),
    ],
)
def test_waits_grow_with_the_time_for_which_it_has_failed(error: SyncError, failing_for: float, wait: float) -> None:
    assert wait_after(error, failing_for, POLICY) == wait


HOUR_AGO = after(-3_600)
REFUSED = Permanent("graph", "bad_request")


@pytest.mark.parametrize(
    ("error", "code", "since", "given_up"),
    [
        (REFUSED, "", None, False),
        (REFUSED, "graph:bad_request", after(-3_599), False),
        (REFUSED, "graph:bad_request", HOUR_AGO, True),
        (REFUSED, "graph:service_fault", HOUR_AGO, False),  # it was another failure that lasted
        (Transient("graph", "service_fault"), "graph:service_fault", HOUR_AGO, False),
        (STOPPED, "login:consent_missing", HOUR_AGO, False),
    ],
)
def test_a_link_is_given_up_when_it_was_refused_for_an_hour(
    error: SyncError, code: str, since: datetime | None, given_up: bool
) -> None:
    assert is_given_up(error, polled(-9_000, code=code, since=since), START) is given_up


# --- announced or not -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("noticed", "announced"), [(None, False), (-61.0, False), (-60.0, False), (-59.0, True), (5.0, True)]
)
def test_a_notification_counts_from_a_minute_before_the_round_that_did_not_have_the_change_yet(
    noticed: float | None, announced: bool
) -> None:
    assert is_announced(START, None if noticed is None else after(noticed)) is announced


def test_who_is_judged_next_is_kept_with_the_beginning_of_the_round_before() -> None:
    left = {"a": after(-9), "old": after(-9)}
    assert unjudged(left, ["a", "b"], after(0)) == {"a": after(0), "b": after(0), "old": after(-9)}
    assert unjudged({}, ["a"], None) == {}


def test_a_crowd_is_judged_by_a_sample() -> None:
    crowd = [str(number) for number in range(3 * MOST_UNJUDGED)]
    assert len(unjudged({"old": START}, crowd, START)) == MOST_UNJUDGED


@given(age=st.integers(0, 7_200))
def test_nobody_is_judged_whose_notification_may_be_forgotten(age: int) -> None:
    """The earliest notification that would count must still be remembered."""
    earliest = START - timedelta(seconds=60)
    if judgeable({"a": START}, after(age)):
        assert after(age) - earliest < ANNOUNCED_FOR
    else:
        assert after(age) - earliest > ANNOUNCED_FOR - timedelta(seconds=61)
