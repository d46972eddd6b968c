"""From a change in the directory to its contact while a full sync of the same customer writes 2,000 contacts.

The vendors run here, all our services in a process of their own, at the real pace and the real windows: nothing is
compressed. Everybody is in step first (that preparation alone is in a hurry); then 2,000 users differ, a full sync
hands them to the slow lane, and one after another of the other users changes. Latency counts as in `route.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from console.cli.demo.arrival import Arrival, Expected, arrival, until
from console.cli.demo.people import Administrator, open_administrator
from console.cli.demo.summary import percentile
from sandbox.crowd import Crowd, found
from sandbox.world import World
from tests.bench.figures import Figure
from tests.bench.night import bring_in_step
from tests.support.processes import HURRY, Product, product

LIVE_P95 = 10.0  # seconds, while a full sync writes
BACKFILL = 80.0  # calls a minute, the default
PACE, BURST = 120, 10
FULL = 0.9  # of its pace: below this the slow lane was not at full pace
WINDOW = 20.0  # seconds, of which each is looked at
SECRET = "b" * 32
SETTINGS = {"ENTRA_SYNCRO_NIGHTLY__CRON": "0 0 29 2 *", "ENTRA_SYNCRO_FACTS__SIGN_IN_LISTS_PER_MINUTE": "1000"}
PREPARED = 300.0  # seconds to bring everybody in step
SUBSCRIBED = 30.0  # seconds
RUNNING_IN = 15.0  # seconds: what the pace lets pass at once after a quiet time is spent by then


@dataclass(frozen=True, slots=True)
class Ground:
    """`differing`: users of the full sync; those after them change one by one."""

    world: World
    crowd: Crowd
    ours: Product
    admin: Administrator
    differing: int


async def measure(folder: Path, *, contacts: int, changes: int, apart: float, paced: bool) -> list[Figure]:
    """`apart`: seconds between two changes. Without `paced` all is in a hurry, and only shown to run."""
    async with World.open(folder / "sandbox", "empty") as world:
        lag = (
            world.microsoft.switches.replication_lag_s if paced else 0.0
        )  # in a hurry even a confirm read is too early
        world.microsoft.switches.change({"delivery": False, "throttling": False, "replication_lag_s": lag})
        world.syncro.limiter.per_minute = None
        crowd = found(world, 1, users=contacts + changes)
        info = world.info() | {"tenants": [{"id": crowd.tenant_id}]}
        with product(info, folder / "product", SECRET, SETTINGS) as ours:
            async with open_administrator(info) as admin:
                ground = Ground(world, crowd, ours, admin, contacts)
                await _in_step(ground, folder)
                await _change_the_differing(ground)
                return await _measured(ground, changes, apart, paced=paced)


async def _measured(ground: Ground, changes: int, apart: float, *, paced: bool) -> list[Figure]:
    world, ours = ground.world, ground.ours
    world.microsoft.switches.change({"delivery": True})
    services = await asyncio.to_thread(ours.start, {} if paced else HURRY)
    tenant = world.microsoft.tenants[ground.crowd.tenant_id]
    if not await until(lambda: bool(tenant.subscriptions), within=SUBSCRIBED):
        raise RuntimeError("no subscription was made")
    await _cli(ours, "reconcile", "--customer", str(ground.crowd.customer_id), "--no-watch")
    await asyncio.sleep(RUNNING_IN if paced else 0)
    world.syncro.calls.clear()
    began = time.monotonic()
    arrivals = await _change_one_by_one(ground, changes, apart)
    ended = time.monotonic()
    slow = _slowest_window(ground, began, ended) if paced else None  # in a hurry there is no pace to keep
    left = _left(ground)
    if slow is not None and (slow < FULL * BACKFILL or not left):
        raise RuntimeError(f"the full sync was not at full pace: {slow:.0f} calls a minute, {left} contacts left")
    most = world.syncro.calls.max_calls_in(60)
    await asyncio.to_thread(services.kill)
    return _figures(arrivals, slow, left, most, paced=paced)


def _figures(arrivals: list[Arrival], slow: float | None, left: int, most: int, *, paced: bool) -> list[Figure]:
    took = [one.latency for one in arrivals if one.latency is not None]
    most_allowed = PACE + BURST if paced else None
    lane = f"calls of the full sync in its slowest {WINDOW:g} s"
    return [
        Figure("busy_changes", "changes while a full sync writes", len(arrivals), ""),
        Figure("busy_lost", "of these, not arrived", len(arrivals) - len(took), "", 0),
        Figure("busy_p50_s", "from change to contact meanwhile, half of them", percentile(took, 0.5), "s"),
        Figure("busy_p95_s", "from change to contact meanwhile, 95 %", percentile(took, 0.95), "s", LIVE_P95),
        *([] if slow is None else [Figure("busy_slow_lane", lane, slow, "1/min")]),
        Figure("busy_left", "contacts it had still to write afterwards", left, ""),
        Figure("busy_most_calls_in_60s", "most Syncro calls in any 60 s meanwhile", most, "", most_allowed),
    ]


async def _in_step(ground: Ground, folder: Path) -> None:
    """Connect and approve; the contacts have what earlier full syncs would have written."""
    ours, customer = ground.ours, str(ground.crowd.customer_id)
    await bring_in_step(ground.world, folder, ground.crowd, ground.crowd.users)
    await _cli(ours, "customers", "connect", customer, "--tenant", ground.crowd.tenant_id, "--yes", **HURRY)
    shown = await _cli(ours, "preview", "--customer", customer, "--json", **HURRY)
    await _cli(ours, "customers", "approve", customer, str(shown["approval_code"]), "--no-watch", **HURRY)


async def _change_the_differing(ground: Ground) -> None:
    for number in range(ground.differing):
        await ground.admin.patch(ground.crowd.tenant_id, ground.crowd.user_id(number), jobTitle=_night_title(number))


def _night_title(number: int) -> str:
    return f"Night {number}"


async def _change_one_by_one(ground: Ground, changes: int, apart: float) -> list[Arrival]:
    """Each user once: whoever changes again and again is made to wait on purpose."""

    async def one(number: int) -> Arrival:
        await asyncio.sleep(number * apart)
        user_id, title = ground.crowd.user_id(ground.differing + number), f"Day {number}"
        changed_at = ground.world.microsoft.clock.now()
        await ground.admin.patch(ground.crowd.tenant_id, user_id, jobTitle=title)
        wanted = {"title": title}
        return await arrival(
            ground.world, Expected("new title", user_id, ground.crowd.customer_id, user_id, wanted, changed_at)
        )

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(number), name=f"change-{number}") for number in range(changes)]
    return [task.result() for task in tasks]


def _slowest_window(ground: Ground, began: float, ended: float) -> float:
    """Calls a minute about contacts of the full sync, in the window in which they were fewest."""
    theirs = set(ground.crowd.contact_ids[: ground.differing])
    at = [call.seconds for call in ground.world.syncro.calls if call.contact_id in theirs and call.status == 200]
    starts = [began + step for step in range(int(ended - began - WINDOW) + 1)]
    counts = [sum(start <= each < start + WINDOW for each in at) for start in starts]
    return min(counts, default=0) * 60 / WINDOW


def _left(ground: Ground) -> int:
    contacts = ground.world.syncro.account.contacts
    theirs = enumerate(ground.crowd.contact_ids[: ground.differing])
    return sum(contacts[contact_id].properties.get("title") != _night_title(number) for number, contact_id in theirs)


async def _cli(ours: Product, *args: str, **other: str) -> Mapping[str, Any]:
    """A command in a process of its own; what it printed where that is JSON."""
    done = await asyncio.to_thread(ours.cli, *args, timeout=PREPARED, **other)
    if done.code:
        raise RuntimeError(f"entra-syncro {args[0]} failed: {done.err[-2000:]}")
    return dict(done.json) if "--json" in args else {}
