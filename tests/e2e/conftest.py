"""Figures that a run measured are shown at its end, also when the tests ran in other processes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Tell = Callable[[str], None]
_FIGURE = "figure"


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Tell:
    """Say one line about what was measured."""
    return lambda line: record_property(_FIGURE, line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = [
        str(value)
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, ())
        for name, value in getattr(report, "user_properties", ())
        if name == _FIGURE
    ]
    if lines:
        terminalreporter.section("measured end to end")
        for line in lines:
            terminalreporter.write_line(line)
