"""`status` as one screen: attention before work before customers, many customers counted, and drawing it anew."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console

from console.cli import output, redrawing
from console.cli.redrawing import redraw
from console.cli.status import page
from console.operations import Status, invite, status
from shared.domain.credential import CredentialInfo, CredentialKind
from shared.domain.records import ConnectionStatus
from shared.domain.watching import SubscriptionState
from tests.support.clock import START
from tests.support.desk import CUSTOMER, Desk, a_body, a_hold
from tests.support.receiver import TENANT, guid
from tests.support.virtual_time import run_virtual
from tests.unit.console.conftest import Shell


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "PIPE_WIDTH", 80)


def many(desk: Desk, count: int = 140) -> None:
    for number in range(count):
        desk.tie(1_000 + number, guid(number), ConnectionStatus.APPROVED)


def order(text: str, *words: str) -> bool:
    places = [text.index(word) for word in words]
    return places == sorted(places)


def test_attention_stands_before_work_and_customers(shell: Shell) -> None:
    shell.desk.tie(status=ConnectionStatus.APPROVED)
    shell.desk.letter("l1", a_body())
    shell.run(shell.desk.ports.holds.open(a_hold()))
    said = shell("status")
    assert said.code == 0
    assert order(said.out, "Waits for a person:", "runs show 0b9a8ac4", "dead-letters list", "Work:", "Customers")


def test_when_nobody_is_needed_that_is_said_first(shell: Shell) -> None:
    shell.desk.tie(status=ConnectionStatus.APPROVED)
    assert shell("status").out.startswith("Nothing waits for a person.\nWork:\n")


def test_that_the_services_stand_still_is_said_before_all_else(shell: Shell) -> None:
    shell.desk.tie(status=ConnectionStatus.APPROVED)
    shell.desk.letter("l1", a_body())
    shell.desk.world.clock.ahead += timedelta(minutes=16)
    said = shell("status").out
    assert order(said, "No service has asked Microsoft", "entra-syncro run all", "dead-letters list")
    assert shell("status", "--json").json["silent_since"] == START.isoformat()


def test_of_many_customers_only_those_that_need_somebody_are_listed(shell: Shell) -> None:
    many(shell.desk)
    shell.desk.tie(1_005, guid(5), ConnectionStatus.PAUSED)
    shell.desk.tie(1_006, guid(6))
    shell.desk.tie(1_007, guid(7), ConnectionStatus.DISCONNECTED)
    shell.run(shell.desk.ports.owed.mark(1_008, "resumed after a pause", START))
    shell.run(shell.desk.ports.holds.open(a_hold(customer_id=1_009)))
    said = shell("status")
    listed = [number for number in range(1_000, 1_140) if f"│ {number} " in said.out]
    assert listed == [1_005, 1_006, 1_009]
    assert "Other customers: 135 in step, 1 disconnected, 1 not yet synced. List them: entra-syncro status" in said.out
    assert len(said.out.splitlines()) <= 30
    whole = shell("status", "--all").out
    assert all(f"│ {number} " in whole for number in range(1_000, 1_140))
    assert "Other customers" not in whole


def test_a_dozen_customers_are_all_listed(shell: Shell) -> None:
    many(shell.desk, 12)
    assert "Other customers" not in shell("status").out


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (timedelta(days=31), None),
        (timedelta(days=29), "The app's secret ends on 2026-12-23"),
        (timedelta(days=-1), "The app's secret ended on 2026-11-23: no tenant can be read."),
    ],
)
async def test_an_end_of_the_credential_is_announced(desk: Desk, left: timedelta, words: str | None) -> None:
    info = CredentialInfo(CredentialKind.SECRET, START + left)
    said = text_of(await status(replace(desk.ports, credential=lambda: info)))
    assert ("The app's" in said) == (words is not None)
    assert (words or "") in said


async def test_consents_pauses_and_subscriptions_wait_for_a_person(desk: Desk) -> None:
    await invite(desk.ports, 8)
    desk.tie(status=ConnectionStatus.PAUSED)
    state = SubscriptionState(TENANT, None, None, "graph:handshake_refused", START)
    await desk.ports.subscription_states.save(state)
    seen = await status(desk.ports)
    top = text_of(seen).partition("Work:")[0]
    assert "Consents: 1 (waiting for consent). Look: entra-syncro customers list" in top
    assert "Everything is paused by a person: Customer 7 (7)." in top
    assert "entra-syncro customers resume --all" in top
    assert "Customer 7 (7): " in top.split("resume --all")[1]  # what is wrong with its subscription, and the cure
    assert (seen.consents[0].customer_id, seen.consents[0].state) == (8, "waiting for consent")


async def test_one_paused_customer_of_several_is_named(desk: Desk) -> None:
    desk.tie(status=ConnectionStatus.APPROVED)
    desk.tie(8, guid(8), ConnectionStatus.PAUSED)
    said = text_of(await status(desk.ports))
    assert "Paused by a person: Customer 8 (8)." in said
    assert "entra-syncro customers resume 8" in said


def test_the_json_has_no_secret_of_a_consent(shell: Shell) -> None:
    made = shell.run(invite(shell.desk.ports, 8))
    told = json.loads(shell("status", "--json").out)
    assert set(told["consents"][0]) == {"customer_id", "customer_name", "state", "next"}
    assert made.nonce not in json.dumps({**told, "consents": [{**told["consents"][0], "next": ""}]})


def text_of(seen: Status) -> str:
    made = Console(file=io.StringIO(), width=300)
    for part in page(seen, everyone=False):
        made.print(part)
    file = made.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


# --- again and again ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--watch"], "needs a terminal"),
        (["--watch", "3"], "entra-syncro status --json"),
        (["3"], "goes with --watch"),
        (["--watch", "--json"], "leave out"),
        (["--watch", "--fresh"], "leave out"),
        (["--watch", "0"], "at least 1"),
    ],
)
def test_watching_without_a_screen_is_wrong_use(shell: Shell, arguments: list[str], words: str) -> None:
    said = shell("status", *arguments)
    assert (said.code, words in said.err, said.out) == (2, True, "")


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    file = io.StringIO()
    monkeypatch.setattr(
        redrawing, "stdout", lambda: Console(file=file, force_terminal=True, width=80, height=40, highlight=False)
    )
    return file


def test_the_page_is_drawn_anew_and_outlives_an_outage_until_it_is_ended(tmp_path: Path, screen: io.StringIO) -> None:
    async def main() -> None:
        desk = Desk(tmp_path)
        desk.tie(status=ConnectionStatus.APPROVED)
        watching = asyncio.create_task(redraw(desk.ports, 10, lambda seen: page(seen, everyone=False)))
        await asyncio.sleep(5)
        assert "Nothing waits for a person." in screen.getvalue()
        desk.world.ledger.switch.away = True
        await asyncio.sleep(10)
        second = screen.getvalue()
        assert "What stands below is of an earlier look." in second
        assert second.count("Nothing waits for a person.") == 2
        desk.world.ledger.switch.away = False
        desk.letter("l1", a_body())
        await asyncio.sleep(10)
        third = screen.getvalue()[len(second) :]
        assert "Failed changes: 1." in third
        assert "earlier look" not in third
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching
        assert screen.getvalue().endswith("\x1b[?25h\x1b[?1049l")  # the terminal is as it was

    run_virtual(main())


def test_ctrl_c_ends_watching_as_done(shell: Shell, monkeypatch: pytest.MonkeyPatch, screen: io.StringIO) -> None:
    shell.desk.tie(CUSTOMER, status=ConnectionStatus.APPROVED)
    monkeypatch.setattr(sys.modules["console.cli.status"], "require_terminal", lambda: None)

    async def interrupted(seconds: float) -> None:
        assert seconds == 7
        raise KeyboardInterrupt

    monkeypatch.setattr(asyncio, "sleep", interrupted)
    said = shell("status", "--watch", "7")
    assert (said.code, said.err) == (0, "")
    assert "Nothing waits for a person." in screen.getvalue()
