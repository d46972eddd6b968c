"""Holds and Sizes: what the brakes hold, and what they measure by (`shared/ports.py`)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.adapters.ledger import Ledger
from shared.domain.records import HoldState, ListSizes
from tests.support.clock import START
from tests.support.ledger import CUSTOMER, a_hold

OTHER = CUSTOMER + 1
LATER = START + timedelta(hours=24)
ENDS = LATER + timedelta(hours=72)


# --- Holds ----------------------------------------------------------------------------------------------------


async def test_hold_comes_back_whole(ledger: Ledger) -> None:
    await ledger.holds.open(a_hold())
    assert await ledger.holds.of_customer(CUSTOMER) == a_hold()
    assert await ledger.holds.list() == [a_hold()]
    assert await ledger.holds.of_customer(OTHER) is None


async def test_hold_of_the_live_path_has_neither_run_nor_rows(ledger: Ledger) -> None:
    live = a_hold(run_id=None, rows=(), brakes={"creations": (16, 15)})
    await ledger.holds.open(live)
    assert await ledger.holds.of_customer(CUSTOMER) == live


async def test_must_lift_the_customers_earlier_open_hold(ledger: Ledger) -> None:
    """must: lift the customer's earlier open hold; the same code again keeps held_at and renews expires_at"""
    second = a_hold("second", held_at=LATER, expires_at=ENDS)
    await ledger.holds.open(a_hold("first"))
    await ledger.holds.open(a_hold("others", OTHER))
    await ledger.holds.open(second)
    assert await ledger.holds.of_customer(CUSTOMER) == second
    assert await ledger.holds.of_customer(OTHER) == a_hold("others", OTHER)
    assert await ledger.holds.list(code="first", state=None) == [
        replace(a_hold("first"), state=HoldState.LIFTED, settled_at=LATER)
    ]


async def test_must_keep_held_at_and_renew_expires_at_of_the_same_code(ledger: Ledger) -> None:
    """must: lift the customer's earlier open hold; the same code again keeps held_at and renews expires_at"""
    renewed = a_hold(run_id="run-2", brakes={"clears": (5, 3)}, detail="newer", held_at=LATER, expires_at=ENDS)
    await ledger.holds.open(a_hold())
    await ledger.holds.open(renewed)
    assert await ledger.holds.list(state=None) == [replace(renewed, held_at=START)]


async def test_same_code_without_rows_loses_no_stored_row(ledger: Ledger) -> None:
    await ledger.holds.open(a_hold())
    await ledger.holds.open(a_hold(run_id=None, rows=(), detail="live", held_at=LATER, expires_at=ENDS))
    assert await ledger.holds.list(state=None) == [a_hold(expires_at=ENDS)]


async def test_same_halt_again_is_told_anew_although_it_has_no_rows(ledger: Ledger) -> None:
    """must: lift the customer's earlier open hold; the same code again keeps held_at and renews expires_at"""
    halt = a_hold(rows=(), brakes={"listing": (40, 100)}, detail="40 of 100 users")
    again = replace(halt, run_id="run-2", detail="still 40", held_at=LATER, expires_at=ENDS)
    await ledger.holds.open(halt)
    await ledger.holds.open(again)
    assert await ledger.holds.list(state=None) == [replace(again, held_at=START)]


async def test_rows_come_to_a_hold_of_the_live_path(ledger: Ledger) -> None:
    await ledger.holds.open(a_hold(run_id=None, rows=()))
    await ledger.holds.open(a_hold(held_at=LATER, expires_at=ENDS))
    assert await ledger.holds.of_customer(CUSTOMER) == a_hold(expires_at=ENDS)


@pytest.mark.parametrize("state", [HoldState.APPROVED, HoldState.REJECTED, HoldState.LIFTED])
async def test_settled_hold_says_who_and_when(ledger: Ledger, state: HoldState) -> None:
    await ledger.holds.open(a_hold())
    assert await ledger.holds.settle(CUSTOMER, "c0ffee01", state, "kim", LATER)
    assert await ledger.holds.of_customer(CUSTOMER) is None
    assert await ledger.holds.list() == []
    assert await ledger.holds.list(state=state) == [replace(a_hold(), state=state, settled_at=LATER, settled_by="kim")]


async def test_must_give_false_when_it_is_not_open_any_more(ledger: Ledger) -> None:
    """must: give False when it is not open any more (two operators, one hold)"""
    await ledger.holds.open(a_hold())
    answers = await asyncio.gather(
        *(
            ledger.holds.settle(CUSTOMER, "c0ffee01", state, by, LATER)
            for by, state in (("kim", HoldState.APPROVED), ("lee", HoldState.REJECTED), ("ann", HoldState.APPROVED))
        )
    )
    assert sorted(answers) == [False, False, True]
    (settled,) = await ledger.holds.list(state=None)
    winner = {"kim": HoldState.APPROVED, "lee": HoldState.REJECTED, "ann": HoldState.APPROVED}
    assert settled.settled_by is not None
    assert settled.state is winner[settled.settled_by]
    assert not await ledger.holds.settle(CUSTOMER, "c0ffee01", HoldState.APPROVED, "kim", LATER)


@pytest.mark.parametrize(("customer_id", "code"), [(CUSTOMER, "unknown"), (OTHER, "c0ffee01")])
async def test_nothing_else_is_settled(ledger: Ledger, customer_id: int, code: str) -> None:
    await ledger.holds.open(a_hold())
    assert not await ledger.holds.settle(customer_id, code, HoldState.APPROVED, "kim", LATER)
    assert await ledger.holds.of_customer(CUSTOMER) == a_hold()


async def test_settled_code_may_be_held_again(ledger: Ledger) -> None:
    await ledger.holds.open(a_hold())
    await ledger.holds.settle(CUSTOMER, "c0ffee01", HoldState.REJECTED, "kim", LATER)
    again = a_hold(held_at=LATER, expires_at=ENDS)
    await ledger.holds.open(again)
    assert await ledger.holds.of_customer(CUSTOMER) == again
    assert [hold.state for hold in await ledger.holds.list(state=None)] == [HoldState.OPEN, HoldState.REJECTED]


async def test_holds_newest_first_by_code_and_state(ledger: Ledger) -> None:
    """Newest first; of every state with None."""
    for number, code in enumerate(("a", "b", "a", "c")):
        await ledger.holds.open(a_hold(code, CUSTOMER + number, held_at=START + timedelta(minutes=number)))
    await ledger.holds.settle(CUSTOMER, "a", HoldState.APPROVED, "kim", LATER)
    assert [hold.customer_id - CUSTOMER for hold in await ledger.holds.list()] == [3, 2, 1]
    assert [hold.customer_id - CUSTOMER for hold in await ledger.holds.list(code="a")] == [2]
    assert [hold.customer_id - CUSTOMER for hold in await ledger.holds.list(code="a", state=None)] == [2, 0]
    assert [hold.customer_id - CUSTOMER for hold in await ledger.holds.list(state=HoldState.APPROVED)] == [0]
    assert await ledger.holds.list(code="unknown", state=None) == []


async def test_of_many_that_open_at_once_one_stands(ledger: Ledger) -> None:
    codes = [f"code-{number}" for number in range(8)]
    await asyncio.gather(*(ledger.holds.open(a_hold(code)) for code in codes))
    standing = await ledger.holds.list()
    assert len(standing) == 1
    assert standing[0].code in codes
    assert await ledger.holds.of_customer(CUSTOMER) == standing[0]


# --- Sizes ----------------------------------------------------------------------------------------------------


async def test_sizes_are_those_saved_last(ledger: Ledger) -> None:
    assert await ledger.sizes.last(CUSTOMER) is None
    await ledger.sizes.save(ListSizes(CUSTOMER, 100, 90, START))
    await ledger.sizes.save(ListSizes(OTHER, 5, 6, START))
    await ledger.sizes.save(ListSizes(CUSTOMER, 0, 0, LATER))
    assert await ledger.sizes.last(CUSTOMER) == ListSizes(CUSTOMER, 0, 0, LATER)
    assert await ledger.sizes.last(OTHER) == ListSizes(OTHER, 5, 6, START)
