"""What reaches a person's terminal or a program's pipe: literal names, no bytes, one sentence per failure."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.cli import output
from console.cli.explain import explain
from console.cli.output import harmless, plain, print_json, print_table, say
from shared.domain.errors import Ambiguous, Permanent, Scope, StopTheLine, SyncError, Transient
from shared.domain.messages import Lane
from tests.support.desk import a_body, a_letter

Leaf = st.one_of(st.binary(), st.text(), st.integers(), st.none(), st.sampled_from(Lane), st.datetimes())
Nested = st.recursive(Leaf, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner))


@dataclasses.dataclass
class Box:
    body: bytes
    inner: object


def holds_bytes(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(holds_bytes, value.values()))
    return isinstance(value, bytes) or (isinstance(value, list | tuple) and any(map(holds_bytes, value)))


@given(Nested)
def test_bytes_never_leave_and_everything_else_is_json(value: object) -> None:
    made = plain(Box(b"secret", value))
    assert not holds_bytes(made)
    json.dumps(made)


def test_a_failed_change_is_shown_without_its_body() -> None:
    shown = plain(a_letter("l1", a_body()))
    assert isinstance(shown, dict)
    assert "body" not in shown
    assert shown["lane"] == "live"
    assert shown["first_seen"].startswith("2026-11-24T09:00")


def test_times_enums_and_paths_are_text() -> None:
    when = datetime(2026, 11, 24, tzinfo=UTC)
    assert plain([when, date(2026, 11, 24), Lane.DEAD, Path("a/b")]) == [
        "2026-11-24T00:00:00+00:00",
        "2026-11-24",
        "dead",
        "a/b",
    ]


def test_json_keeps_names_readable(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": "Zoë Brûlé"})
    assert json.loads(capsys.readouterr().out) == {"name": "Zoë Brûlé"}


@pytest.mark.parametrize("name", ["[bold]x[/]", "[red]", "[/]", ":smile:", "[link=http://a.example]a[/link]", "\\[x]"])
def test_markup_in_a_name_is_printed_as_it_is(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_table("Title", ["name"], [(name,)], empty="nothing")
    say(name)
    table, _, sentence = capsys.readouterr().out.rstrip("\n").rpartition("\n")
    assert name in table
    assert sentence == name


@pytest.mark.parametrize("steering", ["\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\r", "\u202egpj.exe"])
def test_a_name_cannot_steer_the_terminal(steering: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_table("Title", ["name"], [(f"Eve{steering}",)], empty="nothing")
    say(f"Eve{steering}")
    assert not set("\x1b\x07\x9b\r\u202e") & set(capsys.readouterr().out)


@pytest.mark.parametrize("name", ["Zoë Brûlé", "李雷", "O’Neil", "a\u00a0b", "👩\u200d🔧"])
def test_honest_names_stay(name: str) -> None:
    assert harmless(name) == name


def test_an_empty_table_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("Title", ["name"], [], empty="No failed changes.")
    assert capsys.readouterr().out == "No failed changes.\n"


def test_a_long_sentence_stays_on_its_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "PIPE_WIDTH", 40)
    sentence = "Next: entra-syncro customers approve 34288070 0b9a8ac4 and " + "x" * 60
    say(sentence)
    assert capsys.readouterr().out == sentence + "\n"


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (
            StopTheLine("login", "consent", "consent is missing", scope=Scope.TENANT),
            "Microsoft sign-in: consent is missing. An administrator of the customer must grant consent",
        ),
        (
            StopTheLine("graph", "forbidden", "status 403", scope=Scope.TENANT),
            "Microsoft refuses us this tenant (status 403). An administrator of the customer must grant consent",
        ),
        (
            StopTheLine("syncro", "token", "the API token is wrong or has expired", scope=Scope.ACCOUNT),
            "In Syncro, open Admin, API Tokens, make a new token and put it into syncro.api_token. Then try again.",
        ),
        (
            StopTheLine("login", "secret", "our own credential", scope=Scope.ACCOUNT),
            "Check graph.app_id and the app's credential (graph.app_secret, certificate or federation) in the",
        ),
        (StopTheLine("syncro", "slow", scope=Scope.ACCOUNT, retry_after=60), "Nothing was lost; try again in 60 s."),
        (Transient("graph", "timeout"), "Microsoft Graph: timeout. Nothing was lost; try again in a moment."),
        (Transient("syncro", "busy", retry_after=0.2), "try again in 1 s."),
        (Ambiguous("syncro", "no_answer"), "Syncro: no answer. Nothing was lost"),
        (Permanent("syncro", "rejected", "Syncro refused the values"), "refused the values. Correct the user in"),
        (Permanent("graph", "quota_tenant", "status 403"), "share 1,000, and others used them up"),
        (Transient("graph", "handshake_failed"), "unchanged. Nothing was lost; try again in a moment."),
        (Permanent("broker", "unsupported_url", "embedded:PATH"), "Correct broker.url in the settings (ENTRA_"),
        (Permanent("ledger", "ledger_url", "write embedded:PATH"), "ENTRA_SYNCRO_LEDGER__URL"),
        (Permanent("ledger", "ledger_missing", "there is none"), "see that ledger.url"),
        (
            Permanent("worker", "not_approved", "this customer is waiting for approval or paused"),
            "The full sync: this customer is waiting for approval or paused. Waiting will not help",
        ),
        (SyncError("graph", "odd"), "Microsoft Graph: odd. Waiting will not help"),
    ],
)  # fmt: skip
def test_every_family_says_what_it_was_and_who_does_what_next(error: SyncError, says: str) -> None:
    assert says in explain(error)


@pytest.mark.parametrize("code", ["damaged", "ledger_unreadable", "ledger_newer"])
@pytest.mark.parametrize("family", [Transient, Permanent])
def test_a_ledger_that_only_a_person_can_mend_promises_nothing(family: type[SyncError], code: str) -> None:
    detail = "the ledger file is no good: move it away (SQLITE)"
    assert explain(family("ledger", code, detail)) == "The ledger file is no good: move it away (SQLITE)."


def test_a_store_that_names_itself_is_named_once() -> None:
    busy = explain(Transient("ledger", "locked", "the ledger is busy with another process"))
    assert busy == "The ledger is busy with another process. Nothing was lost; try again in a moment."
    assert explain(Transient("ledger", "odd", "no answer")).startswith("The ledger: no answer. ")
