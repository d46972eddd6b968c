"""`python -m tests.bench` (`make bench`): figures on this machine, a table and `build/bench.json`.

Exits 1 when a figure breaks a promise of the design. `--quick` is the same in about a minute, to see that everything
runs; its figures mean little. Loopback only; every load is bounded in time. `python -m tests.bench month` is another
bench: thirty days of 200 tenants in virtual time. Next: `door.py`, `engine.py`, `route.py`, `night.py`, `busy.py`,
`month.py`.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import structlog
import uvloop

from console.cli.output import print_table, say
from tests.bench import busy, door, engine, figures, month, night, route
from tests.bench.figures import Figure


async def measure(folder: Path, *, quick: bool) -> list[Figure]:
    """Everything, one after another: nothing measured disturbs what is measured next."""
    short = 0.3 if quick else 3.0
    return [
        *engine.measure_planner(seconds=short),
        *await engine.measure_broker(folder, seconds=short),
        *await door.measure(folder, steady=1.0 if quick else 10.0, full=0.5 if quick else 5.0),
        *await _route(folder / "route", quick=quick),
        *await _night(folder / "night", quick=quick),
        *await _busy(folder / "busy", quick=quick),
    ]


async def _route(folder: Path, *, quick: bool) -> list[Figure]:
    if quick:
        return await route.measure(folder, customers=1, changes=2, apart=0.1, paced=False)
    return await route.measure(folder, customers=3, changes=20, apart=1.5, paced=True)


async def _night(folder: Path, *, quick: bool) -> list[Figure]:
    if quick:
        return await night.measure(folder, sizes=(10,), crowd=100)
    return await night.measure(folder, sizes=(10, 1_000, 100_000), crowd=10_000)


async def _busy(folder: Path, *, quick: bool) -> list[Figure]:
    if quick:
        return await busy.measure(folder, contacts=20, changes=2, apart=0.2, paced=False)
    return await busy.measure(folder, contacts=2_000, changes=45, apart=4.0, paced=True)


def measure_month(*, quick: bool) -> list[Figure]:
    # A month logs some 800,000 lines, which nobody reads and which would take most of the time.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    return month.measure(month.Plan(days=1.0, tenants=50) if quick else month.Plan())


def show(measured: Sequence[Figure]) -> None:
    rows = [
        (
            figure.what,
            f"{figure.value:,.0f}" if figure.value >= 1000 else f"{figure.value:.2f}",
            figure.unit,
            "" if figure.at_most is None else f"at most {figure.at_most:g}",
            "" if figure.at_most is None else ("kept" if figure.kept else "BROKEN"),
        )
        for figure in measured
    ]
    print_table("Bench", ["what", "figure", "unit", "promise", ""], rows, empty="")


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m tests.bench", description="Figures on this machine.")
    options.add_argument("what", nargs="?", choices=["all", "month"], default="all", help="all: everything but month")
    options.add_argument("--quick", action="store_true", help="a minute instead of a quarter of an hour")
    options.add_argument(
        "--out", type=Path, help="where the figures go (JSON); else build/bench.json or build/month.json"
    )
    chosen = options.parse_args()
    out: Path = chosen.out or Path("build", "month.json" if chosen.what == "month" else "bench.json")
    if chosen.what == "month":
        measured = measure_month(quick=chosen.quick)
    else:
        with tempfile.TemporaryDirectory(prefix="entra-syncro-bench-") as scratch:
            measured = uvloop.run(measure(Path(scratch), quick=chosen.quick))
    show(measured)
    figures.write(out, measured, quick=chosen.quick)
    broken = [figure.name for figure in measured if not figure.kept]
    say(f"Written to {out}. " + (f"Broken: {', '.join(broken)}." if broken else "Every promise is kept."))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
