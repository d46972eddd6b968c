"""Figures of freshness: nearest rank, tenants taken together, nobody hides behind another."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.freshness import Spread, Watched, freshness, silent_since, spread, together
from shared.domain.messages import Reason
from shared.domain.records import Delay
from shared.domain.watching import Coverage, Poll, SubscriptionState
from tests.support.clock import START

ONE, TWO = "tenant-one", "tenant-two"
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ([], None),
        ([2.0], Spread(1, 2.0, 2.0, 2.0)),
        ([4.0, 1.0], Spread(2, 1.0, 4.0, 4.0)),
        ([float(n) for n in range(1, 101)], Spread(100, 50.0, 95.0, 100.0)),
        ([1.0] * 19 + [60.0], Spread(20, 1.0, 1.0, 60.0)),
        ([1.0] * 18 + [60.0, 61.0], Spread(20, 1.0, 60.0, 61.0)),
    ],
)
def test_spread_is_by_nearest_rank(seconds: list[float], expected: Spread | None) -> None:
    assert spread(seconds) == expected


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_every_figure_really_happened_and_they_are_in_order(seconds: list[float]) -> None:
    found = spread(seconds)
    assert found is not None
    assert {found.p50, found.p95, found.longest} <= set(seconds)
    assert min(seconds) <= found.p50 <= found.p95 <= found.longest == max(seconds)
    assert sum(each <= found.p95 for each in seconds) >= 0.95 * len(seconds)


def _watched() -> Watched:
    return Watched(
        states={
            ONE: SubscriptionState(ONE, "sub", START + 600 * HOUR, "", START),
            TWO: SubscriptionState(TWO, None, START + 2 * HOUR, "graph:quota", START),
        },
        polls={
            ONE: Poll(ONE, "link", START, 300.0),
            TWO: Poll(TWO, "link", START - HOUR, 300.0, code="graph:quota", since=START),
        },
        day={ONE: Coverage(8, 6), TWO: Coverage(2, 0)},
        now={TWO: Coverage(2, 0)},
        notified={ONE: START, TWO: START - 5 * HOUR},
    )


def test_customer_with_two_tenants_shows_the_one_that_is_worst_off() -> None:
    found = freshness((ONE, TWO), (), _watched())
    assert found.last_poll == START - HOUR
    assert found.subscription_expires_at == START + 2 * HOUR
    assert found.problems == ("graph:quota",)
    assert found.last_notification == START
    assert (found.coverage, found.coverage_now) == (Coverage(10, 6), Coverage(2, 0))


def test_changes_are_told_apart_by_what_noticed_them() -> None:
    delays = [Delay(7, Reason.NOTIFICATION, 2.0), Delay(7, Reason.DELTA, 90.0), Delay(7, Reason.NOTIFICATION, 4.0)]
    found = freshness((ONE,), delays, _watched())
    assert found.notified == Spread(2, 2.0, 4.0, 4.0)
    assert found.polled == Spread(1, 90.0, 90.0, 90.0)


def test_a_tenant_that_was_never_polled_hides_behind_no_other_one() -> None:
    watched = replace(_watched(), since={ONE: START, "third": START - 3 * HOUR, "elsewhere": START - 9 * HOUR})
    found = freshness((ONE, "third"), (), watched)
    assert (found.last_poll, found.unpolled_since) == (None, START - 3 * HOUR)
    assert freshness((ONE,), (), watched).unpolled_since is None
    failing = replace(watched, polls={"third": Poll("third", None, None, 300.0, code="graph:quota", since=START)})
    assert freshness(("third",), (), failing).unpolled_since == START - 3 * HOUR


def test_of_an_unknown_tenant_nothing_is_claimed() -> None:
    found = freshness(("unknown",), (), _watched())
    assert (found.last_poll, found.subscription_expires_at, found.last_notification) == (None, None, None)
    assert found.coverage.share is None
    assert found.problems == ()


def test_nothing_together_has_no_share() -> None:
    assert together([None, None]).share is None
    assert together([Coverage(0, 0), Coverage(4, 1), None]) == Coverage(4, 1)


@pytest.mark.parametrize(
    ("polls", "since", "silent"),
    [
        ({}, {}, None),
        ({ONE: Poll(ONE, "link", START, 300.0)}, {}, None),
        ({}, {ONE: START}, START),
        ({}, {ONE: START + HOUR}, None),
        ({ONE: Poll(ONE, "link", START, 300.0)}, {ONE: START - HOUR}, START),
        ({ONE: Poll(ONE, "link", START, 1_400.0)}, {ONE: START - HOUR}, None),
        ({ONE: Poll(ONE, "link", START, 300.0)}, {ONE: START - HOUR, TWO: START - HOUR}, START),
        ({ONE: Poll(ONE, "link", START + HOUR, 300.0)}, {ONE: START - HOUR, TWO: START - HOUR}, None),
        ({ONE: Poll(ONE, "link", START, 300.0, code="graph:quota")}, {ONE: START - HOUR}, None),
        ({ONE: Poll(ONE, "link", START, 300.0, code="graph:quota")}, {ONE: START, TWO: START}, START),
    ],
    ids=[
        "nobody is approved", "nobody approved is polled", "never asked", "just approved", "asked an hour ago",
        "asked rarely", "one of two an hour ago, one never", "one of two just now", "a failed attempt tells itself",
        "a failed attempt hides no silence",
    ],
)  # fmt: skip
def test_that_no_service_is_at_work_shows_when_nobody_at_all_is_asked(
    polls: dict[str, Poll], since: dict[str, datetime], silent: datetime | None
) -> None:
    watched = Watched(states={}, polls=polls, day={}, now={}, notified={}, since=since)
    assert silent_since(watched, START + HOUR + timedelta(minutes=1)) == silent


REFUSED = Poll(ONE, "link", START, 300.0, code="login:bad_secret")
SLOW = Poll(ONE, "link", START, 300.0)


@pytest.mark.parametrize(
    ("poll", "since", "asked_at", "silent"),
    [
        (REFUSED, START - HOUR, START + 2 * HOUR, START + 2 * HOUR),
        (REFUSED, START - HOUR, START + 72 * HOUR, None),
        (SLOW, START - HOUR, START + 72 * HOUR, None),
        (SLOW, START - HOUR, START - HOUR, START),
        (None, START + 72 * HOUR, START, None),
        (None, START + 70 * HOUR, START, START + 70 * HOUR),
        (None, None, START, None),
    ],
    ids=[
        "every poll failed, then nobody asked", "every poll fails", "a long poll", "a poll tells it too",
        "just approved, nobody asks", "approved since nobody asks", "nobody is approved",
    ],
)  # fmt: skip
def test_whoever_asks_is_heard_however_its_polls_end(
    poll: Poll | None, since: datetime | None, asked_at: datetime, silent: datetime | None
) -> None:
    watched = Watched({}, {ONE: poll} if poll else {}, {}, {}, {}, {ONE: since} if since else {}, asked_at)
    assert silent_since(watched, START + 72 * HOUR + timedelta(minutes=10)) == silent


def test_a_poll_that_takes_its_time_is_no_silence() -> None:
    watched = Watched({}, {ONE: SLOW}, {}, {}, {}, {ONE: START - HOUR})
    assert silent_since(watched, START + timedelta(minutes=5 + 15 + 1)) is None
