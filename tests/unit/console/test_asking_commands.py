"""Renewing a consent, answers that wait, and whose turn a consent is, as a shell sees them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from console.cli import output
from console.cli.explain import explain
from console.operations import consent_link, invite
from shared.domain.cures import cure_of_code
from shared.domain.errors import Scope, StopTheLine
from shared.domain.onboarding import Invite, InviteState, Organization
from shared.domain.records import ConnectionStatus
from shared.domain.watching import SubscriptionState
from tests.support.clock import START
from tests.support.desk import CUSTOMER
from tests.support.receiver import TENANT
from tests.unit.console.conftest import Shell

N = str(CUSTOMER)
GONE = StopTheLine("login", "consent_missing", scope=Scope.TENANT)


@pytest.fixture(autouse=True)
def known(shell: Shell) -> None:
    shell.desk.organizations.known[TENANT] = Organization(TENANT, "Contoso Ltd", ("contoso.example",))


def pasted(shell: Shell, made: Invite) -> str:
    state = parse_qs(urlsplit(consent_link(shell.desk.ports, made)).query)["state"][0]
    return "https://localhost/connect/callback?" + urlencode(
        {"admin_consent": "True", "tenant": TENANT, "state": state}
    )


def without_door(shell: Shell) -> None:
    desk = shell.desk
    desk.ports = replace(desk.ports, consent=replace(desk.ports.consent, public_url=""))


@pytest.mark.parametrize("tenant", [(), ("--tenant", TENANT)])
def test_the_cure_of_a_withdrawn_consent_works(shell: Shell, tenant: tuple[str, ...]) -> None:
    shell.desk.tie(status=ConnectionStatus.APPROVED)
    shell.desk.world.directory.failures = [GONE]
    said = shell("customers", "connect", N, *tenant)
    assert said.code == 3
    assert "https://hooks.example.net/connect/start?invite=" in said.err
    assert "--add-tenant" not in said.err
    shell.desk.world.directory.failures = [GONE]
    told = shell("customers", "connect", N, *tenant, "--json")
    assert (told.code, told.json["tenant_id"], told.json["link"] in told.err) == (3, TENANT, True)


def test_a_pasted_renewal_says_that_nothing_else_changed(shell: Shell) -> None:
    without_door(shell)
    shell.desk.tie(status=ConnectionStatus.APPROVED)
    shell.desk.world.directory.failures = [GONE]
    assert f"connect {N} --callback" in shell("customers", "connect", N).err
    (made,) = shell.desk.world.ledger.invites.held.values()
    said = shell("customers", "connect", N, "--callback", pasted(shell, made))
    assert (said.code, "stays connected as it was" in said.out, "approve" in said.out) == (0, True, False)


def test_an_answer_that_waits_is_shown_and_replaced_only_on_purpose(shell: Shell) -> None:
    without_door(shell)
    made = shell.run(invite(shell.desk.ports, CUSTOMER))
    shell("customers", "connect", N, "--callback", pasted(shell, made))
    said = shell("customers", "connect", N)
    assert (said.code, said.out) == (3, "")
    assert f"entra-syncro customers connect {N} --tenant {TENANT}" in said.err
    assert shell("customers", "connect", N, "--new-link").code == 0
    assert shell.desk.world.ledger.invites.held[made.nonce].state is InviteState.REPLACED


def consent(shell: Shell, number: int, state: InviteState, days: int = 1) -> None:
    made = Invite(f"n{number}", number, f"C{number}", TENANT, START, START + timedelta(days=days), state)
    shell.desk.world.ledger.invites.held[made.nonce] = made


def test_status_tells_whose_turn_the_consents_are(shell: Shell) -> None:
    consent(shell, 20, InviteState.CONSENTED)
    for number, state in enumerate((InviteState.OPEN, InviteState.OPEN, InviteState.TAKEN), 21):
        consent(shell, number, state)
    consent(shell, 30, InviteState.OPEN, days=-1)
    consent(shell, 31, InviteState.DECLINED)
    consent(shell, 32, InviteState.CONNECTED)
    said = shell("status")
    assert "Consents: 6 (" in said.out
    assert "entra-syncro customers list" in said.out
    assert "No customer is connected yet.\n" in said.out
    assert [each["customer_id"] for each in shell("status", "--json").json["consents"]] == [20, 21, 22, 23, 30, 31]


def test_status_without_anybody_names_the_first_command(shell: Shell) -> None:
    said = shell("status")
    assert "No customer is connected yet: entra-syncro customers connect CUSTOMER\n" in said.out
    assert "Consents" not in said.out


def test_fresh_says_what_is_not_judged_yet_and_keeps_its_headings_at_80_columns(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "PIPE_WIDTH", 80)
    monkeypatch.delenv("COLUMNS", raising=False)
    shell.desk.tie(status=ConnectionStatus.APPROVED)
    said = shell("status", "--fresh").out
    assert "not judged yet" in " ".join(said.split())
    assert "- of 0" not in said
    (heading,) = [line for line in said.splitlines() if "customer" in line and "name" in line]
    assert all(word in heading for word in ("customer", "name", "notified", "asked", "announced", "last"))
    assert max(map(len, said.splitlines())) <= 80


def test_the_cure_names_the_customer_wherever_it_is_known(shell: Shell) -> None:
    shell.desk.tie(status=ConnectionStatus.APPROVED)
    state = SubscriptionState(TENANT, None, None, "login:consent_missing", START)
    shell.run(shell.desk.ports.subscription_states.save(state))
    cured = f"entra-syncro customers connect {N}"
    assert cured in shell("status").out
    assert cured in explain(GONE, CUSTOMER)
    assert "CUSTOMER" in explain(GONE)
    findings = shell("check", "--json").json["findings"]
    (told,) = [each for each in findings if each["details"].get("code") == "login:consent_missing"]
    assert cured in told["cure"]


def test_a_cure_about_several_customers_names_none(shell: Shell) -> None:
    shell.desk.tie(status=ConnectionStatus.APPROVED)
    shell.desk.tie(8, status=ConnectionStatus.APPROVED)
    state = SubscriptionState(TENANT, None, None, "login:consent_missing", START)
    shell.run(shell.desk.ports.subscription_states.save(state))
    assert "customers connect CUSTOMER" in shell("status").out


@pytest.mark.parametrize("code", ["partner:no_relationship", "partner:lacks_role"])
def test_a_partner_is_asked_for_both_roles_or_sends_the_link_below(code: str) -> None:
    cure = cure_of_code(code).who_does_what
    assert "Cloud Application Administrator and Privileged Role Administrator" in cure
    assert "by the link printed below" in cure
