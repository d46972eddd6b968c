"""The commands of the full sync as a shell sees them: exit code, what is said where, which command comes next."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.domain.billing import BillingReport, NotBilled, SameEmail, WithoutLicence
from shared.domain.changes import FieldChange, Kind
from shared.domain.errors import Transient
from shared.domain.forecast import Forecast
from shared.domain.messages import Reason
from shared.domain.records import ConnectionStatus, Hold, HoldState, JournalEntry, Run, RunState, WriteState
from shared.domain.user import DirectoryUser
from tests.support.clock import START
from tests.support.desk import CUSTOMER, a_creation, a_hold, an_update
from tests.support.receiver import TENANT, guid
from tests.unit.console.conftest import Shell

CODE = "0b9a8ac4"
N = str(CUSTOMER)
BOTH = pytest.mark.parametrize("command", ["reconcile", "full-sync", "sync"])


@pytest.fixture
def approved(shell: Shell) -> Shell:
    """One approved customer of which one user differs, and whose looks end at once."""
    shell.desk.tie(status=ConnectionStatus.APPROVED)
    shell.desk.passes.plans = [an_update()]
    shell.desk.passes.outcome = "update"
    return shell


# --- reconcile, sync ------------------------------------------------------------------------------------------


@BOTH
def test_a_full_sync_says_what_it_will_take_and_what_became_of_it(approved: Shell, command: str) -> None:
    approved.desk.passes.plans = [an_update(f"u{number}", number) for number in range(51)]
    said = approved(command, "--customer", N)
    assert (said.code, "Users to bring in step: 51 (run " in said.out) == (0, True)
    assert "This takes 4,300 Syncro calls, 54 minutes at the present pace." in said.out
    assert "Done: 51 updated." in said.out


@BOTH
def test_a_small_one_needs_no_forecast(approved: Shell, command: str) -> None:
    approved.desk.passes.forecast = Forecast(3, 1)
    assert "pace" not in approved(command, "--customer", N).out


def test_in_step_is_said(approved: Shell) -> None:
    approved.desk.passes.plans = []
    said = approved("reconcile", "--customer", N)
    assert (said.code, "Everything is in step already." in said.out) == (0, True)


@BOTH
@pytest.mark.parametrize("json", [(), ("--json",)])
def test_what_a_brake_holds_is_code_3_with_the_commands_that_decide_it(
    approved: Shell, command: str, json: tuple[str, ...]
) -> None:
    approved.desk.passes.hold = a_hold(CODE, rows=12)
    said = approved(command, "--customer", N, *json)
    assert said.code == 3
    assert "Customer 7: waiting for approval: 12 contacts with cleared values or deleted users" in said.err
    for words in (f"runs show {CODE}", f"runs approve {CODE}", f"runs reject {CODE} --why"):
        assert f"entra-syncro {words}" in said.err
    if json:
        assert (said.json["planned"], said.json["hold"]["code"], len(said.json["hold"]["rows"])) == (1, CODE, 12)


def test_a_halted_customer_is_code_3_and_nothing_is_watched(approved: Shell) -> None:
    approved.desk.passes.halted = True
    approved.desk.passes.hold = a_hold(CODE, rows=0, brakes={"listing": (40, 100)})
    said = approved("reconcile", "--customer", N)
    assert said.code == 3
    assert "a list has 40 entries where 100 were seen before" in said.err
    assert f"entra-syncro runs approve {CODE}" in said.err
    assert said.out == ""


@BOTH
def test_an_unapproved_customer_is_code_3(shell: Shell, command: str) -> None:
    shell.desk.tie()
    said = shell(command, "--customer", N)
    assert (said.code, f"entra-syncro preview --customer {N}" in said.err) == (3, True)


def test_all_customers_are_synced_and_counted_together(approved: Shell) -> None:
    approved.desk.tie(8, status=ConnectionStatus.APPROVED)
    approved.desk.tie(9)
    said = approved("reconcile", "--all")
    assert said.code == 0
    assert "Customers read: 2. Users to bring in step: 2 of 12." in said.out
    assert "This takes 8,600 Syncro calls, 108 minutes" in said.out
    assert "has paused them: 1." in said.out
    assert "Done: 2 updated." in said.out


def test_of_all_customers_each_failure_is_named_and_the_others_go_on(approved: Shell) -> None:
    approved.desk.tie(8, status=ConnectionStatus.APPROVED)
    approved.desk.passes.broken, approved.desk.passes.broken_for = Transient("graph", "timeout"), frozenset({8})
    said = approved("sync", "--all")
    assert said.code == 1
    assert "Customer 8 (customer 8) was not synced. Microsoft Graph: timeout." in said.err
    assert "Done: 1 updated." in said.out


def test_of_all_customers_the_held_ones_are_code_3(approved: Shell) -> None:
    approved.desk.tie(8, status=ConnectionStatus.APPROVED)
    approved.desk.passes.hold = a_hold(CODE)
    said = approved("reconcile", "--all", "--json")
    assert (said.code, len(said.json["runs"]), said.json["failed"]) == (3, 2, [])
    assert said.err.count("waiting for approval") == 2


def test_nobody_approved_is_code_3(shell: Shell) -> None:
    said = shell("reconcile", "--all")
    assert (said.code, "entra-syncro status" in said.err) == (3, True)


# --- one user -------------------------------------------------------------------------------------------------


@pytest.fixture
def user(approved: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A user whose look is made as soon as its run has started: the title is written, the city does not stick."""
    desk = approved.desk
    desk.world.directory.put(TENANT, DirectoryUser(guid(1)))
    start = desk.world.ledger.runs.start

    async def looked_at(run: Run) -> None:
        await start(run)
        outcome = desk.passes.outcome or "update"
        await desk.world.ledger.runs.outcome(run.run_id, guid(1), outcome, START)
        if outcome == "update":
            changes = (
                FieldChange("title", "Cook", "Chief", Kind.PROFILE, "Differs."),
                FieldChange("city", "", "Ulm", Kind.PROFILE, "Empty."),
            )
            entry = JournalEntry(CUSTOMER, guid(1), 5, "update", changes, Reason.MANUAL, "t", START, run_id=run.run_id)
            number = await desk.world.ledger.journal.intend(entry)
            await desk.world.ledger.journal.settle(number, WriteState.WRITTEN, at=START, unstuck=["city"])

    monkeypatch.setattr(desk.world.ledger.runs, "start", looked_at)
    return approved


def test_a_user_is_explained_first_and_what_was_written_is_told_afterwards(user: Shell) -> None:
    said = user("sync", "--customer", N, "--user", guid(1))
    assert said.code == 0
    before, after = said.out.split("Done: 1 updated.")
    assert "Anna Meier: the five steps" in before
    assert "An enabled member." in before
    assert "contact 5: title: 'Cook' -> 'Chief' (written)" in after
    assert "contact 5: city: '' -> 'Ulm' (not kept by Syncro)" in after


@pytest.mark.parametrize(
    ("outcome", "code", "words"),
    [("in step", 0, "was in step already"), ("locked", 0, "the contact is locked"), ("held", 3, "waits for approval")],
)
def test_of_a_user_that_was_not_written_it_is_said_why(user: Shell, outcome: str, code: int, words: str) -> None:
    user.desk.passes.outcome = outcome
    said = user("sync", "--customer", N, "--user", guid(1))
    assert (said.code, words in said.out + said.err) == (code, True)


def test_a_program_gets_the_steps_with_the_run(user: Shell) -> None:
    said = user("sync", "--customer", N, "--user", guid(1), "--json").json
    assert said["planned"] == 1
    assert said["explanation"]["steps"] == [{"name": "read", "sentence": "An enabled member."}]


# --- runs -----------------------------------------------------------------------------------------------------


def a_run(shell: Shell, **facts: Any) -> None:
    usual = Run(
        "run1",
        CUSTOMER,
        Reason.RECONCILE,
        3,
        START,
        full=True,
        considered=40,
        held=2,
        graph_calls=7,
        syncro_calls=9,
        writes=4,
        notes=("MFA is unknown: the tenant has no Entra ID P1.",),
    )
    shell.run(shell.desk.ports.runs.start(replace(usual, **facts)))


def test_runs_are_listed_with_what_they_did(approved: Shell) -> None:
    a_run(approved)
    said = approved("runs", "list")
    assert said.code == 0
    for words in ("run1", "11-24 09:00", "full sync, by schedule", "working", "3 of 40"):
        assert words in said.out
    (listed,) = approved("runs", "list", "--customer", N, "--json").json
    assert (listed["run_id"], listed["considered"], listed["writes"]) == ("run1", 40, 4)


def test_no_run_is_a_sentence(shell: Shell) -> None:
    assert "No sync was made yet" in shell("runs", "list").out


def test_a_run_is_shown_with_its_costs_its_notes_and_what_it_held(approved: Shell) -> None:
    a_run(approved)
    approved.run(approved.desk.ports.runs.outcome("run1", "u1", "update", START))
    approved.run(approved.desk.ports.runs.finish("run1", START + timedelta(seconds=90)))
    approved.run(approved.desk.ports.holds.open(a_hold(CODE, run_id="run1", rows=2)))
    said = approved("runs", "show", "run1")
    assert said.code == 0
    for words in (
        "Customer 7: full sync run1, by schedule, done.",
        "took 90 s",
        "Users read: 40; to bring in step: 3; held: 2.",
        "Outcomes: 1 updated.",
        f"Waiting for approval (code {CODE}): 2 contacts with cleared values",
        "Calls: 7 to Microsoft Graph, 9 to Syncro, 4 of them writes.",
        "Note: MFA is unknown",
        "User u0",
        "azure_license",
        f"entra-syncro runs approve {CODE}",
        "valid until 2026-11-27 09:00 UTC",
    ):
        assert words in said.out
    assert approved("runs", "show", CODE, "--json").json["holds"][0]["rows"][1]["user_label"] == "User u1"


def test_a_halt_is_shown_with_its_numbers(approved: Shell) -> None:
    hold = a_hold(CODE, rows=0, brakes={"listing": (4, 90)}, detail="The list of users has 4 entries, 90 before.")
    approved.run(approved.desk.ports.holds.open(hold))
    said = approved("runs", "show", CODE)
    assert "The list of users has 4 entries, 90 before." in said.out
    assert "who or what removed the others" in said.out


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"planned": 0}, "Outcomes: nothing but what is held was to be written."),
        ({"planned": 0, "held": 0}, "Outcomes: everything was in step."),
        ({}, "Outcomes: none yet."),
        ({"full": False}, "sync of one user run1"),
        ({"full": False, "planned": 0}, "licences cleared run1"),
    ],
)
def test_a_run_says_what_its_numbers_mean(approved: Shell, facts: dict[str, Any], words: str) -> None:
    a_run(approved, **facts)
    assert words in approved("runs", "show", "run1").out


def test_of_a_halted_run_no_outcomes_are_told(approved: Shell) -> None:
    a_run(approved, state=RunState.HALTED, planned=0)
    assert "Outcomes" not in approved("runs", "show", "run1").out


@pytest.mark.parametrize("hold", [a_hold(CODE, expires_at=START), a_hold(CODE, run_id=None, rows=0)])
def test_what_nobody_can_decide_yet_names_the_full_sync(approved: Shell, hold: Hold) -> None:
    approved.run(approved.desk.ports.holds.open(hold))
    said = approved("runs", "show", CODE)
    assert ("runs approve" in said.out, f"entra-syncro reconcile --customer {N}" in said.out) == (False, True)


def test_a_decision_is_shown_with_who_made_it(approved: Shell) -> None:
    approved.run(approved.desk.ports.holds.open(a_hold(CODE)))
    approved.run(approved.desk.ports.holds.settle(CUSTOMER, CODE, HoldState.APPROVED, "ben", START))
    said = approved("runs", "show", CODE)
    assert "Decided 2026-11-24 09:00 UTC by ben." in said.out
    assert "runs approve" not in said.out


def test_an_approval_writes_what_was_held_and_keeps_who_said_so(approved: Shell) -> None:
    approved.run(approved.desk.ports.holds.open(a_hold(CODE)))
    said = approved("runs", "approve", CODE)
    assert (said.code, "Approved." in said.out, "Done: 1 updated." in said.out) == (0, True, True)
    assert approved.desk.passes.asked == [(CODE, None, "ada")]
    (settled,) = approved.run(approved.desk.ports.holds.list(code=CODE, state=None))
    assert (settled.state, settled.settled_by) == (HoldState.APPROVED, "ada")


def test_an_approved_list_may_show_more_that_is_held(approved: Shell) -> None:
    approved.run(approved.desk.ports.holds.open(a_hold(CODE, rows=0, brakes={"listing": (4, 90)})))
    approved.desk.passes.hold = a_hold("11112222")
    said = approved("runs", "approve", CODE, "--json")
    assert (said.code, "entra-syncro runs approve 11112222" in said.err) == (3, True)


def test_a_stale_code_is_code_3_with_what_changed_since(approved: Shell) -> None:
    approved.run(approved.desk.ports.holds.open(a_hold(CODE)))
    approved.desk.passes.stale = ("Ben: nothing waits any more.",)
    said = approved("runs", "approve", CODE)
    assert (said.code, "Ben: nothing waits any more." in said.err, "Approved" in said.out) == (3, True, False)


@pytest.mark.parametrize("words", [("approve",), ("reject", "--why", "no")])
def test_an_unknown_code_is_wrong_use(approved: Shell, words: tuple[str, ...]) -> None:
    said = approved("runs", words[0], "ffffffff", *words[1:])
    assert (said.code, "entra-syncro status" in said.err) == (2, True)


def test_a_rejection_says_what_is_next(approved: Shell) -> None:
    approved.run(approved.desk.ports.holds.open(a_hold(CODE)))
    said = approved("runs", "reject", CODE, "--why", "emptied by mistake")
    assert (said.code, f"entra-syncro reconcile --customer {N}" in said.out) == (0, True)
    assert approved("runs", "approve", CODE).code == 3


# --- approvals ------------------------------------------------------------------------------------------------


def test_a_first_few_creations_are_no_failure_and_the_others_have_a_code(shell: Shell) -> None:
    desk = shell.desk
    desk.tie()
    desk.passes.plans, desk.passes.outcome = [a_creation()], "create"
    code = shell("preview", "--customer", N, "--json").json["approval_code"]
    desk.passes.hold = a_hold(CODE, rows=9, brakes={"creations": (9, 1)})
    said = shell("customers", "approve", N, code, "--first", "1")
    assert said.code == 0
    assert "The other 9 wait" in said.out
    assert f"entra-syncro runs approve {CODE}" in said.out
    assert desk.passes.asked == [(None, 1, "ada")]


def test_a_first_sync_of_which_something_is_held_is_code_3(shell: Shell) -> None:
    desk = shell.desk
    desk.tie()
    desk.passes.plans, desk.passes.outcome = [a_creation()], "create"
    code = shell("preview", "--customer", N, "--json").json["approval_code"]
    desk.passes.hold = a_hold(CODE)
    assert shell("customers", "approve", N, code, "--first", "1").code == 3


def test_only_the_clean_are_approved_and_the_rest_is_listed(shell: Shell) -> None:
    desk = shell.desk
    desk.tie()
    desk.tie(8)
    desk.passes.plans, desk.passes.outcome = [an_update()], "update"
    desk.passes.plans_of = {8: [an_update(before="+1 555")]}
    said = shell("customers", "approve", "--all", "--only-clean")
    assert said.code == 0
    assert "Approved: 1. Left for a look of their own: 1." in said.out
    assert "overwrites 1" in said.out
    assert said.out.count("entra-syncro preview --customer") == 1
    assert "Done: 1 updated." in said.out
    assert (desk.status_of(), desk.status_of(8)) == (ConnectionStatus.APPROVED, ConnectionStatus.PREVIEW)


def test_nobody_approved_and_somebody_left_is_code_3(shell: Shell) -> None:
    shell.desk.tie()
    shell.desk.passes.plans = [an_update(before="Cook")]
    said = shell("customers", "approve", "--all", "--only-clean")
    assert (said.code, "Nobody was approved" in said.err) == (3, True)


def test_nobody_waits_is_done(shell: Shell) -> None:
    assert shell("customers", "approve", "--all", "--only-clean").code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("customers", "approve", "--all", "--only-clean", "--first", "1"), "--first goes with one customer"),
        (("reconcile", "--customer", N, "--all"), "not both"),
        (("preview", "--customer", "999"), "not connected"),
        (("reconcile", "--customer", "999"), "not connected"),
        (("runs", "list", "--customer", "999"), "not connected"),
        (("customers", "approve", "999"), "not connected"),
    ],
)
def test_the_mistake_is_named_with_code_2(shell: Shell, arguments: tuple[str, ...], words: str) -> None:
    said = shell(*arguments)
    assert (said.code, words in said.err) == (2, True)


def test_what_could_not_be_read_is_code_1_and_named(shell: Shell) -> None:
    shell.desk.tie()
    shell.desk.passes.broken, shell.desk.passes.broken_for = Transient("graph", "timeout"), frozenset({CUSTOMER})
    said = shell("customers", "approve", "--all", "--only-clean", "--json")
    assert (said.code, said.json["runs"], said.json["failed"][0]["customer_id"]) == (1, [], CUSTOMER)
    assert "Microsoft Graph: timeout" in said.err


# --- billing-check --------------------------------------------------------------------------------------------


def fresh(shell: Shell) -> None:
    run = Run("full", CUSTOMER, Reason.RECONCILE, 0, START, full=True, state=RunState.DONE)
    shell.run(shell.desk.ports.runs.start(run))


def test_fresh_customers_are_ready(approved: Shell) -> None:
    fresh(approved)
    said = approved("billing-check")
    assert (said.code, "Ready to be billed" in said.out) == (0, True)
    assert approved("billing-check", "--json").json["ok"] is True


def test_a_customer_that_is_not_ready_is_code_1_with_its_name_and_what_to_do(approved: Shell) -> None:
    fresh(approved)
    said = approved("billing-check", "--before", "2026-12-01")
    assert (said.code, "Not ready to be billed: 1 of 1 customers." in said.err) == (1, True)
    for words in ("Customer 7", "full sync too old", "2026-11-24 09:00", f"\n{N}: Too early: "):
        assert words in said.out
    said = approved("billing-check", "--before", "2026-12-01", "--json")
    assert (said.code, said.json["ok"], said.json["customers"][0]["trust"]) == (1, False, "full sync too old")


def test_without_a_customer_there_is_nothing_to_check(shell: Shell) -> None:
    said = shell("billing-check")
    assert (said.code, "No customer is connected" in said.out, "Ready" in said.out) == (0, True, False)


def test_a_held_customer_is_code_1(approved: Shell) -> None:
    fresh(approved)
    approved.run(approved.desk.ports.holds.open(a_hold(CODE)))
    said = approved("billing-check")
    assert (said.code, "changes wait for approval" in said.out) == (1, True)


def test_a_disconnected_customer_is_named_apart(approved: Shell) -> None:
    fresh(approved)
    approved.desk.tie(8, status=ConnectionStatus.DISCONNECTED)
    said = approved("billing-check")
    assert (said.code, "Disconnected, and not looked at: 8." in said.out) == (0, True)


def test_no_date_is_wrong_use(approved: Shell) -> None:
    said = approved("billing-check", "--before", "next week")
    assert (said.code, "2026-12-01" in said.err) == (2, True)


REPORT = BillingReport(
    CUSTOMER,
    (
        WithoutLicence(5, "Ben Fischer", "Basic", "", "", "No user belongs to this contact.", True),
        WithoutLicence(6, "Cleo", "Basic", guid(2), "Cleo", "The contact is locked.", False),
    ),
    (NotBilled(guid(3), "Dora", None, "", "ENTERPRISEPACK", "No label is set for ENTERPRISEPACK."),),
    (SameEmail("e@contoso.example", {7: "Emil", 8: "Emma"}, "2 contacts share this address."),),
    CODE,
)


def test_one_customers_reports_carry_names_reasons_and_the_code(approved: Shell) -> None:
    fresh(approved)
    approved.desk.passes.report = REPORT
    said = approved("billing-check", "--customer", N)
    assert said.code == 0
    for words in ("Ben Fischer (5)", "(not cleared by the code)", "Dora", "ENTERPRISEPACK", "Emil (7)", "Emma (8)"):
        assert words in said.out
    assert "Clear the licence of 1 of these contacts:" in said.out
    assert f"entra-syncro billing-check --customer {N} --clear {CODE}\n" in said.out
    found = approved("billing-check", "--customer", N, "--json").json["report"]
    assert (found["code"], found["not_billed"][0]["user_label"]) == (CODE, "Dora")


def test_nothing_found_is_said_three_times(approved: Shell) -> None:
    fresh(approved)
    said = approved("billing-check", "--customer", N).out
    assert (said.count("nobody."), said.count("none."), "--clear" in said) == (2, 1, False)


def test_clearing_says_how_many(approved: Shell) -> None:
    approved.desk.passes.report = REPORT
    said = approved("billing-check", "--customer", N, "--clear", CODE)
    assert (said.code, "Contacts whose licence was cleared: 2." in said.out) == (0, True)
    assert approved.desk.passes.cleared == [(CUSTOMER, CODE, "ada")]
    assert approved("billing-check", "--customer", N, "--clear", CODE, "--json").json["cleared"] == 2


def test_clearing_by_another_code_is_code_3(approved: Shell) -> None:
    approved.desk.passes.report = REPORT
    said = approved("billing-check", "--customer", N, "--clear", "ffffffff")
    assert (said.code, "Look again" in said.err) == (3, True)


# --- help -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        ("sync",),
        ("reconcile",),
        ("preview",),
        ("billing-check",),
        ("customers", "connect"),
        ("customers", "approve"),
        ("runs", "approve"),
        ("runs", "reject"),
    ],
)
def test_help_shows_a_real_example(shell: Shell, command: tuple[str, ...]) -> None:
    said = shell(*command, "--help")
    assert (said.code, f"Example: entra-syncro {' '.join(command)}" in said.out) == (0, True)


def test_the_alias_is_not_listed_twice(shell: Shell) -> None:
    shown = shell("--help").out
    assert ("reconcile" in shown, "full-sync" in shown) == (True, False)
