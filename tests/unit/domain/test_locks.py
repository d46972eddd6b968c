"""Locked contacts: days on the clock of a zone, which locks hold, how they are told, and what a plan makes of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.changes import NoChange, Pinned, UpdateContact
from shared.domain.desk import Pin
from shared.domain.locks import end_of, last_day, standing, told
from shared.domain.matching import Found, Level
from shared.domain.plan import plan
from shared.domain.policy import SyncPolicy
from shared.domain.user import AnyUser, SoftDeleted
from tests.support.clock import START
from tests.support.people import CUSTOMER, a_contact, a_user
from tests.support.tenancy import TODAY, Tenancy
from tests.unit.domain.test_invariants import copy_of, tenancies

LOCKED = Pin(CUSTOMER, 1, "legal hold", "ada", START)


@pytest.mark.parametrize(
    ("day", "zone", "expected"),
    [
        (date(2026, 12, 31), "UTC", datetime(2027, 1, 1, tzinfo=UTC)),
        (date(2026, 12, 31), "America/Los_Angeles", datetime(2027, 1, 1, 8, tzinfo=UTC)),
        (date(2026, 12, 31), "Asia/Tokyo", datetime(2026, 12, 31, 15, tzinfo=UTC)),
        (date(2026, 3, 28), "Europe/Berlin", datetime(2026, 3, 28, 23, tzinfo=UTC)),
        (date(2026, 3, 29), "Europe/Berlin", datetime(2026, 3, 29, 22, tzinfo=UTC)),  # an hour shorter
        (date(2026, 4, 23), "Africa/Cairo", datetime(2026, 4, 23, 22, tzinfo=UTC)),  # the next midnight is skipped
    ],
)
def test_a_day_ends_on_the_clock_of_its_zone(day: date, zone: str, expected: datetime) -> None:
    assert end_of(day, zone) == expected
    assert last_day(expected, zone) == day


@pytest.mark.parametrize(
    ("until", "holds"),
    [(None, True), (START + timedelta(seconds=1), True), (START, False), (START - timedelta(days=1), False)],
)
def test_a_lock_holds_until_it_is_over(until: datetime | None, holds: bool) -> None:
    assert (1 in standing([replace(LOCKED, until=until)], START, "UTC")) is holds


@pytest.mark.parametrize("zone", ["UTC", "America/Los_Angeles", "Pacific/Auckland"])
def test_the_last_day_is_told_as_the_person_named_it(zone: str) -> None:
    until = end_of(date(2026, 12, 31), zone)
    pin = standing([replace(LOCKED, until=until)], START, zone)[1]
    assert pin.until == until
    locked = Pinned("u1", CUSTOMER, 1, pin.by, pin.until, pin.why)
    assert told(locked) == "locked by ada until the end of 2026-12-31: legal hold"


def test_a_lock_for_good_and_one_by_the_contacts_own_field_are_told_apart() -> None:
    assert told(Pinned("u1", CUSTOMER, 1, "ada", None, "VIP")) == "locked by ada: VIP"
    assert told(Pinned("u1", CUSTOMER, 1)) == "locked by the text in its lock field"


@pytest.mark.parametrize("user", [a_user(), a_user(account_enabled=False), SoftDeleted("u1", START)])
def test_a_locked_contact_is_never_written(user: AnyUser) -> None:
    found = Found(a_contact(1), Level.LINK)

    def planned(pin: Pin) -> object:
        locks = {pin.contact_id: pin}
        return plan(user, found, customer_id=CUSTOMER, facts=None, policy=SyncPolicy(), today=TODAY, locks=locks)

    assert planned(LOCKED) == Pinned("u1", CUSTOMER, 1, "ada", None, "legal hold")
    assert isinstance(planned(replace(LOCKED, contact_id=2)), UpdateContact | NoChange)


@settings(max_examples=60, deadline=None)
@given(tenancies(), st.data())
def test_whatever_comes_a_locked_contact_stays_as_it_is(tenancy: Tenancy, data: st.DataObject) -> None:
    locked = data.draw(st.sets(st.sampled_from(sorted(tenancy.contacts)))) if tenancy.contacts else set()
    after = copy_of(tenancy)
    after.locks = {number: replace(LOCKED, contact_id=number) for number in locked}
    for user in data.draw(st.permutations(list(after.users))):
        after.hint(user)
    plans = after.full_pass()
    assert {number: after.contacts[number] for number in locked} == {n: tenancy.contacts[n] for n in locked}
    assert {each.contact_id for each in plans.values() if isinstance(each, Pinned)} <= locked
