"""DeadLetters, Replays, JournalSearch, Pins, Choices, Deeds and Notices (`shared/ports.py`).

The fakes of the rooms' own tests run through the same suite: what those tests rest on is checked here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

import pytest

from shared import ports
from shared.adapters.ledger import Ledger, open_ledger
from shared.domain.changes import FieldChange, Kind
from shared.domain.desk import (
    Choice,
    Chosen,
    Deed,
    JournalFilter,
    LetterCount,
    LetterFilter,
    Notice,
    Pin,
    Replay,
    ReplayState,
)
from shared.domain.messages import Reason, UsersTouched, encode
from shared.domain.records import DeadLetter, JournalEntry, WriteState
from tests.contract.ledger.conftest import DURABLE, _address
from tests.support.clock import START
from tests.support.fake_ledger import FakeLedger
from tests.support.ledger import CUSTOMER, TENANT, a_letter, an_entry

OTHER = CUSTOMER + 1
HOUR = timedelta(hours=1)
LATER = START + HOUR
JOB = Replay("job-1", "kim", "c0de", 3, START)


class Desk(Protocol):
    """What a ledger and its fake have in common here."""

    @property
    def dead_letters(self) -> ports.DeadLetters: ...
    @property
    def replays(self) -> ports.Replays: ...
    @property
    def journal(self) -> ports.Journal: ...
    @property
    def journal_search(self) -> ports.JournalSearch: ...
    @property
    def pins(self) -> ports.Pins: ...
    @property
    def choices(self) -> ports.Choices: ...
    @property
    def deeds(self) -> ports.Deeds: ...
    @property
    def notices(self) -> ports.Notices: ...


@pytest.fixture(params=[*DURABLE, "memory", "fake"])
async def desk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    if request.param == "fake":
        yield FakeLedger()
    else:
        async with open_ledger(_address(request, tmp_path_factory.mktemp("desk"))) as ledger:
            yield ledger


async def letters(desk: Desk, *letter_ids: str) -> None:
    for letter_id in letter_ids:
        await desk.dead_letters.record(a_letter(letter_id))


async def letter(desk: Desk, letter_id: str) -> DeadLetter:
    found = await desk.dead_letters.get(letter_id)
    assert found is not None
    return found


async def job(desk: Desk, replay_id: str = "job-1") -> Replay:
    found = await desk.replays.get(replay_id)
    assert found is not None
    return found


def ids(found: Sequence[DeadLetter]) -> list[str]:
    return [each.letter_id for each in found]


# --- DeadLetters ----------------------------------------------------------------------------------------------


async def test_must_open_a_replayed_letter_again_that_failed_again(desk: Desk) -> None:
    """must: open a replayed letter again that failed again (its newer `last_seen`), and count nothing else"""
    await letters(desk, "a")
    await desk.replays.begin(JOB, ["a"])
    await desk.replays.advance("job-1", "a", "replayed", START)
    before = await letter(desk, "a")
    assert (before.status, before.replays, before.settled_by, before.settled_at) == ("replayed", 1, "kim", START)
    again = a_letter("a", body=b"other bytes", last_seen=LATER).model_copy(
        update={"error_class": "timeout", "detail": "no answer", "attempts": 3, "service": "graph"}
    )
    for _ in range(2):
        await desk.dead_letters.record(again)
    after = await letter(desk, "a")
    assert after == replace(
        before,
        status="open",
        settled_at=None,
        settled_by="",
        last_seen=LATER,
        error_class="timeout",
        detail="no answer",
        attempts=3,
        service="graph",
    )


@pytest.mark.parametrize("is_told_late", [False, True])
async def test_must_open_a_letter_that_failed_in_its_own_replay_whatever_the_clocks_say(
    desk: Desk, is_told_late: bool
) -> None:
    """must: open it, whatever the clocks say, when the failure is of the replay that tried it (its run_id)"""
    await desk.dead_letters.record(a_letter("a", last_seen=LATER))
    await desk.replays.begin(JOB, ["a"])
    behind = a_letter("a", body=_of_run("job-1"), last_seen=START).model_copy(update={"detail": "clock behind"})
    if is_told_late:
        await desk.dead_letters.record(behind)
        assert (await letter(desk, "a")).status == "claimed"
    await desk.replays.advance("job-1", "a", "replayed", LATER)
    for _ in range(2):
        await desk.dead_letters.record(behind)
    found = await letter(desk, "a")
    assert (found.status, found.detail, found.last_seen, found.last_run) == ("open", "clock behind", LATER, "job-1")
    assert (found.replays, found.run_id, found.settled_by) == (1, "", "")
    await desk.replays.finish("job-1", LATER, ReplayState.DONE)
    await desk.replays.begin(replace(JOB, replay_id="job-2"), ["a"])
    await desk.replays.advance("job-2", "a", "replayed", LATER)
    await desk.dead_letters.record(behind)  # the failure of before, told once more
    assert (await letter(desk, "a")).status == "replayed"


@pytest.mark.parametrize("text", ["a\0b", "x" * 65], ids=["nul", "long"])
async def test_what_a_store_cannot_hold_keeps_no_letter_out(desk: Desk, text: str) -> None:
    hint = UsersTouched(
        tenant_id=text[:64], user_ids=("anna",), reason=Reason.DELTA, noticed_at=START, trace_id="t", run_id=text
    )
    odd = {"detail": "said \0 nothing", "error_class": "re\0fused"}
    await desk.dead_letters.record(a_letter("a", body=encode(hint)).model_copy(update=odd))
    found = await letter(desk, "a")
    assert (found.run_id, found.last_run, found.body) == ("", "", encode(hint))
    assert (found.tenant_id is None) is ("\0" in text)
    assert "\0" not in found.detail + found.error_class


async def test_letters_of_an_older_release_have_their_service_in_front_of_the_code(desk: Desk) -> None:
    """While two releases run, the older one stores what it reads: the service stays part of the code."""
    for name, code, service in (("new", "refused", "syncro"), ("old", "syncro:refused", ""), ("odd", "refused_x", "")):
        told = a_letter(name).model_copy(update={"error_class": code, "service": service})
        await desk.dead_letters.record(told)
    assert {(each.error_class, each.service) for each in await desk.dead_letters.list()} == {
        ("refused", "syncro"),
        ("refused_x", ""),
    }
    assert sorted(await desk.dead_letters.counts(), key=lambda each: each.service) == [
        LetterCount("refused_x", TENANT, 1),
        LetterCount("refused", TENANT, 2, "syncro"),
    ]
    for wanted in (
        LetterFilter(service="syncro", error_class="refused"),
        LetterFilter(error_class="refused"),
        LetterFilter(service="syncro"),
    ):
        assert sorted(ids(await desk.dead_letters.find(wanted))) == ["new", "old"]
    assert not await desk.dead_letters.find(LetterFilter(service="graph", error_class="refused"))


async def test_open_letters_are_counted_by_service_cause_and_tenant(desk: Desk) -> None:
    """must: read no bodies"""
    causes = [("a", "timeout", "syncro"), ("b", "timeout", "syncro"), ("c", "timeout", "graph"), ("d", "odd", "")]
    for letter_id, error_class, service in causes:
        told = {"error_class": error_class, "service": service}
        await desk.dead_letters.record(a_letter(letter_id).model_copy(update=told))
    await desk.dead_letters.record(a_letter("e", body=b"no message").model_copy(update={"error_class": "unreadable"}))
    await letters(desk, "f", "g", "h")
    await desk.dead_letters.settle("f", "discarded", START)
    await desk.dead_letters.settle("g", "parked", START)
    await desk.replays.begin(JOB, ["h"])
    counted = sorted(await desk.dead_letters.counts(), key=lambda each: (each.service, each.error_class))
    assert counted == [
        LetterCount("odd", TENANT, 1),
        LetterCount("unreadable", None, 1),
        LetterCount("timeout", TENANT, 1, "graph"),
        LetterCount("timeout", TENANT, 2, "syncro"),
    ]


@pytest.mark.parametrize("status", ["discarded", "parked"])
async def test_letter_that_a_person_put_aside_stays_there(desk: Desk, status: str) -> None:
    await letters(desk, "a")
    await desk.dead_letters.settle("a", status, START, by="kim", why="left the company")
    before = await letter(desk, "a")
    assert (before.settled_by, before.why) == ("kim", "left the company")
    await desk.dead_letters.record(a_letter("a", last_seen=LATER))
    assert await letter(desk, "a") == before


async def test_parked_letter_may_still_be_discarded_or_opened_again(desk: Desk) -> None:
    await letters(desk, "a", "b")
    for letter_id in ("a", "b"):
        assert await desk.dead_letters.settle(letter_id, "parked", START)
    assert not await desk.dead_letters.settle("a", "parked", START)
    assert await desk.dead_letters.settle("a", "discarded", LATER)
    assert not await desk.dead_letters.settle("a", "open", LATER)
    assert await desk.dead_letters.settle("b", "open", LATER, by="kim", why="Syncro mended it")
    opened = await letter(desk, "b")
    assert (opened.status, opened.settled_at, opened.why) == ("open", None, "Syncro mended it")
    assert not await desk.dead_letters.settle("b", "open", LATER)


async def test_must_change_nothing_however_often_it_is_asked(desk: Desk) -> None:
    """The latest failure first. must: change nothing, however often it is asked"""
    for number in range(3):
        await desk.dead_letters.record(a_letter(f"letter-{number}", last_seen=START + number * HOUR))
    first = await desk.dead_letters.find(LetterFilter())
    assert ids(first) == ["letter-2", "letter-1", "letter-0"]
    for _ in range(100):
        assert await desk.dead_letters.find(LetterFilter()) == first
        assert [await desk.dead_letters.get(each.letter_id) for each in first] == list(first)


def _of_run(run_id: str | None) -> bytes:
    return encode(
        UsersTouched(
            tenant_id=TENANT,
            user_ids=("anna",),
            reason=Reason.RECONCILE,
            noticed_at=START,
            trace_id="trace-2",
            run_id=run_id,
        )
    )


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (LetterFilter(), ["late", "of-run", "bytes"]),
        (LetterFilter(status=None), ["late", "done", "of-run", "bytes"]),
        (LetterFilter(status="replayed"), ["done"]),
        (LetterFilter(tenant_ids=(TENANT, "unknown")), ["late", "of-run"]),
        (LetterFilter(tenant_ids=("unknown",)), []),
        (LetterFilter(error_class="timeout"), ["late"]),
        (LetterFilter(error_class="timeout", detail="another"), []),
        (LetterFilter(service="syncro"), ["late"]),
        (LetterFilter(service="graph", error_class="timeout"), []),
        (LetterFilter(detail="contact was refused"), ["of-run", "bytes"]),
        (LetterFilter(run_id="run-1"), ["of-run"]),
        (LetterFilter(since=START + 3 * HOUR), ["late"]),
        (LetterFilter(until=START + HOUR), ["of-run", "bytes"]),
        (LetterFilter(since=START + HOUR, until=START + HOUR), ["of-run"]),
    ],
)
async def test_every_part_of_the_filter_must_hold(desk: Desk, wanted: LetterFilter, found: list[str]) -> None:
    late = a_letter("late", last_seen=START + 3 * HOUR).model_copy(
        update={"error_class": "timeout", "detail": "slow", "service": "syncro"}
    )
    for each in (
        a_letter("bytes", body=b"\xff"),
        a_letter("of-run", body=_of_run("run-1"), last_seen=START + HOUR),
        a_letter("done", body=_of_run(None), last_seen=START + 2 * HOUR).model_copy(update={"detail": "x"}),
        late,
    ):
        await desk.dead_letters.record(each)
    await desk.dead_letters.settle("done", "replayed", LATER)
    assert ids(await desk.dead_letters.find(wanted)) == found
    assert ids(await desk.dead_letters.find(wanted, limit=1)) == found[:1]


# --- Replays --------------------------------------------------------------------------------------------------


async def test_must_let_one_job_at_a_time_have_a_letter(desk: Desk) -> None:
    """must: let one job at a time have a letter (atomic: two operators, one group)"""
    group = [f"letter-{number}" for number in range(600)]  # more than one batch
    await letters(desk, *group)
    jobs = [replace(JOB, replay_id=f"job-{number}", total=len(group)) for number in range(4)]
    orders = [group, group[::-1], group[300:] + group[:300], group]
    claims = await asyncio.gather(*(desk.replays.begin(each, order) for each, order in zip(jobs, orders, strict=True)))
    assert sorted(claims) == [0, 0, 0, len(group)]
    (begun,) = (each for each, claim in zip(jobs, claims, strict=True) if claim)
    assert sorted(ids(await desk.replays.claimed(begun.replay_id, 2000))) == sorted(group)
    assert await desk.replays.recent() == [begun]
    assert await desk.dead_letters.find(LetterFilter()) == []


async def test_must_claim_every_letter_or_none_and_then_keep_no_job(desk: Desk) -> None:
    """must: claim every letter, or none and then keep no job"""
    await letters(desk, "a", "b", "c")
    await desk.dead_letters.settle("c", "discarded", START)
    assert await desk.replays.begin(JOB, ["a"]) == 1
    late = replace(JOB, replay_id="job-2")
    for wanted in (["a"], ["unknown"], [], ["b", "a"], ["b", "unknown"], ["b", "c"]):
        assert await desk.replays.begin(late, wanted) == 0
    assert await desk.replays.get("job-2") is None
    assert await desk.replays.recent() == [JOB]
    assert ids(await desk.dead_letters.list()) == ["b"]
    assert await desk.replays.begin(late, ["b", "b"]) == 1, "the same id is still free"
    await desk.replays.finish("job-2", START, ReplayState.CANCELLED)
    assert (await letter(desk, "b")).status == "open"


async def test_parked_letter_is_claimed_as_an_open_one(desk: Desk) -> None:
    """Who insists on another try decides that, not the ledger."""
    await letters(desk, "a", "b")
    await desk.dead_letters.settle("a", "parked", START, by="kim", why="three times in vain")
    assert await desk.replays.begin(JOB, ["a", "unknown"]) == 0
    assert (await letter(desk, "a")).status == "parked"
    assert await desk.replays.begin(JOB, ["a", "b"]) == 2
    held = await letter(desk, "a")
    assert (held.status, held.settled_at, held.settled_by, held.why) == ("claimed", None, "", "")


async def test_must_give_them_in_an_order_that_stays(desk: Desk) -> None:
    """Letters of the job that were not handed over yet. must: give them in an order that stays"""
    await letters(desk, "a", "b", "c", "d")
    assert await desk.replays.begin(JOB, ["c", "a", "d"]) == 3
    assert ids(await desk.replays.claimed("job-1", 10)) == ["c", "a", "d"]
    assert ids(await desk.replays.claimed("job-1", 2)) == ["c", "a"]
    await desk.replays.advance("job-1", "a", "replayed", START)
    assert ids(await desk.replays.claimed("job-1", 2)) == ["c", "d"]
    assert ids(await desk.dead_letters.list()) == ["b"]
    held = await letter(desk, "c")
    assert (held.status, held.replay_id, held.replays) == ("claimed", "job-1", 0)


async def test_must_count_it_once_however_often_it_is_told(desk: Desk) -> None:
    """must: count it once, however often it is told"""
    await letters(desk, "a", "b", "c")
    await desk.replays.begin(JOB, ["a", "b", "c"])
    await asyncio.gather(*(desk.replays.advance("job-1", "a", "replayed", START) for _ in range(4)))
    for _ in range(2):
        await desk.replays.advance("job-1", "b", "parked", START, why="three times in vain")
        await desk.replays.advance("job-1", "c", "discarded", START, why="in step since")
        await desk.replays.advance("job-1", "unknown", "replayed", START)
        await desk.replays.advance("unknown", "a", "replayed", START)
    counted = await job(desk)
    assert (counted.total, counted.handed_over, counted.skipped) == (3, 1, 2)
    ends = [await letter(desk, each) for each in "abc"]
    assert [(each.status, each.replays, each.settled_by, each.why) for each in ends] == [
        ("replayed", 1, "kim", ""),
        ("parked", 0, "kim", "three times in vain"),
        ("discarded", 0, "kim", "in step since"),
    ]


@pytest.mark.parametrize("status", ["discarded", "parked"])
async def test_letter_that_is_skipped_stays_open_when_it_failed_again_meanwhile(desk: Desk, status: str) -> None:
    """must: leave a letter open that failed again meanwhile"""
    await letters(desk, "a")
    await desk.replays.begin(JOB, ["a"])
    await desk.dead_letters.record(a_letter("a", last_seen=LATER))
    await desk.replays.advance("job-1", "a", status, LATER, why="in step since")
    found = await letter(desk, "a")
    assert (found.status, found.replays, found.settled_at, found.why) == ("open", 0, None, "")
    assert (await job(desk)).skipped == 1


async def test_must_open_a_letter_again_that_a_replay_skipped_and_that_failed_after_that(desk: Desk) -> None:
    """must: open a letter again that a replay skipped and that failed after that"""
    await letters(desk, "a", "b", "c")
    await desk.replays.begin(JOB, ["a", "b"])
    for name, status in (("a", "discarded"), ("b", "parked")):
        await desk.replays.advance("job-1", name, status, START, why="in step since")
    await desk.dead_letters.settle("c", "discarded", START, by="kim", why="left")
    for name in ("a", "b", "c"):
        await desk.dead_letters.record(a_letter(name))  # the same failure told once more
    assert [(await letter(desk, name)).status for name in "abc"] == ["discarded", "parked", "discarded"]
    for name in ("a", "b", "c"):
        await desk.dead_letters.record(a_letter(name, last_seen=LATER))
    assert [(await letter(desk, name)).status for name in "abc"] == ["open", "parked", "discarded"]
    opened = await letter(desk, "a")
    assert (opened.last_seen, opened.settled_at, opened.settled_by, opened.why) == (LATER, None, "", "")
    assert (await job(desk)).skipped == 2
    await desk.dead_letters.settle("a", "discarded", LATER, by="lee", why="has left")
    await desk.dead_letters.record(a_letter("a", last_seen=LATER + HOUR))
    by_hand = await letter(desk, "a")
    assert (by_hand.status, by_hand.settled_by, by_hand.why) == ("discarded", "lee", "has left")


async def test_must_leave_a_letter_open_that_failed_again_meanwhile(desk: Desk) -> None:
    """must: leave a letter open that failed again meanwhile"""
    await letters(desk, "a")
    await desk.replays.begin(JOB, ["a"])
    # Handed over, failed, buried: all of it before the worker that handed it over came to say so.
    await desk.dead_letters.record(a_letter("a", last_seen=LATER))
    assert (await letter(desk, "a")).status == "claimed"
    await desk.replays.advance("job-1", "a", "replayed", LATER)
    found = await letter(desk, "a")
    assert (found.status, found.replays, found.settled_at, found.settled_by) == ("open", 1, None, "")
    assert (await job(desk)).handed_over == 1


async def test_must_open_again_what_the_job_had_claimed_and_not_handed_over(desk: Desk) -> None:
    """must: open again what the job had claimed and not handed over"""
    await letters(desk, "a", "b", "c")
    await desk.replays.begin(JOB, ["a", "b"])
    await desk.replays.begin(replace(JOB, replay_id="job-2"), ["c"])
    await desk.replays.advance("job-1", "a", "replayed", START)
    assert await desk.replays.finish("job-1", LATER, ReplayState.CANCELLED)
    assert not await desk.replays.finish("job-1", LATER + HOUR, ReplayState.DONE)
    assert not await desk.replays.finish("unknown", LATER, ReplayState.DONE)
    ended = await job(desk)
    assert (ended.state, ended.finished_at) == (ReplayState.CANCELLED, LATER)
    assert [(await letter(desk, each)).status for each in "abc"] == ["replayed", "open", "claimed"]
    assert await desk.replays.claimed("job-1", 10) == []
    assert await desk.replays.begin(replace(JOB, replay_id="job-3"), ["b"]) == 1


async def test_letter_that_was_handed_over_while_the_job_was_cancelled_counts(desk: Desk) -> None:
    await letters(desk, "a", "b")
    await desk.replays.begin(JOB, ["a", "b"])
    await desk.replays.finish("job-1", LATER, ReplayState.CANCELLED)
    await desk.replays.advance("job-1", "a", "replayed", LATER)
    assert ((await job(desk)).handed_over, (await letter(desk, "a")).status) == (1, "replayed")
    await desk.replays.begin(replace(JOB, replay_id="job-2"), ["b"])
    await desk.replays.advance("job-1", "b", "replayed", LATER)  # too late: it is another job's
    taken = await letter(desk, "b")
    assert (taken.status, taken.replay_id, taken.replays) == ("claimed", "job-2", 0)


async def test_letter_that_was_handed_over_failed_and_was_released_stays_open(desk: Desk) -> None:
    await letters(desk, "a")
    await desk.replays.begin(JOB, ["a"])
    await desk.replays.finish("job-1", LATER, ReplayState.CANCELLED)
    await desk.dead_letters.record(a_letter("a", last_seen=LATER))
    await desk.replays.advance("job-1", "a", "replayed", LATER)
    assert (await letter(desk, "a")).status == "open"


async def test_nobody_settles_a_letter_that_a_job_has(desk: Desk) -> None:
    await letters(desk, "a")
    await desk.replays.begin(JOB, ["a"])
    assert not await desk.dead_letters.settle("a", "discarded", LATER, by="kim")


async def test_job_begun_twice_under_one_id_is_one_job(desk: Desk) -> None:
    await letters(desk, "a", "b")
    assert await desk.replays.begin(JOB, ["a"]) == 1
    assert await desk.replays.begin(JOB, ["a", "b"]) == 1
    assert ids(await desk.replays.claimed("job-1", 10)) == ["a"]
    assert await job(desk) == JOB
    assert ids(await desk.dead_letters.list()) == ["b"]


async def test_jobs_newest_first(desk: Desk) -> None:
    await letters(desk, "0", "1", "2")
    for number in range(3):
        await desk.replays.begin(replace(JOB, replay_id=f"job-{number}", began_at=START + number * HOUR), [f"{number}"])
    assert [each.replay_id for each in await desk.replays.recent()] == ["job-2", "job-1", "job-0"]
    assert [each.replay_id for each in await desk.replays.recent(1)] == ["job-2"]
    assert await desk.replays.get("unknown") is None


async def test_must_give_every_job_that_has_not_ended(desk: Desk) -> None:
    """must: give every job that has not ended, the oldest first, however many came after it"""
    names = [f"{number:03}" for number in range(230)]
    await letters(desk, *names)
    for number, name in enumerate(names):
        at = START + number * HOUR
        await desk.replays.begin(replace(JOB, replay_id=f"job-{name}", began_at=at), [name])
        if number not in (0, 7):
            await desk.replays.finish(f"job-{name}", at, ReplayState.DONE if number % 2 else ReplayState.CANCELLED)
    assert [each.replay_id for each in await desk.replays.running()] == ["job-000", "job-007"]


# --- JournalSearch --------------------------------------------------------------------------------------------


def _phone(value: str) -> FieldChange:
    return FieldChange("phone", "", value, Kind.PROFILE, 'Says "field": "title" and means it.')


async def _journaled(desk: Desk) -> None:
    """Six entries, ids 1 to 6, an hour apart."""
    first = an_entry("anna")
    for number, entry in enumerate(
        (
            first,
            replace(first, user_id="bert", contact_id=8, run_id="run-1", trace_id="run-1", cause=Reason.RECONCILE),
            replace(first, customer_id=OTHER, changes=(_phone("+1 555 0100"),)),
            replace(first, user_id="bert", contact_id=8, changes=(_phone("1"),), run_id="run-1"),
            replace(first, cause=Reason.MANUAL, by="kim", undoes=1, trace_id="trace-2"),
            replace(first, user_id="", contact_id=None, action="customer", changes=()),
        )
    ):
        await desk.journal.intend(replace(entry, intended_at=START + number * HOUR))


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (JournalFilter(), [6, 5, 4, 3, 2, 1]),
        (JournalFilter(customer_id=CUSTOMER), [6, 5, 4, 2, 1]),
        (JournalFilter(customer_id=CUSTOMER, user_id="anna"), [5, 1]),
        (JournalFilter(contact_id=8), [4, 2]),
        (JournalFilter(field="phone"), [4, 3]),
        (JournalFilter(field="phone", customer_id=OTHER), [3]),
        (JournalFilter(field="title"), []),
        (JournalFilter(field="phon_"), []),
        (JournalFilter(field="PHONE"), []),
        (JournalFilter(field="name"), [5, 2, 1]),
        (JournalFilter(run_id="run-1"), [4, 2]),
        (JournalFilter(trace_id="trace-2"), [5]),
        (JournalFilter(cause="reconcile"), [2]),
        (JournalFilter(since=START + 2 * HOUR, until=START + 4 * HOUR), [5, 4, 3]),
        (JournalFilter(before_id=4), [3, 2, 1]),
        (JournalFilter(before_id=4, field="name"), [2, 1]),
    ],
)
async def test_search_gives_the_newest_first_of_which_every_part_holds(
    desk: Desk, wanted: JournalFilter, found: list[int]
) -> None:
    await _journaled(desk)
    assert [entry.id for entry in await desk.journal_search.search(wanted)] == found
    assert [entry.id for entry in await desk.journal_search.search(wanted, 2)] == found[:2]


async def test_search_for_a_field_passes_through_every_window(ledger_url: str) -> None:
    from shared.adapters.ledger.database import Database
    from shared.adapters.ledger.engines import open_engines
    from shared.adapters.ledger.journal import SqlJournal
    from shared.adapters.ledger.journal_search import SqlJournalSearch
    from shared.adapters.ledger.opening import Opening
    from shared.adapters.ledger.target import target_of

    target = target_of(ledger_url)
    opening = Opening(target)
    async with open_engines(target, patience=5.0) as engines:
        database = Database(engines, patience=5.0, opened=opening.need)
        journal, search = SqlJournal(database), SqlJournalSearch(database, window=3)
        wanted = []
        for number in range(20):
            is_wanted = number % 7 == 0
            entry = replace(an_entry(), changes=(_phone("1"),)) if is_wanted else an_entry()
            entry_id = await journal.intend(entry)
            wanted += [entry_id] if is_wanted else []
        for limit in (1, 2, 3, 100):
            found = await search.search(JournalFilter(field="phone", customer_id=CUSTOMER), limit)
            assert [entry.id for entry in found] == wanted[::-1][:limit]
        assert await search.search(JournalFilter(field="nothing")) == []


async def test_entry_comes_back_whole_with_who_ordered_it_and_what_it_undoes(desk: Desk) -> None:
    entry = replace(an_entry(), by="kim", undoes=7, noticed_at=START, run_id="undo-1", cause=Reason.MANUAL)
    entry_id = await desk.journal.intend(entry)
    await desk.journal.settle(entry_id, WriteState.WRITTEN, at=LATER)
    expected = replace(entry, id=entry_id, state=WriteState.WRITTEN, settled_at=LATER)
    assert await desk.journal_search.get(entry_id) == expected
    assert await desk.journal.entries() == [expected]
    assert await desk.journal_search.get(entry_id + 1) is None


async def test_entry_that_nobody_ordered_names_nobody(desk: Desk) -> None:
    entry_id = await desk.journal.intend(an_entry())
    found = await desk.journal_search.get(entry_id)
    assert isinstance(found, JournalEntry)
    assert (found.by, found.undoes) == ("", None)


# --- Pins -----------------------------------------------------------------------------------------------------

PIN = Pin(CUSTOMER, 101, "the owner's own number", "kim", START, START + HOUR)


async def test_must_replace_an_earlier_pin_of_the_contact(desk: Desk) -> None:
    """must: replace an earlier pin of the contact"""
    for_good = replace(PIN, why="for good", by="lee", at=LATER, until=None)
    await desk.pins.pin(PIN)
    assert await desk.pins.of_customer(CUSTOMER) == [PIN]
    await desk.pins.pin(for_good)
    assert await desk.pins.all() == [for_good]


async def test_must_give_false_when_there_was_none(desk: Desk) -> None:
    """must: give False when there was none"""
    await desk.pins.pin(PIN)
    await desk.pins.pin(replace(PIN, customer_id=OTHER))
    assert not await desk.pins.unpin(CUSTOMER, 102)
    assert sorted(await asyncio.gather(*(desk.pins.unpin(CUSTOMER, 101) for _ in range(4)))) == [False] * 3 + [True]
    assert await desk.pins.all() == [replace(PIN, customer_id=OTHER)]


async def test_pins_of_a_customer_also_those_that_hold_no_more(desk: Desk) -> None:
    over = replace(PIN, contact_id=7, until=START - HOUR)
    for pin in (PIN, over, replace(PIN, customer_id=OTHER)):
        await desk.pins.pin(pin)
    assert await desk.pins.of_customer(CUSTOMER) == [over, PIN]
    assert len(await desk.pins.all()) == 3


# --- Choices --------------------------------------------------------------------------------------------------

CHOSEN = Chosen(CUSTOMER, "anna", Choice.DISMISS, "d1", "two Annas", "kim", START)


async def test_must_replace_an_earlier_choice_for_the_user(desk: Desk) -> None:
    """must: replace an earlier choice for the user"""
    other = replace(CHOSEN, choice=Choice.CREATE, candidates="d2", why="a third one", by="lee", at=LATER)
    await desk.choices.choose(CHOSEN)
    assert await desk.choices.of_customer(CUSTOMER) == {"anna": CHOSEN}
    await desk.choices.choose(other)
    assert await desk.choices.of_customer(CUSTOMER) == {"anna": other}
    assert await desk.choices.of_customer(OTHER) == {}


async def test_forgotten_choice_is_gone_and_forgetting_twice_is_harmless(desk: Desk) -> None:
    await desk.choices.choose(CHOSEN)
    await desk.choices.choose(replace(CHOSEN, user_id="bert"))
    for _ in range(2):
        await desk.choices.forget(CUSTOMER, "anna")
    assert list(await desk.choices.of_customer(CUSTOMER)) == ["bert"]


# --- Deeds ----------------------------------------------------------------------------------------------------


async def test_deeds_come_back_whole_newest_first(desk: Desk) -> None:
    everywhere = Deed("kim", "pause_all", START)
    here = Deed("lee", "undo", LATER, CUSTOMER, {"run": "run-1", "contacts": 12})
    for deed in (everywhere, here, replace(here, customer_id=OTHER)):
        await desk.deeds.note(deed)
    found = await desk.deeds.recent()
    assert [replace(deed, id=None) for deed in found] == [replace(here, customer_id=OTHER), here, everywhere]
    assert len({deed.id for deed in found}) == 3
    assert [replace(deed, id=None) for deed in await desk.deeds.recent(customer_id=CUSTOMER)] == [here]
    assert len(await desk.deeds.recent(limit=1)) == 1


# --- Notices --------------------------------------------------------------------------------------------------

NOTICE = Notice("held:4711", "held", CUSTOMER, "A full sync waits for approval.", START)


async def test_must_give_false_and_keep_the_first_when_one_with_this_key_is_open(desk: Desk) -> None:
    """must: give False and keep the first when one with this key is open"""
    answers = await asyncio.gather(*(desk.notices.open(NOTICE) for _ in range(5)))
    assert sorted(answers) == [False] * 4 + [True]
    assert not await desk.notices.open(replace(NOTICE, sentence="another", opened_at=LATER))
    assert await desk.notices.standing() == [NOTICE]


async def test_must_keep_the_moment_of_the_first_channel_and_name_every_channel_once(desk: Desk) -> None:
    """must: keep the moment of the first channel, and name every channel once"""
    await desk.notices.open(replace(NOTICE, meant_for=("smtp", "ticket")))
    for channel, unsure in (("ticket", True), ("smtp", False), ("ticket", True), ("ticket", False)):
        await desk.notices.told(NOTICE.key, LATER if channel == "smtp" else START, channel, unsure=unsure)
    (told,) = await desk.notices.standing()
    assert (told.told_at, told.told_over) == (START, ("ticket", "smtp"))
    assert (told.unsure_over, told.meant_for) == (("ticket",), ("smtp", "ticket"))


async def test_must_lose_no_channel_when_two_are_told_at_once(desk: Desk) -> None:
    """must: lose no channel when two are told at once"""
    await desk.notices.open(NOTICE)
    names = [f"channel-{number}" for number in range(6)]
    await asyncio.gather(*(desk.notices.told(NOTICE.key, START, name, unsure=True) for name in names))
    (told,) = await desk.notices.standing()
    assert (sorted(told.told_over), sorted(told.unsure_over)) == (names, names)


async def test_notices_are_counted_by_key_those_that_are_over_among_them(desk: Desk) -> None:
    for number in range(3):
        await desk.notices.open(replace(NOTICE, opened_at=START + number * HOUR))
        await desk.notices.clear(NOTICE.key, START + number * HOUR)
    await desk.notices.open(replace(NOTICE, key="stale:1", opened_at=LATER))
    assert await desk.notices.openings(START) == {NOTICE.key: 3, "stale:1": 1}
    assert await desk.notices.openings(LATER) == {NOTICE.key: 2, "stale:1": 1}
    assert await desk.notices.openings(START + 9 * HOUR) == {}


async def test_notice_is_told_and_cleared_and_may_come_again(desk: Desk) -> None:
    await desk.notices.open(NOTICE)
    await desk.notices.restate(NOTICE.key, "Another code.")
    await desk.notices.told(NOTICE.key, LATER, "smtp")
    told = replace(NOTICE, sentence="Another code.", told_at=LATER, told_over=("smtp",))
    assert await desk.notices.standing() == [told]
    for _ in range(2):
        await desk.notices.clear(NOTICE.key, LATER)
        await desk.notices.told(NOTICE.key, LATER, "smtp")
        await desk.notices.restate(NOTICE.key, "Said to nobody.")
    assert await desk.notices.standing() == []
    again = replace(NOTICE, opened_at=LATER + HOUR)
    assert await desk.notices.open(again)
    assert await desk.notices.standing() == [again]


async def test_standing_notices_oldest_first(desk: Desk) -> None:
    """The open ones, oldest first."""
    for number in (2, 0, 1):
        await desk.notices.open(replace(NOTICE, key=f"n{number}", customer_id=None, opened_at=START + number * HOUR))
    await desk.notices.clear("n1", LATER)
    assert [each.key for each in await desk.notices.standing()] == ["n0", "n2"]


# --- the release before ---------------------------------------------------------------------------------------


async def test_what_the_release_before_goes_on_writing_is_read(ledger: Ledger) -> None:
    """It knows none of the new columns: they hold what their default says."""
    from sqlalchemy import insert

    from shared.adapters.ledger.journal import _values as of_entry
    from shared.adapters.ledger.schema import dead_letters, journal

    of_letter = {
        "letter_id": "old",
        "body": b"x",
        "lane": "live",
        "user_ids": [],
        "error_class": "timeout",
        "detail": "",
        "attempts": 1,
        "first_seen": START,
        "last_seen": START,
        "status": "open",
    }
    database = ledger.journal._database  # type: ignore[attr-defined]  # an old writer is not among the ports
    await database.write(insert(dead_letters).values(**of_letter))
    old = {name: value for name, value in of_entry(an_entry()).items() if name not in ("by_whom", "undoes")}
    await database.write(insert(journal).values(**old))
    found = await letter(ledger, "old")
    assert (found.run_id, found.replay_id, found.replays, found.settled_by, found.why) == ("", "", 0, "", "")
    assert found.service == ""
    (entry,) = await ledger.journal.entries()
    assert (entry.by, entry.undoes) == ("", None)
