"""The demo from curtain to curtain: open the stage, play the acts, show the figures, stay up if somebody watches.

Decides only the exit code. Next: `stage.py`.
"""

from __future__ import annotations

import asyncio
import json
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from console.cli.demo.acts import Performance
from console.cli.demo.afterwards import show_live
from console.cli.demo.stage import Engine, Stage, open_stage
from console.cli.demo.summary import show_summary
from console.cli.output import plain, say

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def perform(engine: Engine, *, stay: bool, json_file: Path | None) -> int:
    """Every act, unless a signal ends it early. 0 when Syncro holds what the plan said, else 1."""
    fallen = asyncio.Event()
    with _curtain(fallen), tempfile.TemporaryDirectory(prefix="entra-syncro-demo-") as scratch:
        async with open_stage(Path(scratch), engine) as stage:
            acts = asyncio.create_task(_play(stage, json_file), name="demo:acts")
            curtain = asyncio.create_task(fallen.wait(), name="demo:curtain")
            await asyncio.wait([acts, curtain], return_when=asyncio.FIRST_COMPLETED)
            if not acts.done():
                acts.cancel()
                await asyncio.wait([acts])
                say("Ended before the end.")
                return 1
            if stay and not acts.exception():
                await show_live(stage, fallen)
            curtain.cancel()
            return await acts


async def _play(stage: Stage, json_file: Path | None) -> int:
    performance = Performance(stage)
    await performance.preview_and_approve()
    await performance.change_people()
    await performance.poison()
    await performance.night()
    summary = await performance.summarise()
    show_summary(summary)
    await keep(json_file, summary.document())
    return 0 if summary.as_planned else 1


async def keep(file: Path | None, document: Mapping[str, object]) -> None:
    """Write the figures where a program wants to read them."""
    if file is None:
        return
    text = json.dumps(plain(document), indent=2) + "\n"
    await asyncio.to_thread(file.parent.mkdir, parents=True, exist_ok=True)
    await asyncio.to_thread(file.write_text, text, encoding="utf-8")


@contextmanager
def _curtain(fallen: asyncio.Event) -> Iterator[None]:
    """Ctrl-C, SIGTERM and a closed terminal all end the play in order: the temporary folder goes with it."""
    loop = asyncio.get_running_loop()
    for name in SIGNALS:
        loop.add_signal_handler(name, fallen.set)
    try:
        yield
    finally:
        for name in SIGNALS:
            loop.remove_signal_handler(name)
