"""The demo's figures: percentiles that are values which really occurred."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.cli.demo.summary import percentile


@pytest.mark.parametrize(
    ("values", "share", "wanted"),
    [
        ([], 0.5, 0.0),
        ([3.0], 0.0, 3.0),
        ([3.0], 1.0, 3.0),
        ([2.0, 1.0], 0.5, 1.0),
        ([1.0, 2.0, 3.0], 0.5, 2.0),
        ([4.0, 1.0, 3.0, 2.0], 0.75, 3.0),
        (range(1, 21), 0.95, 19.0),
        (range(1, 101), 0.99, 99.0),
        (range(1, 14), 0.95, 13.0),
        ([0.12345], 0.5, 0.12345),
    ],
)
def test_the_smallest_value_that_covers_the_share(values: Sequence[float], share: float, wanted: float) -> None:
    assert percentile(values, share) == wanted


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1),
    st.floats(min_value=0.0, max_value=1.0),
)
def test_it_occurred_and_at_least_the_share_is_no_larger(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9 * len(values)
    smaller = [value for value in values if value < found]
    assert len(smaller) <= share * len(values) + 1e-9 * len(values)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_the_whole_is_the_maximum_and_the_order_never_matters(values: list[float]) -> None:
    assert percentile(values, 1.0) == max(values)
    assert percentile(values, 0.5) == percentile(list(reversed(values)), 0.5)
