"""`entra-syncro demo`: the whole route on this machine, against simulated vendors, in under two minutes.

Starts the sandbox and every service in one process with an empty data folder, shows and approves the plan of three
customers, runs the first sync, changes people in the directory and times each change into its contact. Exits 1 if
what Syncro holds is not what the plan said. Next: `play.py`, then `stage.py`, `acts.py`, `people.py`, `summary.py`.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer


def demo(
    once: Annotated[bool, typer.Option("--once", help="End after the summary, also on a terminal.")] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the summary to this file too.")
    ] = None,
    broker: Annotated[str, typer.Option(help="An empty broker to use (amqp://...); else a file.")] = "",
    state: Annotated[str, typer.Option(help="A state to use (redis://...); else a file.")] = "",
    ledger: Annotated[str, typer.Option(help="An empty database to use (postgresql://...); else a file.")] = "",
) -> None:
    """Show the whole route against simulated vendors. Needs no settings and no server.

    Example: entra-syncro demo --once
    """
    # Imported when asked for: no other command should wait for the simulated vendors to load.
    from console.cli.demo.play import perform
    from console.cli.demo.stage import Engine

    engine = Engine(broker, state, ledger)
    sys.exit(asyncio.run(perform(engine, stay=sys.stdout.isatty() and not once, json_file=json_file)))
