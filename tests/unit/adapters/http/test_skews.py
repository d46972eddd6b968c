"""How far our clock is off, from the Date of an answer."""

from __future__ import annotations

import pytest

from shared.adapters.skews import ClockSkews

DATED = 1_800_000_000.0
DATE = "Fri, 15 Jan 2027 08:00:00 GMT"


def clock(at: float) -> ClockSkews:
    return ClockSkews(wall=lambda: at)


@pytest.mark.parametrize(
    ("ours", "took", "skew"),
    [
        (DATED + 0.5, 0.0, 0.0),
        (DATED + 600.5, 0.0, 600.0),
        (DATED - 599.5, 0.0, -600.0),
        (DATED + 2.5, 4.0, 0.0),  # dated in the middle of a slow exchange
    ],
)
def test_ahead_is_positive_and_half_of_the_way_is_taken_off(ours: float, took: float, skew: float) -> None:
    skews = clock(ours)
    skews.told("graph", {"date": DATE}, took)
    assert skews.skews() == {"graph": pytest.approx(skew)}


def test_the_newest_of_each_service_wins() -> None:
    times = iter([DATED + 10.5, DATED + 20.5, DATED + 30.5])
    skews = ClockSkews(wall=lambda: next(times))
    for service in ("graph", "syncro", "graph"):
        skews.told(service, {"date": DATE}, 0.0)
    assert skews.skews() == {"graph": pytest.approx(30), "syncro": pytest.approx(20)}


@pytest.mark.parametrize(
    "headers", [{}, {"date": ""}, {"date": "soon"}, {"date": "Fri, 99 Jan 2027"}, {"date": DATE, "age": "120"}]
)
def test_an_answer_that_tells_no_time_changes_nothing(headers: dict[str, str]) -> None:
    skews = clock(DATED)
    skews.told("graph", headers, 0.0)
    assert skews.skews() == {}


def test_what_is_given_out_is_a_copy() -> None:
    skews = clock(DATED)
    skews.told("graph", {"date": DATE}, 0.0)
    assert skews.skews() is not skews.skews()
