"""A desk for a test to sit at: the operations' ports on fakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.desk import Desk


@pytest.fixture
async def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)
