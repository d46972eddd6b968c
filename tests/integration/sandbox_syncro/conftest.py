"""One simulated Syncro per test on a free port, with clocks that a test may move, and a small client."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.integration.sandbox_syncro.desk import Desk, open_desk


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with open_desk() as opened:
        yield opened
