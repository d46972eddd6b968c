"""Facts from reports: unknown after a day, and once newer ones were applied."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.domain.facts import Facts
from tests.support.clock import START

FACTS = Facts(read_at=START, mfa_status="enabled")


@pytest.mark.parametrize(("hours", "known"), [(0, True), (23.9, True), (24, True), (24.1, False), (1000, False)])
def test_age(hours: float, known: bool) -> None:
    assert FACTS.known_at(START + timedelta(hours=hours)) == (FACTS if known else None)


@pytest.mark.parametrize(
    ("applied_after", "known"),
    [
        (None, True),  # nothing was written yet
        (-3600, True),  # last night's
        (0, True),  # these very ones: a second look finds everything in step
        (0.001, False),
        (3600, False),
    ],
)
def test_older_than_those_applied_last_is_unknown(applied_after: float | None, known: bool) -> None:
    applied = None if applied_after is None else START + timedelta(seconds=applied_after)
    assert FACTS.known_at(START + timedelta(hours=2), applied) == (FACTS if known else None)


def test_too_old_is_unknown_whatever_was_applied() -> None:
    assert FACTS.known_at(START + timedelta(hours=25), START - timedelta(hours=1)) is None
