"""Syncs that a person starts, failed changes tried again, and the one look at everything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import pytest

from console.operations import (
    OperationError,
    approve,
    explain_user,
    letters,
    preview,
    progress,
    replay,
    replay_all,
    status,
    sync_customer,
    sync_user,
    written_in,
)
from shared.domain.changes import Conflict, ConflictReason, FieldChange, Kind
from shared.domain.errors import Transient
from shared.domain.messages import Lane, LifecycleEvent, Reason, SubscriptionTouched, encode
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


async def test_a_replay_puts_the_users_back_fresh(desk: Desk) -> None:
    desk.letter("l1", a_body())
    done = await replay(desk.ports, "l1")
    (sent,) = desk.world.broker.sent(Lane.LIVE)
    assert (sent.user_ids, sent.attempt, sent.reason) == ((guid(1),), 0, Reason.REPLAY)
    assert sent.trace_id != "old-trace"
    assert sent.noticed_at >= START
    assert done.status == "replayed"
    assert not await letters(desk.ports)
    assert [letter.status for letter in await letters(desk.ports, include_settled=True)] == ["replayed"]


async def test_a_lifecycle_letter_goes_back_to_where_it_came_from(desk: Desk) -> None:
    touched = SubscriptionTouched(
        tenant_id=TENANT, noticed_at=START, trace_id="t", attempt=3, subscription_id="s", event=LifecycleEvent.MISSED
    )
    desk.letter("l1", encode(touched))
    await replay(desk.ports, "l1")
    (published,) = desk.world.broker.published
    assert published.lane is Lane.CONTROL


async def test_the_message_is_safe_before_the_letter_is_settled(desk: Desk) -> None:
    desk.letter("l1", a_body())
    order: list[str] = []
    settle = desk.world.ledger.dead_letters.settle

    async def settled(letter_id: str, status: str, at: datetime) -> bool:
        order.append(f"settle after {len(desk.world.broker.published)}")
        return await settle(letter_id, status, at)

    desk.world.ledger.dead_letters.settle = settled  # type: ignore[method-assign]  # watches the order
    await replay(desk.ports, "l1")
    assert order == ["settle after 1"]


async def test_a_queue_that_is_away_leaves_the_letter_open(desk: Desk) -> None:
    desk.letter("l1", a_body())
    desk.world.broker.down = True
    with pytest.raises(Transient):
        await replay(desk.ports, "l1")
    assert [letter.letter_id for letter in await letters(desk.ports)] == ["l1"]


async def test_an_unreadable_letter_is_kept_and_says_so(desk: Desk) -> None:
    desk.letter("l1", b"\xff not ours")
    with pytest.raises(OperationError, match="cannot be read") as caught:
        await replay(desk.ports, "l1")
    assert caught.value.exit_code == 1
    assert "not ours" not in caught.value.message
    assert [letter.letter_id for letter in await letters(desk.ports)] == ["l1"]


@pytest.mark.parametrize("state", ["replayed", "discarded"])
async def test_a_settled_letter_is_not_replayed_again(desk: Desk, state: str) -> None:
    desk.letter("l1", a_body(), state)
    with pytest.raises(OperationError, match=f"was {state} already"):
        await replay(desk.ports, "l1")
    assert not desk.world.broker.published


async def test_an_unknown_letter_is_wrong_use(desk: Desk) -> None:
    with pytest.raises(OperationError, match="dead-letters list") as caught:
        await replay(desk.ports, "nope")
    assert caught.value.exit_code == 2


async def test_replaying_all_leaves_what_cannot_be_read_and_what_another_operator_took(desk: Desk) -> None:
    desk.letter("good", a_body(1))
    desk.letter("taken", a_body(2))
    desk.letter("bytes", b"\x00")
    settle = desk.world.ledger.dead_letters.settle

    async def settled(letter_id: str, status: str, at: datetime) -> bool:
        return letter_id != "taken" and await settle(letter_id, status, at)

    desk.world.ledger.dead_letters.settle = settled  # type: ignore[method-assign]  # somebody else was faster
    assert [letter.letter_id for letter in await replay_all(desk.ports)] == ["good"]
    assert "bytes" in {letter.letter_id for letter in await letters(desk.ports)}


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
