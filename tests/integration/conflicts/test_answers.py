"""Each answer to a question, and locked contacts, down to the contact in the simulated Syncro.

A link and a creation are ordered by `entra-syncro` in a process of its own; what it wrote is judged by what Syncro
holds.
"""

from __future__ import annotations

import getpass
import json
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from typing import Any

import pytest

from console import operations
from console.cli.demo.arrival import value_of
from console.cli.sync import watch_runs
from console.operations import OperationError, ShownConflict, ShownPreview, Standing, StartedRun
from shared.domain.changes import Conflict, ConflictReason, CreateContact
from tests.integration.console.conftest import Office, updates

pytestmark = pytest.mark.timeout(180)
HELD = 3  # exit code
ME = "ada"


async def said(office: Office, *arguments: str) -> Any:
    """What a command answers as JSON."""
    done = await office.command(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


async def questions(office: Office, *, include_left: bool = False) -> Mapping[str, ShownConflict]:
    """User's name -> question."""
    found = await operations.conflicts(office.ports, office.customer, include_left=include_left)
    return {each.user_label: each for each in found}


@asynccontextmanager
async def in_step(office: Office) -> AsyncIterator[ShownPreview]:
    """Approved and synced; Microsoft tells nobody from then on, and the services run. Gives what was approved."""
    shown = await office.previewed()
    async with office.services():
        started = await operations.approve(office.ports, office.customer, shown.preview.code, by="test")
        await watch_runs(office.ports, [started])
        office.world.microsoft.switches.change({"delivery": False})
        yield shown


async def outcome(office: Office, started: StartedRun | None) -> Mapping[str, int]:
    assert started is not None
    (run,) = await watch_runs(office.ports, [started])
    return run.outcomes


async def full_sync(office: Office) -> None:
    await outcome(office, await operations.sync_customer(office.ports, office.customer))


def everything(office: Office) -> dict[int, tuple[dict[str, Any], dict[str, str]]]:
    mine = (c for c in office.world.syncro.account.contacts.values() if c.customer_id == office.customer)
    return {contact.id: (dict(contact.values), dict(contact.properties)) for contact in mine}


def wipe(office: Office) -> None:
    """All that may be lost at any moment, as a restarted Redis loses it."""
    with closing(sqlite3.connect(office.settings.data_dir / "state.db", isolation_level=None)) as connection:
        connection.execute("DELETE FROM memory")


async def test_the_chosen_contact_is_linked_and_brought_in_step(office: Office) -> None:
    async with in_step(office):
        elena = (await questions(office))["Elena Rossi"]
        number, other = (each.contact_id for each in elena.candidates)
        shown = await operations.conflict(office.ports, office.customer, elena.user_id)
        assert [each.label for each in shown.candidates] == ["Elena Rossi", "E. Rossi (Marketing)"]
        order = ("conflicts", "resolve", str(office.customer), elena.user_id, "--contact", str(number))
        before = everything(office)
        plan = await said(office, *order)
        assert plan["changes"]
        with pytest.raises(OperationError, match="something changed") as refused:
            await operations.link_user(office.ports, office.customer, elena.user_id, number, "0badc0de", by=ME)
        assert refused.value.exit_code == HELD
        assert everything(office) == before
        done = await office.command(*order, "--apply", plan["code"])
        assert done.returncode == 0, done.stderr
        assert "Done: 1 updated." in done.stdout
        assert "Elena Rossi" not in await questions(office)
        again = await operations.link_user(office.ports, office.customer, elena.user_id, number, plan["code"], by=ME)
        await outcome(office, again.started)  # decided already: whatever it finds, nothing is written twice
        mine = await office.ports.journal.entries(customer_id=office.customer, user_id=elena.user_id)
        fields = [change.field for entry in mine for change in entry.changes]
        assert sorted(fields) == sorted(set(fields))
    written = office.contact(number)
    assert {each["field"]: value_of(written, each["field"]) for each in plan["changes"]} == {
        each["field"]: each["after"] for each in plan["changes"]
    }
    assert everything(office)[other] == before[other]
    (deed,) = [each for each in await operations.recent_deeds(office.ports) if each.what == "link"]
    assert (deed.by, deed.facts) == (getpass.getuser(), {"user": elena.user_id, "contact": number})


@pytest.mark.chaos
async def test_a_contact_is_made_although_another_looks_like_the_user(office: Office) -> None:
    async with in_step(office):
        tom = (await questions(office))["Tom Fisher"]
        order = ("conflicts", "resolve", str(office.customer), tom.user_id, "--create")
        before = everything(office)
        plan = await said(office, *order)
        assert everything(office) == before
        done = await office.command(*order, "--apply", plan["code"])
        assert done.returncode == 0, done.stderr
        assert "Done: 1 created." in done.stdout
        assert "Tom Fisher" not in await questions(office)
        await full_sync(office)
    made = office.contact_of(tom.user_id)
    assert made is not None
    assert {number: each for number, each in everything(office).items() if number != made.id} == before
    assert value_of(made, "name") == "Tom Fisher"


async def test_what_is_chosen_before_the_approval_stands_in_the_preview(office: Office) -> None:
    rows = (await office.previewed()).preview.rows
    tom = next(row.plan for row in rows if row.user_label == "Tom Fisher")
    assert isinstance(tom, Conflict)
    assert tom.reason is ConflictReason.ALIAS_ONLY
    who = (office.ports, office.customer, tom.user_id)
    plan = await operations.plan_create(*who, by=ME, why="asked her")
    done = await operations.create_for(*who, plan.code, by=ME, why="asked her")
    assert (done.is_decided, done.started) == (True, None)
    anew = await operations.preview(office.ports, office.customer)
    (row,) = [row for row in anew.preview.rows if row.plan.user_id == tom.user_id]
    assert isinstance(row.plan, CreateContact)
    assert (row.plan.chosen_by, row.plan.changes[0].after) == (ME, "Tom Fisher")
    assert not office.world.syncro.calls.writes()


async def test_what_is_left_alone_leaves_the_count_and_stays_so(office: Office) -> None:
    async with in_step(office):
        tom = (await questions(office))["Tom Fisher"]
        assert (await operations.status(office.ports)).conflicts == 2
        await operations.leave_alone(office.ports, office.customer, tom.user_id, by=ME, why="leaves in May")
        assert (await operations.status(office.ports)).conflicts == 1
        wipe(office)
        await full_sync(office)
        assert (await operations.status(office.ports)).conflicts == 1
        left = (await questions(office, include_left=True))["Tom Fisher"]
        assert (left.standing, left.left_by, left.why) == (Standing.LEFT, ME, "leaves in May")
        asked = await operations.ask_again(office.ports, office.customer, tom.user_id, by=ME)
        assert await outcome(office, asked.started) == {"conflict": 1}
        assert "Tom Fisher" in await questions(office)
    assert office.contact_of(tom.user_id) is None


@pytest.mark.chaos
async def test_a_locked_contact_is_written_by_no_change_and_no_full_sync_until_it_is_unlocked(office: Office) -> None:
    async with in_step(office) as approved:
        locked = updates(approved)[0]
        made = await operations.pin(
            office.ports, locked.contact_id, until="2099-12-31", why="legal hold", by=ME, customer_id=office.customer
        )
        assert (str(made.last_day), made.user_id) == ("2099-12-31", locked.user_id)
        before = everything(office)[locked.contact_id]
        await office.admin.patch(office.tenant, locked.user_id, jobTitle="Not yet")
        one = (office.ports, office.customer, locked.user_id)
        assert await outcome(office, await operations.sync_user(*one)) == {"locked": 1}
        wipe(office)
        await full_sync(office)
        assert everything(office)[locked.contact_id] == before
        assert (await operations.preview(office.ports, office.customer)).preview.summary["locked"] == 1
        told = await operations.explain_user(*one)
        assert any("until the end of 2099-12-31: legal hold" in step.sentence for step in told.steps)
        await operations.unpin(office.ports, locked.contact_id, by=ME)
        assert await operations.pins(office.ports) == []
        assert await outcome(office, await operations.sync_user(*one)) == {"update": 1}
    assert value_of(office.contact(locked.contact_id), "title") == "Not yet"
