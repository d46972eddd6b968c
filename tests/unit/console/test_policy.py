"""`customers policy`: nothing is saved before a look and a yes, and what was shown for other rules is void."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from console.operations import OperationError, approve, plan_policy, preview, save_policy
from console.operations.rules import Wish
from shared.domain.changes import Excluded, ExclusionReason, NoChange
from shared.domain.policy import Authority, SyncPolicy
from shared.domain.records import ConnectionStatus
from tests.support.desk import CUSTOMER, Desk, a_creation, an_update
from tests.support.receiver import TENANT
from tests.unit.console.conftest import Shell
from tests.unit.console.test_connect_commands import a_person

N = str(CUSTOMER)
OUT = Excluded("u2", CUSTOMER, ExclusionReason.OUT_OF_DOMAIN)


def saved(desk: Desk) -> SyncPolicy | None:
    return desk.world.ledger.policies.held.get(CUSTOMER)


def ready(desk: Desk, status: ConnectionStatus = ConnectionStatus.APPROVED) -> None:
    """Two users, of whom the other rules leave one out."""
    desk.tie(status=status)
    desk.passes.plans = [an_update("u1"), a_creation("u2")]
    desk.passes.plans_after = [an_update("u1"), OUT]


# --- show ---------------------------------------------------------------------------------------------------------


def test_show_says_where_each_rule_comes_from(shell: Shell) -> None:
    ready(shell.desk)
    shell.desk.world.ledger.policies.held[CUSTOMER] = SyncPolicy(authority={"title": Authority.NEVER})
    said = shell("customers", "policy", "show", N, "--json")
    assert said.json["rules"]["authority.title"] == {"value": "never", "from": "customer"}
    assert said.json["rules"]["authority.city"] == {"value": "overwrite", "from": "deployment"}
    said = shell("customers", "policy", "show", N)
    assert (said.code, "authority.title" in said.out, f"policy set {N}" in said.out) == (0, True, True)


def test_on_80_columns_the_customers_own_rules_are_marked_and_the_page_fits(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.cli.output.PIPE_WIDTH", 80)
    ready(shell.desk)
    shell.desk.world.ledger.policies.held[CUSTOMER] = SyncPolicy(authority={"title": Authority.NEVER})
    said = shell("customers", "policy", "show", N).out
    assert "*authority.title" in said
    assert "*authority.city" not in said
    assert "this customer's own: 1." in said
    assert max(len(line) for line in said.splitlines() if line.startswith("│")) <= 80


def test_an_unconnected_customer_has_no_rules_to_show(shell: Shell) -> None:
    assert shell("customers", "policy", "show", N).code == 2


# --- set: the look ------------------------------------------------------------------------------------------------


def test_what_would_change_is_shown_row_by_row_with_all_counts(shell: Shell) -> None:
    ready(shell.desk)
    said = shell("customers", "policy", "set", N, "domains=a.example", "--yes", "--json")
    assert said.json["rules"] == {"domains": {"before": "", "after": "a.example"}}
    assert said.json["counts"] == {
        "create": {"before": 1, "after": 0},
        "excluded": {"before": 0, "after": 1},
        "update": {"before": 1, "after": 1},
    }
    (row,) = said.json["users"]
    assert row["user_id"] == "u2"
    assert row["before"].startswith("create with name")
    assert row["after"] == "no contact: address is outside the chosen domains"
    assert shell.desk.passes.compared == [SyncPolicy(domains=("a.example",))]


def test_other_values_of_one_field_are_a_change_and_other_reasons_are_none(shell: Shell) -> None:
    ready(shell.desk)
    before = an_update("u1")
    shell.desk.passes.plans = [before, NoChange("u3", CUSTOMER, 3, "mail")]
    shell.desk.passes.plans_after = [
        replace(before, changes=tuple(replace(each, why="Another one.") for each in before.changes)),
        NoChange("u3", CUSTOMER, 3, "link"),
    ]
    assert shell("customers", "policy", "set", N, "domains=a", "--json").json["users"] == []
    shell.desk.passes.plans_after = [an_update("u1", after="+1 217 555 0199"), NoChange("u3", CUSTOMER, 3)]
    (row,) = shell("customers", "policy", "set", N, "domains=a", "--json").json["users"]
    assert (row["before"], row["after"]) == ('write phone "+1 217 555 0111"', 'write phone "+1 217 555 0199"')


def test_of_many_rows_a_terminal_shows_some_and_says_how_many_more(shell: Shell) -> None:
    ready(shell.desk)
    ids = [f"u{number}" for number in range(60)]
    shell.desk.passes.plans = [a_creation(each) for each in ids]
    shell.desk.passes.plans_after = [replace(OUT, user_id=each) for each in ids]
    said = shell("customers", "policy", "set", N, "domains=a", "--yes")
    assert "Users not shown here: 20" in said.out
    assert "Users for whom something changes: 60." in said.out
    assert len(shell("customers", "policy", "set", N, "domains=b", "--json").json["users"]) == 60


# --- set: the yes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("answer", "code", "is_saved"), [("y", 0, True), ("n", 3, False)])
def test_it_asks_before_it_saves(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, is_saved: bool
) -> None:
    ready(shell.desk)
    a_person(monkeypatch, answer)
    assert shell("customers", "policy", "set", N, "domains=a.example").code == code
    assert (saved(shell.desk) == SyncPolicy(domains=("a.example",))) is is_saved


def test_without_a_terminal_only_yes_saves(shell: Shell) -> None:
    ready(shell.desk)
    said = shell("customers", "policy", "set", N, "domains=a.example")
    assert (said.code, saved(shell.desk), "--yes" in said.err) == (2, None, True)
    assert shell("customers", "policy", "set", N, "domains=a.example", "--json").json["saved"] is False
    assert saved(shell.desk) is None
    said = shell("customers", "policy", "set", N, "domains=a.example", "--yes")
    assert (said.code, saved(shell.desk)) == (0, SyncPolicy(domains=("a.example",)))


def test_saving_writes_nothing_and_starts_nothing(shell: Shell) -> None:
    ready(shell.desk)
    shell("customers", "policy", "set", N, "domains=a.example", "--yes")
    desk = shell.desk
    assert not desk.world.broker.published
    assert not desk.passes.begun
    assert desk.status_of() is ConnectionStatus.APPROVED


def test_rules_that_hold_already_read_nothing_and_save_nothing(shell: Shell) -> None:
    ready(shell.desk)
    said = shell("customers", "policy", "set", N, "scope=licensed", "--yes")
    assert (said.code, shell.desk.passes.compared, saved(shell.desk)) == (0, [], None)
    assert "already" in said.out


@pytest.mark.parametrize(
    ("status", "next_command"),
    [
        (ConnectionStatus.APPROVED, f"entra-syncro sync --customer {N}"),
        (ConnectionStatus.PREVIEW, f"entra-syncro preview --customer {N}"),
        (ConnectionStatus.PAUSED, f"entra-syncro customers resume {N}"),
    ],
)
def test_it_says_when_the_rules_begin_to_write(shell: Shell, status: ConnectionStatus, next_command: str) -> None:
    ready(shell.desk, status)
    assert next_command in shell("customers", "policy", "set", N, "domains=a.example", "--yes").out


@pytest.mark.parametrize(
    "arguments",
    [("domain=a.example",), ("scope=all",), (), ("--file", "nowhere.toml"), ("--unset", "nothing")],
)
def test_wrong_use_is_told_before_anything_is_read(shell: Shell, arguments: tuple[str, ...]) -> None:
    ready(shell.desk)
    said = shell("customers", "policy", "set", N, *arguments, "--yes")
    assert (said.code, shell.desk.passes.compared, saved(shell.desk)) == (2, [], None)
    assert said.err


def test_rules_come_from_a_file(shell: Shell, tmp_path: Path) -> None:
    ready(shell.desk)
    file = tmp_path / "rules.toml"
    file.write_text('[[custom_mappings]]\nattribute = "department"\nfield = "Team"\n', encoding="utf-8")
    assert shell("customers", "policy", "set", N, "--file", str(file), "--yes").code == 0
    held = saved(shell.desk)
    assert held is not None
    assert held.custom_mappings[0].field == "Team"
    file.write_text("not toml", encoding="utf-8")
    assert shell("customers", "policy", "set", N, "--file", str(file), "--yes").code == 2


def test_an_attribute_that_the_tenant_does_not_have_is_said_before_the_question(shell: Shell, tmp_path: Path) -> None:
    ready(shell.desk)
    name = f"extension_{'0a' * 16}_badge"
    shell.desk.world.directory.absent[TENANT] = (name,)
    file = tmp_path / "rules.toml"
    file.write_text(f'[[custom_mappings]]\nattribute = "{name}"\nfield = "Badge"\n', encoding="utf-8")
    said = shell("customers", "policy", "set", N, "--file", str(file), "--yes")
    assert (said.code, said.out.index(name) < said.out.index("Saved")) == (0, True)
    assert "no such attribute" in said.out
    shell("customers", "policy", "set", N, "--unset", "custom_mappings", "--yes")
    shell.desk.world.directory.absent[TENANT] = (name.replace("badge", "Badge"),)  # as another customer's rule has it
    assert shell("customers", "policy", "set", N, "--file", str(file), "--json").json["attributes_not_there"] == [name]


# --- what was shown before ----------------------------------------------------------------------------------------


async def test_an_earlier_approval_code_is_void(desk: Desk) -> None:
    ready(desk, ConnectionStatus.PREVIEW)
    code = (await preview(desk.ports, CUSTOMER)).preview.code
    change = await plan_policy(desk.ports, CUSTOMER, Wish(("domains=a.example",)))
    await save_policy(desk.ports, change)
    for given in (code, None):  # the latest of the last hour is none either
        with pytest.raises(OperationError) as refused:
            await approve(desk.ports, CUSTOMER, given, by="ada")
        assert refused.value.exit_code == 3
    assert desk.status_of() is ConnectionStatus.PREVIEW
    desk.passes.plans = list(desk.passes.plans_after or ())
    shown = await preview(desk.ports, CUSTOMER)
    await approve(desk.ports, CUSTOMER, shown.preview.code, by="ada")
    assert desk.status_of() is ConnectionStatus.APPROVED


async def test_a_preview_that_shows_the_same_plan_stays_good(desk: Desk) -> None:
    ready(desk, ConnectionStatus.PREVIEW)
    desk.passes.plans_after = None
    code = (await preview(desk.ports, CUSTOMER)).preview.code
    await save_policy(desk.ports, await plan_policy(desk.ports, CUSTOMER, Wish(("cron=0 3 * * *",))))
    await approve(desk.ports, CUSTOMER, code, by="ada")
    assert desk.status_of() is ConnectionStatus.APPROVED


async def test_an_approval_that_was_given_is_no_open_question(desk: Desk) -> None:
    ready(desk, ConnectionStatus.PREVIEW)
    shown = await preview(desk.ports, CUSTOMER)
    await approve(desk.ports, CUSTOMER, shown.preview.code, by="ada")
    await save_policy(desk.ports, await plan_policy(desk.ports, CUSTOMER, Wish(("domains=a.example",))))
    latest = await desk.ports.approvals.latest(CUSTOMER)
    assert latest is not None
    assert latest.digest == shown.preview.code


async def test_rules_that_somebody_else_changed_meanwhile_are_not_overwritten(desk: Desk) -> None:
    ready(desk)
    change = await plan_policy(desk.ports, CUSTOMER, Wish(("domains=a.example",)))
    await desk.ports.policies.save_policy(CUSTOMER, SyncPolicy(domains=("b.example",)))
    with pytest.raises(OperationError, match="meanwhile"):
        await save_policy(desk.ports, change)
    assert saved(desk) == SyncPolicy(domains=("b.example",))
