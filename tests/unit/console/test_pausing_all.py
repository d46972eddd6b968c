"""One switch for everything, the record of who did what, and who is named: on the operations and as a shell sees it."""

from __future__ import annotations

import getpass
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from console.operations import OperationError, actor, pause, pause_all, resume, resume_all
from shared.domain.desk import Deed
from shared.domain.errors import Transient
from shared.domain.records import Connection, ConnectionStatus
from tests.support.clock import START
from tests.support.desk import CUSTOMER, Desk
from tests.support.receiver import OTHER, TENANT
from tests.unit.console.conftest import Shell

N = str(CUSTOMER)


def three(desk: Desk) -> None:
    """Two approved, one that waits for approval."""
    desk.tie(CUSTOMER, status=ConnectionStatus.APPROVED)
    desk.tie(8, OTHER, status=ConnectionStatus.APPROVED)
    desk.tie(9, TENANT)


def numbers(connections: tuple[Connection, ...]) -> list[int]:
    return [each.customer_id for each in connections]


async def test_everything_approved_is_paused_and_all_of_it_goes_on_owed(desk: Desk) -> None:
    three(desk)
    assert numbers((await pause_all(desk.ports, by="ada", why="wrong rule")).paused) == [CUSTOMER, 8]
    assert [desk.status_of(each) for each in (7, 8)] == [ConnectionStatus.PAUSED] * 2
    assert desk.status_of(9) is ConnectionStatus.PREVIEW
    assert numbers((await resume_all(desk.ports, by="ada")).resumed) == [CUSTOMER, 8]
    assert [desk.status_of(each) for each in (7, 8, 9)] == [*[ConnectionStatus.APPROVED] * 2, ConnectionStatus.PREVIEW]
    assert [mark.customer_id for mark in await desk.ports.owed.owed()] == [CUSTOMER, 8]


async def test_whoever_was_paused_alone_stays_paused(desk: Desk) -> None:
    three(desk)
    await pause(desk.ports, 8, by="bob", why="a migration")
    paused = await pause_all(desk.ports, by="ada", why="wrong rule")
    assert (numbers(paused.paused), numbers(paused.before)) == ([CUSTOMER], [8])
    resumed = await resume_all(desk.ports, by="ada")
    assert (numbers(resumed.resumed), numbers(resumed.still_paused)) == ([CUSTOMER], [8])
    assert desk.status_of(8) is ConnectionStatus.PAUSED


async def test_whoever_is_paused_alone_after_the_switch_stays_paused_when_everything_goes_on(desk: Desk) -> None:
    three(desk)
    await pause_all(desk.ports, by="ada", why="wrong rule")
    stopped = await pause(desk.ports, 8, by="bob", why="a migration")
    assert (stopped.status, stopped.paused_with_all) == (ConnectionStatus.PAUSED, False)
    deed = desk.world.ledger.deeds.noted[-1]
    assert (deed.what, deed.by, deed.customer_id, deed.facts) == ("pause", "bob", 8, {"why": "a migration"})
    with pytest.raises(OperationError, match="paused already"):
        await pause(desk.ports, 8, by="bob")
    assert numbers((await pause_all(desk.ports, by="ada", why="again")).before) == [CUSTOMER, 8]
    resumed = await resume_all(desk.ports, by="ada")
    assert (numbers(resumed.resumed), numbers(resumed.still_paused)) == ([CUSTOMER], [8])
    assert [desk.status_of(each) for each in (CUSTOMER, 8)] == [ConnectionStatus.APPROVED, ConnectionStatus.PAUSED]


async def test_who_stopped_it_is_sure_however_many_deeds_came_since_and_whoever_was_faster(desk: Desk) -> None:
    """Saved with the pause in one step: a deed may be of an act that then lost against another's."""
    three(desk)
    await pause_all(desk.ports, by="ada", why="wrong rule")
    for number in range(600):
        await desk.ports.deeds.note(Deed("ada", "pin", START, CUSTOMER, {"contact": number}))
    await desk.ports.deeds.note(Deed("bob", "pause", START, CUSTOMER))  # killed before the pause itself
    await desk.ports.deeds.note(Deed("ada", "pause-all", START, 8))
    assert numbers((await resume_all(desk.ports)).resumed) == [CUSTOMER, 8]
    assert not any(each.paused_with_all for each in await desk.ports.connections.list())


async def test_one_that_went_on_alone_and_was_paused_again_is_no_part_of_the_switch(desk: Desk) -> None:
    three(desk)
    await pause_all(desk.ports, by="ada", why="wrong rule")
    await resume(desk.ports, CUSTOMER, by="ada")
    await pause(desk.ports, CUSTOMER, by="bob")
    assert numbers((await resume_all(desk.ports, by="ada")).resumed) == [8]


async def test_a_customer_paused_before_deeds_were_kept_is_left_alone(desk: Desk) -> None:
    desk.tie(status=ConnectionStatus.PAUSED)
    assert numbers((await resume_all(desk.ports)).still_paused) == [CUSTOMER]
    assert desk.status_of() is ConnectionStatus.PAUSED


async def test_pausing_all_again_after_a_crash_ends_what_was_begun(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    three(desk)
    change, connections = desk.world.ledger.connections.change, desk.world.ledger.connections

    async def dies(connection: Connection, was: Connection | None) -> bool:
        if connection.customer_id == 8:
            raise RuntimeError("killed here")
        return await change(connection, was)

    monkeypatch.setattr(connections, "change", dies)
    with pytest.raises(RuntimeError):
        await pause_all(desk.ports, by="ada", why="wrong rule")
    monkeypatch.setattr(connections, "change", change)
    assert numbers((await pause_all(desk.ports, by="ada", why="wrong rule")).paused) == [8]
    assert numbers((await resume_all(desk.ports, by="ada")).resumed) == [CUSTOMER, 8]


@pytest.mark.parametrize("act", [pause_all, resume_all])
@pytest.mark.parametrize("trouble", ["faster", "busy"])
async def test_one_that_cannot_be_changed_does_not_keep_the_switch_from_the_others(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, act: Callable[..., Awaitable[object]], trouble: str
) -> None:
    three(desk)
    desk.tie(10, OTHER, status=ConnectionStatus.APPROVED)
    if act is resume_all:
        await pause_all(desk.ports, by="ada", why="wrong rule")
    goal = ConnectionStatus.PAUSED if act is pause_all else ConnectionStatus.APPROVED
    change, connections, tries = desk.world.ledger.connections.change, desk.world.ledger.connections, []

    async def unlucky(connection: Connection, was: Connection | None) -> bool:
        if connection.customer_id != 8:
            return await change(connection, was)
        tries.append(connection)
        if trouble == "busy":
            raise Transient("ledger", "locked")
        return False

    monkeypatch.setattr(connections, "change", unlucky)
    deeds = len(desk.world.ledger.deeds.noted)
    with pytest.raises(OperationError, match=r"Customer 8 \(8\).*--all") as caught:
        await act(desk.ports, by="ada", why="wrong rule")
    assert (caught.value.exit_code, "(7)" in caught.value.message, 1 < len(tries) < 10) == (1, False, True)
    assert [desk.status_of(each) for each in (CUSTOMER, 10)] == [goal] * 2
    assert [each.customer_id for each in desk.world.ledger.deeds.noted[deeds:]] == [CUSTOMER, 10]
    monkeypatch.setattr(connections, "change", change)
    await act(desk.ports, by="ada", why="wrong rule")
    assert desk.status_of(8) is goal


async def test_who_is_changed_or_approved_while_everything_is_stopped_is_stopped_too(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    three(desk)
    change, connections = desk.world.ledger.connections.change, desk.world.ledger.connections

    async def meanwhile(connection: Connection, was: Connection | None) -> bool:
        monkeypatch.setattr(connections, "change", change)
        later = desk.world.clock.now() + timedelta(minutes=1)
        connections.held[CUSTOMER] = replace(connections.held[CUSTOMER], more_tenants=(OTHER,), changed_at=later)
        connections.held[9] = replace(connections.held[9], status=ConnectionStatus.APPROVED)
        return await change(connection, was)

    monkeypatch.setattr(connections, "change", meanwhile)
    assert sorted(numbers((await pause_all(desk.ports, by="ada", why="wrong rule")).paused)) == [CUSTOMER, 8, 9]
    assert connections.held[CUSTOMER].more_tenants == (OTHER,)


async def test_a_deed_tells_what_was_done_and_no_missing_record_keeps_the_switch_from_anybody(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    three(desk)
    noted = desk.world.ledger.deeds.note

    async def full(deed: Deed) -> None:
        raise Transient("ledger", "disk_full")

    monkeypatch.setattr(desk.world.ledger.deeds, "note", full)
    with pytest.raises(Transient):
        await pause_all(desk.ports, by="ada", why="wrong rule")
    assert [desk.status_of(each) for each in (CUSTOMER, 8)] == [ConnectionStatus.PAUSED] * 2
    monkeypatch.setattr(desk.world.ledger.deeds, "note", noted)
    assert numbers((await resume_all(desk.ports, by="ada")).resumed) == [CUSTOMER, 8]


@pytest.mark.parametrize("why", ["", "  "])
async def test_stopping_everything_needs_a_reason(desk: Desk, why: str) -> None:
    three(desk)
    with pytest.raises(OperationError, match="--why") as caught:
        await pause_all(desk.ports, why=why)
    assert (caught.value.exit_code, desk.status_of()) == (2, ConnectionStatus.APPROVED)


# --- as a shell sees it -------------------------------------------------------------------------------------------


def test_the_switch_says_what_it_stopped_and_what_had_stopped_before(shell: Shell) -> None:
    three(shell.desk)
    shell("customers", "pause", "8", "--why", "a migration")
    said = shell("customers", "pause", "--all", "--why", "wrong rule")
    assert said.code == 0
    assert "Customers paused now: 1." in said.out
    assert "Paused before, and they stay so when everything goes on: Customer 8 (8)." in said.out
    assert "entra-syncro customers resume --all" in said.out
    again = shell("customers", "resume", "--all")
    assert "Customers that go on: 1." in again.out
    assert "entra-syncro customers resume 8" in again.out
    assert "Nothing was stopped" in shell("customers", "resume", "--all").out


def test_a_program_gets_both_lists(shell: Shell) -> None:
    three(shell.desk)
    paused = shell("customers", "pause", "--all", "--why", "wrong rule", "--json").json
    assert ([each["customer_id"] for each in paused["paused"]], paused["before"]) == ([CUSTOMER, 8], [])
    resumed = shell("customers", "resume", "--all", "--json").json
    assert ([each["customer_id"] for each in resumed["resumed"]], resumed["still_paused"]) == ([CUSTOMER, 8], [])


@pytest.mark.parametrize("command", ["pause", "resume"])
@pytest.mark.parametrize("arguments", [(), (N, "--all")])
def test_one_or_all_and_not_both(shell: Shell, command: str, arguments: tuple[str, ...]) -> None:
    said = shell("customers", command, *arguments, "--why", "x")
    assert (said.code, "--all" in said.err) == (2, True)


def test_who_did_what_is_listed_newest_first(shell: Shell) -> None:
    three(shell.desk)
    shell("customers", "pause", N, "--why", "a migration")
    shell("customers", "resume", N)
    shell("customers", "disconnect", "8")
    deeds = shell("deeds", "list", "--json").json
    assert [(deed["what"], deed["by"], deed["customer_id"]) for deed in deeds] == [
        ("disconnect", "ada", 8),
        ("resume", "ada", CUSTOMER),
        ("pause", "ada", CUSTOMER),
    ]
    assert deeds[2]["facts"] == {"why": "a migration"}
    shown = shell("deeds", "list", "--customer", N).out
    assert all(word in shown for word in ("ada", "pause", "resume", "why: a migration"))
    assert "disconnect" not in shown


def test_nobody_did_anything(shell: Shell) -> None:
    assert "Nobody ordered or decided anything yet." in shell("deeds", "list").out


# --- who acts -----------------------------------------------------------------------------------------------------


def test_a_name_in_the_settings_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "root")
    assert (actor("Ada "), actor(""), actor(" ")) == ("Ada", "root", "root")


def test_a_container_without_names_has_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("no such uid")

    monkeypatch.setattr(getpass, "getuser", nameless)
    monkeypatch.setattr(os, "getuid", lambda: 1234)
    assert actor() == "uid 1234"
