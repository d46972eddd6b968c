"""`entra-syncro demo --once --json FILE`: the whole route in one command, and its figures as the issue demands them."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import Tell
from tests.support.processes import run_command

pytestmark = pytest.mark.e2e

SHAPE = {
    "in_scope": int,
    "equal_to_plan": int,
    "conflicts": int,
    "dead_letters": int,
    "live": {"changes": int, "latency_p50_s": float, "latency_p95_s": float},
    "syncro": {
        "calls": int,
        "writes": int,
        "creations": int,
        "max_calls_in_60s": int,
        "writes_per_change": float,
        "calls_per_change": float,
    },
    "refused": {"failed": int, "tried_again": int, "synced": int},
    "nightly": {"planned": int, "writes_first": int, "writes_second": int, "held": int},
}


def shape_of(value: object) -> object:
    return {name: shape_of(inner) for name, inner in value.items()} if isinstance(value, dict) else type(value)


def test_the_demo_keeps_every_promise_within_two_minutes(tmp_path: Path, tell: Tell) -> None:
    file = tmp_path / "summary" / "demo.json"
    began = time.monotonic()
    done = run_command(["demo", "--once", "--json", str(file)], tmp_path, timeout=150)
    took = time.monotonic() - began
    assert done.code == 0, done.out[-2000:] + done.err[-2000:]
    summary = json.loads(file.read_text("utf-8"))
    tell(f"demo: {took:.0f} s, {summary}")
    assert shape_of(summary) == SHAPE
    live, syncro = summary["live"], summary["syncro"]
    assert summary["equal_to_plan"] == summary["in_scope"] >= 20
    assert summary["conflicts"] > 0
    assert summary["dead_letters"] == 0
    assert live["changes"] >= 7
    assert 0 < live["latency_p50_s"] <= live["latency_p95_s"] < 5
    assert syncro["writes_per_change"] == 1.0
    assert 1.0 < syncro["calls_per_change"] <= 2.0
    assert 0 < syncro["max_calls_in_60s"] <= 175
    assert 0 < syncro["creations"] < syncro["writes"] < syncro["calls"]
    assert summary["refused"] == {"failed": 1, "tried_again": 1, "synced": 1}
    nightly = summary["nightly"]
    assert nightly["planned"] == 35, "every living user of the three tenants"
    assert 0 < nightly["writes_first"] < nightly["planned"]
    assert nightly["writes_second"] == 0
    assert nightly["held"] == 4
    assert took < 120
