"""What a brake holds: approved by its code and nothing else, rejected with a reason, shown with its rows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from console.operations import OperationError, approve_hold, recent_runs, reject_hold, show_run, status, sync_customer
from console.operations.holding import what_is_held
from shared.domain.errors import Permanent
from shared.domain.messages import Reason
from shared.domain.records import ConnectionStatus, HoldState, Run, RunState
from tests.support.clock import START
from tests.support.desk import CUSTOMER, Desk, a_hold, an_update

CODE = "0b9a8ac4"


async def held(desk: Desk, **facts: Any) -> None:
    desk.tie(status=ConnectionStatus.APPROVED)
    await desk.ports.holds.open(a_hold(CODE, **facts))


async def refused(desk: Desk, code: str = CODE) -> OperationError:
    with pytest.raises(OperationError) as caught:
        await approve_hold(desk.ports, code, by="ada")
    return caught.value


async def test_an_approval_releases_its_code_in_a_new_full_sync_and_says_who_it_was(desk: Desk) -> None:
    await held(desk)
    desk.passes.plans = [an_update()]
    started = await approve_hold(desk.ports, CODE, by="ada")
    assert (started.planned, desk.passes.asked) == (1, [(CODE, None, "ada")])
    (settled,) = await desk.ports.holds.list(code=CODE, state=None)
    assert (settled.state, settled.settled_by) == (HoldState.APPROVED, "ada")


async def test_an_unknown_code_is_wrong_use(desk: Desk) -> None:
    await held(desk)
    error = await refused(desk, "ffffffff")
    assert (error.exit_code, "no approval code ffffffff" in error.message) == (2, True)
    assert not desk.passes.begun


async def test_an_expired_code_is_refused_and_the_next_command_named(desk: Desk) -> None:
    await held(desk, expires_at=START - timedelta(hours=1))
    error = await refused(desk)
    assert error.exit_code == 3
    assert "valid until 2026-11-24 08:00 UTC" in error.message
    assert f"entra-syncro reconcile --customer {CUSTOMER}" in error.message
    assert not desk.passes.begun


async def test_a_code_of_which_no_full_sync_has_stored_the_rows_is_refused(desk: Desk) -> None:
    await held(desk, rows=0)
    error = await refused(desk)
    assert error.exit_code == 3
    assert f"entra-syncro reconcile --customer {CUSTOMER}" in error.message
    assert not desk.passes.begun


async def test_a_stale_code_is_refused_with_what_changed_and_the_new_code(desk: Desk) -> None:
    await held(desk)
    desk.passes.stale = ("Anna: was not among what you saw.", "Ben: nothing waits any more.")
    desk.passes.hold = a_hold("11112222")
    error = await refused(desk)
    assert error.exit_code == 3
    assert all(line in error.message for line in desk.passes.stale)
    assert "entra-syncro runs approve 11112222" in error.message


async def test_a_code_of_which_nothing_is_left_says_so(desk: Desk) -> None:
    await held(desk)
    desk.passes.stale = ("Ben: nothing waits any more.",)
    error = await refused(desk)
    assert error.exit_code == 3
    assert "Nothing waits under this code any more" in error.message


async def test_a_code_that_a_newer_one_replaced_is_tried_for_only_a_full_sync_can_tell(desk: Desk) -> None:
    await held(desk)
    await desk.ports.holds.open(a_hold("11112222", rows=2))
    await approve_hold(desk.ports, CODE, by="ada")
    assert desk.passes.asked == [(CODE, None, "ada")]


@pytest.mark.parametrize("state", [HoldState.APPROVED, HoldState.REJECTED])
async def test_a_decision_is_made_once(desk: Desk, state: HoldState) -> None:
    await held(desk)
    await desk.ports.holds.settle(CUSTOMER, CODE, state, "ben", START)
    error = await refused(desk)
    assert (error.exit_code, f"{state.value} by ben (2026-11-24 09:00 UTC)" in error.message) == (3, True)
    with pytest.raises(OperationError, match="by ben"):
        await reject_hold(desk.ports, CODE, why="late", by="ada")


@pytest.mark.parametrize("status", [ConnectionStatus.PAUSED, ConnectionStatus.PREVIEW])
async def test_nothing_is_released_for_a_customer_that_may_not_be_written(desk: Desk, status: ConnectionStatus) -> None:
    await held(desk)
    desk.tie(status=status)
    assert (await refused(desk)).exit_code == 3
    assert not desk.passes.begun


async def test_a_rejection_keeps_who_and_why_and_the_brake_goes_on_standing(desk: Desk) -> None:
    await held(desk)
    rejected = await reject_hold(desk.ports, CODE, why="the group was emptied by mistake", by="ada")
    assert rejected.settled_by == "ada: the group was emptied by mistake"
    standing = await desk.ports.holds.of_customer(CUSTOMER)
    assert standing is not None
    assert standing.brakes == rejected.brakes
    assert [hold.state for hold in await desk.ports.holds.list(code=CODE, state=None)] == [
        HoldState.OPEN,
        HoldState.REJECTED,
    ]
    error = await refused(desk)
    assert error.exit_code == 3
    assert "Rejected by ada: the group was emptied by mistake." in error.message
    assert "entra-syncro reconcile" in error.message
    assert not desk.passes.begun


async def test_what_was_rejected_can_be_approved_once_a_full_sync_found_it_again(desk: Desk) -> None:
    await held(desk)
    await reject_hold(desk.ports, CODE, why="not sure", by="ada")
    assert not (await show_run(desk.ports, CODE)).rejections  # the hold says it itself
    await desk.ports.holds.open(a_hold(CODE))
    told = "Exactly this was rejected before by ada: not sure (code 0b9a8ac4, 2026-11-24 09:00 UTC)."
    assert (await show_run(desk.ports, CODE)).rejections == {CODE: told}
    assert (await status(desk.ports)).rejections == {CODE: told}
    started = await approve_hold(desk.ports, CODE, by="ben")
    assert (desk.passes.asked, started.rejected_before) == ([(CODE, None, "ben")], told)


async def test_a_full_sync_that_finds_what_was_rejected_says_so(desk: Desk) -> None:
    await held(desk)
    await reject_hold(desk.ports, CODE, why="not sure", by="ada")
    desk.passes.hold = a_hold(CODE)
    assert "rejected before by ada: not sure" in (await sync_customer(desk.ports, CUSTOMER)).rejected_before
    desk.passes.hold = a_hold("11112222")
    assert (await sync_customer(desk.ports, CUSTOMER)).rejected_before == ""


async def test_a_rejected_halt_keeps_its_numbers_and_may_be_rejected_again_once_renewed(desk: Desk) -> None:
    halt: dict[str, Any] = {
        "rows": 0,
        "brakes": {"listing": (4, 90)},
        "detail": "The list of users has 4 entries, 90 before.",
    }
    await held(desk, **halt)
    await reject_hold(desk.ports, CODE, why="outage", by="ada")
    (shown,) = (await show_run(desk.ports, CODE)).holds
    assert shown.detail == "Rejected by ada: outage. The list of users has 4 entries, 90 before."
    await desk.ports.holds.open(a_hold(CODE, **halt))  # the next full sync saw the same
    assert (await reject_hold(desk.ports, CODE, why="still", by="ben")).settled_by == "ben: still"


async def test_a_run_shows_a_rejected_hold_once(desk: Desk) -> None:
    await held(desk, run_id="run1")
    await desk.ports.runs.start(Run("run1", CUSTOMER, Reason.RECONCILE, 3, START, full=True))
    await reject_hold(desk.ports, CODE, why="no", by="ada")
    assert [hold.detail for hold in (await show_run(desk.ports, "run1")).holds] == ["Rejected by ada: no."]


@pytest.mark.parametrize(("code", "words"), [("already_decided", "was approved already"), ("approval_expired", "old")])
async def test_a_decision_that_came_between_is_code_3(desk: Desk, code: str, words: str) -> None:
    await held(desk)
    desk.passes.broken = Permanent("worker", code, f"this code {words}")
    error = await refused(desk)
    assert (error.exit_code, words in error.message) == (3, True)


async def test_any_other_trouble_of_the_pass_is_told_as_it_is(desk: Desk) -> None:
    await held(desk)
    desk.passes.broken = Permanent("syncro", "rejected")
    with pytest.raises(Permanent):
        await approve_hold(desk.ports, CODE, by="ada")


@pytest.mark.parametrize("why", ["", "   "])
async def test_a_rejection_needs_a_reason(desk: Desk, why: str) -> None:
    await held(desk)
    with pytest.raises(OperationError, match="--why") as caught:
        await reject_hold(desk.ports, CODE, why=why, by="ada")
    assert caught.value.exit_code == 2


async def test_what_has_gone_by_itself_needs_no_rejection(desk: Desk) -> None:
    await held(desk)
    await desk.ports.holds.settle(CUSTOMER, CODE, HoldState.LIFTED, "full sync", START)
    with pytest.raises(OperationError, match="Nothing waits") as caught:
        await reject_hold(desk.ports, CODE, why="late", by="ada")
    assert caught.value.exit_code == 3


async def test_two_operators_reject_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await held(desk)

    async def taken(*_: object) -> bool:
        return False

    monkeypatch.setattr(desk.world.ledger.holds, "settle", taken)
    with pytest.raises(OperationError, match="Somebody else"):
        await reject_hold(desk.ports, CODE, why="no", by="ada")


async def test_a_run_is_shown_with_what_it_held_by_its_id_and_by_the_code(desk: Desk) -> None:
    await held(desk, run_id="run1")
    await desk.ports.runs.start(Run("run1", CUSTOMER, Reason.RECONCILE, 3, START, full=True, state=RunState.WORKING))
    by_id, by_code = await show_run(desk.ports, "run1"), await show_run(desk.ports, CODE)
    assert (by_id.run, by_id.holds, by_id.customer_name) == (by_code.run, by_code.holds, by_code.customer_name)
    assert by_id.run is not None
    assert (by_id.run.run_id, [hold.code for hold in by_id.holds]) == ("run1", [CODE])


async def test_a_hold_of_the_live_path_is_shown_without_a_run(desk: Desk) -> None:
    await held(desk, run_id=None, rows=0)
    shown = await show_run(desk.ports, CODE)
    assert (shown.run, [hold.code for hold in shown.holds]) == (None, [CODE])


async def test_what_is_neither_a_run_nor_a_code_is_wrong_use(desk: Desk) -> None:
    with pytest.raises(OperationError, match="no run nope") as caught:
        await show_run(desk.ports, "nope")
    assert caught.value.exit_code == 2


async def test_runs_are_listed_of_all_customers_or_of_one(desk: Desk) -> None:
    desk.tie()
    for number, customer in enumerate((CUSTOMER, 8)):
        await desk.ports.runs.start(Run(f"r{number}", customer, Reason.RECONCILE, 0, START))
    assert [run.run_id for run in await recent_runs(desk.ports)] == ["r1", "r0"]
    assert [run.run_id for run in await recent_runs(desk.ports, CUSTOMER)] == ["r0"]
    with pytest.raises(OperationError, match="not connected"):
        await recent_runs(desk.ports, 8)


@pytest.mark.parametrize(
    ("brakes", "words"),
    [
        ({"clears": (12, 3)}, "12 contacts with cleared values or deleted users (3 pass without a question)"),
        ({"identity": (7, 5)}, "7 contacts with changed names or e-mail addresses (5 pass without a question)"),
        ({"creations": (40, 15)}, "40 new contacts (15 pass without a question)"),
        (
            {"clears": (2, 3)},
            "2 contacts with cleared values or deleted users (the limit of 3 was reached before, the rest waits)",
        ),
        ({"creations": (1, 1)}, "1 new contact (the limit of 1 was reached before, the rest waits)"),
        ({"listing": (40, 100)}, "everything, for a list has 40 entries where 100 were seen before"),
    ],
)
def test_every_class_has_its_words(brakes: dict[str, tuple[int, int]], words: str) -> None:
    assert what_is_held(a_hold(CODE, brakes=brakes)) == words
