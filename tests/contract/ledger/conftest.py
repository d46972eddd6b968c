"""The harness: every address at which the suite runs. Another database is one more branch and one more param."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.servers import PostgresServer
from shared.adapters.ledger import Ledger, open_ledger

DURABLE = ["file", "postgresql"]


def _address(request: pytest.FixtureRequest, directory: Path) -> str:
    kind: str = request.param
    match kind:
        case "file":
            return f"embedded:{directory / 'ledger.db'}"
        case "memory":
            return "embedded::memory:"
        case "postgresql":
            server: PostgresServer = request.getfixturevalue("postgres_server")
            return server.fresh_url()
        case _:
            raise ValueError(kind)


@pytest.fixture(params=[*DURABLE, "memory"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return _address(request, tmp_path)


@pytest.fixture(params=DURABLE)
def shared_ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An address at which several handles and processes meet."""
    return _address(request, tmp_path)


@pytest.fixture
async def ledger(ledger_url: str) -> AsyncIterator[Ledger]:
    async with open_ledger(ledger_url) as opened:
        yield opened
