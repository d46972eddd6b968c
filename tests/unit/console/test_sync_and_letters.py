"""Syncs that a person starts, and the one look at everything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import pytest

from console.operations import (
    OperationError,
    approve,
    explain_user,
    preview,
    progress,
    status,
    sync_customer,
    sync_user,
    written_in,
)
from shared.domain.changes import Conflict, ConflictReason, FieldChange, Kind
from shared.domain.messages import Lane, Reason
from shared.domain.records import ConnectionStatus, JournalEntry, LastFull, Link, Run, RunState
from shared.domain.user import DirectoryUser
from tests.support.clock import START
from tests.support.desk import CUSTOMER, Desk, a_body, a_creation, a_hold, an_update
from tests.support.receiver import TENANT, guid


@pytest.mark.parametrize(
    ("state", "words"),
    [(ConnectionStatus.PREVIEW, "waiting for approval"), (ConnectionStatus.PAUSED, "paused by a person")],
)
@pytest.mark.parametrize(
    "act", [lambda desk: sync_customer(desk.ports, CUSTOMER), lambda desk: sync_user(desk.ports, CUSTOMER, guid(1))]
)
async def test_nothing_is_started_unless_it_is_approved(
    desk: Desk, state: ConnectionStatus, words: str, act: Callable[[Desk], Awaitable[object]]
) -> None:
    desk.tie(status=state)
    with pytest.raises(OperationError, match=words) as caught:
        await act(desk)
    assert caught.value.exit_code == 3
    assert not desk.world.broker.published
    assert not desk.passes.begun


async def test_syncing_a_customer_begins_a_pass(desk: Desk) -> None:
    desk.tie(status=ConnectionStatus.APPROVED)
    desk.passes.plans = [an_update()]
    started = await sync_customer(desk.ports, CUSTOMER)
    assert desk.passes.begun == [(CUSTOMER, started.run_id)]
    assert started.planned == 1


async def test_syncing_one_user_records_the_run_and_hands_over_one_live_message(desk: Desk) -> None:
    desk.tie(status=ConnectionStatus.APPROVED)
    desk.world.directory.put(TENANT, DirectoryUser(guid(0xAB)))
    started = await sync_user(desk.ports, CUSTOMER, guid(0xAB).upper())
    (sent,) = desk.world.broker.sent(Lane.LIVE)
    assert sent.user_ids == (guid(0xAB),)  # as Entra writes it
    assert (sent.tenant_id, sent.reason, sent.run_id) == (TENANT, Reason.MANUAL, started.run_id)
    assert (await progress(desk.ports, started.run_id)).planned == 1


async def test_a_user_that_is_no_object_id_is_wrong_use(desk: Desk) -> None:
    desk.tie(status=ConnectionStatus.APPROVED)
    with pytest.raises(OperationError, match="object id") as caught:
        await sync_user(desk.ports, CUSTOMER, "anna@contoso.example")
    assert caught.value.exit_code == 2
    assert not desk.world.ledger.runs.held


async def test_a_user_that_microsoft_does_not_know_is_wrong_use_unless_a_contact_is_linked(desk: Desk) -> None:
    desk.tie(status=ConnectionStatus.APPROVED)
    with pytest.raises(OperationError, match="knows no user") as caught:
        await sync_user(desk.ports, CUSTOMER, guid(0xAC))
    assert caught.value.exit_code == 2
    assert not desk.world.broker.sent(Lane.LIVE)
    await desk.ports.links.link(Link(CUSTOMER, guid(0xAC), 5, "mail", START))
    assert (await sync_user(desk.ports, CUSTOMER, guid(0xAC))).planned == 1


async def test_an_unknown_run_is_wrong_use(desk: Desk) -> None:
    with pytest.raises(OperationError, match="no run abc") as caught:
        await progress(desk.ports, "abc")
    assert caught.value.exit_code == 2


async def test_status_counts_everything_once(desk: Desk) -> None:
    desk.tie(status=ConnectionStatus.APPROVED)
    desk.letter("l1", a_body())
    desk.letter("l2", a_body(2), "replayed")
    desk.world.broker.put(a_body(3), Lane.LIVE)
    await desk.world.ledger.owed.mark(CUSTOMER, "paused", START)
    await desk.world.ledger.conflicts.open(Conflict("u9", CUSTOMER, ConflictReason.ALIAS_ONLY, ()), START)
    await desk.world.ledger.runs.start(Run("r", CUSTOMER, Reason.MANUAL, 0, START))
    seen = await status(desk.ports)
    assert (len(seen.connections), seen.waiting["live"], seen.failed_changes, seen.conflicts) == (1, 1, 1, 1)
    assert [mark.customer_id for mark in seen.owed] == [CUSTOMER]
    assert (seen.unwritten, seen.choices, seen.reading) == ({}, {CUSTOMER: 1}, [])


@pytest.mark.parametrize(
    ("state", "begun", "reading"),
    [
        (RunState.READING, START, [CUSTOMER]),
        (RunState.WORKING, START, []),
        (RunState.READING, START - timedelta(hours=1), []),  # killed
    ],
)
async def test_status_tells_a_full_sync_that_reads(
    desk: Desk, state: RunState, begun: datetime, reading: list[int]
) -> None:
    await desk.ports.runs.start(Run("r", CUSTOMER, Reason.MANUAL, 0, begun, state=state, full=True))
    await desk.ports.runs.start(Run("one", CUSTOMER, Reason.MANUAL, 1, START))
    assert (await status(desk.ports)).reading == reading


async def test_status_counts_what_was_approved_and_is_not_written(desk: Desk) -> None:
    desk.tie()
    desk.tie(8, status=ConnectionStatus.APPROVED)
    desk.passes.plans = [an_update(), a_creation()]
    shown = await preview(desk.ports, CUSTOMER)
    assert (await status(desk.ports)).unwritten == {}
    await approve(desk.ports, CUSTOMER, shown.preview.code, by="ada")
    assert (await status(desk.ports)).unwritten == {CUSTOMER: 2}
    await desk.world.ledger.approvals.settle_row(CUSTOMER, "u1")
    assert (await status(desk.ports)).unwritten == {CUSTOMER: 1}


async def test_status_shows_what_is_held_and_what_the_last_full_sync_could_not_know(desk: Desk) -> None:
    desk.tie(status=ConnectionStatus.APPROVED)
    desk.tie(8)
    hold = a_hold()
    await desk.ports.holds.open(hold)
    runs = [
        Run("old", CUSTOMER, Reason.RECONCILE, 0, START, full=True, state=RunState.DONE, notes=("Old.",)),
        Run("full", CUSTOMER, Reason.RECONCILE, 0, START, full=True, state=RunState.DONE, notes=("MFA is unknown.",)),
        Run("user", CUSTOMER, Reason.MANUAL, 1, START, notes=("No full sync.",)),
        Run("halt", CUSTOMER, Reason.RECONCILE, 0, START, full=True, state=RunState.HALTED, notes=("Halted.",)),
        Run("other", 8, Reason.RECONCILE, 0, START, full=True, notes=("Not approved.",)),
    ]
    for run in runs:
        await desk.ports.runs.start(run)
    seen = await status(desk.ports)
    assert list(seen.holds) == [hold]
    assert seen.last_full[CUSTOMER] == LastFull(START, START)
    assert seen.notes == {CUSTOMER: ("MFA is unknown.",)}


async def test_explaining_asks_as_much_as_syncing_and_writes_nothing(desk: Desk) -> None:
    desk.tie(status=ConnectionStatus.APPROVED)
    desk.world.directory.put(TENANT, DirectoryUser(guid(0xAB)))
    assert await explain_user(desk.ports, CUSTOMER, guid(0xAB)) == desk.passes.explanation
    assert not desk.world.broker.published
    with pytest.raises(OperationError, match="knows no user"):
        await explain_user(desk.ports, CUSTOMER, guid(0xAC))
    with pytest.raises(OperationError, match="object id"):
        await explain_user(desk.ports, CUSTOMER, "anna")
    desk.tie(status=ConnectionStatus.PAUSED)
    with pytest.raises(OperationError, match="paused"):
        await explain_user(desk.ports, CUSTOMER, guid(0xAB))


async def test_what_a_run_wrote_for_a_user_comes_from_the_journal(desk: Desk) -> None:
    change = FieldChange("title", "Cook", "Chief", Kind.PROFILE, "Differs.")
    for run_id, user in (("r", guid(1)), ("other", guid(1)), (None, guid(1)), ("r", guid(2))):
        entry = JournalEntry(CUSTOMER, user, 5, "update", (change,), Reason.MANUAL, "t", START, run_id=run_id)
        await desk.world.ledger.journal.intend(entry)
    written = await written_in(desk.ports, Run("r", CUSTOMER, Reason.MANUAL, 1, START), guid(1).upper())
    assert [(entry.run_id, entry.user_id) for entry in written] == [("r", guid(1))]
