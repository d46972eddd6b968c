"""Approving without a code: a person is asked, a script is told the code, and what nobody saw is not approved."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import timedelta

import pytest
import typer

from console.operations import approve_clean
from shared.domain.records import ConnectionStatus
from tests.support.clock import START
from tests.support.desk import CUSTOMER, a_creation, an_update
from tests.unit.console.conftest import Shell

N = str(CUSTOMER)


@pytest.fixture
def previewed(shell: Shell) -> Shell:
    shell.desk.tie()
    shell.desk.passes.plans = [a_creation(), an_update(before="Cook")]
    shell.desk.passes.outcome = "update"
    assert shell("preview", "--customer", N).code == 0
    return shell


def code_of(shell: Shell) -> str:
    latest = shell.run(shell.desk.ports.approvals.latest(CUSTOMER))
    assert latest is not None
    return str(latest.digest)


def answering(monkeypatch: pytest.MonkeyPatch, answer: bool) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(typer, "confirm", lambda question, err: answer)


def test_on_a_terminal_the_preview_is_told_and_yes_approves_it(
    previewed: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, answer=True)
    said = previewed("customers", "approve", N, "--no-watch")
    assert said.code == 0
    assert f"preview {code_of(previewed)}, 0 min old: 1 to create, 1 to update." in said.err
    assert "values of 1 contact would be overwritten" in said.err
    assert previewed.desk.status_of() is ConnectionStatus.APPROVED


def test_no_approves_nothing(previewed: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, answer=False)
    assert previewed("customers", "approve", N).code == 3
    assert previewed.desk.status_of() is ConnectionStatus.PREVIEW
    assert not previewed.desk.passes.begun


def test_a_script_is_told_the_code_and_approves_nothing(previewed: Shell) -> None:
    said = previewed("customers", "approve", N)
    assert said.code == 2
    assert f"customers approve {N} {code_of(previewed)}" in said.err
    assert previewed.desk.status_of() is ConnectionStatus.PREVIEW


def test_a_script_may_say_yes_beforehand(previewed: Shell) -> None:
    assert previewed("customers", "approve", N, "--yes", "--no-watch").code == 0
    assert previewed.desk.status_of() is ConnectionStatus.APPROVED


def test_a_plan_that_nobody_was_shown_needs_a_look_first(shell: Shell) -> None:
    shell.desk.tie()
    shell.desk.passes.plans = [an_update(before="Cook")]
    assert shell("customers", "approve", "--all", "--only-clean").code == 3
    said = shell("customers", "approve", N, "--yes")
    assert (said.code, "nobody was shown it" in said.err) == (3, True)
    assert shell("preview", "--customer", N).code == 0
    assert shell("customers", "approve", N, "--yes", "--no-watch").code == 0


def test_previews_of_the_last_hour_are_not_made_again(shell: Shell) -> None:
    desk = shell.desk
    for number in (1, 2):
        desk.tie(number)
    desk.passes.plans_of = {1: [a_creation()], 2: [an_update(before="Cook")]}
    assert shell("preview", "--all").code == 0
    before = [shell.run(desk.ports.approvals.latest(number)) for number in (1, 2)]
    desk.passes.plans_of = {1: [an_update(before="Cook")], 2: []}  # a new look would find just the contrary
    done = shell.run(approve_clean(desk.ports, by="ada"))
    assert [run.customer_id for run in done.runs] == [1]
    assert [(rest.customer_id, rest.short) for rest in done.rest] == [(2, "overwrites 1")]
    assert shell.run(desk.ports.approvals.latest(2)) == before[1]


@pytest.mark.parametrize("why", ["old", "connected anew"])
def test_a_preview_that_is_old_or_of_another_connection_is_made_again(shell: Shell, why: str) -> None:
    desk = shell.desk
    desk.tie()
    desk.passes.plans = [an_update(before="Cook")]
    assert shell("preview", "--all").code == 0
    if why == "old":
        desk.world.clock.ahead += timedelta(hours=2)
    else:
        held = desk.world.ledger.connections.held
        held[CUSTOMER] = replace(held[CUSTOMER], changed_at=START + timedelta(minutes=1))
    desk.passes.plans = []
    done = shell.run(approve_clean(desk.ports, by="ada"))
    assert [run.customer_id for run in done.runs] == [CUSTOMER]
