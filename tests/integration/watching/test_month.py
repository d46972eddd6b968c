"""Thirty days of 200 tenants: every subscription alive at every moment, every limit kept, whatever happens."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import structlog

from receiver import registrar, tenants
from receiver.notes import Notes
from receiver.subscriptions import SubscriptionKeeper
from tests.bench.figures import Figure
from tests.bench.month import Plan, measure
from tests.support.strict_graph import Weather

# Tokens that live for a day instead of an hour: a month of challenges every hour would be half of the time.
CALM = Weather(token=(72_000.0, 90_000.0))
WHOLE = Plan(looks=300.0, challenge_every=1800.0, with_polls=False, weather=CALM)
SMALL = replace(WHOLE, tenants=12, lost=6, weather=replace(CALM, bursts=6))


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """A month logs more than anybody reads."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)


def figures(plan: Plan) -> dict[str, Figure]:
    return {figure.name: figure for figure in measure(plan)}


def broken(plan: Plan) -> set[str]:
    return {name for name, figure in figures(plan).items() if not figure.kept}


def test_a_month_of_200_tenants() -> None:
    month = figures(WHOLE)
    assert {name for name, figure in month.items() if not figure.kept} == set()
    # It was a month worth the name: every tenant checked hourly, renewed, rotated, taken over after a wiped memory.
    assert month["month_calls_get"].value > 200 * 24 * 25
    assert month["month_calls_renew"].value > 200 * 25
    assert month["month_calls_create"].value > 200 * 4
    assert month["month_calls_list"].value >= 200
    assert month["month_lost_s"].value > 0


def test_a_day_with_delta_polls_and_tokens_of_an_hour() -> None:
    day = figures(Plan(tenants=40, days=1.0, lost=3, with_polls=True))
    assert {name for name, figure in day.items() if not figure.kept} == set()
    assert day["month_calls_delta"].value > 40 * 24 * 5
    assert day["month_calls_renew"].value > 40 * 15


async def _never(*_: Any, **__: Any) -> float:
    return 600.0


async def _forgotten(*_: Any, **__: Any) -> None:
    return None


@pytest.mark.chaos
def test_builds_that_are_broken_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert broken(SMALL) == set()
    with monkeypatch.context() as never_renewed:
        never_renewed.setattr(SubscriptionKeeper, "_pause_left", _never)
        assert {"month_dark_s", "month_mute_s"} <= broken(SMALL)
    with monkeypatch.context() as renewed_at_every_challenge:
        renewed_at_every_challenge.setattr(Notes, "since_renewal", _forgotten)
        often = replace(SMALL, days=2.0, challenge_every=300.0)
        assert "month_hasty" in broken(replace(often, weather=replace(CALM, token=(2000.0, 2400.0), lost_answer=0.3)))
    with monkeypatch.context() as checked_daily:
        checked_daily.setattr(tenants, "CHECK_EVERY", 86_400.0)
        assert "month_lost_s" in broken(replace(SMALL, days=6.0))
    with monkeypatch.context() as all_at_once:
        all_at_once.setattr(registrar, "SWEEP_PAUSE", 0.0)
        all_at_once.setattr(registrar, "SWEEPS", 1000)
        crowd = Plan(tenants=200, days=0.02, lost=0, looks=60.0, with_polls=False, weather=replace(CALM, bursts=0))
        assert "month_over_limit" in broken(crowd)
