"""The harness: every address at which the suite runs. Another database is one more branch and one more param."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.adapters.ledger import Ledger, open_ledger

DURABLE = ["file"]


def _address(kind: str, directory: Path) -> str:
    match kind:
        case "file":
            return f"embedded:{directory / 'ledger.db'}"
        case "memory":
            return "embedded::memory:"
        case _:
            raise ValueError(kind)


@pytest.fixture(params=[*DURABLE, "memory"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return _address(request.param, tmp_path)


@pytest.fixture(params=DURABLE)
def shared_ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An address at which several handles and processes meet."""
    return _address(request.param, tmp_path)


@pytest.fixture
async def ledger(ledger_url: str) -> AsyncIterator[Ledger]:
    async with open_ledger(ledger_url) as opened:
        yield opened
