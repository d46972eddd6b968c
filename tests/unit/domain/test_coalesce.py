"""Windows: few looks under a storm, a short wait for a quiet user."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.coalesce import Window, is_covered, is_quiet, opening
from shared.domain.policy import CoalescePolicy
from tests.support.clock import START

POLICY = CoalescePolicy()


def looks(hints: Iterable[float]) -> list[float]:
    """When a user is looked at, by the hints alone."""
    window: Window | None = None
    dues: list[float] = []
    for now in hints:
        window = opening(window, now, POLICY)
        if window.due not in dues:
            dues.append(window.due)
    return dues


def test_a_storm_of_1000_hints_in_10_seconds_is_three_looks_the_last_after_the_last_hint() -> None:
    assert looks(each / 100 for each in range(1000)) == pytest.approx([2, 6, 14])


def test_windows_double_up_to_30_seconds_while_hints_keep_coming() -> None:
    dues = looks(each / 10 for each in range(2000))
    gaps = [later - earlier for earlier, later in pairwise(dues)]
    assert gaps == pytest.approx([4, 8, 16, 30, 30, 30, 30, 30, 30])


def test_a_quiet_user_starts_at_2_seconds_again() -> None:
    assert looks([0, 4.5, 9]) == [2, 6.5, 11]
    assert opening(Window(due=14, length=8), 16.5, POLICY) == Window(due=18.5, length=2)
    assert opening(Window(due=14, length=8), 15.5, POLICY) == Window(due=31.5, length=16)


def test_edits_every_nine_seconds_with_a_straggler_each_are_seen_soon() -> None:
    edits = [each * 9.0 for each in range(20)]
    dues = looks(sorted([*edits, *(edit + 2.5 for edit in edits)]))
    waits = [min(due for due in dues if due > edit) - edit for edit in edits]
    assert max(waits) == pytest.approx(2.0)


@given(gap=st.floats(0.01, 12.0), storm=st.floats(1.0, 10.0))
def test_hints_that_come_evenly_cause_at_most_three_looks_in_ten_seconds(gap: float, storm: float) -> None:
    hints = [each * gap for each in range(int(storm / gap) + 1)]
    assert len(looks(hints)) <= 3


def test_a_hint_joins_the_window_that_is_open() -> None:
    open_window = Window(due=10, length=4)
    assert opening(open_window, 9.9, POLICY) is open_window
    assert not is_quiet(open_window, 12, POLICY)
    assert is_quiet(open_window, 12.1, POLICY)


@given(st.lists(st.floats(0, 500), min_size=1).map(sorted))
def test_every_hint_is_answered_by_a_later_look_within_the_longest_window(hints: list[float]) -> None:
    window: Window | None = None
    for now in hints:
        window = opening(window, now, POLICY)
        assert now < window.due <= now + POLICY.last_window


@pytest.mark.parametrize(("after", "covered"), [(0.5, False), (1.0, False), (1.001, True), (60, True), (-5, False)])
def test_covered_only_by_a_read_that_began_more_than_a_second_later(after: float, covered: bool) -> None:
    assert is_covered(START, START + timedelta(seconds=after), POLICY) is covered


def test_nothing_read_nothing_covered() -> None:
    assert not is_covered(START, None, POLICY)


def test_a_first_window_that_no_read_could_answer_is_refused() -> None:
    """The look comes `first_window` after its hint; before `covered_after` it would be made again and again."""
    with pytest.raises(ValueError, match="first_window: must not be shorter than covered_after"):
        CoalescePolicy(first_window=0.5, covered_after=1.0)
    CoalescePolicy(first_window=1.0, covered_after=1.0)
