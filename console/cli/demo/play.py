"""The demo from curtain to curtain: open the stage, play the acts, show the figures, stay up if somebody watches.

Decides only the exit code. Next: `stage.py`.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path

from console.cli.demo.acts import Performance
from console.cli.demo.stage import open_stage
from console.cli.demo.summary import Summary, show_summary
from console.cli.output import plain, say


async def perform(*, stay: bool, json_file: Path | None) -> int:
    """All acts in order. 0 when Syncro holds what the plan said, else 1."""
    with tempfile.TemporaryDirectory(prefix="entra-syncro-demo-") as scratch:
        async with open_stage(Path(scratch)) as stage:
            performance = Performance(stage)
            await performance.preview_and_approve()
            await performance.change_people()
            summary = await performance.summarise()
            show_summary(summary)
            await _keep(json_file, summary)
            if stay:
                await _stay(stage.addresses)
    return 0 if summary.as_planned else 1


async def _keep(file: Path | None, summary: Summary) -> None:
    if file is None:
        return
    text = json.dumps(plain(summary.document()), indent=2) + "\n"
    await asyncio.to_thread(file.parent.mkdir, parents=True, exist_ok=True)
    await asyncio.to_thread(file.write_text, text, encoding="utf-8")


async def _stay(addresses: dict[str, str]) -> None:
    say("\nEverything stays up; change people through the simulated Graph and watch. Ctrl-C ends it.")
    for name, address in addresses.items():
        say(f"  {name:<10} {address}")
    await asyncio.Event().wait()
