"""The stage of the demo: simulated vendors and all our services in one process, on free ports, in an empty folder.

The same wiring as `run all`; only the addresses differ, and the pace stands at its ceiling. Servers that are given
must be empty: the demo approves plans, and would take a deployment's work for its own. Next: `acts.py`.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from console.cli.run import LookReport, operator_ports, supervisor
from console.operations import OperationError, OperatorPorts
from sandbox.world import World
from shared.runtime.logging import configure_logging
from shared.runtime.settings import PACE_CEILING, Settings, load_settings
from shared.runtime.supervisor import Supervisor
from shared.runtime.wiring import open_adapters

DRAIN = 10.0  # seconds for the services to end
IN_USE = (
    "The {what} given to the demo is in use, and the demo would mix with what is there. Give it an empty one "
    "(a new database, a new virtual host), or leave the option out."
)


@dataclass(frozen=True, slots=True)
class Engine:
    """Addresses of the broker, the state and the ledger; "" stands for a file in the demo's own folder."""

    broker: str = ""
    state: str = ""
    ledger: str = ""

    def sections(self) -> dict[str, Any]:
        """As `load_settings` wants them."""
        given = {"broker": self.broker, "state": self.state, "ledger": self.ledger}
        return {name: {"url": url} for name, url in given.items() if url}


@dataclass(slots=True)
class Stage:
    """What the acts play on. `looks` grows by one report per look at a user."""

    world: World
    settings: Settings
    ports: OperatorPorts
    looks: list[LookReport] = field(default_factory=list)


@asynccontextmanager
async def open_stage(
    folder: Path, engine: Engine | None = None, *, pace_per_minute: int = PACE_CEILING
) -> AsyncIterator[Stage]:
    """`pace_per_minute`: calls to Syncro; above the ceiling the simulated Syncro must not count them."""
    async with World.open(folder / "sandbox") as world:
        settings = demo_settings(world, folder / "data", engine or Engine(), pace_per_minute)
        configure_logging(settings.log, quiet=True, secrets=settings.secret_values())
        async with open_adapters(settings) as adapters:
            stage = Stage(world, settings, operator_ports(settings, adapters))
            await require_empty(stage.ports)
            async with _running(supervisor(settings, adapters, on_look=stage.looks.append)):
                yield stage


async def require_empty(ports: OperatorPorts) -> None:
    """Raises OperationError when somebody's work or decisions are there already."""
    if await ports.connections.list():
        raise OperationError(IN_USE.format(what="ledger"), exit_code=2)
    if any((await ports.depths.depths()).values()):
        raise OperationError(IN_USE.format(what="broker"), exit_code=2)


# What a settings file in the working folder may say of a real app registration: no word of it is for the sandbox.
NOTHING_ELSE = {
    "cloud": "global",
    "scope": "",
    "certificate_file": None,
    "assertion_file": None,
    "managed_identity": "",
}


def demo_settings(world: World, data_dir: Path, engine: Engine, pace_per_minute: int = PACE_CEILING) -> Settings:
    """The settings a deployment would have, pointed at the sandbox."""
    info = world.info()
    receiver_port, private_port = free_port(), free_port()
    return load_settings(
        data_dir=data_dir,
        graph={"base_url": info["graph"], "app_id": info["app_id"], "app_secret": info["app_secret"], **NOTHING_ELSE},
        login={"base_url": info["login"], "ca_file": info["ca_file"]},
        syncro={
            "subdomain": "sandbox",
            "base_url": info["syncro"],
            "api_token": info["syncro_token"],
            "pace_per_minute": pace_per_minute,
        },
        receiver={
            "host": "127.0.0.1",
            "port": receiver_port,
            "public_url": _address(receiver_port),
            "secrets": {"k1": secrets.token_hex(16)},
            "interval": 0.5,
        },
        private={"port": private_port},
        log={"format": "console"},
        **engine.sections(),
    )


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


def _address(port: int) -> str:
    return f"http://127.0.0.1:{port}"


@asynccontextmanager
async def _running(services: Supervisor) -> AsyncIterator[None]:
    """The services as a task; if they end early, the demo ends too."""
    task = asyncio.create_task(services.run(signals=False), name="demo:services")
    body = asyncio.current_task()
    if body is not None:
        task.add_done_callback(lambda _: body.cancel() if not stopping else None)
    stopping: list[bool] = []
    try:
        yield
    finally:
        stopping.append(True)
        services.stop()
        await asyncio.wait([task], timeout=DRAIN)
