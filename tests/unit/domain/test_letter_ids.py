"""Which failed change a failure belongs to."""

from __future__ import annotations

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.letter_ids import letter_id_of, replay_trace
from shared.domain.messages import Reason, UsersTouched
from tests.support.clock import START

LETTER = uuid4().hex
JOB = uuid4().hex


def failed(trace_id: str, user_id: str = "anna", reason: Reason = Reason.REPLAY, attempt: int = 0) -> UsersTouched:
    return UsersTouched(
        tenant_id="t", user_ids=(user_id,), reason=reason, noticed_at=START, trace_id=trace_id, attempt=attempt
    )


def test_replay_that_fails_again_belongs_to_its_letter_after_every_attempt_and_by_every_job() -> None:
    for job in (JOB, uuid4().hex):
        trace = replay_trace(job, LETTER, users=1)
        assert {letter_id_of(failed(trace, attempt=attempt)) for attempt in range(15)} == {LETTER}


def test_users_of_one_letter_that_fail_again_have_a_letter_each_which_stays_theirs() -> None:
    several = replay_trace(JOB, LETTER, users=2)
    anna, bert = letter_id_of(failed(several, "anna")), letter_id_of(failed(several, "bert"))
    assert len({anna, bert, LETTER}) == 3
    assert letter_id_of(failed(replay_trace(uuid4().hex, LETTER, users=2), "anna")) == anna
    assert letter_id_of(failed(replay_trace(JOB, anna, users=1), "anna")) == anna


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.REPLAY])
def test_only_a_replay_is_traced_back(reason: Reason) -> None:
    assert letter_id_of(failed(replay_trace(JOB, LETTER, users=1), reason=reason)) != LETTER


def test_other_failures_have_a_letter_of_their_own_the_same_for_the_same_message() -> None:
    one, other = failed("trace-1", reason=Reason.DELTA), failed("trace-2", reason=Reason.DELTA)
    assert letter_id_of(one) == letter_id_of(one.model_copy())
    assert letter_id_of(one) != letter_id_of(other)
    assert letter_id_of(failed("as the release before traced replays")) != LETTER


@given(st.uuids(), st.uuids(), st.integers(1, 100))
def test_traces_fit_into_a_message_and_tell_jobs_and_letters_apart(job: object, letter: object, users: int) -> None:
    job_id, letter_id = str(job).replace("-", ""), str(letter).replace("-", "")
    trace = replay_trace(job_id, letter_id, users=users)
    assert failed(trace).trace_id == trace
    assert trace == replay_trace(job_id, letter_id, users=users)
    assert trace != replay_trace(job_id[::-1] + "x", letter_id[::-1] + "x", users=users)
