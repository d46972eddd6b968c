"""Which adapters the contract suites run over. A further adapter is one more param and one more harness."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.engine import BrokerHarness, EmbeddedBrokerHarness, EmbeddedStateHarness, StateHarness
from tests.support.ledger_tape import ledger_tape, real_migrations
from tests.support.rabbit import RabbitBrokerHarness
from tests.support.redis_state import RedisStateHarness

__all__ = ["ledger_tape", "real_migrations"]  # fixtures of all contract suites


def _broker(request: pytest.FixtureRequest, tmp_path: Path) -> EmbeddedBrokerHarness | RabbitBrokerHarness:
    if request.param == "rabbitmq":
        return RabbitBrokerHarness(request.getfixturevalue("rabbit_server"))
    return EmbeddedBrokerHarness(path=tmp_path / "broker.db" if request.param == "embedded-file" else None)


@pytest.fixture(params=["embedded-memory", "embedded-file", "rabbitmq"])
async def any_broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BrokerHarness]:
    harness = _broker(request, tmp_path)
    async with harness.stack:
        await harness.start()
        yield harness


@pytest.fixture(params=["embedded-file", "rabbitmq"])
async def shared_broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BrokerHarness]:
    """Only brokers that several processes share."""
    harness = _broker(request, tmp_path)
    async with harness.stack:
        await harness.start()
        yield harness


def _state_harness(request: pytest.FixtureRequest, tmp_path: Path) -> EmbeddedStateHarness | RedisStateHarness:
    if request.param == "redis":
        return RedisStateHarness(server=request.getfixturevalue("redis_server"))
    return EmbeddedStateHarness(path=tmp_path / "state.db" if request.param == "embedded-file" else None)


@pytest.fixture(params=["embedded-memory", "embedded-file", "redis"])
async def any_state(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[StateHarness]:
    harness = _state_harness(request, tmp_path)
    async with harness.stack:
        await harness.start()
        yield harness


@pytest.fixture(params=["embedded-file", "redis"])
async def shared_state(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[StateHarness]:
    """Only states that several processes share."""
    harness = _state_harness(request, tmp_path)
    async with harness.stack:
        await harness.start()
        yield harness
