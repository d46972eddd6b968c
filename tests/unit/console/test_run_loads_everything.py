"""A package that is replaced under a running service must not reach into it: nothing of ours is loaded later."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.cli.run import LATE

ROOT = Path(__file__).parents[3]
# Loaded by the opening of the adapters, where the settings name such a server, or for reading the settings themselves.
WHEN_OPENED = {
    "shared.adapters.brokers.rabbitmq",
    "shared.adapters.ledger.postgres",
    "shared.adapters.state.redis",
    "shared.domain.mapping",
}


def late(path: Path) -> Iterator[str]:
    """Our own modules that functions of this file import when they are called."""
    for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for each in ast.walk(function):
                if isinstance(each, ast.ImportFrom) and (each.module or "").startswith(("shared.", "worker.")):
                    yield each.module or ""


@pytest.mark.parametrize("room", ["shared", "worker", "receiver"])
def test_what_a_service_would_load_late_is_loaded_before_it_starts(room: str) -> None:
    found = {name for path in (ROOT / room).rglob("*.py") for name in late(path)}
    assert found <= {*LATE, *WHEN_OPENED}
