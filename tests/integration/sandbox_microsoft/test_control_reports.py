"""The control API's `/reports` and `/crowd`, and what the story tells."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sandbox.microsoft.products import PREMIUM
from sandbox.microsoft.reported import Reported
from sandbox.world import World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World.open(tmp_path) as opened:
        yield opened


async def _ask(world: World, method: str, path: str, body: Any = None, status: int = 200) -> Any:
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, world.control.url + path, json=body) as response,
    ):
        assert response.status == status, await response.text()
        return await response.json()


async def test_the_story_has_a_tenant_with_p1_one_without_and_one_that_tells_nothing(world: World) -> None:
    by_name = {tenant.name: tenant for tenant in world.microsoft.tenants.values()}
    alpenrose, harbor, juniper = (by_name[name] for name in sorted(by_name))
    assert [one.premium for one in (alpenrose, harbor, juniper)] == [False, True, False]
    assert [one.names_concealed for one in (alpenrose, harbor, juniper)] == [False, True, True]
    assert alpenrose.score is not None
    assert harbor.score is not None
    assert (juniper.score, juniper.security_defaults) == (None, True)
    for tenant in by_name.values():
        assert tenant.reported
        assert all(tenant.directory.latest(user_id) for user_id in tenant.reported)
    assert any(told.services for told in alpenrose.reported.values())
    assert any(told.sign_ins and told.methods for told in harbor.reported.values())


async def test_a_user_and_its_tenant_are_told_and_shown(world: World) -> None:
    tenant = next(iter(world.microsoft.tenants.values()))
    user_id = next(iter(tenant.reported))
    before = tenant.reported[user_id]
    shown = await _ask(
        world,
        "PUT",
        "/reports",
        {
            "tenant": tenant.tenant_id,
            "users": {
                user_id: {
                    "methods": ["fido2SecurityKey"],
                    "sign_ins": {"successful": "2026-08-20T01:02:03Z"},
                    "services": {"Teams": "2026-08-20"},
                }
            },
            "secure_score": {"current": 10, "maximum": 20},
            "security_defaults": True,
            "names_concealed": True,
            "skus": {PREMIUM: {"status": "Enabled"}},
            "roles": ["User.Read.All"],
        },
    )
    told = tenant.reported[user_id]
    assert told.methods == ("fido2SecurityKey",)
    assert told.sign_ins is not None
    assert told.sign_ins.successful == "2026-08-20T01:02:03Z"
    assert told.per_user_mfa == before.per_user_mfa
    assert (tenant.premium, tenant.roles, tenant.names_concealed) == (True, ("User.Read.All",), True)
    assert shown["secure_score"]["current"] == 10
    assert shown["users"][user_id]["services"] == {"Teams": "2026-08-20"}
    assert shown == await _ask(world, "GET", f"/reports?tenant={tenant.tenant_id}")
    body = {"tenant": tenant.tenant_id, "secure_score": None, "skus": {PREMIUM: None}}
    shown = await _ask(world, "PUT", "/reports", body)
    assert (shown["secure_score"], shown["premium"], PREMIUM in shown["skus"]) == (None, False, False)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"colour": 1}, "known"),
        ({"users": {"nobody": {}}}, "no user"),
        ({"users": {"SOMEBODY": {"method": []}}}, "known"),
        ({"users": {"SOMEBODY": {"sign_ins": {"last": "x"}}}}, "known"),
        ({"users": {"SOMEBODY": {"sign_ins": {"successful": "yesterday"}}}}, "yesterday"),
        ({"users": {"SOMEBODY": {"services": {"Teams": "2026-99-01"}}}}, "month"),
        ({"users": {"SOMEBODY": {"services": {"Minecraft": "2026-09-01"}}}}, "known"),
        ({"users": {"SOMEBODY": {"per_user_mfa": "on"}}}, "enforced"),
        ({"secure_score": {"current": 1}}, "maximum"),
        ({"skus": {"x": {"enabled": 1}}}, "part_number"),
        ({"skus": {PREMIUM: {"status": "Gone"}}}, "Suspended"),
    ],
)
async def test_a_mistake_changes_nothing(world: World, body: dict[str, Any], text: str) -> None:
    tenant = next(iter(world.microsoft.tenants.values()))
    before = dict(tenant.reported)
    users = {key.replace("SOMEBODY", next(iter(before))): value for key, value in body.get("users", {}).items()}
    sent = {"tenant": tenant.tenant_id, "security_defaults": True} | body | ({"users": users} if users else {})
    assert text in (await _ask(world, "PUT", "/reports", sent, status=400))["error"]
    assert (tenant.reported, tenant.security_defaults) == (before, False)


async def test_a_crowd_by_the_control_api(world: World) -> None:
    info = world.info()
    tenant, customer = info["tenants"][0], info["customers"][0]
    before = len(world.syncro.account.contacts)
    body = {"tenant": tenant["id"], "customer": customer["id"], "users": 12, "contacts": 5}
    assert await _ask(world, "POST", "/crowd", body) == {"users": 12, "contacts": 5}
    assert world.microsoft.tenants[tenant["id"]].directory.live_count == tenant["users"] + 12
    assert len(world.syncro.account.contacts) == before + 5
    assert (await _ask(world, "POST", "/crowd", body, status=400))["error"]
    assert (await _ask(world, "POST", "/crowd", body | {"customer": 1}, status=400))["error"]


def test_nobody_told_of_means_nothing_registered() -> None:
    assert (Reported().is_registered, Reported().is_passwordless) == (False, False)
    assert Reported(methods=("fido2SecurityKey",)).is_passwordless
