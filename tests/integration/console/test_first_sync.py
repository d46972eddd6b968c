"""Connect, preview, approve, sync: over real HTTP against the simulated vendors, with the services running."""

from __future__ import annotations

import asyncio

import pytest

from console import operations
from console.cli.demo.arrival import value_of
from console.cli.sync import watch_runs
from console.operations import OperationError, StartedRun
from shared.domain.changes import CreateContact
from shared.domain.records import ConnectionStatus
from tests.integration.console.conftest import Office, updates

WATCHED_WITHIN = 60.0  # seconds


async def watched(office: Office, *runs: StartedRun) -> list[dict[str, int]]:
    async with asyncio.timeout(WATCHED_WITHIN):
        return [dict(run.outcomes) for run in await watch_runs(office.ports, runs)]


async def test_a_preview_and_a_connection_write_nothing_to_syncro(office: Office) -> None:
    shown = await office.previewed()
    await operations.preview(office.ports, office.customer)
    assert updates(shown)
    assert not office.world.syncro.calls.writes()
    assert {call.method for call in office.world.syncro.calls} == {"GET"}


async def test_nothing_is_written_before_the_approval_though_the_services_run(office: Office) -> None:
    shown = await office.previewed()
    async with office.services():
        with pytest.raises(OperationError) as caught:
            await operations.sync_customer(office.ports, office.customer)
        with pytest.raises(OperationError) as wrong_code:
            await operations.approve(office.ports, office.customer, "00000000", by="test")
        await asyncio.sleep(0.5)
    assert (caught.value.exit_code, wrong_code.value.exit_code) == (3, 3)
    assert shown.connection.status is ConnectionStatus.PREVIEW
    assert not office.world.syncro.calls.writes()


async def test_an_approved_plan_is_carried_out_as_shown_and_a_second_sync_writes_nothing(office: Office) -> None:
    shown = await office.previewed()
    async with office.services():
        run = await operations.approve(office.ports, office.customer, shown.preview.code, by="test")
        (outcomes,) = await watched(office, run)
        written = len(office.world.syncro.calls.writes())
        again = await operations.sync_customer(office.ports, office.customer)
        await watched(office, again)
    assert sum(outcomes.values()) == run.planned == len(shown.preview.digests)
    for plan in updates(shown):
        contact = office.contact(plan.contact_id)
        assert {c.field: value_of(contact, c.field) for c in plan.changes} == {c.field: c.after for c in plan.changes}
    created = [row.plan for row in shown.preview.rows if isinstance(row.plan, CreateContact)]
    assert created
    assert all(office.contact_of(plan.user_id) for plan in created)
    assert again.planned == 0
    assert len(office.world.syncro.calls.writes()) == written


async def test_one_user_is_synced_on_demand(office: Office) -> None:
    shown = await office.previewed()
    async with office.services():
        await watched(office, await operations.approve(office.ports, office.customer, shown.preview.code, by="test"))
        plan = updates(shown)[0]
        office.world.microsoft.switches.change({"delivery": False})
        await office.admin.patch(office.tenant, plan.user_id, jobTitle="Chief of Everything")
        run = await operations.sync_user(office.ports, office.customer, plan.user_id)
        assert await watched(office, run) == [{"update": 1}]
    assert value_of(office.contact(plan.contact_id), "title") == "Chief of Everything"


async def test_a_row_that_changed_since_is_held_alone_until_it_is_approved_anew(office: Office) -> None:
    shown = await office.previewed()
    changed, *others = updates(shown)
    await office.admin.patch(office.tenant, changed.user_id, jobTitle="Nobody approved this")
    async with office.services():
        run = await operations.approve(office.ports, office.customer, shown.preview.code, by="test")
        (outcomes,) = await watched(office, run)
        held = office.contact(changed.contact_id)
        untouched = {c.field: value_of(held, c.field) for c in changed.changes}
        assert outcomes["held"] == 1
        assert untouched == {c.field: c.before for c in changed.changes}
        assert all(office.contact_of(plan.user_id) for plan in others)
        anew = await operations.preview(office.ports, office.customer)
        assert [plan.user_id for plan in updates(anew)] == [changed.user_id]
        again = await operations.approve(office.ports, office.customer, anew.preview.code, by="test")
        assert await watched(office, again) == [{"update": 1}]
    assert value_of(office.contact(changed.contact_id), "title") == "Nobody approved this"


async def test_a_locked_contact_is_never_touched(office: Office) -> None:
    locked = updates(await office.previewed())[0]
    contact = office.contact(locked.contact_id)
    contact.properties["azure_sync_off"] = "Ben looks after this one"
    before = (dict(contact.values), dict(contact.properties))
    shown = await operations.preview(office.ports, office.customer)
    assert shown.preview.summary["locked"] == 1
    async with office.services():
        await watched(office, await operations.approve(office.ports, office.customer, shown.preview.code, by="test"))
        await office.admin.patch(office.tenant, locked.user_id, jobTitle="Ignored")
        run = await operations.sync_user(office.ports, office.customer, locked.user_id)
        assert await watched(office, run) == [{"locked": 1}]
    assert (dict(contact.values), dict(contact.properties)) == before


async def test_watching_says_what_to_look_at_when_nothing_moves(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = await office.previewed()
    run = await operations.approve(office.ports, office.customer, shown.preview.code, by="test")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.5):
            await watch_runs(office.ports, [run], still=0.3)
    assert capsys.readouterr().err.count("entra-syncro run all") == 1
