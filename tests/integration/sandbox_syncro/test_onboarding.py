"""What the control API plays while customers are connected: the token's owner, consent, orphans, Syncro's own sync,
and the scenario of a provider with 140 customers."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sandbox.story.msp import DECLINES, MISTYPED, MSP, SIZE, WITHHELD
from sandbox.syncro.account import Contact
from sandbox.world import World, readable


@dataclass(slots=True)
class Room:
    """A running world and a client of its control API and of Syncro."""

    world: World
    session: aiohttp.ClientSession

    async def ask(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        async with self.session.request(method, self.world.control.url + path, json=body) as response:
            assert response.status == status, await response.text()
            return await response.json()

    async def syncro(self, path: str) -> tuple[int, Any]:
        headers = {"Authorization": self.world.syncro.token.secret}
        async with self.session.get(f"{self.world.syncro.url}/api/v1{path}", headers=headers) as response:
            return response.status, await response.json()

    @property
    def pair(self) -> tuple[str, int]:
        """Tenant and customer of the first company."""
        return next(iter(self.world.customer_ids.items()))

    def by_mail(self, customer: int) -> dict[str, Contact]:
        rows = self.world.syncro.account.contacts_of(customer)
        return {(one.values["email"] or "").lower(): one for one in rows}


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    async with World.open(tmp_path) as world, aiohttp.ClientSession() as session:
        yield Room(world, session)


@pytest.fixture
async def provider(tmp_path: Path) -> AsyncIterator[Room]:
    async with World.open(tmp_path, scenario="msp") as world, aiohttp.ClientSession() as session:
        yield Room(world, session)


async def test_the_token_names_its_owner_and_dies_with_him(room: Room) -> None:
    assert (await room.syncro("/me"))[1]["user_name"] == "Sandbox Technician"
    shown = await room.ask("PUT", "/token", {"owner": "Robin Reed"})
    assert (shown["owner"], shown["active"]) == ("Robin Reed", True)
    assert (await room.syncro("/me"))[1]["user_name"] == "Robin Reed"
    await room.ask("PUT", "/token", {"owner": "Robin Reed", "active": False})
    for path in ("/me", "/contacts", "/settings"):
        assert await room.syncro(path) == (401, {"error": "Failed to authenticate account"})
    await room.ask("PUT", "/token", {})
    assert (await room.syncro("/me"))[1]["user_name"] == "Sandbox Technician"


async def test_consent_is_set_and_taken_away(room: Room) -> None:
    tenant, _ = room.pair
    gone = await room.ask("PUT", "/consent", {"tenant": tenant, "consented": False})
    assert (gone["consented"], gone["roles"]) == (False, [])
    assert not room.world.microsoft.tenants[tenant].consented
    given = await room.ask("PUT", "/consent", {"tenant": tenant, "consented": True, "roles": ["Reports.Read.All"]})
    assert given["roles"] == ["Reports.Read.All"]
    assert room.world.microsoft.tenants[tenant].unauthorized_creations == 1
    # what is left out stays
    later = await room.ask("PUT", "/consent", {"tenant": tenant, "declines": True, "relationship": "reader"})
    assert (later["roles"], later["declines"], later["relationship"]) == (["Reports.Read.All"], True, "reader")
    again = await room.ask(
        "PUT", "/consent", {"tenant": tenant, "roles": ["User.Read.All"], "withheld": ["User.Read.All"]}
    )
    assert (again["roles"], again["withheld"]) == ([], ["User.Read.All"])
    for bad in ({"relationship": "friend"}, {"roles": "User.Read.All"}, {"colour": "red"}):
        assert (await room.ask("PUT", "/consent", {"tenant": tenant, **bad}, status=400))["error"]


async def test_a_consent_without_a_list_grants_what_the_app_asks_for(room: Room) -> None:
    tenant, _ = room.pair
    await room.ask("PUT", "/consent", {"tenant": tenant, "consented": False})
    given = await room.ask("PUT", "/consent", {"tenant": tenant, "consented": True})
    assert given["roles"] == list(room.world.microsoft.required_roles)
    state = (await room.ask("GET", "/state"))["microsoft"]["tenants"][tenant]
    assert (state["consented"], state["roles"]) == (True, given["roles"])


async def test_an_orphan_is_left_behind(room: Room) -> None:
    tenant, _ = room.pair
    orphan = await room.ask("POST", "/orphan", {"tenant": tenant, "client_state": "k0.lost"})
    assert (orphan["changeType"], orphan["clientState"]) == ("updated,deleted", "k0.lost")
    assert orphan["id"] in room.world.microsoft.tenants[tenant].subscriptions
    assert "already" in (await room.ask("POST", "/orphan", {"tenant": tenant}, status=400))["error"]
    other = {"tenant": tenant, "change_type": "updated", "notification_url": "https://old.example/n"}
    assert (await room.ask("POST", "/orphan", other))["notificationUrl"] == "https://old.example/n"


async def test_syncros_own_sync_leaves_its_traces(room: Room) -> None:
    tenant, customer = room.pair
    before = room.by_mail(customer)
    kept = {mail: (one.updated_at, dict(one.values)) for mail, one in before.items()}
    states = [one.state for one in room.world.microsoft.tenants[tenant].directory.all_seen(float("inf"))]
    mails = {state["mail"].lower(): state for state in states if state.get("mail")}
    counts = await room.ask("POST", "/own-sync", {"customer": customer, "tenant": tenant})
    after = room.by_mail(customer)
    touched = {one.updated_at for mail, one in after.items() if mail in mails}
    assert len(touched) == 1
    (moment,) = touched
    assert isinstance(moment, datetime)
    assert counts["created"] == len(set(mails) - set(before)) == len(after) - len(before) > 0
    assert counts["changed"] + counts["unchanged"] == len(set(mails) & set(before)) >= 5
    assert counts["changed"] > 0
    for mail, one in after.items():
        if mail not in mails:
            assert (one.updated_at, one.values) == kept[mail]  # nobody in Entra: not touched
            continue
        state = mails[mail]
        phones = state.get("businessPhones") or [None]
        assert one.values["name"] == state["displayName"]
        assert one.values["phone"] == (phones[0] or kept.get(mail, (None, {"phone": None}))[1]["phone"])
        if state.get("jobTitle"):
            assert one.properties["title"] == state["jobTitle"]
        assert (one.created_at == moment) is (mail not in before)
    second = await room.ask("POST", "/own-sync", {"customer": customer, "tenant": tenant})
    assert (second["changed"], second["created"]) == (0, 0)
    assert (await room.ask("POST", "/own-sync", {"customer": 1, "tenant": tenant}, status=400))["error"]


async def test_the_list_of_the_default_story(room: Room) -> None:
    async with room.session.get(room.world.control.url + "/customers.csv") as response:
        assert response.content_type == "text/csv"
        rows = list(csv.DictReader(io.StringIO(await response.text())))
    wanted = [(str(number), tenant) for tenant, number in room.world.customer_ids.items()]
    assert [(row["customer"], row["tenant"]) for row in rows] == wanted


async def test_the_provider_has_140_customers_as_planned(provider: Room) -> None:
    world, info = provider.world, provider.world.info()
    assert len(info["customers"]) == len(world.syncro.account.customers) - 1 == SIZE  # and the walk-in
    trouble = [one.trouble for one in MSP]
    assert (trouble.count(""), trouble.count("without")) == (131, 6)
    assert (MSP[DECLINES].trouble, MSP[MISTYPED].trouble, MSP[WITHHELD].trouble) == ("declines", "mistyped", "withheld")
    assert len({one.domain for one in MSP}) == len({one.name for one in MSP}) == SIZE
    tenants = world.microsoft.tenants
    assert len(info["tenants"]) == 134
    assert set(tenants) == {one["id"] for one in info["tenants"]} | {info["partner_tenant_id"]}
    assert all(2 <= one["users"] <= 8 for one in info["tenants"])
    assert not any(tenants[one["id"]].consented for one in info["tenants"])
    alone = [one["id"] for one in info["tenants"] if tenants[one["id"]].relationship != "administrator"]
    assert alone == [MSP[DECLINES].tenant_id]
    assert tenants[MSP[DECLINES].tenant_id].declines
    assert tenants[MSP[WITHHELD].tenant_id].withheld == {"User.Read.All"}
    for company, number in world.roster:
        mails = {person.upn for person in company.people}
        matched = mails & set(provider.by_mail(number))
        assert bool(matched) is company.has_tenant
        names = [person.graph["displayName"] for person in company.people]
        assert len(set(names)) == len(names)


async def test_its_list_names_ids_domains_nothing_and_one_tenant_that_does_not_exist(provider: Room) -> None:
    tenants = provider.world.microsoft.tenants.values()
    named = {name: one.tenant_id for one in tenants for name in (one.tenant_id, *one.verified_domains)}
    async with provider.session.get(provider.world.control.url + "/customers.csv") as response:
        rows = list(csv.DictReader(io.StringIO(await response.text())))
    ids = {str(number): company for company, number in provider.world.roster}
    assert [row["customer"] for row in rows] == list(ids)
    blank = [ids[row["customer"]] for row in rows if not row["tenant"]]
    assert len(blank) == 6
    assert not any(company.has_tenant for company in blank)
    assert sum("@gmail.com" in (company.email or "") for company in blank) == 1
    assert sum((company.email or "").endswith(company.domain) for company in blank) == 1
    assert 5 < sum("." in row["tenant"] for row in rows) < 30
    unknown = [ids[row["customer"]] for row in rows if row["tenant"] and row["tenant"] not in named]
    assert unknown == [MSP[MISTYPED]]
    for row in rows:
        if row["tenant"] and ids[row["customer"]] is not MSP[MISTYPED]:
            assert named[row["tenant"]] == ids[row["customer"]].tenant_id


async def test_it_is_summed_up_for_people_and_its_settings_name_the_partner(provider: Room) -> None:
    info = provider.world.info()
    text = readable(info)
    assert "140 customers" in text
    assert len(text.splitlines()) < 50
    assert f'[partner]\nbase_url = "{info["partner"]}"\ntenant_id = "{info["partner_tenant_id"]}"' in text
    assert info["control"] + "/customers.csv" in text
    addresses = (await provider.ask("GET", "/state"))["addresses"]
    assert addresses["partner"] == info["partner"]


async def test_its_story_is_the_same_in_every_run(tmp_path: Path) -> None:
    seen = []
    for name in ("one", "two"):
        async with World.open(tmp_path / name, scenario="msp") as world:
            users = [one.state["id"] for key in world.microsoft.tenants.values() for one in key.directory.all_seen(9e9)]
            seen.append((world.info()["customers"], world.info()["partner_tenant_id"], users))
    assert seen[0] == seen[1]


async def test_the_default_story_has_no_partner(room: Room) -> None:
    assert room.world.info()["partner_tenant_id"] == ""
    assert "[partner]" not in readable(room.world.info())
