"""Every act of an operator is noted once, with who did it and about whom; an act that was refused is not."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.billing import BillingReport, WithoutLicence
from shared.domain.errors import Scope, StopTheLine
from shared.domain.onboarding import Organization
from shared.domain.records import ConnectionStatus
from shared.domain.user import DirectoryUser
from tests.support.desk import CUSTOMER, a_hold, an_update
from tests.support.receiver import OTHER, TENANT, guid
from tests.unit.console.conftest import Shell

N, CODE = str(CUSTOMER), "0b9a8ac4"


@pytest.fixture
def furnished(shell: Shell) -> Shell:
    """One approved customer with a held plan, a billing report and a known user; 8 can be connected."""
    desk = shell.desk
    desk.tie(status=ConnectionStatus.APPROVED)
    desk.world.directory.put(TENANT, DirectoryUser(guid(1)))
    desk.organizations.known[OTHER] = Organization(OTHER, "Contoso North", ())
    desk.passes.plans = [an_update()]
    desk.passes.outcome = "update"
    desk.passes.report = BillingReport(
        CUSTOMER, (WithoutLicence(5, "Ben", "Basic", "", "", "Nobody's.", True),), (), (), CODE
    )
    shell.run(desk.ports.holds.open(a_hold(CODE)))
    return shell


def deeds(shell: Shell) -> list[tuple[str, str, int | None]]:
    return [(deed.what, deed.by, deed.customer_id) for deed in shell.desk.world.ledger.deeds.noted]


@pytest.mark.parametrize(
    ("arguments", "what", "customer"),
    [
        (("customers", "connect", "8", "--tenant", OTHER, "--yes"), "connect", 8),
        (("customers", "connect", "8"), "invite", 8),
        (("customers", "disconnect", N), "disconnect", CUSTOMER),
        (("customers", "without-entra", "8"), "without-entra", 8),
        (("customers", "pause", N), "pause", CUSTOMER),
        (("customers", "policy", "set", N, "create_scope=members", "--yes"), "policy", CUSTOMER),
        (("runs", "approve", CODE), "approve-held", CUSTOMER),
        (("runs", "reject", CODE, "--why", "by mistake"), "reject", CUSTOMER),
        (("billing-check", "--customer", N, "--clear", CODE), "clear-licences", CUSTOMER),
        (("sync", "--customer", N), "sync", CUSTOMER),
        (("reconcile", "--customer", N), "sync", CUSTOMER),
        (("sync", "--all"), "sync-all", None),
        (("sync", "--customer", N, "--user", guid(1), "--no-watch"), "sync-user", CUSTOMER),
    ],
)
def test_an_act_is_noted_once_with_who_did_it(
    furnished: Shell, arguments: tuple[str, ...], what: str, customer: int | None
) -> None:
    said = furnished(*arguments)
    assert said.code == 0, said
    assert deeds(furnished) == [(what, "ada", customer)]


def test_an_approval_is_noted_with_its_code(furnished: Shell) -> None:
    furnished.desk.tie(8, OTHER)
    furnished.desk.passes.plans_of[8] = [an_update()]
    code = furnished("preview", "--customer", "8", "--json").json["approval_code"]
    assert furnished("customers", "approve", "8", code, "--no-watch").code == 0
    (deed,) = furnished.desk.world.ledger.deeds.noted
    assert (deed.what, deed.by, deed.customer_id, dict(deed.facts)) == ("approve", "ada", 8, {"code": code})


@pytest.mark.parametrize(
    "arguments",
    [
        ("customers", "pause", "8"),
        ("customers", "disconnect", "8"),
        ("customers", "approve", N, "wrong"),
        ("runs", "approve", "wrong"),
        ("runs", "reject", CODE, "--why", " "),
        ("customers", "without-entra", N),
        ("billing-check", "--customer", N, "--clear", "wrong"),
        ("sync", "--customer", "8"),
    ],
)
def test_what_was_refused_is_no_deed(furnished: Shell, arguments: tuple[str, ...]) -> None:
    assert furnished(*arguments).code != 0
    assert deeds(furnished) == []


def test_deeds_hold_no_value_of_a_field(furnished: Shell) -> None:
    furnished("runs", "approve", CODE)
    facts: dict[str, Any] = dict(furnished.desk.world.ledger.deeds.noted[0].facts)
    assert set(facts) == {"code", "run"}


def test_every_link_that_is_made_is_noted_and_one_that_is_given_again_is_not(furnished: Shell) -> None:
    """Also the one that a missing consent makes, and for which tenant."""
    for _ in range(2):
        assert furnished("customers", "connect", "8").code == 0
    furnished.desk.world.directory.failures = [StopTheLine("login", "consent_missing", scope=Scope.TENANT)]
    assert furnished("customers", "connect", "8", "--tenant", OTHER).code == 3
    assert deeds(furnished) == [("invite", "ada", 8)] * 2
    assert [deed.facts["tenant"] for deed in furnished.desk.world.ledger.deeds.noted] == ["any", OTHER]
    assert "tenant: any" in furnished("deeds", "list").out
