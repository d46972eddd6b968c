"""Facts from reports: unknown after a day."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.domain.facts import Facts
from tests.support.clock import START


@pytest.mark.parametrize(("hours", "known"), [(0, True), (23.9, True), (24, True), (24.1, False), (1000, False)])
def test_age(hours: float, known: bool) -> None:
    facts = Facts(read_at=START, mfa_status="enabled")
    assert facts.known_at(START + timedelta(hours=hours)) == (facts if known else None)
