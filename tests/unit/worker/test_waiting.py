"""The pure parts: rhythms of hints, turns of tenants, parcels, and the weather at Syncro."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.changes import NoChange
from shared.domain.coalesce import Window
from shared.domain.errors import StopTheLine, Transient
from shared.domain.messages import Lane, Reason, UsersTouched
from shared.domain.outcome import Failed, Synced
from shared.domain.policy import CoalescePolicy
from tests.support.clock import START
from worker.parcels import pack
from worker.rhythm import Rhythms, Rides, Waits
from worker.settle import gravest
from worker.waiting import Ticket, WaitingRoom
from worker.weather import Weather

KEY = ("t", "u")
POLICY = CoalescePolicy()


class NoDelivery:
    message: Any = None
    lane = Lane.LIVE

    async def ack(self) -> None: ...

    async def release(self) -> None: ...


def hint(
    at: float,
    *users: str,
    tenant: str = "t",
    attempt: int = 0,
    reason: Reason = Reason.DELTA,
    first: datetime | None = None,
) -> UsersTouched:
    return UsersTouched(
        tenant_id=tenant,
        user_ids=users or ("u",),
        reason=reason,
        noticed_at=START + timedelta(seconds=at),
        trace_id="trace",
        attempt=attempt,
        first_noticed_at=first,
    )


def ticket(at: float, *users: str, **facts: Any) -> Ticket:
    return Ticket(NoDelivery(), hint(at, *users, **facts), START)


def place(rhythms: Rhythms, noticed: float, now: float) -> Rides | Waits:
    return rhythms.place(KEY, hint(noticed), now, START + timedelta(seconds=now))


# --- rhythm -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "wait"),
    [(0.0, 2.0), (0.5, 1.5), (2.0, 0.0), (3600.0, 0.0), (-30.0, 2.0)],
    ids=["just now", "half a second ago", "its window is over", "long ago", "from the future"],
)
def test_a_first_hint_waits_for_what_is_left_of_its_window(age: float, wait: float) -> None:
    assert place(Rhythms(POLICY), 100.0 - age, 100.0) == Waits(Window(100.0 + wait, 2.0))


def test_windows_double_up_to_the_last_and_begin_anew_after_a_quiet_one() -> None:
    rhythms, now, lengths = Rhythms(POLICY), 0.0, []
    for _ in range(6):
        placed = place(rhythms, now, now)
        assert isinstance(placed, Waits)
        lengths.append(placed.window.length)
        rhythms.looked(KEY, placed.window)
        now = placed.window.due + 0.1
    assert lengths == [2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    later = now + 31.0
    assert place(rhythms, later, later) == Waits(Window(later + 2.0, 2.0))


def test_a_hint_rides_on_a_parked_message_that_answers_it_and_on_no_other() -> None:
    rhythms = Rhythms(POLICY)
    rhythms.parked(KEY, START + timedelta(seconds=4), Window(6.0, 4.0), moved=False)
    assert isinstance(place(rhythms, 3.9, 3.9), Rides)
    assert place(rhythms, 4.1, 4.1) == Waits(Window(14.0, 8.0))


def test_a_parked_message_that_comes_back_is_due_and_rides_on_nothing() -> None:
    rhythms = Rhythms(POLICY)
    rhythms.parked(KEY, START + timedelta(seconds=4), Window(6.0, 4.0), moved=False)
    rhythms.parked(KEY, START + timedelta(seconds=12), Window(14.0, 8.0), moved=False)
    assert place(rhythms, 4.0, 6.0) == Waits(Window(6.0, 8.0))
    assert isinstance(place(rhythms, 5.0, 6.0), Rides)


def test_after_a_failed_look_nothing_rides_and_no_window_is_added_to_the_rung() -> None:
    rhythms = Rhythms(POLICY)
    rhythms.parked(KEY, START + timedelta(seconds=4), Window(6.0, 4.0), moved=False)
    rhythms.forget(KEY)
    assert isinstance(place(rhythms, 3.9, 3.9), Waits)


# --- turns ------------------------------------------------------------------------------------------------------


def test_tenants_take_turns_however_many_users_wait() -> None:
    room = WaitingRoom(POLICY)
    for tenant, users in (("a", 5), ("b", 1), ("c", 1)):
        for number in range(users):
            room.add(ticket(0.0, f"u{number}", tenant=tenant), f"u{number}", 10.0, START + timedelta(seconds=10))
    turns = [room.next_tenant(10.0, ()) for _ in range(4)]
    assert turns == ["a", "b", "c", "a"]
    assert room.next_tenant(10.0, {"a", "b"}) == "c"


def test_a_user_has_one_place_and_keeps_the_earlier_time() -> None:
    room = WaitingRoom(POLICY)
    wall = START + timedelta(seconds=10)
    room.add(ticket(10.0), "u", 10.0, wall)
    room.add(ticket(9.0), "u", 10.0, wall)
    (waiting,) = room.everybody()
    assert (waiting.due, len(waiting.tickets)) == (11.0, 2)
    assert room.take("t", "u", 10.5) is None
    assert room.take("t", "u", 11.0) is waiting
    assert not room.everybody()


# --- parcels ----------------------------------------------------------------------------------------------------


def test_hints_of_different_causes_never_share_a_parcel() -> None:
    room = WaitingRoom(POLICY)
    for facts in ({}, {"attempt": 1}, {"reason": Reason.MANUAL}):
        room.add(ticket(0.0, **facts), "u", 0.0, START)
    parcels = pack(room.everybody(), Lane.LIVE, now=0.0, wall=START, first_window=2.0)
    assert len(parcels) == 3
    assert {(p.message.attempt, p.message.reason) for p in parcels} == {
        (0, Reason.DELTA),
        (1, Reason.DELTA),
        (0, Reason.MANUAL),
    }


@given(
    hints=st.lists(st.tuples(st.floats(0, 40), st.integers(0, 250)), min_size=1, max_size=300),
    at_least=st.sampled_from([0.0, 30.0]),
)
def test_a_parcel_loses_no_user_and_is_answered_only_by_looks_after_all_its_hints(
    hints: list[tuple[float, int]], at_least: float
) -> None:
    room, now = WaitingRoom(POLICY), 40.0
    wall = START + timedelta(seconds=now)
    for noticed, number in hints:
        room.add(ticket(noticed, f"u{number}"), f"u{number}", now, wall)
    parcels = pack(room.everybody(), Lane.LIVE, now=now, wall=wall, first_window=2.0, at_least=at_least)
    assert {user for parcel in parcels for user in parcel.message.user_ids} == {f"u{number}" for _, number in hints}
    assert sum(len(parcel.hints) for parcel in parcels) == len(hints)
    for parcel in parcels:
        assert 1 <= len(parcel.message.user_ids) <= 100
        assert parcel.delay >= at_least
        assert parcel.message.since == min(t.message.noticed_at for _, t in parcel.hints)
        assert parcel.message.since != parcel.message.noticed_at or parcel.message.first_noticed_at is None
        assert all(t.message.noticed_at <= parcel.message.noticed_at for _, t in parcel.hints)
        back = wall + timedelta(seconds=parcel.delay)
        again = Rhythms(POLICY).place(KEY, parcel.message, parcel.due, back)
        assert isinstance(again, Waits)
        assert again.window.due - parcel.due <= 2.0  # nobody gathers twice as long for having been parked


def test_a_hint_that_is_parked_again_keeps_when_it_was_noticed_first() -> None:
    room = WaitingRoom(POLICY)
    room.add(ticket(30.0, first=START), "u", 30.0, START + timedelta(seconds=30))
    room.add(ticket(20.0), "u", 30.0, START + timedelta(seconds=30))
    parcels = pack(room.everybody(), Lane.LIVE, now=30.0, wall=START, first_window=2.0, at_least=30.0)
    assert [parcel.message.first_noticed_at for parcel in parcels] == [START]


# --- verdicts and weather ---------------------------------------------------------------------------------------


def test_without_any_outcome_the_hint_is_done() -> None:
    assert type(gravest([])).__name__ == "Done"


BUSY = Failed(Transient("syncro", "service_fault"))
MOVING = Failed(Transient("syncro", "listing_unstable"))
OUTDATED = Failed(Transient("syncro", "listing_outdated"))
FINE = Synced(NoChange("u", 1, 1), calls=1)


@pytest.mark.parametrize(
    ("events", "stops"),
    [
        ([(1, BUSY), (2, BUSY), (1, BUSY), (2, BUSY), (1, BUSY)], True),
        ([(1, BUSY)] * 20, False),
        ([(1, BUSY), (2, BUSY), (1, FINE), (1, BUSY), (2, BUSY), (1, BUSY)], False),
        ([(1, Failed(Transient("graph", "service_fault"))), (2, BUSY)] * 3, False),
        ([(1, MOVING), (2, OUTDATED)] * 9, False),
        ([(number, Failed(Transient("state", "lease_held", counted=False))) for number in range(9)], False),
    ],
    ids=[
        "across customers",
        "one customer",
        "a success between",
        "Graph is not Syncro",
        "listings that move",
        "nobody's failure",
    ],
)
def test_only_failures_of_syncro_across_customers_are_bad_weather(
    events: list[tuple[int, Failed | Synced]], stops: bool
) -> None:
    weather = Weather()
    last = [weather.judge(customer, outcome) for customer, outcome in events][-1]
    assert (isinstance(last, Failed) and isinstance(last.error, StopTheLine)) is stops
