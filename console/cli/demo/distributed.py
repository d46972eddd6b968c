"""`make demo-distributed`: the demo's story on RabbitMQ, Redis and PostgreSQL, told by several processes.

Starts private servers, two receivers behind one address and two workers, each a process of its own; then plays the
same acts. One worker is killed (SIGKILL) in the middle of the changes. Exits 1 if anything is lost or wrong, or if
the work was not shared. Next: `crew.py`.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from console.cli.demo.acts import BETWEEN, Performance
from console.cli.demo.arrival import until
from console.cli.demo.crew import Crew, Member
from console.cli.demo.forwarder import Forwarder, forwarding
from console.cli.demo.play import keep
from console.cli.demo.stage import Engine, Stage, demo_settings, free_port, require_empty
from console.cli.demo.summary import Summary, show_summary
from console.cli.output import print_table, say
from console.cli.run import Role, operator_ports
from sandbox.servers import PostgresServer, RabbitServer, RedisServer, Server
from sandbox.world import World
from shared.runtime.logging import configure_logging
from shared.runtime.wiring import open_adapters

FAIR = 0.25  # of the users, at least, for each worker
FIRST, LAST = 4, 9  # numbers of the changes that happen at one moment: in all three tenants
# Seconds: by then their hints were accepted, and they gather for 2 s in whichever worker took them.
KILL_AFTER = FIRST * BETWEEN + 0.5
CARRIES_ON_WITHIN = 60.0  # seconds


@dataclass(slots=True)
class Scene:
    """What was seen of the processes. `carried_on`: seconds from the kill to the other worker's next look."""

    stage: Stage
    crew: Crew
    forwarder: Forwarder
    killed: Member | None = None
    shares: Sequence[tuple[str, int, float]] = ()  # worker, users, share of all users, at the moment of the kill
    carried_on: float | None = None

    @property
    def is_shared(self) -> bool:
        return bool(self.shares) and all(share >= FAIR for _, _, share in self.shares)

    async def kill(self, index: int) -> None:
        """SIGKILL one worker in the middle of the changes, then watch the other."""
        await asyncio.sleep(KILL_AFTER)
        victim, other = self.crew.workers[index], self.crew.workers[1 - index]
        self.shares = shares(self.crew.workers)
        self.killed, at = victim, time.monotonic()
        victim.child.send(signal.SIGKILL)
        say(f"          Six people have just changed; {victim.name} is killed (SIGKILL) before their changes arrived.")
        if await until(lambda: other.look_times[-1:] > [at], within=CARRIES_ON_WITHIN):
            self.carried_on = other.look_times[-1] - at
            say(f"          {other.name} carries on {self.carried_on:.2f} s after the kill.")

    def document(self, summary: Summary) -> dict[str, object]:
        return summary.document() | {
            "shares": {name: {"users": users, "share": round(share, 3)} for name, users, share in self.shares},
            "killed": self.killed.name if self.killed else None,
            "carried_on_after_s": None if self.carried_on is None else round(self.carried_on, 3),
            "connections": {f"receiver {i}": n for i, n in enumerate(self.served, 1)},
        }

    @property
    def served(self) -> list[int]:
        return [self.forwarder.served.get(port, 0) for port in self.forwarder.targets]


def moment(number: int) -> float:
    """When a change happens: one by one, but some of them at once."""
    together = LAST - FIRST
    return BETWEEN * (number if number < FIRST else max(FIRST, number - together))


def shares(workers: Sequence[Member]) -> list[tuple[str, int, float]]:
    """Each worker's users, and their share of all users that any worker looked at."""
    everybody = set[tuple[str, str]]().union(*(worker.users for worker in workers))
    return [(one.name, len(one.users), len(one.users) / len(everybody) if everybody else 0.0) for one in workers]


def demo_distributed(
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the summary to this file too.")
    ] = None,
    kill: Annotated[int, typer.Option(min=1, max=2, help="Which worker is killed: 1 or 2.")] = 1,
) -> None:
    """Show the whole route on private servers, with two receivers and two workers."""
    sys.exit(asyncio.run(perform(kill - 1, json_file)))


async def perform(victim: int, json_file: Path | None) -> int:
    """All acts in order. 0 when Syncro holds what the plan said, both workers worked and one carried on alone."""
    with tempfile.TemporaryDirectory(prefix="entra-syncro-demo-") as scratch:
        async with open_scene(Path(scratch)) as scene:
            performance = Performance(scene.stage)
            await performance.preview_and_approve()
            await performance.change_people(moment, meanwhile=lambda: scene.kill(victim))
            await performance.poison()
            await performance.night()
            summary = await performance.summarise()
            show_summary(summary)
            show_scene(scene)
            await keep(json_file, scene.document(summary))
    return 0 if summary.as_planned and scene.is_shared and scene.carried_on is not None else 1


@asynccontextmanager
async def open_scene(folder: Path) -> AsyncIterator[Scene]:
    """Servers, vendors, processes; all of them ended with the context."""
    async with AsyncExitStack() as stack:
        engine = await _private_servers(stack)
        world = await stack.enter_async_context(World.open(folder / "sandbox"))
        receivers = [free_port(), free_port()]
        forwarder = await stack.enter_async_context(forwarding(receivers))
        settings = demo_settings(world, folder / "data", engine)
        configure_logging(settings.log, quiet=True, secrets=settings.secret_values())
        adapters = await stack.enter_async_context(open_adapters(settings))
        stage = Stage(world, settings, operator_ports(settings, adapters))
        await require_empty(stage.ports)
        crew = Crew(settings, folder, stage.looks)
        stack.push_async_callback(asyncio.to_thread, crew.end)
        await _start(crew, receivers, f"http://127.0.0.1:{forwarder.port}")
        listening = asyncio.create_task(crew.listen(), name="demo:listen")
        stack.callback(listening.cancel)
        yield Scene(stage, crew, forwarder)


async def _private_servers(stack: AsyncExitStack) -> Engine:
    say("Starting a private RabbitMQ, Redis and PostgreSQL.")
    rabbit, redis, postgres = RabbitServer(), RedisServer(), PostgresServer()
    servers: tuple[Server, ...] = (rabbit, redis, postgres)
    for server in servers:
        stack.push_async_callback(asyncio.to_thread, server.close)
    async with asyncio.TaskGroup() as group:
        for server in servers:
            group.create_task(asyncio.to_thread(server.start), name=f"demo:start:{server.name}")
    return Engine(rabbit.url, redis.url, postgres.url)


async def _start(crew: Crew, receivers: Sequence[int], public_url: str) -> None:
    say("Starting two receivers behind one address, and two workers: four processes.\n")
    for number, port in enumerate(receivers, 1):
        addresses = {"ENTRA_SYNCRO_RECEIVER__PORT": str(port), "ENTRA_SYNCRO_RECEIVER__PUBLIC_URL": public_url}
        crew.start(f"receiver {number}", Role.RECEIVER, free_port(), **addresses)
    for number in (1, 2):
        crew.start(f"worker {number}", Role.WORKER, free_port())
    await crew.until_ready()


def show_scene(scene: Scene) -> None:
    rows = [(name, users, f"{share:.0%}") for name, users, share in scene.shares]
    print_table(
        "Users looked at before the kill, some of them by both", ["process", "users", "share of all"], rows, empty=""
    )
    first, second = scene.served
    say(f"Connections from Microsoft: {first} to receiver 1, {second} to receiver 2.")
    if not scene.is_shared:
        say(f"WRONG: each worker should have had at least {FAIR:.0%} of the users.")
    if scene.carried_on is None:
        say("WRONG: the other worker did not carry on.")
    elif scene.killed is not None:
        say(f"{scene.killed.name} was killed in the middle; the other carried on after {scene.carried_on:.2f} s.")


if __name__ == "__main__":
    typer.run(demo_distributed)
