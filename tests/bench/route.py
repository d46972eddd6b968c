"""From a change in the directory to its contact, on a quiet system: every service, against the simulated vendors.

Latency counts as the promise does, from the later of the 202 and the moment Graph serves the new value.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from console import operations
from console.cli.demo.arrival import Arrival, Expected, arrival, until
from console.cli.demo.people import Administrator, open_administrator
from console.cli.demo.stage import Stage, open_stage
from console.cli.demo.summary import percentile
from tests.bench.figures import Figure

LIVE_P95 = 5.0  # seconds, idle
CALLS_PER_CHANGE = 2.0
WRITES_PER_CHANGE = 1.0
UNLIMITED = 6_000  # calls a minute, where the limit is not what is measured
PACE = 120  # calls a minute, the default
BURST = 10
SUBSCRIBED_WITHIN = 20.0  # seconds
SYNCED_WITHIN = 120.0  # seconds


async def measure(folder: Path, *, customers: int, changes: int, apart: float, paced: bool) -> list[Figure]:
    """`apart`: seconds between two changes, each of another user. `paced`: at the default pace, else without limit."""
    async with open_stage(folder, pace_per_minute=PACE if paced else UNLIMITED) as stage:
        if not paced:
            stage.world.syncro.limiter.per_minute = None
        ties = list(stage.world.customer_ids.items())[:customers]
        people = [person for tie in ties for person in await bring_in_step(stage, *tie)][:changes]
        before = len(stage.looks)
        arrivals = await change_titles(stage, people, apart)
        updates = [look for look in stage.looks[before:] if look.outcome == "update" and look.writes]
        most = stage.world.syncro.calls.max_calls_in(60)
    latencies = [one.latency for one in arrivals if one.latency is not None]
    calls = sum(update.calls for update in updates) / max(1, len(updates))
    writes = sum(update.writes for update in updates) / max(1, len(updates))
    return [
        Figure("live_changes", "changes while all is quiet", len(arrivals), ""),
        Figure("live_lost", "of these, not arrived", len(arrivals) - len(latencies), "", 0),
        Figure("live_p50_s", "from change to contact, half of them", percentile(latencies, 0.5), "s"),
        Figure("live_p95_s", "from change to contact, 95 %", percentile(latencies, 0.95), "s", LIVE_P95),
        Figure("calls_per_change", "Syncro calls a change", calls, "", CALLS_PER_CHANGE),
        Figure("writes_per_change", "Syncro writes a change", writes, "", WRITES_PER_CHANGE),
        Figure("most_calls_in_60s", "most Syncro calls in any 60 s", most, "", PACE + BURST if paced else None),
    ]


@dataclass(frozen=True, slots=True)
class Person:
    tenant_id: str
    customer_id: int
    user_id: str


async def bring_in_step(stage: Stage, tenant_id: str, customer_id: int) -> list[Person]:
    """Connect, preview, approve, wait; gives the users that have a contact of their own now."""
    ports = stage.ports
    await operations.connect(ports, customer_id, tenant_id)
    shown = await operations.preview(ports, customer_id)
    run = await operations.approve(ports, customer_id, shown.preview.code, by="bench")
    async with asyncio.timeout(SYNCED_WITHIN):
        while sum((await operations.progress(ports, run.run_id)).outcomes.values()) < run.planned:  # noqa: ASYNC110 - the record has no events
            await asyncio.sleep(0.1)
    tenant = stage.world.microsoft.tenants[tenant_id]
    if not await until(lambda: bool(tenant.subscriptions), within=SUBSCRIBED_WITHIN):
        raise RuntimeError("no subscription was made")
    return [Person(tenant_id, customer_id, user_id) for user_id in shown.preview.digests]


async def change_titles(stage: Stage, people: Sequence[Person], apart: float) -> list[Arrival]:
    """Each user once: a user whose hints keep coming is made to wait on purpose, and that is not idle."""

    async def one(admin: Administrator, number: int, person: Person) -> Arrival:
        await asyncio.sleep(number * apart)
        changed_at, title = stage.world.microsoft.clock.now(), f"Title {number}"
        await admin.patch(person.tenant_id, person.user_id, jobTitle=title)
        wanted = {"title": title}
        expected = Expected("new title", person.user_id, person.customer_id, person.user_id, wanted, changed_at)
        return await arrival(stage.world, expected)

    async with open_administrator(stage.world.info()) as admin, asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(admin, n, person), name=f"change-{n}") for n, person in enumerate(people)]
    return [task.result() for task in tasks]
