"""Failed changes over real stores and the simulated Syncro: refused, planned, tried again, read back."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from console import operations
from console.cli.demo.arrival import value_of
from console.cli.letters_watching import watch_replay
from console.operations import LetterWish, OperationError, ShownReplay
from sandbox.syncro.faults import read_fault
from shared.domain.changes import UpdateContact
from shared.domain.desk import Replay
from shared.domain.letters import Result
from shared.domain.messages import Lane, Reason, UsersTouched
from tests.integration.console.conftest import Office, updates
from tests.integration.console.test_first_sync import WATCHED_WITHIN, watched

EVERYTHING = LetterWish()
HOW_MANY = 3


async def in_step(office: Office) -> list[UpdateContact]:
    """Approved and synced; gives some users whose contacts were written."""
    shown = await office.previewed()
    await watched(office, await operations.approve(office.ports, office.customer, shown.preview.code, by="test"))
    office.world.microsoft.switches.change({"delivery": False, "replication_lag_s": 0.0})
    return updates(shown)[:HOW_MANY]


async def refused(office: Office, plans: list[UpdateContact], title: str) -> None:
    """Their changes fail for good, one failed change each."""
    fault = office.world.syncro.faults.arm(
        read_fault({"kind": "404", "method": "PUT", "path": "/contacts/", "times": None})
    )
    for plan in plans:
        await office.admin.patch(office.tenant, plan.user_id, jobTitle=title)
        hint = UsersTouched(
            tenant_id=office.tenant,
            user_ids=(plan.user_id,),
            reason=Reason.MANUAL,
            noticed_at=office.adapters.clock.now(),
            trace_id=plan.user_id,
        )
        await office.ports.publisher.publish(hint, Lane.LIVE)
    async with asyncio.timeout(WATCHED_WITHIN):
        while len(await operations.letters(office.ports)) < len(plans):  # noqa: ASYNC110 - a ledger has no events
            await asyncio.sleep(0.1)
    fault.times = 0
    office.world.syncro.faults.clear()


async def followed(office: Office, job: Replay) -> ShownReplay:
    async with asyncio.timeout(WATCHED_WITHIN):
        return await watch_replay(office.ports, job)


async def test_what_was_refused_is_synced_once_it_is_tried_again(office: Office) -> None:
    async with office.services():
        plans = await in_step(office)
        await refused(office, plans, "Refused at first")
        (group,) = await operations.letter_groups(office.ports, EVERYTHING)
        assert (group.letters, group.users) == (HOW_MANY, HOW_MANY)
        await office.admin.patch(office.tenant, plans[0].user_id, jobTitle="Newer than the failed change")
        plan = await operations.plan_replay(office.ports, EVERYTHING)
        (planned,) = plan.customers
        assert planned.outcomes == {"update": HOW_MANY}
        assert {row.fields for row in planned.rows} == {("title",)}
        writes = len(office.world.syncro.calls.writes())
        begun = await operations.begin_replay(office.ports, EVERYTHING, plan.code, by="ada")
        shown = await followed(office, begun.replay)
    assert shown.counts == {Result.SYNCED: HOW_MANY}
    assert len(office.world.syncro.calls.writes()) == writes + HOW_MANY
    titles = [value_of(office.contact(each.contact_id), "title") for each in plans]
    assert titles == ["Newer than the failed change", "Refused at first", "Refused at first"]
    assert not await operations.letters(office.ports)
    entries = await office.ports.journal.entries(user_id=plans[1].user_id, limit=1)
    assert [entry.run_id for entry in entries] == [shown.replay.replay_id]


async def test_what_fails_again_is_the_same_failed_change_and_what_was_synced_since_is_skipped(office: Office) -> None:
    async with office.services():
        first, second, _ = plans = await in_step(office)
        await refused(office, plans[:2], "Refused at first")
        before = {letter.user_ids[0]: letter.letter_id for letter in await operations.letters(office.ports)}
        run = await operations.sync_user(office.ports, office.customer, first.user_id)
        assert await watched(office, run) == [{"update": 1}]
        office.world.syncro.faults.arm(
            read_fault({"kind": "404", "method": "PUT", "path": f"/contacts/{second.contact_id}", "times": None})
        )
        plan = await operations.plan_replay(office.ports, EVERYTHING)
        assert (len(plan.selection.letters), plan.in_step) == (2, 1)
        begun = await operations.begin_replay(office.ports, EVERYTHING, plan.code, by="ada")
        shown = await followed(office, begun.replay)
        async with asyncio.timeout(WATCHED_WITHIN):
            while not await operations.letters(office.ports):  # noqa: ASYNC110 - a ledger has no events
                await asyncio.sleep(0.1)
    assert shown.counts == {Result.FAILED: 1, Result.SKIPPED: 1}
    (letter,) = await operations.letters(office.ports)
    assert (letter.letter_id, letter.replays) == (before[second.user_id], 1)


@pytest.mark.chaos
async def test_of_two_operators_one_tries_again_and_the_other_is_told(office: Office) -> None:
    async with office.services():
        plans = await in_step(office)
        await refused(office, plans, "Refused at first")
        other = replace(office.ports)
        codes = []
        for ports in (office.ports, other):
            codes.append((await operations.plan_replay(ports, EVERYTHING, read=False)).code)
            await asyncio.sleep(0.01)
        told = await asyncio.gather(
            operations.begin_replay(office.ports, EVERYTHING, codes[0], by="ada"),
            operations.begin_replay(other, EVERYTHING, codes[1], by="bob"),
            return_exceptions=True,
        )
        (begun,) = [each for each in told if not isinstance(each, BaseException)]
        (error,) = [each for each in told if isinstance(each, OperationError)]
        assert error.exit_code == 3
        assert begun.claimed == HOW_MANY
        assert f"by {begun.replay.by}" in error.message
        shown = await followed(office, begun.replay)
    assert shown.counts == {Result.SYNCED: HOW_MANY}


@pytest.mark.chaos
async def test_while_the_services_are_away_a_replay_waits_and_can_be_cancelled(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    async with office.services():
        plans = await in_step(office)
        await refused(office, plans, "Refused at first")
    plan = await operations.plan_replay(office.ports, EVERYTHING, read=False)
    begun = await operations.begin_replay(office.ports, EVERYTHING, plan.code, by="ada")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.5):
            await watch_replay(office.ports, begun.replay, still=0.3)
    assert capsys.readouterr().err.count("entra-syncro run all") == 1
    job, is_done = await operations.cancel_replay(office.ports, begun.replay.replay_id, by="ada")
    assert (is_done, job.handed_over) == (True, 0)
    assert len(await operations.letters(office.ports)) == HOW_MANY
