"""Pages of the reading commands at 80 columns: what must be copied is whole, and each says what to do next."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest

from console.cli import output
from console.operations import Customers, Status
from shared.domain.records import Connection, ConnectionStatus, LastFull, Owed
from tests.support.clock import START
from tests.support.desk import a_body, a_hold, a_letter
from tests.support.receiver import TENANT, guid

Page = Callable[..., str]


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Page:
    """Run a command's function on an answer, without settings or ports."""

    def show(module: str, command: str, answer: object, **options: object) -> str:
        monkeypatch.setattr(output, "PIPE_WIDTH", 80)
        loaded: Any = import_module(module)
        monkeypatch.setattr(loaded, "operate", lambda context, action: answer)
        getattr(loaded, command)(None, **options)
        return capsys.readouterr().out

    return show


def connection(customer_id: int, status: ConnectionStatus) -> Connection:
    return Connection(customer_id, f"Customer {customer_id} of a long name", TENANT, status, START, START)


EVERY_STATE = [connection(34288070 + n, status) for n, status in enumerate(ConnectionStatus)]


def seen(**facts: Any) -> Status:
    nothing = Status(
        connections=EVERY_STATE,
        waiting={"live": 0},
        owed=[],
        failed_changes=0,
        conflicts=0,
        unwritten={},
        stopped="",
        public_url="https://hooks.example.net",
        seen_at=START,
        holds=[],
        last_full={},
        notes={},
    )
    return replace(nothing, **facts)


def test_a_list_of_customers_keeps_tenants_whole_and_speaks_of_approval(page: Page) -> None:
    every = Customers(EVERY_STATE, (), ())
    shown = page("console.cli.customers", "list_", every)
    assert shown.count(TENANT) == len(EVERY_STATE)
    assert "waiting for" in shown
    assert max(map(len, shown.splitlines())) <= 80
    told = json.loads(page("console.cli.customers", "list_", every, as_json=True))
    assert [c["tenant_id"] for c in told["connections"]] == [TENANT] * len(EVERY_STATE)


def test_failed_changes_keep_their_ids_whole_and_name_the_next_command(page: Page) -> None:
    letters = [replace(a_letter("0a" * 16, a_body()), user_ids=(guid(1), guid(2)))]
    shown = page("console.cli.letters", "list_", letters, flat=True)
    assert all(text in shown for text in ("0a" * 16, guid(1), guid(2)))
    assert "entra-syncro dead-letters replay" in shown
    assert max(len(line) for line in shown.splitlines()[:-1]) <= 80
    assert "body" not in json.loads(page("console.cli.letters", "list_", letters, flat=True, as_json=True))[0]


def test_settled_changes_ask_for_nothing(page: Page) -> None:
    assert "replay ID" not in page(
        "console.cli.letters", "list_", [a_letter("l1", b"", "replayed")], flat=True, everything=True
    )


def test_status_tells_whose_turn_it_is(page: Page) -> None:
    owed = [Owed(EVERY_STATE[1].customer_id, 1, "no answer", START)]
    shown = page("console.cli.status", "status", seen(owed=owed, waiting={"live": 2, "backfill": 1, "dead": 0}))
    first = EVERY_STATE[0].customer_id
    assert "yours: look at" in shown  # the cell goes on below
    assert f"Waiting for approval: 1. Begin with: entra-syncro preview --customer {first}\n" in shown
    assert "not yet" in shown
    assert "Waiting: 2 changes, 1 full sync." in shown


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"failed_changes": 3}, "Failed changes: 3. Look at them: entra-syncro dead-letters list"),
        (
            {"conflicts": 2, "choices": {34288071: 2}},
            "choice: 2. Look: entra-syncro conflicts list --customer 34288071\n",
        ),
        ({"conflicts": 2, "choices": {34288071: 1, 8: 1}}, "conflicts list --customer 34288071 (then 8)\n"),
        ({"choices": {34288071: 1}}, "yours: choose"),
        ({"reading": [34288071], "owed": [Owed(34288071, 1, "x", START)]}, "a full sync is"),
        ({"unwritten": {7: 1}, "holds": [a_hold()]}, "not yet written: 1. First decide about what is held (above).\n"),
        ({"holds": [a_hold()], "rejections": {"0b9a8ac4": "Rejected before."}}, "  Rejected before.\n"),
        ({"holds": [a_hold(customer_id=34288071, rows=0, run_id=None)]}, "yours: a full"),
        ({"unwritten": {7: 3}}, "Customer 7: approved changes not yet written: 3. If"),
        ({"unwritten": {7: 1}}, "changed since the approval: entra-syncro preview --customer 7\n"),
        ({"connections": []}, "entra-syncro customers connect"),
        ({}, "Waiting: nothing."),
        ({"stopped": "token"}, "Make a new one and set syncro.api_token"),
        ({"stopped": "service_fault"}, "Nothing is written at the moment: service fault"),
        ({"public_url": ""}, "receiver.public_url is not set"),
        ({"holds": [a_hold(customer_id=34288071, rows=12)]}, "waiting for approval: 12 contacts with cleared values"),
        ({"holds": [a_hold(customer_id=34288071)]}, "entra-syncro runs show 0b9a8ac4"),
        ({"holds": [a_hold(customer_id=34288071)]}, "yours: approve or"),
        ({"holds": [a_hold(rows=0, run_id=None)]}, "gives one: entra-syncro reconcile --customer 7\n"),
        ({"holds": [a_hold(expires_at=START)]}, "no longer valid. A full sync looks at it anew"),
        ({"holds": [a_hold(expires_at=START, detail="Rejected by ada: no")]}, "Rejected by ada: no. A full sync"),
        ({"notes": {34288071: ("MFA is unknown: no P1.",)}}, "no P1. (Customer 34288071 of a long name (34288071))\n"),
        ({"last_full": {34288071: LastFull(START, START)}}, "11-24 09:00"),
        ({"last_full": {34288071: LastFull(START, None)}}, "not complete"),
    ],
)
def test_status_names_the_command_for_what_it_found(page: Page, facts: dict[str, Any], words: str) -> None:
    assert words in page("console.cli.status", "status", seen(**facts))


def test_what_reports_could_not_say_is_said_once_for_all_customers(page: Page) -> None:
    note, other = "MFA is unknown: no P1.", "Contacts without an Entra user, left alone: 5."
    many = [connection(number, ConnectionStatus.APPROVED) for number in range(5)]
    shown = page("console.cli.status", "status", seen(connections=many, notes=dict.fromkeys(range(5), (note, other))))
    assert (shown.count(note), shown.count(other)) == (1, 0)
    assert "(2) and 2 more)\n" in shown


def test_a_program_sees_what_was_approved_and_is_not_written(page: Page) -> None:
    shown = page("console.cli.status", "status", seen(unwritten={7: 3}), as_json=True)
    assert json.loads(shown)["unwritten"] == {"7": 3}
