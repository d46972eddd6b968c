"""What the doctor prints: worst first, readable at 80 columns, one paragraph for what is alike; JSON; exit codes."""

from __future__ import annotations

import pytest

from console.cli.check import lines
from shared.domain.findings import Finding, Level, Organ, checkup
from shared.domain.permissions import ASKED
from shared.ports import FieldDefinition
from tests.unit.console.conftest import Shell

LONG = "An administrator does this in Syncro: 1. Admin. 2. Add azure_tenant_id (text field). 3. entra-syncro check"


def page(*findings: Finding, width: int = 80) -> list[str]:
    return list(lines(checkup(findings), width))


def test_the_worst_comes_first_whatever_the_order_of_the_looks() -> None:
    green = Finding(Level.GREEN, Organ.SETTINGS, "Fine.")
    yellow = Finding(Level.YELLOW, Organ.CLOCKS, "Late.", "Somebody sets it.")
    red = Finding(Level.RED, Organ.TENANT, "No consent.", "An administrator consents.")
    shown = page(green, yellow, red)
    assert [line.split()[0] for line in shown if not line.startswith(" ")][:3] == ["RED", "YELLOW", "ok"]
    assert shown[-1] == "1 red finding, 1 yellow. Cure the red first, from the top."


@pytest.mark.parametrize("width", [60, 80, 100])
def test_no_line_is_longer_than_the_terminal_and_no_word_is_broken(width: int) -> None:
    shown = page(Finding(Level.RED, Organ.CUSTOMER_FIELDS, "Syncro lacks azure_tenant_id. " * 5, LONG * 3), width=width)
    assert max(map(len, shown[:-1])) <= width
    assert "".join(shown).count("azure_tenant_id") == 5 + 3
    assert any(line.lstrip().startswith("-> An administrator") for line in shown)


@pytest.mark.parametrize("pad", range(0, 40, 3))
def test_a_command_is_never_broken_into_lines(pad: int) -> None:
    command = "entra-syncro customers approve 34288070 CODE --second-writer-accepted"
    shown = page(Finding(Level.RED, Organ.SECOND_WRITER, "x" * pad, f"{'y' * pad} do: {command} and look again."))
    assert any(command in line for line in shown)


def test_each_step_and_each_field_has_a_line_of_its_own() -> None:
    cure = "Somebody does this: 1. Open it. 2. Add:\n- azure_license (text field)\n- azure_sync_off\n3. Check again."
    shown = [line.strip() for line in page(Finding(Level.RED, Organ.CONTACT_FIELDS, "Missing.", cure))]
    assert shown[1:-1] == [
        "-> Somebody does this:",
        "1. Open it.",
        "2. Add:",
        "- azure_license (text field)",
        "- azure_sync_off",
        "3. Check again.",
    ]


def test_the_same_of_many_customers_is_said_once_with_their_names() -> None:
    cure = "entra-syncro customers connect {} prints the link."
    many = [
        Finding(Level.RED, Organ.TENANT, "No consent.", cure.format(n), n, f"t{n}", f"Customer {n} ({n})")
        for n in range(101, 110)
    ]
    text = " ".join(" ".join(page(*many)).split())
    assert text.count("No consent.") == 1
    assert "Customer 105 (105) and 4 more" in text
    assert "customers connect CUSTOMER prints" in text


def test_a_single_customer_s_cure_names_it() -> None:
    one = Finding(Level.RED, Organ.TENANT, "No consent.", "customers connect 101 prints.", 101, "t", "Contoso (101)")
    assert "customers connect 101 prints." in "".join(page(one))


def test_all_well_says_so() -> None:
    assert page(Finding(Level.GREEN, Organ.LEDGER, "Answers."))[-1] == "All is well."


def test_the_command_ends_with_1_on_red_and_names_the_cure(shell: Shell) -> None:
    shell.desk.tie()
    said = shell("check")
    assert said.code == 1  # the fake account defines no customer field
    assert "azure_tenant_id (text field)" in " ".join(said.out.split())


def test_the_json_has_a_stable_shape(shell: Shell) -> None:
    shell.desk.tie()
    shell.desk.world.directory.roles = frozenset(ASKED)
    said = shell("check", "--json")
    assert set(said.json) == {"findings", "red", "yellow"}
    assert said.json["red"] == sum(finding["level"] == "red" for finding in said.json["findings"])
    tenant = next(finding for finding in said.json["findings"] if finding["organ"] == "tenant")
    assert set(tenant) == {"level", "organ", "customer", "tenant", "what", "cure", "details"}
    assert said.code == 1


def test_without_red_it_ends_with_0(shell: Shell) -> None:
    desk = shell.desk
    names = ("microsoft_secure_score", "azure_licensed_user_count", "azure_active_user_count", "azure_tenant_id")
    desk.account.fields = [FieldDefinition(name, "text_field") for name in names]
    said = shell("check")
    assert (said.code, said.err) == (0, "")
    assert "Nothing is red." in said.out


def test_yes_without_a_probe_is_wrong_use(shell: Shell) -> None:
    assert shell("check", "--yes").code == 2
