"""`entra-syncro sandbox`: a simulated Microsoft and a simulated Syncro for tests of your own, alone and in memory."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from console.cli.output import Json
from console.operations.errors import wrong_use


def sandbox(
    data_dir: Annotated[Path | None, typer.Option(help="Where the throw-away certificate is written.")] = None,
    scenario: Annotated[str, typer.Option(help="What is in it: default, msp (140 customers) or empty.")] = "default",
    login_port: Annotated[int, typer.Option(help="Port of the simulated sign-in; 0 takes a free one.")] = 0,
    graph_port: Annotated[int, typer.Option(help="Port of the simulated Graph; 0 takes a free one.")] = 0,
    syncro_port: Annotated[int, typer.Option(help="Port of the simulated Syncro; 0 takes a free one.")] = 0,
    control_port: Annotated[int, typer.Option(help="Port of the control API; 0 takes a free one.")] = 0,
    partner_port: Annotated[int, typer.Option(help="Port of the simulated Partner Center; 0 takes a free one.")] = 0,
    as_json: Json = False,
) -> None:
    """Start simulated vendors and stay up until Ctrl-C. Needs no settings.

    Example: entra-syncro sandbox
    """
    # Imported when asked for: no other command should wait for the simulated vendors to load.
    from sandbox.seeds import SCENARIOS
    from sandbox.world import Ports, run_sandbox

    if scenario not in SCENARIOS:
        raise wrong_use(f"There is no scenario {scenario}. Known: {', '.join(SCENARIOS)}.")
    ports = Ports(login_port, graph_port, syncro_port, control_port, partner_port)
    sys.exit(asyncio.run(run_sandbox(data_dir, as_json, scenario, ports)))
