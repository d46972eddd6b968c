"""`entra-syncro status --watch`: the same page again and again, on a screen of its own, until Ctrl-C.

An outage of a store is a line above the last page, and looking goes on. Nothing is written.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable
from typing import NoReturn

from rich.console import Group, RenderableType
from rich.live import Live

from console import operations
from console.cli.explain import explain
from console.cli.output import sentence, stdout
from console.operations import OperatorPorts, Status
from console.operations.errors import wrong_use
from shared.domain.errors import SyncError

Page = Callable[[Status], Iterable[RenderableType]]


def require_terminal() -> None:
    """Raises wrong use where there is no screen to draw on."""
    if not sys.stdout.isatty():
        raise wrong_use("--watch needs a terminal. For a program: entra-syncro status --json")


async def redraw(ports: OperatorPorts, seconds: float, page: Page) -> NoReturn:
    """Until it is cancelled; the terminal is then as it was before."""
    parts: list[RenderableType] = []
    with Live(console=stdout(), screen=True, auto_refresh=False) as live:
        while True:
            trouble = ""
            try:
                parts = list(page(await operations.status(ports)))
            except SyncError as error:
                trouble = explain(error)
            head = f"{ports.clock.now():%Y-%m-%d %H:%M:%S} UTC, every {seconds:.0f} s; Ctrl-C ends the watching only."
            above = [head, *([trouble, "What stands below is of an earlier look."] if trouble else [])]
            live.update(Group(*map(sentence, above), *parts), refresh=True)
            await asyncio.sleep(seconds)
