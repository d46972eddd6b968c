"""What holds for every test: private servers on demand, patient property tests, and what only `make chaos` runs.

Contract suites over real RabbitMQ, Redis and PostgreSQL belong to every run. What kills, freezes, cuts or fills those
servers, and the stories told by many processes, take minutes and a quiet machine: they carry the mark `chaos`. One
kill, cut or flush per server is in every run all the same: those carry the mark `every_run`.
"""

from __future__ import annotations

import gc
import os
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.support.servers"]

# A busy machine is no finding; what is one prints how to repeat it.
settings.register_profile("ours", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ours")

os.environ.pop("COLUMNS", None)  # test runners set it for their workers; a test that means a width says which

HERE = Path(__file__).parent
CHAOS = (
    "integration/bench",
    "integration/engines",
    "integration/postgresql",
    "integration/rabbitmq",
    "integration/redis",
    "integration/servers",
    "integration/receiver/test_door_on_rabbitmq.py",
    "e2e/test_demo_distributed.py",
)


@pytest.hookimpl(tryfirst=True)  # before marks are chosen from
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if is_chaos(item.path) and item.get_closest_marker("every_run") is None:
            item.add_marker("chaos")


@cache
def is_chaos(file: Path) -> bool:
    return any(file.is_relative_to(HERE / part) for part in CHAOS)


def pytest_collection_finish() -> None:
    """What is loaded now stays: looking through all of it again and again was a tenth of the whole run."""
    gc.collect()
    gc.freeze()
