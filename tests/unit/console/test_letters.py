"""Failed changes at the desk: found, grouped, planned, tried again by one of two operators, exported, discarded."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from console.operations import (
    LetterWish,
    OperationError,
    begin_replay,
    cancel_replay,
    discard,
    export_letter,
    find_letters,
    letter_groups,
    plan_replay,
    replays,
    show_letter,
    show_replay,
)
from console.operations.letters_plan import CUSTOMERS, ROWS, UNKNOWN
from shared.domain.changes import FieldChange, Kind
from shared.domain.desk import Replay, ReplayState
from shared.domain.errors import Transient
from shared.domain.letter_ids import letter_id_of
from shared.domain.letters import CAP, Result, again
from shared.domain.messages import DeadLettered, Lane, Reason, UsersTouched, encode
from shared.domain.records import ConnectionStatus, DeadLetter, JournalEntry, Run, RunState
from shared.domain.watching import read_key
from tests.support.clock import START
from tests.support.desk import CUSTOMER, Desk, a_body, an_update
from tests.support.receiver import TENANT, guid

EVERYTHING = LetterWish()
OTHER_TENANT = guid(0xFFFF)


def letter(desk: Desk, number: int, **facts: Any) -> DeadLetter:
    made = desk.letter(f"l{number}", facts.pop("body", a_body(number)), facts.pop("status", "open"))
    made = replace(made, **{"user_ids": (guid(number),), **facts})
    desk.world.ledger.dead_letters.held[made.letter_id] = made
    return made


def held(desk: Desk, letter_id: str = "l1") -> DeadLetter:
    return desk.world.ledger.dead_letters.held[letter_id]


def three(desk: Desk) -> list[DeadLetter]:
    desk.tie(status=ConnectionStatus.APPROVED)
    return [letter(desk, number) for number in (1, 2, 3)]


async def begun(desk: Desk, wish: LetterWish = EVERYTHING, by: str = "ada", **how: Any) -> str:
    """The id of a job over what the plan shows."""
    plan = await plan_replay(desk.ports, wish, force=how.get("force", False), read=False)
    return (await begin_replay(desk.ports, wish, plan.code, by=by, **how)).replay.replay_id


# --- found and shown --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wish", "found"),
    [
        ({}, ["l4", "l3", "l2", "l1"]),
        ({"customer_id": CUSTOMER}, ["l4", "l2", "l1"]),
        ({"cause": "duplicate"}, ["l2"]),
        ({"cause": "rejected: Syncro refused the values"}, ["l4", "l3", "l1"]),
        ({"cause": "rejected: Something else"}, []),
        ({"since": START + timedelta(hours=2)}, ["l4", "l3", "l2"]),
        ({"until": START + timedelta(hours=2)}, ["l2", "l1"]),
        ({"run_id": "night"}, ["l3"]),
        ({"ids": ("l1", "l1", "l5")}, ["l1"]),  # l5 is settled
        ({"customer_id": CUSTOMER, "since": START + timedelta(hours=2)}, ["l4", "l2"]),
    ],
)
async def test_every_filter_that_is_set_must_hold(desk: Desk, wish: Mapping[str, Any], found: list[str]) -> None:
    desk.tie(status=ConnectionStatus.APPROVED)
    letter(desk, 1)
    letter(desk, 2, error_class="duplicate", last_seen=START + timedelta(hours=2))
    letter(desk, 3, tenant_id=OTHER_TENANT, run_id="night", last_seen=START + timedelta(hours=3))
    letter(desk, 4, status="parked", last_seen=START + timedelta(hours=4))
    letter(desk, 5, status="discarded")
    assert [each.letter_id for each in await find_letters(desk.ports, LetterWish(**wish))] == found


async def test_what_is_unknown_is_wrong_use(desk: Desk) -> None:
    for wish in (LetterWish(ids=("nope",)), LetterWish(customer_id=99)):
        with pytest.raises(OperationError, match="entra-syncro") as caught:
            await find_letters(desk.ports, wish)
        assert caught.value.exit_code == 2


async def test_groups_name_their_cause_their_customers_and_the_cure(desk: Desk) -> None:
    three(desk)
    desk.tie(8, OTHER_TENANT)
    letter(desk, 4, tenant_id=OTHER_TENANT)
    letter(desk, 5, tenant_id=None, user_ids=(), error_class="unreadable", detail="json_invalid at top", body=b"\xff")
    first, second = await letter_groups(desk.ports, EVERYTHING)
    assert (first.letters, first.users, first.cause) == (4, 4, "rejected: Syncro refused the values")
    assert [(share.customer_id, share.letters) for share in first.customers] == [(CUSTOMER, 3), (8, 1)]
    assert first.who_does_what == "Correct the user in Entra or the contact in Syncro."
    assert [(share.customer_id, share.letters) for share in second.customers] == [(None, 1)]
    again = await letter_groups(desk.ports, LetterWish(cause=first.cause))
    assert [group.letters for group in again] == [4], "a cause as it is shown is one that can be asked for"


async def test_a_letter_is_shown_with_what_was_written_since(desk: Desk) -> None:
    three(desk)
    change = FieldChange("title", "Cook", "Chief", Kind.PROFILE, "Differs.")
    for minutes, user in ((-5, 1), (5, 1), (5, 2)):
        at = START + timedelta(minutes=minutes)
        entry = JournalEntry(CUSTOMER, guid(user), 5, "update", (change,), Reason.MANUAL, "t", at)
        await desk.world.ledger.journal.intend(entry)
    shown = await show_letter(desk.ports, "l1")
    assert [entry.intended_at for entry in shown.writes] == [START + timedelta(minutes=5)]
    assert (shown.state, shown.customers, shown.size) == ("open", (f"Customer {CUSTOMER}",), len(a_body()))


async def test_browsing_a_hundred_times_changes_nothing(desk: Desk) -> None:
    three(desk)
    before = dict(desk.world.ledger.dead_letters.held)
    for _ in range(100):
        await find_letters(desk.ports, EVERYTHING)
        await letter_groups(desk.ports, EVERYTHING, include_settled=True)
        await show_letter(desk.ports, "l1")
        await plan_replay(desk.ports, EVERYTHING, read=False)
    assert desk.world.ledger.dead_letters.held == before
    assert not desk.world.broker.published
    assert not desk.world.ledger.deeds.noted


# --- the plan ---------------------------------------------------------------------------------------------------


async def test_a_plan_says_what_each_user_would_get_today(desk: Desk) -> None:
    three(desk)
    desk.passes.plans = [an_update(guid(1)), an_update(guid(2)), an_update(guid(9))]
    plan = await plan_replay(desk.ports, EVERYTHING)
    (planned,) = plan.customers
    assert (planned.customer_id, planned.users, planned.why) == (CUSTOMER, 3, "")
    assert planned.outcomes == {"update": 2, UNKNOWN: 1}, "others of the customer are not counted"
    assert [(row.outcome, row.fields) for row in planned.rows] == [("update", ("phone",))] * 2
    assert not desk.world.broker.published
    assert held(desk).status == "open"


async def test_a_plan_reads_a_bounded_number_of_customers_the_largest_first(desk: Desk) -> None:
    for number in range(1, CUSTOMERS + 3):
        desk.tie(number, guid(0x100 + number), ConnectionStatus.APPROVED)
        letter(desk, number, tenant_id=guid(0x100 + number))
    letter(desk, 50, tenant_id=guid(0x100 + CUSTOMERS + 2))
    plan = await plan_replay(desk.ports, EVERYTHING)
    assert len(plan.customers) == CUSTOMERS
    assert plan.customers[0].customer_id == CUSTOMERS + 2
    assert plan.not_read == 2
    assert not (await plan_replay(desk.ports, EVERYTHING, read=False)).customers


async def test_a_plan_shows_a_bounded_number_of_users(desk: Desk) -> None:
    desk.tie(status=ConnectionStatus.APPROVED)
    for number in range(1, ROWS + 6):
        letter(desk, number)
    desk.passes.plans = [an_update(guid(number)) for number in range(1, ROWS + 6)]
    (planned,) = (await plan_replay(desk.ports, EVERYTHING)).customers
    assert len(planned.rows) == ROWS
    assert planned.outcomes == {"update": ROWS + 5}


@pytest.mark.parametrize(
    ("status", "words"), [(ConnectionStatus.PAUSED, "Paused"), (ConnectionStatus.PREVIEW, "Waiting for approval")]
)
async def test_a_plan_says_where_nothing_would_be_written(desk: Desk, status: ConnectionStatus, words: str) -> None:
    desk.tie(status=status)
    letter(desk, 1)
    (planned,) = (await plan_replay(desk.ports, EVERYTHING)).customers
    assert words in planned.why


async def test_a_customer_that_cannot_be_read_stops_no_plan(desk: Desk) -> None:
    three(desk)
    desk.passes.broken, desk.passes.broken_for = Transient("graph", "unreachable"), frozenset({CUSTOMER})
    plan = await plan_replay(desk.ports, EVERYTHING)
    assert (len(plan.selection.letters), plan.customers[0].outcomes) == (3, {})
    assert "graph: unreachable" in plan.customers[0].why


async def test_a_plan_counts_whom_a_look_or_a_full_sync_brought_in_step_since(desk: Desk) -> None:
    three(desk)
    moment = (START + timedelta(minutes=1)).isoformat()
    await desk.world.memory.remember(read_key(TENANT, guid(1)), moment, ttl=1000.0)
    assert (await plan_replay(desk.ports, EVERYTHING, read=False)).in_step == 1
    at = START + timedelta(minutes=2)
    await desk.ports.runs.start(Run("f", CUSTOMER, Reason.RECONCILE, 0, at, state=RunState.DONE, full=True))
    assert (await plan_replay(desk.ports, EVERYTHING, read=False)).in_step == 3


async def test_what_cannot_be_read_or_was_tried_too_often_stays_out(desk: Desk) -> None:
    three(desk)
    letter(desk, 2, replays=CAP)
    letter(desk, 3, body=b"\x00")
    letter(desk, 4, status="claimed")
    selection = (await plan_replay(desk.ports, EVERYTHING, read=False)).selection
    ids = [[each.letter_id for each in part] for part in (selection.letters, selection.parked, selection.unreadable)]
    assert ids == [["l1"], ["l2"], ["l3"]]
    assert [each.letter_id for each in selection.taken] == ["l4"]
    forced = (await plan_replay(desk.ports, EVERYTHING, force=True, read=False)).selection
    assert [each.letter_id for each in forced.letters] == ["l1", "l2"]


# --- begun ------------------------------------------------------------------------------------------------------


async def test_a_code_begins_exactly_its_plan_and_twice_it_is_the_same_job(desk: Desk) -> None:
    three(desk)
    plan = await plan_replay(desk.ports, EVERYTHING)
    first = await begin_replay(desk.ports, EVERYTHING, plan.code, by="ada")
    assert (first.claimed, first.known, first.replay.total, first.replay.by) == (3, False, 3, "ada")
    assert {held(desk, each.letter_id).status for each in plan.selection.letters} == {"claimed"}
    again = await begin_replay(desk.ports, EVERYTHING, plan.code.upper(), by="bob")
    assert (again.known, again.replay) == (True, first.replay)
    (deed,) = desk.world.ledger.deeds.noted
    assert (deed.by, deed.what, deed.facts["letters"]) == ("ada", "replay", 3)
    assert not desk.world.broker.published, "a worker hands them over"


async def test_what_failed_after_the_cut_off_stays_out(desk: Desk) -> None:
    three(desk)
    plan = await plan_replay(desk.ports, EVERYTHING, read=False)
    desk.world.clock.ahead += timedelta(minutes=1)
    letter(desk, 4, last_seen=desk.world.clock.now())
    assert (await begin_replay(desk.ports, EVERYTHING, plan.code, by="ada")).claimed == 3
    assert held(desk, "l4").status == "open"


async def test_a_code_holds_no_more_once_a_letter_was_settled(desk: Desk) -> None:
    three(desk)
    plan = await plan_replay(desk.ports, EVERYTHING, read=False)
    await discard(desk.ports, ["l1"], why="left", by="bob")
    with pytest.raises(OperationError, match="settled since") as caught:
        await begin_replay(desk.ports, EVERYTHING, plan.code, by="ada")
    assert caught.value.exit_code == 3
    assert held(desk, "l2").status == "open"
    assert not await replays(desk.ports)


@pytest.mark.parametrize("code", ["", "nonsense", "12345678"])
async def test_what_is_no_code_is_wrong_use(desk: Desk, code: str) -> None:
    with pytest.raises(OperationError) as caught:
        await begin_replay(desk.ports, EVERYTHING, code, by="ada")
    assert caught.value.exit_code == 2


async def test_the_second_of_two_operators_is_told_who_has_the_letters(desk: Desk) -> None:
    three(desk)
    hers = await plan_replay(desk.ports, EVERYTHING, read=False)
    desk.world.clock.ahead += timedelta(seconds=5)
    his = await plan_replay(desk.ports, EVERYTHING, read=False)
    assert hers.code != his.code, "each has a cut-off of their own"
    job = (await begin_replay(desk.ports, EVERYTHING, hers.code, by="ada")).replay
    with pytest.raises(OperationError, match=f"3 of these .* by ada .replay {job.replay_id}.") as caught:
        await begin_replay(desk.ports, EVERYTHING, his.code, by="bob")
    assert caught.value.exit_code == 3


async def test_two_operators_at_the_very_same_moment_never_share_a_letter(desk: Desk) -> None:
    three(desk)
    codes = []
    for _ in range(2):
        codes.append((await plan_replay(desk.ports, EVERYTHING, read=False)).code)
        desk.world.clock.ahead += timedelta(seconds=1)
    told = await asyncio.gather(
        *(begin_replay(desk.ports, EVERYTHING, code, by=by) for code, by in zip(codes, ("ada", "bob"), strict=True)),
        return_exceptions=True,
    )
    winners = [each for each in told if not isinstance(each, BaseException)]
    losers = [each for each in told if isinstance(each, OperationError)]
    assert [each.claimed for each in winners] == [3]
    assert len(losers) == 1
    assert f"by {winners[0].replay.by}" in losers[0].message
    running = [each for each in await replays(desk.ports) if each.state is ReplayState.RUNNING]
    assert [each.replay_id for each in running] == [winners[0].replay.replay_id]


async def test_of_a_plan_that_another_job_has_a_part_of_nothing_begins(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at the letters and the claim, by an overlapping selection; also of those nobody had opened."""
    three(desk)
    letter(desk, 1, status="parked", replays=CAP, why="three times in vain")
    plan = await plan_replay(desk.ports, EVERYTHING, force=True, read=False)
    jobs = desk.world.ledger.replays
    begin = jobs.begin

    async def late(job: Replay, letter_ids: Sequence[str]) -> int:
        await begin(Replay("other", "eve", "c", 1, START), ["l2"])
        return await begin(job, letter_ids)

    monkeypatch.setattr(jobs, "begin", late)
    with pytest.raises(OperationError, match=r"1 of these .* by eve .replay other.") as caught:
        await begin_replay(desk.ports, EVERYTHING, plan.code, by="ada", force=True, why="cured")
    assert caught.value.exit_code == 3
    assert [each.replay_id for each in await replays(desk.ports)] == ["other"]
    assert [(held(desk, f"l{number}").status) for number in (1, 2, 3)] == ["parked", "claimed", "open"]
    assert held(desk).why == "three times in vain"
    assert not desk.world.ledger.deeds.noted


async def test_a_letter_tried_too_often_needs_a_person_who_insists_and_says_why(desk: Desk) -> None:
    three(desk)
    letter(desk, 1, replays=CAP)
    letter(desk, 2, status="parked", replays=CAP)
    plan = await plan_replay(desk.ports, EVERYTHING, force=True, read=False)
    with pytest.raises(OperationError, match="--why") as caught:
        await begin_replay(desk.ports, EVERYTHING, plan.code, by="ada", force=True)
    assert caught.value.exit_code == 2
    with pytest.raises(OperationError, match="anew"):
        await begin_replay(desk.ports, EVERYTHING, plan.code, by="ada")  # without insisting it is another selection
    begun_ = await begin_replay(desk.ports, EVERYTHING, plan.code, by="ada", force=True, why="Syncro cured it")
    assert begun_.claimed == 3
    assert desk.world.ledger.deeds.noted[-1].facts["why"] == "Syncro cured it"


# --- followed, cancelled ----------------------------------------------------------------------------------------


async def test_every_letter_of_a_job_has_its_result(desk: Desk) -> None:
    three(desk)
    replay_id = await begun(desk)
    shown = await show_replay(desk.ports, replay_id)
    assert (shown.counts, shown.has_ended) == ({Result.WAITING: 3}, False)
    later = START + timedelta(minutes=1)
    for number, outcome in ((1, "update"), (2, "failed")):
        await desk.ports.replays.advance(replay_id, f"l{number}", "replayed", later)
        await desk.ports.runs.outcome(replay_id, guid(number), outcome, later)
    await desk.ports.replays.advance(replay_id, "l3", "discarded", later, why="In step since.")
    await desk.ports.replays.finish(replay_id, later, ReplayState.DONE)
    shown = await show_replay(desk.ports, replay_id)
    assert (shown.counts.get(Result.LOOKING), shown.has_ended) == (1, False), "its new reason is still to come"
    desk.world.ledger.dead_letters.held["l2"] = replace(held(desk, "l2"), last_seen=later, detail="Now another one")
    shown = await show_replay(desk.ports, replay_id)
    assert shown.counts == {Result.FAILED: 1, Result.SYNCED: 1, Result.SKIPPED: 1}
    assert shown.has_ended
    assert {each.letter_id: each.detail for each in shown.results} == {
        "l1": "",
        "l2": "Now another one",
        "l3": "In step since.",
    }


async def test_of_a_letter_of_several_users_the_reasons_are_their_own(desk: Desk) -> None:
    """Each user that fails again has a failed change of its own; the old cause is nobody's any more."""
    desk.tie(status=ConnectionStatus.APPROVED)
    both = UsersTouched(
        tenant_id=TENANT, user_ids=(guid(1), guid(2)), reason=Reason.DELTA, noticed_at=START, trace_id="x"
    )
    old = letter(desk, 1, body=encode(both), user_ids=both.user_ids, detail="Old cause")
    replay_id = await begun(desk)
    work = again(old, replay_id, START)
    assert work is not None
    later = START + timedelta(minutes=1)
    await desk.ports.replays.advance(replay_id, "l1", "replayed", later)
    await desk.ports.replays.finish(replay_id, later, ReplayState.DONE)
    await desk.ports.runs.outcome(replay_id, guid(1), "update", later)
    await desk.ports.runs.outcome(replay_id, guid(2), "failed", later)
    assert not (await show_replay(desk.ports, replay_id)).has_ended
    hers = work[0].model_copy(update={"user_ids": (guid(2),)})
    assert isinstance(hers, UsersTouched)
    kept = DeadLettered(
        letter_id=letter_id_of(hers),
        body=encode(hers),
        lane=Lane.BACKFILL,
        error_class="rejected",
        service="syncro",
        detail="New cause",
        attempts=1,
        first_seen=START - timedelta(hours=1),
        last_seen=START - timedelta(hours=1),  # a clock that is behind
    )
    await desk.ports.dead_letters.record(kept)
    shown = await show_replay(desk.ports, replay_id)
    assert ([each.detail for each in shown.results], shown.has_ended) == (["Syncro: New cause"], True)


async def test_a_job_that_still_runs_is_listed_however_many_came_after_it(desk: Desk) -> None:
    three(desk)
    oldest = await begun(desk, LetterWish(ids=("l1",)))
    jobs = desk.world.ledger.replays.held
    for number in range(30):
        began_at = START + timedelta(hours=number + 1)
        jobs[f"r{number}"] = replace(jobs[oldest], replay_id=f"r{number}", began_at=began_at, state=ReplayState.DONE)
    listed = [job.replay_id for job in await replays(desk.ports)]
    assert listed == [*(f"r{number}" for number in range(29, 9, -1)), oldest]


async def test_a_letter_that_failed_while_its_job_left_it_alone_keeps_nobody_waiting(desk: Desk) -> None:
    """In step by an earlier look, and failed for another change since: it is open, and that is its result."""
    three(desk)
    replay_id = await begun(desk, LetterWish(ids=("l1", "l2")))
    letters = desk.world.ledger.dead_letters.held
    letters["l1"] = replace(letters["l1"], last_seen=START + timedelta(minutes=2), service="syncro", detail="too long")
    await desk.ports.replays.advance(replay_id, "l1", "discarded", START, why="In step since.")
    await desk.ports.replays.advance(replay_id, "l2", "parked", START, why="It cannot be read.")
    await desk.ports.replays.finish(replay_id, START, ReplayState.DONE)
    shown = await show_replay(desk.ports, replay_id)
    assert (shown.counts, shown.has_ended) == ({Result.FAILED: 1, Result.UNREADABLE: 1}, True)
    assert {each.detail for each in shown.results} == {"Syncro: too long", "It cannot be read."}


async def test_a_job_is_not_over_while_a_look_is_to_come(desk: Desk) -> None:
    three(desk)
    replay_id = await begun(desk, LetterWish(ids=("l1",)))
    await desk.ports.replays.advance(replay_id, "l1", "replayed", START)
    await desk.ports.replays.finish(replay_id, START, ReplayState.DONE)
    assert not (await show_replay(desk.ports, replay_id)).has_ended
    await desk.ports.runs.outcome(replay_id, guid(1), "in step", START)
    shown = await show_replay(desk.ports, replay_id)
    assert (shown.has_ended, shown.counts) == (True, {Result.NOTHING: 1})


async def test_a_user_whom_another_look_answered_is_no_longer_waited_for(desk: Desk) -> None:
    three(desk)
    replay_id = await begun(desk, LetterWish(ids=("l1",)))
    await desk.ports.replays.advance(replay_id, "l1", "replayed", START)
    await desk.ports.replays.finish(replay_id, START, ReplayState.DONE)
    for minutes, has_ended in ((-1, False), (1, True)):
        moment = (START + timedelta(minutes=minutes)).isoformat()
        await desk.world.memory.remember(read_key(TENANT, guid(1)), moment, ttl=1000.0)
        assert (await show_replay(desk.ports, replay_id)).has_ended is has_ended
    assert (await show_replay(desk.ports, replay_id)).counts == {Result.NOTHING: 1}


async def test_a_cancelled_job_gives_back_what_was_not_handed_over_and_twice_is_harmless(desk: Desk) -> None:
    three(desk)
    replay_id = await begun(desk)
    await desk.ports.replays.advance(replay_id, "l1", "replayed", START)
    job, is_done = await cancel_replay(desk.ports, replay_id, by="bob")
    assert (job.state, is_done) == (ReplayState.CANCELLED, True)
    assert [held(desk, f"l{number}").status for number in (1, 2, 3)] == ["replayed", "open", "open"]
    assert (await cancel_replay(desk.ports, replay_id, by="bob"))[1] is False
    assert [deed.what for deed in desk.world.ledger.deeds.noted] == ["replay", "cancel-replay"]
    assert (await show_replay(desk.ports, replay_id)).has_ended
    with pytest.raises(OperationError, match="no replay nope"):
        await cancel_replay(desk.ports, "nope", by="bob")


# --- discarded, exported ----------------------------------------------------------------------------------------


async def test_discarding_needs_a_reason_and_is_safe_to_repeat(desk: Desk) -> None:
    three(desk)
    with pytest.raises(OperationError, match="--why"):
        await discard(desk.ports, ["l1"], why=" ", by="ada")
    first = await discard(desk.ports, ["l1", "l1", "l2"], why="left", by="ada")
    assert (first.done, first.before) == (("l1", "l2"), {})
    assert (held(desk).settled_by, held(desk).why) == ("ada", "left")
    again = await discard(desk.ports, ["l1"], why="left", by="bob")
    assert (again.done, again.before) == ((), {"l1": "discarded already by ada"})
    assert len(desk.world.ledger.deeds.noted) == 2
    assert not desk.world.broker.published


async def test_a_letter_that_is_being_tried_again_is_not_discarded(desk: Desk) -> None:
    three(desk)
    replay_id = await begun(desk)
    told = await discard(desk.ports, ["l1"], why="left", by="bob")
    assert replay_id in told.before["l1"]
    assert held(desk).status == "claimed"


async def test_discarding_an_unknown_letter_discards_none_of_the_others(desk: Desk) -> None:
    three(desk)
    with pytest.raises(OperationError, match="no failed change nope"):
        await discard(desk.ports, ["l1", "nope"], why="left", by="ada")
    assert held(desk).status == "open"


async def test_bytes_are_exported_for_this_user_alone_and_never_over_a_file(desk: Desk, tmp_path: Path) -> None:
    letter(desk, 1, body=b"\xff\x00raw")
    file = tmp_path / "letter.bin"
    assert await export_letter(desk.ports, "l1", file) == 5
    assert file.read_bytes() == b"\xff\x00raw"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for other in (file, tmp_path / "nowhere" / "letter.bin"):
        with pytest.raises(OperationError) as caught:
            await export_letter(desk.ports, "l1", other)
        assert caught.value.exit_code == 2
    assert file.read_bytes() == b"\xff\x00raw"
