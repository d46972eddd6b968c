"""The connecting and stopping commands as a shell sees them: exit code, words, and which command comes next."""

from __future__ import annotations

import io
from dataclasses import replace
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from console.operations import consent_link, invite
from shared.domain.errors import Scope, StopTheLine
from shared.domain.onboarding import InviteState, Organization
from shared.domain.records import ConnectionStatus
from tests.support.desk import CUSTOMER
from tests.support.receiver import OTHER, TENANT
from tests.unit.console.conftest import Shell

N = str(CUSTOMER)


@pytest.fixture(autouse=True)
def known(shell: Shell) -> None:
    shell.desk.organizations.known[TENANT] = Organization(TENANT, "Contoso Ltd", ("contoso.example",))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def a_person(monkeypatch: pytest.MonkeyPatch, *answers: str) -> None:
    """Somebody sits there and types."""
    monkeypatch.setattr("sys.stdin", Terminal("".join(f"{answer}\n" for answer in answers)))


def without_door(shell: Shell) -> None:
    desk = shell.desk
    desk.ports = replace(desk.ports, consent=replace(desk.ports.consent, public_url=""))


def an_answer(shell: Shell, tenant: str = "", **answer: str) -> str:
    """The address to paste, of an invite that is open now."""
    made = shell.run(invite(shell.desk.ports, CUSTOMER, tenant))
    state = parse_qs(urlsplit(consent_link(shell.desk.ports, made)).query)["state"][0]
    given = answer or {"admin_consent": "True", "tenant": TENANT}
    return "https://localhost/connect/callback?" + urlencode({**given, "state": state})


# --- connect --------------------------------------------------------------------------------------------------


def test_without_a_tenant_it_prints_one_link_and_what_comes_next(shell: Shell) -> None:
    said = shell("customers", "connect", N)
    (link,) = [line for line in said.out.splitlines() if line.startswith("https://")]
    assert (said.code, said.err) == (0, "")
    assert link.startswith("https://hooks.example.net/connect/start?invite=k1.")
    assert "administrator of Contoso" in said.out
    assert "entra-syncro customers list" in said.out
    assert link in shell("customers", "connect", N).out  # a link that was sent stays good
    assert shell("customers", "connect", N, "--json").json["link"] == link


def test_without_a_public_address_it_says_how_the_answer_comes_back(shell: Shell) -> None:
    without_door(shell)
    said = shell("customers", "connect", N)
    assert "https://login.example/organizations/v2.0/adminconsent?" in said.out
    assert f"entra-syncro customers connect {N} --callback 'ADDRESS'" in said.out


def test_a_script_says_yes_beforehand(shell: Shell) -> None:
    said = shell("customers", "connect", N, "--tenant", TENANT, "--yes")
    assert said.code == 0
    assert "Contoso Ltd" in said.out
    assert "contoso.example" in said.out
    assert "Reports.Read.All (for the last activity" in said.out
    assert f"Next: entra-syncro preview --customer {N}" in said.out
    assert shell.desk.status_of() is ConnectionStatus.PREVIEW


def test_a_program_gets_the_connection(shell: Shell) -> None:
    said = shell("customers", "connect", N, "--tenant", TENANT, "--yes", "--json")
    assert (said.code, said.json["status"], said.json["tenant_id"]) == (0, "preview", TENANT)


@pytest.mark.parametrize("json", [(), ("--json",)])
def test_where_nobody_can_be_asked_nothing_is_connected(shell: Shell, json: tuple[str, ...]) -> None:
    said = shell("customers", "connect", N, "--tenant", TENANT, *json)
    assert said.code == 2
    assert "Contoso Ltd (contoso.example) is Contoso" in said.err
    assert "--yes" in said.err
    assert not shell.desk.world.ledger.connections.held


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 3)])
def test_a_person_is_asked(shell: Shell, monkeypatch: pytest.MonkeyPatch, answer: str, code: int) -> None:
    a_person(monkeypatch, answer)
    said = shell("customers", "connect", N, "--tenant", TENANT)
    assert said.code == code
    assert "Is this the same company?" in said.err
    assert (CUSTOMER in shell.desk.world.ledger.connections.held) is (code == 0)


@pytest.mark.parametrize("json", [(), ("--json",)])
def test_without_consent_it_prints_the_link_and_waits(shell: Shell, json: tuple[str, ...]) -> None:
    shell.desk.world.directory.failures = [StopTheLine("login", "consent_missing", scope=Scope.TENANT)]
    said = shell("customers", "connect", N, "--tenant", TENANT, "--yes", *json)
    assert said.code == 3
    assert "https://hooks.example.net/connect/start?invite=" in said.err
    assert "administrator" in said.err
    if json:
        assert (said.json["state"], said.json["tenant_id"]) == ("waiting for consent", TENANT)
        assert said.json["link"] in said.err


def test_two_tenants_are_said_to_be_two(shell: Shell) -> None:
    shell.desk.tie(status=ConnectionStatus.APPROVED)
    shell.desk.organizations.known[OTHER] = Organization(OTHER, "Contoso Labs", ())
    assert shell("customers", "connect", N, "--tenant", OTHER, "--yes").code == 2
    said = shell("customers", "connect", N, "--tenant", OTHER, "--yes", "--add-tenant")
    assert (said.code, "has 2 tenants now" in said.out) == (0, True)
    assert OTHER in shell("customers", "list").out


def test_a_pasted_answer_of_the_named_tenant_needs_no_look(shell: Shell) -> None:
    without_door(shell)
    said = shell("customers", "connect", N, "--callback", an_answer(shell, TENANT))
    assert (said.code, f"preview --customer {N}" in said.out) == (0, True)
    assert shell.desk.status_of() is ConnectionStatus.PREVIEW


def test_a_pasted_answer_of_any_tenant_is_compared_at_once(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    without_door(shell)
    a_person(monkeypatch, "y")
    said = shell("customers", "connect", N, "--callback", an_answer(shell))
    assert (said.code, "Contoso Ltd" in said.out) == (0, True)
    assert shell.desk.status_of() is ConnectionStatus.PREVIEW


def test_where_nobody_can_compare_the_consent_waits(shell: Shell) -> None:
    without_door(shell)
    said = shell("customers", "connect", N, "--callback", an_answer(shell), "--json")
    assert (said.code, said.json["state"], said.json["answered_by"]["name"]) == (3, "consented", "Contoso Ltd")
    assert f"entra-syncro customers connect {N} --tenant {TENANT}" in said.err
    listed = shell("customers", "list", "--json").json
    assert (listed["connections"], listed["consents"][0]["state"]) == ([], "waiting for your confirmation")
    assert listed["consents"][0]["answered_by"]["name"] == "Contoso Ltd"


@pytest.mark.parametrize("json", [(), ("--json",)])
def test_a_decline_is_a_failure_with_its_reason(shell: Shell, json: tuple[str, ...]) -> None:
    without_door(shell)
    address = an_answer(shell, TENANT, error="access_denied", admin_consent="True")
    said = shell("customers", "connect", N, "--callback", address, *json)
    assert (said.code, "the administrator declined" in said.err) == (1, True)
    assert f"entra-syncro customers connect {N}" in said.err
    if json:
        assert (said.json["state"], said.json["why"]) == (InviteState.DECLINED, "login:consent_declined")


def test_a_pasted_answer_that_is_none_is_wrong_use(shell: Shell) -> None:
    said = shell("customers", "connect", N, "--callback", "https://localhost/connect/callback")
    assert (said.code, "whole address" in said.err) == (2, True)
    both = shell("customers", "connect", N, "--callback", "x", "--tenant", TENANT)
    assert (both.code, "not both" in both.err) == (2, True)


# --- list, and stopping ---------------------------------------------------------------------------------------


def test_the_list_shows_what_waits_and_who_is_apart(shell: Shell) -> None:
    empty = shell("customers", "list")
    assert (empty.code, "customers connect CUSTOMER" in empty.out) == (0, True)
    shell("customers", "without-entra", "8")
    shell("customers", "connect", N)
    said = shell("customers", "list").out
    assert "waiting for consent" in said
    assert "https://hooks.example.net/connect/start?invite=" in said
    assert "Without Entra" in said
    assert "Contoso North" in said
    facts = shell("customers", "list", "--json").json
    assert set(facts) == {"connections", "consents", "without_entra"}
    assert facts["without_entra"][0]["customer_id"] == 8


def test_stopping_says_what_stays_and_what_comes_next(shell: Shell) -> None:
    shell.desk.tie(status=ConnectionStatus.APPROVED)
    paused = shell("customers", "pause", N)
    assert (paused.code, f"customers resume {N}" in paused.out) == (0, True)
    resumed = shell("customers", "resume", N)
    assert (resumed.code, "full sync" in resumed.out) == (0, True)
    assert shell("customers", "pause", N, "--json").json["status"] == "paused"
    assert shell("customers", "resume", N, "--json").json["status"] == "approved"
    ended = shell("customers", "disconnect", N)
    assert (ended.code, "stay in Syncro" in ended.out, "Enterprise applications" in ended.out) == (0, True, True)
    assert f"customers connect {N}" in ended.out
    assert shell("customers", "disconnect", N).code == 2


def test_a_program_learns_what_a_disconnect_left(shell: Shell) -> None:
    shell.desk.tie()
    facts = shell("customers", "disconnect", N, "--json").json
    assert (facts["ended"], facts["kept"], len(facts["stays"])) == ([TENANT], [], 3)


def test_without_entra_may_be_undone(shell: Shell) -> None:
    assert shell("customers", "without-entra", N, "--json").json == {"customer_id": CUSTOMER, "without_entra": True}
    assert f"without-entra {N} --undo" in shell("customers", "connect", N).err
    assert shell("customers", "without-entra", N, "--undo").code == 0
    assert shell("customers", "without-entra", N, "--undo").code == 2
    assert shell("customers", "connect", N).code == 0
