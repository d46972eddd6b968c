"""The benches run, print their figures, judge the promises, and end with the code that the judgement asks for."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

from tests.bench.figures import Figure, document

NAMES = {
    "planner_per_s",
    "broker_single_per_s",
    "broker_grouped_per_s",
    "receiver_posts_per_s",
    "receiver_p50_ms",
    "receiver_p99_ms",
    "receiver_refused",
    "receiver_notifications_per_s",
    "live_p50_s",
    "live_p95_s",
    "calls_per_change",
    "writes_per_change",
}


async def test_a_quick_run_measures_everything_and_judges_it(tmp_path: Path) -> None:
    unwanted = {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"}
    out = tmp_path / "deeper" / "bench.json"
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "tests.bench", "--quick", "--out", str(out)],
        cwd=Path(__file__).parents[3],
        env={name: value for name, value in os.environ.items() if name not in unwanted},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert out.exists(), done.stderr
    written = json.loads(out.read_text())
    figures = written["figures"]
    assert figures.keys() >= NAMES
    assert all(figures[name]["value"] > 0 for name in NAMES - {"receiver_refused"})
    p99 = figures["receiver_p99_ms"]
    assert p99["at_most"] == 100
    assert p99["kept"] is (p99["value"] <= 100)
    assert figures["live_p95_s"]["at_most"] == 5
    assert written["kept"] is all(figure["kept"] for figure in figures.values())
    assert done.returncode == (0 if written["kept"] else 1)
    assert "answered within, 99 %" in done.stdout


def test_one_broken_promise_breaks_the_whole() -> None:
    good, bad = Figure("a", "", 1, "ms", 1), Figure("b", "", 1.1, "ms", 1)
    assert document([good], quick=True)["kept"] is True
    assert document([good, bad, Figure("c", "", 99, "ms")], quick=False)["kept"] is False
