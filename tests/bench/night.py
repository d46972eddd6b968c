"""What a full sync asks of Graph and of this machine: requests, seconds and memory for 10 to 100,000 users.

The simulated vendors run here without limits, what is measured in a process of its own (`nightly_child.py`); requests
are those that the vendors received. Next: `tests/bench/busy.py`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sandbox.crowd import Crowd, found
from sandbox.world import World
from tests.bench.figures import Figure
from tests.support.processes import clean_environment, free_port, product_environment

ROOT = Path(__file__).parents[2]
PATIENCE = 1_800.0  # seconds for one job
UNLIMITED = 6_000_000  # calls a minute
DIFFERING = 50  # one user in so many differs
# Users -> requests of the call plan, with Entra ID P1 and without.
PLAN = {10: (3, 4), 1_000: (5, 5), 100_000: (302, 104)}
SETTINGS = {
    "ENTRA_SYNCRO_SYNCRO__PACE_PER_MINUTE": str(UNLIMITED),
    "ENTRA_SYNCRO_SYNCRO__BACKFILL_PER_MINUTE": str(UNLIMITED),
    "ENTRA_SYNCRO_SYNCRO__BURST": "1000",
    "ENTRA_SYNCRO_RECEIVER__SECRETS__K1": "b" * 32,
    "ENTRA_SYNCRO_NIGHTLY__QUEUE_BELOW": "1000000",
}
CALM = {"delivery": False, "throttling": False, "replication_lag_s": 0.0, "page_token_life_s": 3_600.0}


async def measure(folder: Path, *, sizes: Sequence[int], crowd: int) -> list[Figure]:
    """`sizes`: tenants to read, of both kinds. `crowd`: users of the customer that has whole full passes."""
    measured: list[Figure] = []
    for users in sizes:
        for premium in (True, False):
            measured += await _reading(folder / f"{users}-{premium}", users, premium=premium)
    return [*measured, *await _passes(folder / "passes", crowd)]


async def _reading(folder: Path, users: int, *, premium: bool) -> list[Figure]:
    async with World.open(folder / "sandbox", "empty") as world:
        crowd = _settled(world, users, contacts=0, premium=premium)
        told = await _child(world, folder, crowd, work="read")
        calls = [call for call in world.microsoft.calls if call.service != "login" and not call.batched]
    if told["users"] != users:
        raise RuntimeError(f"{told['users']} of {users} users were read")
    planned = PLAN[users][0 if premium else 1]
    if len(calls) < planned:
        raise RuntimeError(f"{len(calls)} requests cannot have read {users} users: {planned} are planned")
    kind, name = ("P1", "p1") if premium else ("no P1", "no_p1")
    start = f"night_{name}_{users}"
    return [
        Figure(f"{start}_requests", f"Graph requests, {users:,} users, {kind}", len(calls), "", planned),
        Figure(f"{start}_s", f"reading {users:,} users, {kind}, without limits", told["took"], "s"),
        Figure(f"{start}_peak_mb", f"memory at most, {users:,} users, {kind}", told["peak"], "MB"),
        Figure(f"{start}_grown_mb", "of these, grown while it read", told["peak"] - told["before"], "MB"),
    ]


async def _passes(folder: Path, users: int) -> list[Figure]:
    """The first pass notes the links of contacts in step, the second is what every later night is like."""
    async with World.open(folder / "sandbox", "empty") as world:
        crowd = _settled(world, users, contacts=users, premium=True)
        differing = max(1, users // DIFFERING)
        await bring_in_step(world, folder, crowd, users - differing)
        figures: list[Figure] = []
        for run, what in (("first", "first full pass"), ("second", "later full pass")):
            world.microsoft.calls.clear()
            world.syncro.calls.clear()
            told = await _child(world, folder, crowd, work="pass", run=run)
            if (told["users"], told["published"] + told["held"]) != (users, differing) or told["halted"]:
                raise RuntimeError(f"the {run} full pass measured the wrong thing: {told}")
            name = f"night_{run}_pass"
            pages = len(world.syncro.calls.select(method="GET", path="/contacts"))
            size = int(str(world.syncro.switches["contact_page_size"]))
            figures += [
                Figure(f"{name}_s", f"{what}, {users:,} users, {differing:,} differ", told["took"], "s"),
                Figure(f"{name}_peak_mb", f"memory at most, {what}", told["peak"], "MB"),
                Figure(f"{name}_grown_mb", "of these, grown in the pass", told["peak"] - told["before"], "MB"),
                Figure(f"{name}_pages", f"Syncro reads, {what}", pages, "", -(-users // size)),
            ]
    return figures


def _settled(world: World, users: int, *, contacts: int, premium: bool) -> Crowd:
    world.microsoft.switches.change(CALM)
    world.syncro.limiter.per_minute = None
    crowd = found(world, 1, users=users, contacts=contacts, premium=premium)
    world.microsoft.tenants[crowd.tenant_id].names_concealed = False
    return crowd


async def bring_in_step(world: World, folder: Path, crowd: Crowd, count: int) -> None:
    """Give the contacts of the first `count` users what full syncs of earlier nights would have written."""
    file = folder / "contacts.jsonl"
    await _child(world, folder / "settling", crowd, work="contacts", count=count, file=str(file))
    for number, plain, custom in await asyncio.to_thread(_lines, file):
        contact = world.syncro.account.contacts[number]
        contact.values.update({name: value or contact.values.get(name) for name, value in plain.items()})
        contact.properties.update(custom)
    world.syncro.settle_index()


def _lines(file: Path) -> list[Any]:
    with file.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


async def _child(world: World, folder: Path, crowd: Crowd, **job: Any) -> Mapping[str, Any]:
    """Run one job in a process of its own and give what it tells."""
    environment = product_environment(world.info(), folder, free_port(), free_port()) | SETTINGS
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bench.nightly_child",
        cwd=ROOT,
        env=clean_environment(environment),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    given = json.dumps({"tenant": crowd.tenant_id, "customer": crowd.customer_id, **job}).encode()
    try:
        async with asyncio.timeout(PATIENCE):
            out, err = await process.communicate(given)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise RuntimeError(f"the measured process failed: {err.decode()[-2000:]}")
    return dict(json.loads(out))
