"""A crowd of people: unique, cheap, whole in every listing, ordinary as soon as somebody changes one."""

from __future__ import annotations

import ssl
import time
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sandbox.crowd import Crowd, fill, found
from sandbox.microsoft.products import PREMIUM
from sandbox.world import World
from tests.support.microsoft import GraphCaller, Json

SELECT = "id,displayName,mail,userPrincipalName,businessPhones,jobTitle,assignedLicenses,accountEnabled,signInActivity"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World.open(tmp_path, scenario="empty", seed=3) as opened:
        opened.microsoft.switches.change({"replication_lag_s": 0.0, "delta_lag_s": 0.0, "throttling": False})
        opened.syncro.limiter.per_minute = None
        yield opened


async def _everybody(caller: GraphCaller, path: str) -> tuple[list[Json], int]:
    page = await caller.get(path)
    rows, pages = list(page.body["value"]), 1
    while link := page.body.get("@odata.nextLink"):
        page = await caller.get(link)
        rows += page.body["value"]
        pages += 1
    return rows, pages


async def _caller(world: World, session: aiohttp.ClientSession, crowd: Crowd) -> GraphCaller:
    caller = GraphCaller(world.microsoft, session, crowd.tenant_id)
    await caller.sign_in()
    return caller


def _client(world: World) -> aiohttp.ClientSession:
    trusted = ssl.create_default_context(cafile=str(world.microsoft.ca_file))
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusted))


async def test_a_thousand_people_take_two_pages_each_and_no_name_occurs_twice(world: World) -> None:
    crowd = found(world, 1, users=1000, contacts=40)
    async with _client(world) as session:
        caller = await _caller(world, session, crowd)
        rows, pages = await _everybody(caller, f"/users?$select={SELECT}&$top=500")
        registered, report_pages = await _everybody(
            caller, "/reports/authenticationMethods/userRegistrationDetails?$top=999"
        )
    assert (len(rows), pages, len(registered), report_pages) == (1000, 2, 1000, 2)
    for name in ("id", "displayName", "mail"):
        assert len({row[name] for row in rows}) == 1000
    assert len({row["businessPhones"][0] for row in rows}) == 1000
    assert {row["id"] for row in rows} == {row["id"] for row in registered}
    assert sum("signInActivity" in row for row in rows) > 900
    contacts = world.syncro.account.contacts_of(crowd.customer_id)
    assert [one.values["email"] for one in contacts] == [row["mail"] for row in rows[:40]]
    assert crowd.user_id(7) == rows[7]["id"]


async def test_a_person_of_the_crowd_can_be_changed_read_and_deleted(world: World) -> None:
    crowd = found(world, 2, users=3, contacts=0)
    person = crowd.user_id(1)
    async with _client(world) as session:
        caller = await _caller(world, session, crowd)
        token = (await caller.get("/users/delta?$deltatoken=latest")).body["@odata.deltaLink"]
        assert (await caller.patch(f"/users/{person}", {"jobTitle": "Chief"})).status == 204
        one = (await caller.get(f"/users/{person}?$select=jobTitle,displayName,signInActivity")).body
        changed = (await _everybody(caller, token))[0]
        assert (await caller.delete(f"/users/{person}")).status == 204
        left = (await caller.get("/users?$select=id")).body["value"]
    assert (one["jobTitle"], bool(one["displayName"]), "signInActivity" in one) == ("Chief", True, True)
    assert {row["id"] for row in changed} == {person}
    assert [row["id"] for row in left] == [crowd.user_id(0), crowd.user_id(2)]


@pytest.mark.parametrize("premium", [True, False])
async def test_what_people_hold_is_bought(world: World, premium: bool) -> None:
    tenant = world.microsoft.tenants[found(world, 5, users=70, premium=premium).tenant_id]
    held = tenant.assigned()
    assert held.total() == 70
    assert held.keys() <= {sku.sku_id for sku in tenant.skus}
    assert tenant.premium is (PREMIUM in held) is premium


async def test_a_tenant_without_p1_and_a_tenant_filled_twice(world: World) -> None:
    crowd = found(world, 3, users=2, premium=False)
    assert world.microsoft.tenants[crowd.tenant_id].premium is False
    with pytest.raises(ValueError, match="crowd already"):
        fill(world, crowd.tenant_id, crowd.customer_id, users=2)
    with pytest.raises(KeyError):
        fill(world, crowd.tenant_id, 1, users=2)


async def test_a_hundred_thousand_are_cheap_and_their_pages_quick(world: World) -> None:
    tracemalloc.start()
    crowd = found(world, 4, users=100_000, contacts=0)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used < 80 * 1024 * 1024
    async with _client(world) as session:
        caller = await _caller(world, session, crowd)
        began = time.monotonic()
        first: Any = await caller.get(f"/users?$select={SELECT}&$top=500")
        second = await caller.get(first.body["@odata.nextLink"])
    assert len(first.body["value"]) == len(second.body["value"]) == 500
    assert time.monotonic() - began < 5
