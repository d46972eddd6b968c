"""`entra-syncro dead-letters ...` as a technician meets it: by cause, as a plan with a code, then for real."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.domain.desk import Replay, ReplayState
from shared.domain.letters import CAP
from shared.domain.records import ConnectionStatus
from tests.support.clock import START
from tests.support.desk import CUSTOMER, a_body, an_update
from tests.support.receiver import guid
from tests.unit.console.conftest import Shell


@pytest.fixture
def desked(shell: Shell) -> Shell:
    """Three failed changes of one approved customer, whose users would be updated today."""
    shell.desk.tie(status=ConnectionStatus.APPROVED)
    for number in (1, 2, 3):
        made = shell.desk.letter(f"l{number}", a_body(number))
        shell.desk.world.ledger.dead_letters.held[made.letter_id] = replace(made, user_ids=(guid(number),))
    shell.desk.passes.plans = [an_update(guid(number)) for number in (1, 2, 3)]
    return shell


def test_failed_changes_are_listed_by_cause_with_who_does_what(desked: Shell) -> None:
    said = desked("dead-letters", "list")
    assert said.code == 0
    assert said.out.startswith("3 failed changes: Syncro refused the values.\n")
    assert "What to do: Correct the user in Entra or the contact in Syncro." in said.out
    assert f"Customer {CUSTOMER} 3" in said.out
    assert "entra-syncro dead-letters replay" in said.out
    (group,) = desked("dead-letters", "list", "--json").json
    assert (group["letters"], group["cause"]) == (3, "rejected: Syncro refused the values")
    assert set(group) == {
        "cause",
        "what",
        "who_does_what",
        "letters",
        "users",
        "parked",
        "customers",
        "first_seen",
        "last_seen",
    }


def test_one_by_one_they_have_ids_and_no_bytes(desked: Shell) -> None:
    assert "l2" in desked("failed", "list", "--flat").out
    found = desked("dead-letters", "list", "--flat", "--json").json
    assert [each["letter_id"] for each in found] == ["l1", "l2", "l3"]
    assert "body" not in found[0]


def test_without_any_it_says_so(shell: Shell) -> None:
    assert shell("dead-letters", "list").out == "No failed changes.\n"
    assert shell("dead-letters", "list", "--flat").out == "No failed changes.\n"
    for flat in ((), ("--flat",)):
        assert "No failed change is like that" in shell("dead-letters", "list", "--cause", "nonesuch", *flat).out
    assert shell("dead-letters", "list", "--json").json == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("3d", 3),
        ("2026-01-01", 3),
        ("2100-01-01 10:00", 0),
        ("90m", 3),
        ("2026-01-01T00:00+02:00", 3),
        ("0001-01-01T05:00+05:00", 3),
    ],
)
def test_moments_are_days_minutes_or_how_long_ago(desked: Shell, text: str, found: int) -> None:
    desked.desk.world.clock.ahead += timedelta(minutes=30)
    assert len(desked("dead-letters", "list", "--flat", "--json", "--since", text).json) == found


@pytest.mark.parametrize("text", ["yesterday", "999999d", "0001-01-01T00:00+05:00", "9999-12-31T23:00-05:00"])
def test_what_is_no_moment_is_wrong_use(desked: Shell, text: str) -> None:
    said = desked("dead-letters", "list", "--since", text)
    assert said.code == 2
    assert f"'{text}' is no moment" in said.err


def test_a_plan_comes_first_and_its_command_does_what_it_shows(desked: Shell) -> None:
    plan = desked("dead-letters", "replay", "--customer", str(CUSTOMER), "--since", "3d")
    assert plan.code == 0
    assert "would be tried again: 3, of 3 users" in plan.out
    assert "today: 3 update" in plan.out
    command = plan.out.strip().splitlines()[-1].split("entra-syncro ")[1]
    assert re.search(r"--apply [0-9a-z]+-[0-9a-f]{8}$", command)
    assert "3d" not in command, "typed again it would be another moment"
    desked.desk.world.clock.ahead += timedelta(hours=1)
    arguments = shlex.split(command)
    done = desked(*arguments, "--no-watch")
    assert (done.code, done.err) == (0, "")
    (job,) = desked.desk.world.ledger.replays.held.values()
    assert (job.by, job.total) == ("ada", 3)
    assert f"dead-letters cancel {job.replay_id}" in done.out
    again = desked(*arguments, "--no-watch")
    assert (again.code, "began already, by ada" in again.out) == (0, True)


def test_a_command_that_is_to_be_typed_again_survives_any_shell(desked: Shell) -> None:
    held, odd = desked.desk.world.ledger.dead_letters.held, 'a "b" $(id) `id` don\'t'
    held["l1"] = replace(held["l1"], detail=odd, run_id="a b")
    plan = desked("dead-letters", "replay", "--cause", f"rejected: {odd}", "--run", "a b", "--count")
    arguments = shlex.split(plan.out.strip().splitlines()[-1])[1:]
    assert arguments[:-2] == ["dead-letters", "replay", "--cause", f"rejected: {odd}", "--run", "a b"]
    assert desked(*arguments, "--no-watch").code == 0


def test_the_json_of_a_plan_has_everything_that_a_script_needs(desked: Shell) -> None:
    plan = desked("dead-letters", "replay", "--all", "--json").json
    assert plan["letters"] == ["l1", "l2", "l3"]
    assert plan["customers"][0]["outcomes"] == {"update": 3}
    assert {"in_step", "unreadable", "parked", "taken", "settled", "until", "users"} <= set(plan)
    begun = desked("dead-letters", "replay", "--all", "--apply", plan["code"], "--json").json
    assert (begun["claimed"], begun["known"]) == (3, False)
    listed = desked("dead-letters", "replays", "--json").json
    assert [each["replay_id"] for each in listed] == [begun["replay"]["replay_id"]]


@pytest.mark.parametrize(
    "arguments",
    [["dead-letters", "replay"], ["dead-letters", "replay", "l1", "--all"], ["dead-letters", "discard", "l1"]],
)
def test_wrong_use_is_two(desked: Shell, arguments: list[str]) -> None:
    assert desked(*arguments).code == 2


def test_a_second_operator_is_told_and_gets_three(desked: Shell) -> None:
    codes = []
    for _ in range(2):
        codes.append(desked("dead-letters", "replay", "--all", "--json").json["code"])
        desked.desk.world.clock.ahead += timedelta(seconds=1)
    assert desked("dead-letters", "replay", "--all", "--apply", codes[0], "--no-watch").code == 0
    late = desked("dead-letters", "replay", "--all", "--apply", codes[1], "--no-watch")
    assert late.code == 3
    assert "being tried again by ada" in late.err


def test_what_stays_out_of_a_plan_is_said(desked: Shell) -> None:
    letters = desked.desk.world.ledger.dead_letters.held
    letters["l1"] = replace(letters["l1"], replays=CAP)
    letters["l2"] = replace(letters["l2"], body=b"\xff")
    letters["l3"] = replace(letters["l3"], status="discarded")
    said = desked("dead-letters", "replay", "l1", "l2", "l3")
    assert said.code == 0
    assert "No failed change can be tried again now." in said.out
    assert "dead-letters replay l1 --force --why TEXT" in desked("dead-letters", "show", "l1").out
    unreadable = desked("dead-letters", "show", "l2").out
    assert "dead-letters export l2 FILE" in unreadable
    assert "dead-letters replay" not in unreadable
    for words in ("--force --why TEXT", "dead-letters export ID FILE", "l3 is discarded already."):
        assert words in said.out


def test_a_watched_replay_ends_with_its_results(desked: Shell) -> None:
    plan = desked("dead-letters", "replay", "l1", "--json").json
    begun = desked("dead-letters", "replay", "l1", "--apply", plan["code"], "--json").json
    replay_id = begun["replay"]["replay_id"]
    ports = desked.desk.ports
    desked.run(ports.replays.advance(replay_id, "l1", "replayed", START))
    desked.run(ports.runs.outcome(replay_id, guid(1), "failed", START))
    desked.run(ports.replays.finish(replay_id, START, ReplayState.DONE))
    assert desked("dead-letters", "replays", replay_id, "--json").json["counts"] == {"being looked at": 1}
    held = ports.dead_letters.held  # type: ignore[attr-defined]  # the fake's
    held["l1"] = replace(held["l1"], status="open", last_run=replay_id)
    said = desked("dead-letters", "replays", replay_id, "--watch")
    assert said.code == 0
    assert f"Replay {replay_id} by ada, done: 1 failed again." in said.out
    assert "Syncro refused the values" in said.out
    shown = desked("dead-letters", "replays", replay_id, "--json").json
    assert shown["counts"] == {"failed again": 1}
    assert shown["results"][0]["letter_id"] == "l1"
    assert shown["results"][0]["detail"] == "Syncro refused the values"
    assert "l1" in desked("dead-letters", "replays", replay_id).out
    assert replay_id in desked("dead-letters", "replays").out
    assert desked("dead-letters", "replays", "--watch").code == 2


def test_a_failed_change_that_was_not_tried_says_why(desked: Shell) -> None:
    plan = desked("dead-letters", "replay", "--all", "--json").json
    replay_id = desked("dead-letters", "replay", "--all", "--apply", plan["code"], "--json").json["replay"]["replay_id"]
    for name, status, why in (("l1", "discarded", "In step since."), ("l2", "parked", "It cannot be read.")):
        desked.run(desked.desk.ports.replays.advance(replay_id, name, status, START, why=why))
    desked.run(desked.desk.ports.replays.advance(replay_id, "l3", "replayed", START))
    desked.run(desked.desk.ports.runs.outcome(replay_id, guid(3), "update", START))
    desked.run(desked.desk.ports.replays.finish(replay_id, START, ReplayState.DONE))
    said = desked("dead-letters", "replays", replay_id)
    assert f"Replay {replay_id} by ada, done: 1 cannot be read, 1 synced, 1 in step since." in said.out
    assert all(words in said.out for words in ("l1", "In step since.", "l2", "It cannot be read."))
    assert "l3" not in said.out
    told = desked("dead-letters", "replays", replay_id, "--json").json["results"]
    assert [each["detail"] for each in told] == ["In step since.", "It cannot be read.", ""]


def test_the_same_code_of_two_services_is_told_apart(desked: Shell) -> None:
    held = desked.desk.world.ledger.dead_letters.held
    for name, service, code in (("l1", "syncro", "rejected"), ("l2", "graph", "rejected"), ("l3", "", "rejected")):
        held[name] = replace(held[name], service=service, error_class=code, detail="phone too long")
    causes = [each["cause"] for each in desked("dead-letters", "list", "--json").json]
    assert causes == ["rejected: phone too long", "graph:rejected: phone too long", "syncro:rejected: phone too long"]
    for cause, found in ((causes[2], ["l1"]), ("graph:rejected", ["l2"]), ("rejected", ["l1", "l2", "l3"])):
        listed = desked("dead-letters", "list", "--flat", "--json", "--cause", cause).json
        assert [each["letter_id"] for each in listed] == found
    flat = desked("dead-letters", "list", "--flat").out
    assert all(words in flat for words in ("Syncro: phone", "Microsoft: phone"))


def test_lists_offer_another_try_only_where_one_is_left(desked: Shell) -> None:
    held = desked.desk.world.ledger.dead_letters.held
    for name in held:
        held[name] = replace(held[name], service="syncro", detail="The phone number of this contact is much too long")
    flat = desked("dead-letters", "list", "--flat").out
    assert flat.count("\n") <= 4 + 3 * 3 + 3, "three lines of a change at 80 columns"
    for arguments in (("list",), ("list", "--flat"), ("list", "--all")):
        assert "dead-letters replay" in desked("dead-letters", *arguments).out
    desked("dead-letters", "discard", *held, "--why", "All have left")
    for flags in (("--all",), ("--flat", "--all")):
        said = desked("dead-letters", "list", *flags).out
        assert "phone number" in said
        assert "dead-letters replay" not in said


def test_cancelling_says_what_is_left_and_twice_is_harmless(desked: Shell) -> None:
    plan = desked("dead-letters", "replay", "--all", "--json").json
    begun = desked("dead-letters", "replay", "--all", "--apply", plan["code"], "--json").json
    replay_id = begun["replay"]["replay_id"]
    told = desked("dead-letters", "discard", "l1", "--why", "left").out.splitlines()
    assert told[1:] == [
        f"l1 is being tried again by replay {replay_id}.",
        "Stop a replay first: entra-syncro dead-letters cancel REPLAY",
    ]
    for name, status in (("l1", "discarded"), ("l2", "replayed")):
        desked.run(desked.desk.ports.replays.advance(replay_id, name, status, START))
    said = desked("dead-letters", "cancel", replay_id).out
    assert "Of 3 failed changes 1 were tried again, 1 were left alone" in said
    assert "Failed changes as before: 1." in said
    assert "had ended before" in desked("dead-letters", "cancel", replay_id).out
    assert desked("dead-letters", "cancel", replay_id, "--json").json["cancelled_now"] is False
    assert [each["letter_id"] for each in desked("dead-letters", "list", "--flat", "--json").json] == ["l3"]


def test_cancelling_what_ends_at_that_moment_claims_nothing(desked: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    replays = desked.desk.world.ledger.replays
    desked.run(replays.begin(Replay("r", "ada", "c", 1, START), ["l1"]))
    finish = replays.finish

    async def too_late(*told: Any) -> bool:
        await finish("r", START, ReplayState.DONE)
        return await finish(*told)

    monkeypatch.setattr(replays, "finish", too_late)
    assert desked("dead-letters", "cancel", "r").out == "It had ended before (done); nothing was done.\n"
    assert not desked.desk.world.ledger.deeds.noted


def test_one_letter_is_shown_with_everything_known(desked: Shell) -> None:
    said = desked("dead-letters", "show", "l1")
    assert said.code == 0
    for words in (
        "Failed change l1: open",
        "Syncro refused the values",
        f"Customer {CUSTOMER}",
        guid(1),
        "attempts: 15",
    ):
        assert words in said.out
    assert "body" not in desked("dead-letters", "show", "l1", "--json").json["letter"]
    assert desked("dead-letters", "show", "nope").code == 2


def test_discarding_says_how_many_and_what_was_settled_before(desked: Shell) -> None:
    said = desked("dead-letters", "discard", "l1", "l2", "--why", "Both have left")
    assert (said.code, said.out) == (0, "Discarded: 2.\n")
    again = desked("dead-letters", "discard", "l1", "--why", "Both have left")
    assert "l1 is discarded already by ada." in again.out
    assert desked("dead-letters", "discard", "l3", "--why", "Left", "--json").json == {"done": ["l3"], "before": {}}


def test_exporting_says_where_the_bytes_are(desked: Shell, tmp_path: Path) -> None:
    file = tmp_path / "letter.bin"
    said = desked("dead-letters", "export", "l1", str(file))
    assert (said.code, said.out) == (0, f"Saved {len(a_body())} bytes: {file}\n")
    assert desked("dead-letters", "export", "l1", str(file)).code == 2
