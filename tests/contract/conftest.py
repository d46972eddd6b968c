"""Which adapters the contract suites run over. A further adapter is one more param and one more harness."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.engine import BrokerHarness, EmbeddedBrokerHarness, EmbeddedStateHarness, StateHarness


@pytest.fixture(params=["embedded-memory", "embedded-file"])
async def any_broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BrokerHarness]:
    path = tmp_path / "broker.db" if request.param == "embedded-file" else None
    harness = EmbeddedBrokerHarness(path=path)
    async with harness.stack:
        await harness.start()
        yield harness


@pytest.fixture(params=["embedded-file"])
async def shared_broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BrokerHarness]:
    """Only brokers that several processes share."""
    assert request.param == "embedded-file"
    harness = EmbeddedBrokerHarness(path=tmp_path / "broker.db")
    async with harness.stack:
        await harness.start()
        yield harness


@pytest.fixture(params=["embedded-memory", "embedded-file"])
async def any_state(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[StateHarness]:
    path = tmp_path / "state.db" if request.param == "embedded-file" else None
    harness = EmbeddedStateHarness(path=path)
    async with harness.stack:
        await harness.start()
        yield harness


@pytest.fixture(params=["embedded-file"])
async def shared_state(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[StateHarness]:
    """Only states that several processes share."""
    assert request.param == "embedded-file"
    harness = EmbeddedStateHarness(path=tmp_path / "state.db")
    async with harness.stack:
        await harness.start()
        yield harness
