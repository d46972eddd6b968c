"""What every command starts with: the settings, and the operations wired to them.

Commands are plain functions that call `operate`; errors become a sentence and an exit code in `console/cli/__init__`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import typer

from console.cli.opening import open_operator_ports
from console.operations import OperatorPorts
from console.operations.actor import actor
from shared.runtime.logging import configure_logging
from shared.runtime.settings import Settings, load_settings

Result = TypeVar("Result")
_SETTINGS = "console.cli.context:settings"


def settings_of(context: typer.Context) -> Settings:
    """Read once per command; `--config` names the file, else `entra-syncro.toml` in the working folder."""
    if _SETTINGS not in context.meta:  # shared by the command and whatever stands before it
        config = context.find_root().params.get("config")
        context.meta[_SETTINGS] = load_settings(Path(config) if config else None)
    settings: Settings = context.meta[_SETTINGS]
    return settings


def acting(context: typer.Context) -> str:
    """Who gives this command: the setting operator.name, else the user of this machine."""
    return actor(settings_of(context).operator.name)


def operate(
    context: typer.Context, action: Callable[[OperatorPorts], Awaitable[Result]], *, lazy: bool = False
) -> Result:
    """Run one operation and close everything again. `lazy`: also while a store is away, for the one who looks why."""
    settings = settings_of(context)
    configure_logging(settings.log, quiet=True)

    async def go() -> Result:
        async with open_operator_ports(settings, lazy=lazy) as ports:
            return await action(ports)

    return asyncio.run(go())
