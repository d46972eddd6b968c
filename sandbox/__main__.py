"""`python -m sandbox [--json]`: the sandbox alone, without the rest of the project.

Next: `sandbox/world.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from sandbox.seeds import SCENARIOS
from sandbox.world import Ports, run_sandbox


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="sandbox", description="Simulated Microsoft and Syncro on loopback.")
    parser.add_argument("--json", action="store_true", help="print one line of JSON instead of a table")
    parser.add_argument("--data-dir", type=Path, help="folder for the throw-away certificates (default: temporary)")
    parser.add_argument("--scenario", choices=sorted(SCENARIOS), default="default")
    for name in ("login", "graph", "syncro", "control", "partner"):
        parser.add_argument(f"--{name}-port", type=int, default=0, help="default: a free one")
    given = parser.parse_args(arguments)
    ports = Ports(given.login_port, given.graph_port, given.syncro_port, given.control_port, given.partner_port)
    return asyncio.run(run_sandbox(given.data_dir, given.json, given.scenario, ports))


if __name__ == "__main__":
    sys.exit(main())
