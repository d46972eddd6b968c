"""Failed changes as values: their groups, the code of a selection, fresh work out of an old letter, and its result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.cures import TABLE
from shared.domain.letter_causes import cause_of, cure_of_letter, parts_of_cause, said
from shared.domain.letters import (
    CAP,
    Result,
    again,
    cut_off,
    cut_off_of,
    grouped,
    has_ended,
    in_step_since,
    is_parked,
    is_readable,
    result_of,
    selection_code,
    state_of,
)
from shared.domain.messages import (
    Lane,
    LifecycleEvent,
    Reason,
    SubscriptionTouched,
    UsersTouched,
    encode,
)
from shared.domain.records import DeadLetter
from tests.support.clock import START
from tests.support.desk import a_body, a_letter
from tests.support.receiver import TENANT, guid

LATER = START + timedelta(minutes=5)


def letter(name: str = "l1", **facts: Any) -> DeadLetter:
    return replace(a_letter(name, a_body()), **facts)


# --- groups -----------------------------------------------------------------------------------------------------


def test_letters_of_one_cause_are_one_group_and_the_largest_comes_first() -> None:
    found = [
        letter("a", error_class="duplicate", detail="", tenant_id="t1"),
        letter("b", tenant_id="t1"),
        letter("c", tenant_id="t2", last_seen=LATER, replays=CAP),
        letter("d", detail="Another detail."),
    ]
    first, *others = grouped(found)
    assert (first.error_class, first.letters, first.users, first.parked) == ("rejected", 2, 1, 1)
    assert first.tenants == {"t1": 1, "t2": 1}
    assert (first.first_seen, first.last_seen) == (START, LATER)
    assert [(each.error_class, each.letters) for each in others] == [("duplicate", 1), ("rejected", 1)]
    assert first.cure == TABLE["syncro:rejected"]


@pytest.mark.parametrize(
    ("cause", "detail", "what"),
    [
        ("invalid_email", "", TABLE["syncro:invalid_email"].what),
        ("syncro:duplicate", "", TABLE["syncro:duplicate"].what),
        ("timed_out", "no answer within 15 s", "No answer within 15 s."),  # Syncro and Graph both know this code
        ("timed_out", "", "Timed out."),
        ("syncro:rejected", "the phone is too long", TABLE["syncro:rejected"].what),
        ("graph:timed_out", "", TABLE["graph:timed_out"].what),
        ("graph:never_heard_of", "this tenant moved", "Microsoft: this tenant moved."),
        ("syncro:never_heard_of", "Syncro refused it", "Syncro refused it."),
        ("worker:unexpected", "", "This program met what it did not foresee."),
        ("never_heard_of", "", "Never heard of."),
        ("unreadable", "json_invalid at top", "What lay in the queue could not be read."),
    ],
)
def test_a_cause_is_said_in_words_and_always_with_who_does_what(cause: str, detail: str, what: str) -> None:
    service, _, code = cause.rpartition(":")
    cure = cure_of_letter(code, detail, service)
    assert cure.what == what
    assert cure.who_does_what.endswith(".")
    assert cure_of_letter(cause, detail).what == what or not TABLE.get(cause), "as the release before wrote it down"


@pytest.mark.parametrize(
    ("typed", "parts"),
    [
        ("rejected", ("", "rejected", "")),
        ("rejected: the phone: too long", ("", "rejected", "the phone: too long")),
        ("rejected:too long", ("", "rejected", "too long")),
        ("syncro:rejected", ("syncro", "rejected", "")),
        (" syncro : rejected : too long ", ("syncro", "rejected", "too long")),
        ("graph:", ("graph", "", "")),
        ("", ("", "", "")),
    ],
)
def test_a_cause_is_taken_apart_as_it_is_typed(typed: str, parts: tuple[str, str, str]) -> None:
    assert parts_of_cause(typed) == parts
    service, code, detail = parts
    assert not code or parts_of_cause(cause_of(code, detail, service)) == parts


def test_the_same_code_of_two_services_is_two_groups_and_says_whose() -> None:
    found = [letter(name, service=name[:-1], error_class="unauthorized", detail="") for name in ("graph1", "syncro1")]
    assert [
        each.service
        for each in grouped([*found, letter("syncro2", service="syncro", error_class="unauthorized", detail="")])
    ] == ["syncro", "graph"]
    assert [said(each) for each in found] == ["Microsoft: unauthorized", "Syncro: unauthorized"]
    assert said(letter(service="syncro", detail="the phone is too long")) == "Syncro: the phone is too long"
    assert said(letter(service="", detail="no answer")) == "no answer"


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ({}, "open"),
        ({"replays": CAP - 1}, "open"),
        ({"replays": CAP}, "parked"),
        ({"status": "parked"}, "parked"),
        ({"status": "claimed", "replays": CAP}, "being tried again"),
        ({"status": "replayed", "replays": CAP}, "tried again"),
        ({"status": "discarded"}, "discarded"),
    ],
)
def test_the_state_of_a_letter(facts: Mapping[str, Any], state: str) -> None:
    assert state_of(letter(**facts)) == state
    assert is_parked(letter(**facts)) is (state == "parked")


# --- trying again -----------------------------------------------------------------------------------------------


def test_a_letter_becomes_fresh_work_on_the_slow_lane_and_always_the_same() -> None:
    made = again(letter(), "r1", LATER)
    assert made is not None
    message, lane = made
    assert lane is Lane.BACKFILL
    assert isinstance(message, UsersTouched)
    assert (message.user_ids, message.attempt, message.reason) == ((guid(1),), 0, Reason.REPLAY)
    assert (message.run_id, message.noticed_at, message.confirm, message.facts_at) == ("r1", LATER, False, None)
    assert again(letter(), "r1", LATER) == made
    other = again(letter(), "r2", LATER)
    assert other is not None
    assert other[0].trace_id != message.trace_id


def test_a_letter_of_a_subscription_goes_back_to_where_it_came_from() -> None:
    touched = SubscriptionTouched(
        tenant_id=TENANT, noticed_at=START, trace_id="t", attempt=3, subscription_id="s", event=LifecycleEvent.MISSED
    )
    made = again(letter(body=encode(touched)), "r1", LATER)
    assert made is not None
    assert (made[0].attempt, made[1]) == (0, Lane.CONTROL)


def test_what_cannot_be_read_cannot_be_tried_again() -> None:
    assert again(letter(body=b"\xff"), "r1", LATER) is None
    assert not is_readable(letter(body=b"\xff"))
    assert is_readable(letter())


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)  # letters failed at START


@pytest.mark.parametrize(
    ("reads", "full", "is_in_step"),
    [
        ({}, (), False),
        ({"u": None}, (), False),
        ({"u": after(5)}, (), True),
        ({"u": after(0.5)}, (), False),  # two clocks
        ({"u": after(-5)}, (), False),
        ({}, (after(5),), True),
        ({}, (after(5), after(6)), True),
        ({}, (after(5), None), False),  # one of two customers had none
        ({}, (after(-5),), False),
    ],
)
def test_a_user_is_in_step_since_only_by_a_look_or_full_syncs_after_the_failure(
    reads: Mapping[str, datetime | None], full: Sequence[datetime | None], is_in_step: bool
) -> None:
    assert in_step_since(letter(user_ids=("u",)), reads, full) is is_in_step


def test_every_user_of_a_letter_must_be_in_step() -> None:
    two = letter(user_ids=("u", "v"))
    assert not in_step_since(two, {"u": after(5)}, ())
    assert in_step_since(two, {"u": after(5), "v": after(5)}, ())
    assert not in_step_since(letter(user_ids=()), {}, (after(5),)), "nothing was asked for that could be in step"


# --- the code of a selection ------------------------------------------------------------------------------------


@given(microseconds=st.integers(0, 70 * 366 * 86_400 * 1_000_000))
def test_a_code_carries_its_cut_off(microseconds: int) -> None:
    now = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
    until = cut_off(now)
    assert timedelta() <= until - now < timedelta(milliseconds=1)
    assert cut_off_of(selection_code([], until)) == until


def test_a_code_stands_for_exactly_these_letters_in_whatever_order() -> None:
    a, b = letter("a"), letter("b")
    code = selection_code([a, b], START)
    assert selection_code([b, a], START) == code
    failed_again = replace(a, last_seen=LATER)
    others = [[a], [a, b, letter("c")], [failed_again, b]]
    assert code not in {selection_code(each, START) for each in others}
    assert selection_code([a, b], LATER) != code


@pytest.mark.parametrize("text", ["", "abc", "-", "-0b9a8ac4", "xyz-0b9a8", "ü-0b9a8ac4", "z" * 11 + "-0b9a8ac4"])
def test_what_is_no_code_has_no_cut_off(text: str) -> None:
    assert cut_off_of(text) is None


# --- what became of them ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "outcomes", "result"),
    [
        ("claimed", {}, Result.WAITING),
        ("open", {}, Result.WAITING),  # cancelled before its turn
        ("replayed", {}, Result.LOOKING),
        ("replayed", {"u": "update"}, Result.LOOKING),  # the other is not looked at yet
        ("replayed", {"u": "update", "v": "in step"}, Result.SYNCED),
        ("replayed", {"u": "create", "v": "failed"}, Result.FAILED),
        ("open", {"u": "in step", "v": "failed"}, Result.FAILED),
        ("replayed", {"u": "in step", "v": "covered"}, Result.NOTHING),
        ("replayed", {"u": "in step", "v": "retrying"}, Result.LOOKING),
        ("replayed", {"u": "held", "v": "update"}, Result.HELD),
        ("replayed", {"u": "conflict", "v": "update"}, Result.CHOICE),
        ("discarded", {}, Result.SKIPPED),
    ],
)
def test_the_result_of_a_letter_is_what_tells_most(status: str, outcomes: Mapping[str, str], result: Result) -> None:
    assert result_of(letter(status=status, user_ids=("u", "v")), outcomes) is result


@pytest.mark.parametrize(
    ("status", "result"),
    [
        ("open", Result.FAILED),  # by another look, while its job left it alone
        ("parked", Result.UNREADABLE),
        ("discarded", Result.SKIPPED),
        ("replayed", Result.LOOKING),
        ("claimed", Result.WAITING),  # by a later job
    ],
)
def test_once_its_job_is_over_a_letter_without_a_look_waits_for_nobody(status: str, result: Result) -> None:
    assert result_of(letter(status=status, user_ids=("u",)), {}, is_over=True) is result


def test_only_what_is_still_to_come_has_not_ended() -> None:
    assert {result for result in Result if not has_ended(result)} == {Result.WAITING, Result.LOOKING}
