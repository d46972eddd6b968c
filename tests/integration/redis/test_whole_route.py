"""The whole route with its state on Redis: frozen, killed or emptied, it costs time and nothing else."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from console import operations
from console.cli.demo.arrival import until
from console.cli.demo.stage import Engine, Stage, open_stage
from sandbox.servers import RedisServer
from shared.domain.changes import CreateContact, UpdateContact
from shared.domain.pace import BURST
from shared.domain.records import ConnectionStatus
from shared.runtime.settings import PACE_CEILING
from tests.support.route import DOMAIN, bring_in_step, change_titles, contacts_of, hire, in_step, writes

AWAY = 8.0  # seconds
WITHIN = 90.0  # seconds
PINNED = "dana.cole"
CHANGED = ("irene.novak", "sam.lee", "marco.silva", "priya.nair", PINNED)


@pytest.mark.parametrize("how", ["frozen", "killed"])
async def test_nothing_is_written_while_redis_is_away_and_nothing_is_lost(
    tmp_path: Path, redis_server: RedisServer, how: str
) -> None:
    """Without the state there is no lease and no pace."""
    away: Callable[[], None] = redis_server.freeze if how == "frozen" else redis_server.kill
    back: Callable[[], None] = redis_server.thaw if how == "frozen" else redis_server.start
    async with open_stage(tmp_path, Engine(state=redis_server.url)) as stage:
        await bring_in_step(stage)
        await asyncio.to_thread(away)
        before = writes(stage)
        changed = await change_titles(stage, ["irene.novak", "sam.lee"])
        await asyncio.sleep(AWAY)
        assert writes(stage) == before
        await asyncio.to_thread(back)
        assert await until(lambda: in_step(stage, changed), within=WITHIN)
        assert writes(stage) == before + len(changed)
        assert await operations.letters(stage.ports) == []


@pytest.mark.every_run
async def test_three_flushes_forget_no_approval_and_no_pin_double_no_contact_and_quicken_no_call(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    async with open_stage(tmp_path, Engine(state=redis_server.url)) as stage:
        customer_id = await bring_in_step(stage)
        company = next(one for one in stage.world.companies if one.domain == DOMAIN)
        dana = next(person.id for person in company.people if person.upn.startswith(PINNED))
        pinned_before = pinned(stage)
        titles, hired = await changes_amid_flushes(stage, redis_server)
        del titles[dana]
        assert await until(lambda: in_step(stage, titles), within=WITHIN)
        assert await until(lambda: all(contacts_of(stage, user_id) for user_id in hired), within=WITHIN)
        await asyncio.sleep(3.0)  # whatever is done twice would be done by now
        assert {len(contacts_of(stage, user_id)) for user_id in hired} == {1}
        assert pinned(stage) == pinned_before
        tied = await stage.ports.connections.get(customer_id)
        assert tied is not None
        assert tied.status is ConnectionStatus.APPROVED
        rows = (await operations.preview(stage.ports, customer_id)).preview.rows
        assert not [row.plan for row in rows if isinstance(row.plan, CreateContact | UpdateContact)]
        assert await operations.letters(stage.ports) == []
        assert stage.world.syncro.calls.max_calls_in(60) <= PACE_CEILING + BURST


def pinned(stage: Stage) -> dict[str, str | None]:
    """What the pinned contact holds."""
    contacts = stage.world.syncro.account.contacts.values()
    (contact,) = [one for one in contacts if one.properties.get("azure_sync_off")]
    return {**contact.values, **contact.properties}


async def changes_amid_flushes(stage: Stage, redis_server: RedisServer) -> tuple[dict[str, str], list[str]]:
    """Three rounds of changes and hires, each with a FLUSHALL while they are on their way."""
    chance = random.Random(3)
    titles: dict[str, str] = {}
    hired: list[str] = []
    for number in range(3):
        titles |= await change_titles(stage, CHANGED)
        hired += await hire(stage, f"Ada{number}", f"Bo{number}")
        await asyncio.sleep(chance.uniform(0.5, 3.5))
        await asyncio.to_thread(redis_server.flush)
    return titles, hired
