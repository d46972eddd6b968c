"""`customers discover`, `import`, `consent` and `preview --all` as technicians meet them: words, files, exit codes."""

from __future__ import annotations

import csv
import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from shared.domain.changes import Conflict, ConflictReason, Plan
from shared.domain.contact import Customer
from shared.domain.errors import Permanent, Scope, StopTheLine
from shared.domain.onboarding import Organization, PartnerCustomer
from tests.support.desk import CUSTOMER, a_creation, an_update
from tests.support.receiver import OTHER, TENANT
from tests.unit.console.conftest import Shell

CONFLICT = Conflict("u9", CUSTOMER, ConflictReason.ALIAS_ONLY, ())


@pytest.fixture
def msp(shell: Shell) -> Shell:
    """Two customers; the tenant of the first has consented, that of the second is the partner's customer."""
    desk = shell.desk
    desk.customers.put(Customer(CUSTOMER, "Contoso", email="office@contoso.example"))
    desk.customers.put(Customer(8, "Contoso North", email="north@gmail.com"))
    desk.finder.tenants = {"contoso.example": TENANT}
    desk.organizations.known = {TENANT: Organization(TENANT, "Contoso International", ("contoso.example",))}
    desk.partner.related = [PartnerCustomer(OTHER, "North", "north.example")]
    return shell


def lines_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))


def a_file(folder: Path, *lines: str) -> str:
    path = folder / "customers.csv"
    path.write_text("\n".join(["customer,tenant", *lines]))
    return str(path)


def test_discover_writes_the_file_that_import_takes(msp: Shell, tmp_path: Path) -> None:
    path = tmp_path / "found.csv"
    said = msp("customers", "discover", "--csv", str(path))
    assert said.code == 0
    assert TENANT in said.out
    assert "Without Entra, or unknown" in said.out
    assert f"entra-syncro customers import {path}" in said.out
    rows = {row["customer"]: row for row in lines_of(path)}
    assert {number: row["tenant"] for number, row in rows.items()} == {"7": TENANT, "8": "?"}


def test_discover_never_overwrites_a_file_that_somebody_corrected(msp: Shell, tmp_path: Path) -> None:
    path = tmp_path / "found.csv"
    path.write_text("mine")
    said = msp("customers", "discover", "--csv", str(path))
    assert (said.code, path.read_text()) == (2, "mine")
    assert msp.desk.finder.asked == []


def test_discover_is_one_document_for_a_program(msp: Shell) -> None:
    said = msp("customers", "discover", "--json")
    (only,) = said.json["proposals"]
    assert (only["customer_id"], only["tenant_id"], only["confidence"], only["is_plain"]) == (7, TENANT, "domain", True)
    assert [each["customer_id"] for each in said.json["unplaced"]] == [8]


def test_discover_with_a_partner_asks_for_one_sign_in_on_standard_error(msp: Shell) -> None:
    said = msp("customers", "discover", "--partner", "--json")
    assert "https://login.example/device" in said.err
    assert "ABCD-EFGH" in said.err
    json.loads(said.out)


def test_import_says_what_became_of_every_line_and_who_does_what_next(msp: Shell, tmp_path: Path) -> None:
    path, result = a_file(tmp_path, f"7,{TENANT}", f"8,{OTHER}", "99,x"), tmp_path / "result.csv"
    said = msp("customers", "import", path, "--result", str(result))
    assert said.code == 1
    assert "Contoso International" in said.out
    assert "1 connected, 1 waiting for consent, 1 failed" in said.out
    assert "entra-syncro customers consent --partner --all" in said.out
    assert "Syncro knows no such customer" in said.out
    rows = lines_of(result)
    assert [row["result"] for row in rows] == ["connected", "waiting for consent", "failed"]
    assert rows[1]["link"].startswith("https://hooks.example.net/connect/start?invite=")
    assert stat.S_IMODE(result.stat().st_mode) == 0o600


def test_import_prints_the_links_where_no_file_takes_them(msp: Shell, tmp_path: Path) -> None:
    said = msp("customers", "import", a_file(tmp_path, f"8,{OTHER}"))
    assert said.code == 0
    assert "8 Contoso North: https://hooks.example.net/connect/start?invite=" in said.out


def test_import_is_one_document_for_a_program(msp: Shell, tmp_path: Path) -> None:
    said = msp("customers", "import", a_file(tmp_path, f"7,{TENANT}", "8,"), "--json")
    assert [(row["customer_id"], row["result"]) for row in said.json] == [(7, "connected"), (8, "without Entra")]
    assert (said.code, said.json[0]["tenant_name"]) == (0, "Contoso International")


@pytest.mark.parametrize("content", ["", "5,x\n", "customer,tenant,colour\n7,x,red\n"])
def test_a_broken_file_changes_nothing(msp: Shell, tmp_path: Path, content: str) -> None:
    path = tmp_path / "customers.csv"
    path.write_text(content)
    said = msp("customers", "import", str(path))
    assert (said.code, said.out) == (2, "")
    assert msp.desk.world.pace.calls == []


def test_a_file_that_is_not_there_is_wrong_use(msp: Shell, tmp_path: Path) -> None:
    assert msp("customers", "import", str(tmp_path / "none.csv")).code == 2


def test_the_result_never_overwrites_the_file_itself(msp: Shell, tmp_path: Path) -> None:
    path = a_file(tmp_path, f"7,{TENANT}")
    assert msp("customers", "import", path, "--result", path).code == 2
    assert Path(path).read_text().startswith("customer,tenant")


def test_a_failure_of_a_service_is_named_with_its_cure(msp: Shell, tmp_path: Path) -> None:
    error = StopTheLine("login", "app_disabled", scope=Scope.TENANT)
    msp.desk.world.directory.failures.append(error)
    said = msp("customers", "import", a_file(tmp_path, f"7,{TENANT}"), "--json")
    assert said.code == 1
    assert "Enabled for users to sign-in" in said.json[0]["why"]
    assert "error" not in said.json[0]


def test_one_sign_in_consents_and_says_what_is_next(msp: Shell, tmp_path: Path) -> None:
    msp("customers", "import", a_file(tmp_path, f"8,{OTHER}"))
    msp.desk.organizations.known[OTHER] = Organization(OTHER, "North", ("north.example",))
    said = msp("customers", "consent", "--partner", "--all")
    assert said.code == 0
    assert "ABCD-EFGH" in said.err
    assert "1 connected" in said.out
    assert "entra-syncro preview --all" in said.out


def test_who_cannot_be_consented_for_is_named_with_the_cure_and_the_link(msp: Shell, tmp_path: Path) -> None:
    msp("customers", "import", a_file(tmp_path, f"8,{OTHER}"))
    msp.desk.partner.related = []
    said = msp("customers", "consent", "--partner", "--all")
    assert said.code == 1
    assert "partner relationship (GDAP)" in said.out
    assert "Link for 8 Contoso North: https://hooks.example.net/connect/start?invite=" in said.out


@pytest.mark.parametrize(
    "arguments", [["--all"], ["--partner"], ["--partner", "--all", "7"], ["--partner", "7"]], ids=" ".join
)
def test_consent_says_what_it_needs(msp: Shell, arguments: list[str]) -> None:
    said = msp("customers", "consent", *arguments)
    assert said.code == 2
    assert "ABCD-EFGH" not in said.err


def test_nobody_waits_is_no_failure(msp: Shell) -> None:
    said = msp("customers", "consent", "--partner", "--all")
    assert said.code == 0
    assert "none waits" in said.out


def test_preview_all_is_one_line_a_customer_with_its_code(msp: Shell) -> None:
    msp.desk.tie()
    msp.desk.tie(8, OTHER)
    msp.desk.passes.plans_of = {CUSTOMER: [a_creation()], 8: [an_update(before="+1 217 555 0199")]}
    said = msp("preview", "--all", "--json")
    assert said.code == 0
    assert {
        each["customer_id"]: (each["create"], each["update"], each["is_clean"]) for each in said.json["previews"]
    } == {
        CUSTOMER: (1, 0, True),
        8: (0, 1, False),
    }
    said = msp("preview", "--all")
    for each in (CUSTOMER, 8):
        latest = msp.run(msp.desk.ports.approvals.latest(each))
        assert latest.digest in said.out
    assert "customers approve --all --only-clean" in said.out


def test_preview_all_names_who_failed_with_the_cure(msp: Shell) -> None:
    msp.desk.tie()
    msp.desk.tie(8, OTHER)
    error = Permanent("graph", "not_supported")
    msp.desk.passes.broken, msp.desk.passes.broken_for = error, frozenset({8})
    said = msp("preview", "--all")
    assert said.code == 1
    assert "Failed: 1" in said.out
    assert "Customer 8" in said.out
    assert msp("preview", "--all", "--json").json["failed"][0]["customer_id"] == 8


@pytest.mark.parametrize("arguments", [[], ["--all", "--customer", "7"]], ids=["nobody", "both"])
def test_preview_wants_one_customer_or_all(msp: Shell, arguments: list[str]) -> None:
    assert msp("preview", *arguments).code == 2


def test_131_customers_fit_on_a_narrow_terminal_with_whole_numbers_and_codes(
    msp: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    numbers = range(34288100, 34288231)
    for number in numbers:
        msp.desk.tie(number, f"00000000-0000-4000-8000-{number:012}")
        held = msp.desk.world.ledger.connections.held
        held[number] = replace(held[number], customer_name="Northgate Architects")
    overwriting: list[Plan] = [an_update(before="+1 217 555 0199"), CONFLICT]
    msp.desk.passes.plans_of = {number: overwriting if number % 2 else [a_creation()] for number in numbers}
    said = msp("preview", "--all")
    lines = said.out.splitlines()
    assert said.code == 0
    assert max(map(len, lines[:-4])) <= 80
    assert len(lines) <= 270
    for number in numbers:
        latest = msp.run(msp.desk.ports.approvals.latest(number))
        (line,) = [line for line in lines if str(number) in line]
        assert latest.digest in line
        assert ("overwrites 1" if number % 2 else "yes") in line
