"""SubscriptionStates, Polls, JournalReads.delays, Invites and Apart (`shared/ports.py`)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shared.adapters.ledger import Ledger, open_ledger
from shared.domain.messages import Reason
from shared.domain.onboarding import Invite, InviteState, Organization, WithoutEntra
from shared.domain.records import Connection, ConnectionStatus, Delay, JournalEntry, WriteState
from shared.domain.watching import Coverage, Poll, SubscriptionState
from tests.support.clock import START
from tests.support.ledger import CUSTOMER

OTHER = CUSTOMER + 1
HOUR = timedelta(hours=1)
TENANT = "84bd8158-6d4d-4958-8b9f-9d6445542f95"
SECOND = "0cea0ab7-2234-4f57-bc80-4d3e66df4791"
GOOD = SubscriptionState(TENANT, "f43589a8-2107-4c5d-9c24-eea6301f162b", START + 28 * 24 * HOUR, "", START)
POLL = Poll(TENANT, "https://graph.example/delta?t=1", START, 300.0, {"user-1": START - HOUR}, "", None)
INVITE = Invite("nonce-1", CUSTOMER, "Contoso", TENANT, START, START + 24 * HOUR)
WHO = Organization(TENANT, "Contoso Ltd", ("contoso.example", "contoso.onmicrosoft.example"))


# --- SubscriptionStates ---------------------------------------------------------------------------------------


async def test_state_comes_back_whole_and_the_newest_counts(ledger: Ledger) -> None:
    bad = SubscriptionState(TENANT, None, None, "graph:quota", START + HOUR, START + 2 * HOUR, 60.0)
    await ledger.subscription_states.save(GOOD)
    await ledger.subscription_states.save(replace(GOOD, tenant_id=SECOND))
    assert await ledger.subscription_states.all() == {TENANT: GOOD, SECOND: replace(GOOD, tenant_id=SECOND)}
    await ledger.subscription_states.save(bad)
    assert (await ledger.subscription_states.all())[TENANT] == bad


async def test_forgotten_state_is_gone_and_forgetting_twice_is_harmless(ledger: Ledger) -> None:
    await ledger.subscription_states.save(GOOD)
    await ledger.subscription_states.forget(TENANT)
    await ledger.subscription_states.forget(TENANT)
    assert await ledger.subscription_states.all() == {}


# --- Polls ----------------------------------------------------------------------------------------------------


async def test_must_be_durable_when_it_returns(shared_ledger_url: str) -> None:
    """must: be durable when it returns; the link moves on only by this"""
    async with open_ledger(shared_ledger_url) as one:
        await one.polls.save(POLL)
        await one.polls.save(replace(POLL, link="https://graph.example/delta?t=2", unjudged={}, code="graph:busy"))
    async with open_ledger(shared_ledger_url) as another:
        (kept,) = (await another.polls.all()).values()
    assert (kept.link, kept.unjudged, kept.code) == ("https://graph.example/delta?t=2", {}, "graph:busy")


async def test_poll_comes_back_whole(ledger: Ledger) -> None:
    never = Poll(SECOND, None, None, 120.0, code="login:consent_missing", since=START)
    await ledger.polls.save(POLL)
    await ledger.polls.save(never)
    assert await ledger.polls.all() == {TENANT: POLL, SECOND: never}


async def test_must_add_to_what_was_counted_for_the_same_hour(ledger: Ledger) -> None:
    """must: add to what was counted for the same hour"""
    await asyncio.gather(*(ledger.polls.judged(TENANT, START, 3, 2) for _ in range(5)))
    assert await ledger.polls.coverage(START) == {TENANT: Coverage(15, 10)}


async def test_leave_what_was_counted_and_be_content_when_nothing_is_kept(ledger: Ledger) -> None:
    other = replace(POLL, tenant_id=SECOND)
    for poll in (POLL, other):
        await ledger.polls.save(poll)
    await ledger.polls.judged(TENANT, START, 3, 2)
    await ledger.polls.forget(TENANT)
    await ledger.polls.forget(TENANT)
    assert await ledger.polls.all() == {SECOND: other}
    assert await ledger.polls.coverage(START) == {TENANT: Coverage(3, 2)}


async def test_coverage_sums_the_hours_that_began_since(ledger: Ledger) -> None:
    await ledger.polls.judged(TENANT, START - HOUR, 100, 0)
    await ledger.polls.judged(TENANT, START, 4, 4)
    await ledger.polls.judged(TENANT, START + HOUR, 2, 1)
    await ledger.polls.judged(SECOND, START, 1, 0)
    assert await ledger.polls.coverage(START) == {TENANT: Coverage(6, 5), SECOND: Coverage(1, 0)}
    assert await ledger.polls.coverage(START + 2 * HOUR) == {}


# --- delays ---------------------------------------------------------------------------------------------------


def _entry(cause: Reason, *, seconds: float | None, user: str = "user-1") -> JournalEntry:
    noticed_at = None if seconds is None else START - timedelta(seconds=seconds)
    return JournalEntry(CUSTOMER, user, 5, "update", (), cause, "trace", START, noticed_at=noticed_at)


async def _written(ledger: Ledger, entry: JournalEntry, state: WriteState = WriteState.WRITTEN) -> None:
    await ledger.journal.settle(await ledger.journal.intend(entry), state, at=START)


async def test_must_give_every_entry_written_since_whose_hint_was_noticed(ledger: Ledger) -> None:
    """must: give every entry written at `since` or later whose hint was noticed, notifications and polls alone"""
    await _written(ledger, _entry(Reason.NOTIFICATION, seconds=2.5))
    await _written(ledger, _entry(Reason.DELTA, seconds=90.0))
    await _written(ledger, _entry(Reason.NOTIFICATION, seconds=-1.0))  # two clocks that differ
    await _written(ledger, _entry(Reason.RECONCILE, seconds=5.0))
    await _written(ledger, _entry(Reason.NOTIFICATION, seconds=None))
    await _written(ledger, _entry(Reason.NOTIFICATION, seconds=7.0), WriteState.REFUSED)
    await ledger.journal.intend(_entry(Reason.NOTIFICATION, seconds=8.0))
    found = sorted(await ledger.journal.delays(START), key=lambda delay: delay.seconds)
    assert found == [
        Delay(CUSTOMER, Reason.NOTIFICATION, 0.0),
        Delay(CUSTOMER, Reason.NOTIFICATION, 2.5),
        Delay(CUSTOMER, Reason.DELTA, 90.0),
    ]
    assert await ledger.journal.delays(START + timedelta(seconds=1)) == []


async def test_entry_keeps_when_its_hint_was_noticed(ledger: Ledger) -> None:
    await ledger.journal.intend(_entry(Reason.DELTA, seconds=3.0))
    (kept,) = await ledger.journal.entries(customer_id=CUSTOMER)
    assert kept.noticed_at == START - timedelta(seconds=3)


# --- several tenants ------------------------------------------------------------------------------------------


async def test_connection_is_found_by_each_of_its_tenants(ledger: Ledger) -> None:
    both = Connection(CUSTOMER, "Contoso", TENANT, ConnectionStatus.PREVIEW, START, START, (SECOND,))
    one = Connection(OTHER, "Contoso North", SECOND, ConnectionStatus.PREVIEW, START, START)
    await ledger.connections.save(both)
    await ledger.connections.save(one)
    assert await ledger.connections.of_tenant(TENANT) == [both]
    assert await ledger.connections.of_tenant(SECOND) == [both, one]
    assert await ledger.connections.of_tenant("00000000-0000-0000-0000-000000000000") == []


# --- Invites --------------------------------------------------------------------------------------------------


async def test_must_replace_the_customers_earlier_open_or_consented_one(ledger: Ledger) -> None:
    """must: replace the customer's earlier open or consented one"""
    second = replace(INVITE, nonce="nonce-2", tenant_id="", invited_at=START + HOUR, is_shared=True)
    await ledger.invites.open(INVITE)
    await ledger.invites.open(replace(INVITE, nonce="others", customer_id=OTHER))
    await ledger.invites.open(second)
    await ledger.invites.settle(replace(second, state=InviteState.CONSENTED, answered_by=WHO, settled_at=START))
    third = replace(INVITE, nonce="nonce-3", invited_at=START + 2 * HOUR)
    await ledger.invites.open(third)
    assert (await ledger.invites.newest())[CUSTOMER] == third
    assert {nonce: await _state(ledger, nonce) for nonce in ("nonce-1", "nonce-2", "others")} == {
        "nonce-1": InviteState.REPLACED,
        "nonce-2": InviteState.REPLACED,
        "others": InviteState.OPEN,
    }


async def test_two_invites_at_once_leave_one_open(ledger: Ledger) -> None:
    """must: replace the customer's earlier open or consented one"""
    await asyncio.gather(*(ledger.invites.open(replace(INVITE, nonce=f"nonce-{n}")) for n in range(6)))
    states = [await _state(ledger, f"nonce-{n}") for n in range(6)]
    assert states.count(InviteState.OPEN) == 1


async def _state(ledger: Ledger, nonce: str) -> InviteState | None:
    found = await ledger.invites.get(nonce)
    return None if found is None else found.state


async def test_must_give_it_to_one_caller_only(ledger: Ledger) -> None:
    """must: give it to one caller only, while it is open and not expired at `at`; None to everybody else"""
    await ledger.invites.open(INVITE)
    taken = await asyncio.gather(*(ledger.invites.take("nonce-1", START) for _ in range(5)))
    assert [each for each in taken if each is not None] == [replace(INVITE, state=InviteState.TAKEN)]


@pytest.mark.parametrize(
    ("nonce", "at"), [("unknown", START), ("nonce-1", INVITE.expires_at), ("nonce-1", INVITE.expires_at + HOUR)]
)
async def test_must_not_give_what_is_unknown_or_expired(ledger: Ledger, nonce: str, at: datetime) -> None:
    """must: give it to one caller only, while it is open and not expired at `at`; None to everybody else"""
    await ledger.invites.open(INVITE)
    assert await ledger.invites.take(nonce, at) is None
    assert await _state(ledger, "nonce-1") is InviteState.OPEN


async def test_must_leave_a_replaced_one_replaced(ledger: Ledger) -> None:
    """Store state, answered_by, code, missing and settled_at of this nonce. must: leave a replaced one replaced"""
    await ledger.invites.open(INVITE)
    await ledger.invites.open(replace(INVITE, nonce="nonce-2", invited_at=START + HOUR))
    await ledger.invites.settle(replace(INVITE, state=InviteState.CONNECTED, settled_at=START))
    assert await _state(ledger, "nonce-1") is InviteState.REPLACED


async def test_settled_invite_comes_back_whole(ledger: Ledger) -> None:
    settled = replace(
        INVITE,
        state=InviteState.FAILED,
        answered_by=WHO,
        code="graph:permission_missing",
        missing=("User.Read.All",),
        settled_at=START + HOUR,
    )
    await ledger.invites.open(INVITE)
    await ledger.invites.settle(settled)
    assert await ledger.invites.get("nonce-1") == settled
    assert await ledger.invites.newest() == {CUSTOMER: settled}


async def test_taken_invite_may_be_opened_again(ledger: Ledger) -> None:
    """A network failure while the answer was proved must not burn the link."""
    await ledger.invites.open(INVITE)
    assert await ledger.invites.take("nonce-1", START) is not None
    await ledger.invites.settle(INVITE)
    assert await ledger.invites.take("nonce-1", START) is not None


# --- Apart ----------------------------------------------------------------------------------------------------


async def test_customers_without_entra_are_kept_until_removed(ledger: Ledger) -> None:
    first, second = WithoutEntra(CUSTOMER, "Bakery", START), WithoutEntra(OTHER, "Garage", START)
    await ledger.apart.add(second)
    await ledger.apart.add(first)
    await ledger.apart.add(replace(first, at=START + HOUR))
    assert await ledger.apart.all() == [replace(first, at=START + HOUR), second]
    await ledger.apart.remove(CUSTOMER)
    await ledger.apart.remove(CUSTOMER)
    assert await ledger.apart.all() == [second]


# --- Connections.change -----------------------------------------------------------------------------------------


async def test_must_change_nothing_when_somebody_decided_otherwise_meanwhile(ledger: Ledger) -> None:
    """must: give False and change nothing when somebody decided otherwise meanwhile (another `changed_at`)"""
    seen = Connection(CUSTOMER, "Contoso", TENANT, ConnectionStatus.PREVIEW, START, START)
    await ledger.connections.save(seen)
    gone = replace(seen, status=ConnectionStatus.DISCONNECTED, changed_at=START + HOUR)
    approved = replace(seen, status=ConnectionStatus.APPROVED, changed_at=START + 2 * HOUR)
    assert await ledger.connections.change(gone, seen)
    assert not await ledger.connections.change(approved, seen)
    assert await ledger.connections.get(CUSTOMER) == gone


async def test_of_two_changes_of_what_was_read_one_is_made(ledger: Ledger) -> None:
    """must: give False and change nothing when somebody decided otherwise meanwhile (another `changed_at`)"""
    seen = Connection(CUSTOMER, "Contoso", TENANT, ConnectionStatus.PREVIEW, START, START)
    new = [replace(seen, customer_name=f"Name {n}", changed_at=START + n * HOUR) for n in range(1, 5)]
    assert sum(await asyncio.gather(*(ledger.connections.change(each, None) for each in new))) == 1
    was = await ledger.connections.get(CUSTOMER)
    assert was in new
    later = [replace(each, changed_at=each.changed_at + 24 * HOUR) for each in new]
    assert sum(await asyncio.gather(*(ledger.connections.change(each, was) for each in later))) == 1


async def test_newest_invite_of_one_customer(ledger: Ledger) -> None:
    """The customer's newest that was not replaced."""
    assert await ledger.invites.of_customer(CUSTOMER) is None
    failed = replace(INVITE, state=InviteState.FAILED, code="login:consent_declined", settled_at=START)
    await ledger.invites.open(INVITE)
    await ledger.invites.settle(failed)
    await ledger.invites.open(replace(INVITE, nonce="others", customer_id=OTHER))
    assert await ledger.invites.of_customer(CUSTOMER) == failed
    newer = replace(INVITE, nonce="nonce-2", invited_at=START + HOUR)
    await ledger.invites.open(newer)
    assert await ledger.invites.of_customer(CUSTOMER) == newer
