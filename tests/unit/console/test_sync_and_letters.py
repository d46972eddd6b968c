"""Syncs that a person starts, failed changes tried again, and the one look at everything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

import pytest

from console.operations import (
    OperationError,
    approve,
    letters,
    preview,
    progress,
    replay,
    replay_all,
    status,
    sync_customer,
    sync_user,
)
from shared.domain.changes import Conflict, ConflictReason
from shared.domain.errors import Transient
from shared.domain.messages import Lane, LifecycleEvent, Reason, SubscriptionTouched, encode
from shared.domain.records import ConnectionStatus, Link, Run
from shared.domain.user import DirectoryUser
from tests.support.clock import START
from tests.support.desk import CUSTOMER, Desk, a_body, a_creation, an_update
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
    assert seen.unwritten == {}


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
