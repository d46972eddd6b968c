"""Locking contacts at the desk: days, whose contact it is, unlocking, and what the commands say."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from console.operations import OperationError, pin, pins, unpin
from shared.domain.contact import Contact
from shared.domain.desk import Pin
from shared.domain.records import ConnectionStatus, Link
from tests.support.clock import START
from tests.support.desk import CUSTOMER, Desk
from tests.support.receiver import guid
from tests.unit.console.conftest import Shell


def ready(desk: Desk) -> None:
    """Contact 11 of an approved customer, linked to a user; full syncs run on the clock of Los Angeles."""
    desk.tie(status=ConnectionStatus.APPROVED)
    desk.contact_probe.contacts[11] = Contact(11, CUSTOMER, name="Anna Meier")
    desk.world.ledger.links.held[CUSTOMER, guid(1)] = Link(CUSTOMER, guid(1), 11, "mail", START)


async def test_a_contact_is_locked_until_the_end_of_a_day_where_the_deployment_is(desk: Desk) -> None:
    ready(desk)
    shown = await pin(desk.ports, 11, until="2026-12-31", why=" legal hold ", by="ada")
    kept = desk.world.ledger.pins.held[CUSTOMER, 11]
    assert (kept.why, kept.by) == ("legal hold", "ada")
    assert kept.until == datetime(2027, 1, 1, 8, tzinfo=UTC)
    assert (shown.last_day, shown.holds, shown.contact_label) == (date(2026, 12, 31), True, "Anna Meier")
    assert (shown.customer_name, shown.user_id) == ("Customer 7", guid(1))
    (deed,) = desk.world.ledger.deeds.noted
    assert (deed.by, deed.what, deed.customer_id) == ("ada", "pin", CUSTOMER)
    assert deed.facts == {"contact": 11, "until": "2026-12-31", "why": "legal hold"}


async def test_without_a_day_a_contact_is_locked_for_good_and_locking_again_replaces(desk: Desk) -> None:
    ready(desk)
    await pin(desk.ports, 11, until="2026-12-31", why="legal hold", by="ada")
    shown = await pin(desk.ports, 11, until=None, why="VIP", by="ben")
    assert (shown.last_day, shown.until) == (None, None)
    assert [(each.by, each.why) for each in await pins(desk.ports)] == [("ben", "VIP")]


@pytest.mark.parametrize(
    ("until", "why", "words"),
    [
        ("2026-11-22", "x", "is over already"),
        ("31.12.2026", "x", "is no day"),
        ("2026-02-30", "x", "is no day"),
        ("9999-12-31", "x", "is no day"),
        ("2026-12-31", "  ", "Say why"),
    ],
)
async def test_what_cannot_be_meant_is_wrong_use(desk: Desk, until: str, why: str, words: str) -> None:
    ready(desk)
    with pytest.raises(OperationError, match=words) as caught:
        await pin(desk.ports, 11, until=until, why=why, by="ada")
    assert caught.value.exit_code == 2
    assert not desk.world.ledger.pins.held


async def test_today_is_a_day_to_lock_until(desk: Desk) -> None:
    ready(desk)
    assert (await pin(desk.ports, 11, until=f"{START:%Y-%m-%d}", why="x", by="ada")).holds


@pytest.mark.parametrize(
    ("owner", "customer", "words"),
    [
        (None, None, "Syncro has no contact 11"),
        (8, None, "Customer 8 is not connected"),
        (8, CUSTOMER, "belongs to customer 8, not to 7"),
        (0, None, "--customer CUSTOMER"),
    ],
)
async def test_only_a_contact_of_a_connected_customer_is_locked(
    desk: Desk, owner: int | None, customer: int | None, words: str
) -> None:
    ready(desk)
    if owner is None:
        desk.contact_probe.contacts.clear()
    else:
        desk.contact_probe.contacts[11] = Contact(11, owner)
    with pytest.raises(OperationError, match=words) as caught:
        await pin(desk.ports, 11, until=None, why="x", by="ada", customer_id=customer)
    assert caught.value.exit_code == 2
    assert not desk.world.ledger.pins.held


async def test_an_account_that_does_not_say_whose_contact_it_is_believes_the_person(desk: Desk) -> None:
    ready(desk)
    desk.contact_probe.contacts[11] = Contact(11, 0)
    assert (await pin(desk.ports, 11, until=None, why="x", by="ada", customer_id=CUSTOMER)).customer_id == CUSTOMER


async def test_a_lock_that_is_over_is_shown_as_such_after_those_that_hold(desk: Desk) -> None:
    ready(desk)
    held = desk.world.ledger.pins.held
    held[CUSTOMER, 11] = Pin(CUSTOMER, 11, "old", "ada", START, START - timedelta(hours=1))
    held[CUSTOMER, 12] = Pin(CUSTOMER, 12, "new", "ada", START, START + timedelta(hours=1))
    assert [(each.contact_id, each.holds) for each in await pins(desk.ports, CUSTOMER)] == [(12, True), (11, False)]


async def test_a_lock_is_taken_off_once(desk: Desk) -> None:
    ready(desk)
    await pin(desk.ports, 11, until=None, why="x", by="ada")
    (removed,) = await unpin(desk.ports, 11, by="ben")
    assert (removed.contact_id, removed.by) == (11, "ada")
    with pytest.raises(OperationError, match="azure_sync_off") as caught:
        await unpin(desk.ports, 11, by="ben")
    assert caught.value.exit_code == 2
    assert [(deed.by, deed.what) for deed in desk.world.ledger.deeds.noted] == [("ada", "pin"), ("ben", "unpin")]


def test_the_commands_say_until_when_and_what_comes_next(shell: Shell) -> None:
    ready(shell.desk)
    locked = shell("customers", "pin", "11", "--until", "2026-12-31", "--why", "legal hold")
    assert "Contact 11 (Anna Meier, Customer 7) is locked until the end of 2026-12-31." in locked.out
    assert "entra-syncro customers unpin 11" in locked.out
    listed = shell("customers", "pins")
    assert all(word in listed.out for word in ("11", "Customer 7 (7)", "2026-12-31", "ada", "legal hold"))
    (row,) = shell("customers", "pins", "--json").json
    assert (row["last_day"], row["by"], row["holds"]) == ("2026-12-31", "ada", True)
    state = shell("status").out
    assert "Locked contacts: 1, contact 11 (Customer 7) by ada until the end of 2026-12-31." in state
    unlocked = shell("customers", "unpin", "11")
    assert f"entra-syncro sync --customer 7 --user {guid(1)}" in unlocked.out
    assert shell("customers", "unpin", "11").code == 2
    assert "Nobody locked a contact here" in shell("customers", "pins").out
    assert "Locked contacts" not in shell("status").out


def test_a_lock_without_a_reason_is_wrong_use(shell: Shell) -> None:
    ready(shell.desk)
    assert shell("customers", "pin", "11").code == 2
