"""A customer's first sync, taken back by the command in a process of its own while the services run."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from console import operations
from console.cli.sync import watch_runs
from shared.domain.records import ConnectionStatus
from tests.integration.console.conftest import Office

SYNCED_WITHIN = 60.0  # seconds

Said = dict[int, dict[str, str]]


def contacts(office: Office) -> Said:
    """Every field that is not blank, of the customer's contacts."""
    account = office.world.syncro.account
    return {
        each.id: {name: value for name, value in {**each.values, **each.properties}.items() if value}
        for each in account.contacts_of(office.customer)
    }


async def first_sync(office: Office) -> str:
    shown = await office.previewed()
    started = await operations.approve(office.ports, office.customer, shown.preview.code, by="test")
    async with asyncio.timeout(SYNCED_WITHIN):
        await watch_runs(office.ports, [started])
    return started.run_id


async def ran(office: Office, *arguments: str) -> Any:
    done = await office.command("changes", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


async def test_the_first_sync_taken_back_gives_the_contacts_as_they_were(office: Office) -> None:
    before = contacts(office)
    async with office.services():
        run_id = await first_sync(office)
        synced = contacts(office)
        made = synced.keys() - before.keys()
        assert made
        assert any(synced[each] != before[each] for each in before)
        writes = len(office.world.syncro.calls.writes())
        plan = await ran(office, "undo", "--run", run_id)
        assert len(office.world.syncro.calls.writes()) == writes
        assert {step["contact_id"] for step in plan["steps"] if step["kind"] == "remove"} == made
        assert [each["reason"] for each in plan["left"]] == ["customer"]  # its counts, which no contact has
        done = await ran(office, "undo", "--run", run_id, "--apply", plan["code"])
        assert contacts(office) == before
        user = next(step["user_id"] for step in plan["steps"])
        office.world.microsoft.switches.change({"replication_lag_s": 0})
        await office.admin.patch(office.tenant, user, jobTitle="Not written while paused")
        again = await ran(office, "undo", "--run", run_id, "--apply", plan["code"])
        assert contacts(office) == before
    assert (done["stopped"], len(done["left"]), len(done["steps"])) == (None, 1, len(plan["steps"]))
    assert (again["steps"], {each["reason"] for each in again["left"]}) == ([], {"undone", "customer"})
    tied = await office.ports.connections.get(office.customer)
    assert tied is not None
    assert tied.status is ConnectionStatus.PAUSED
    links = await office.ports.links.of_customer(office.customer)
    assert not made & {link.contact_id for link in links}
    listed = await ran(office, "list", "--run", done["undo_id"])
    assert len(listed["changes"]) == len(plan["steps"])
    assert all(each["entry"]["undoes"] and each["entry"]["by"] for each in listed["changes"])


@pytest.mark.chaos
async def test_since_it_was_connected_save_what_people_touched_and_what_has_a_ticket(office: Office) -> None:
    before = contacts(office)
    async with office.services():
        await first_sync(office)
    made = sorted(contacts(office).keys() - before.keys())
    kept = made[:1]
    office.world.syncro.add_ticket(made[0])
    changed = next(each for each, values in contacts(office).items() if each in before and values != before[each])
    office.contact(changed).values["name"] = "Somebody Else"
    office.contact(changed).properties["azure_license"] = "by hand"
    synced = contacts(office)
    chosen = ("undo", "--customer", str(office.customer), "--since", "connect")
    plan = await ran(office, *chosen)
    done = await ran(office, *chosen, "--apply", plan["code"])
    now = contacts(office)
    assert {each["contact_id"] for each in done["left"] if each["field"] == "" and each["contact_id"]} == set(kept)
    assert {each["reason"] for each in done["left"]} >= {"attached", "touched"}
    assert {each: now[each] for each in kept} == {each: synced[each] for each in kept}
    touched = {each["field"] for each in done["left"] if each["contact_id"] == changed}
    assert "azure_license" in touched
    assert {f: v for f, v in now[changed].items() if f not in touched | {"name"}} == {
        f: v for f, v in before[changed].items() if f not in touched | {"name"}
    }
    assert now[changed]["name"] == "Somebody Else"
    others = before.keys() - {changed}
    assert {each: now[each] for each in others} == {each: before[each] for each in others}
