"""A consent that stands is not asked for again, one that does not is renewed, and a waiting answer is kept."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from console.operations import (
    ConsentNeededError,
    OperationError,
    ask,
    consent_link,
    invite,
    listed,
    look_or_renew,
    preview,
)
from console.operations.finishing import finish
from receiver.tenants import Tenants, wishes
from shared.domain.errors import Scope, StopTheLine, SyncError, Transient
from shared.domain.onboarding import Invite, InviteState, Organization
from shared.domain.records import ConnectionStatus
from tests.support.desk import CUSTOMER, Desk
from tests.support.receiver import OTHER, TENANT

GONE = StopTheLine("login", "consent_missing", scope=Scope.TENANT)
ALL = [ConnectionStatus.PREVIEW, ConnectionStatus.APPROVED, ConnectionStatus.PAUSED]


@pytest.fixture(autouse=True)
def known(desk: Desk) -> None:
    desk.organizations.known = {
        TENANT: Organization(TENANT, "Contoso Ltd", ("contoso.example",)),
        OTHER: Organization(OTHER, "Fabrikam", ("fabrikam.example",)),
    }


async def answered(desk: Desk, made: Invite, tenant: str = TENANT) -> Invite:
    desk.ports = replace(desk.ports, consent=replace(desk.ports.consent, public_url=""))
    state = parse_qs(urlsplit(consent_link(desk.ports, made)).query)["state"][0]
    query = urlencode({"admin_consent": "True", "tenant": tenant, "state": state})
    return await finish(desk.ports, f"https://localhost/connect/callback?{query}", pauses=())


async def renewed(desk: Desk, tenant: str = "") -> ConsentNeededError:
    act = look_or_renew(desk.ports, CUSTOMER, tenant) if tenant else ask(desk.ports, CUSTOMER)
    with pytest.raises(ConsentNeededError) as caught:
        await act
    return caught.value


@pytest.mark.parametrize("status", ALL)
@pytest.mark.parametrize("tenant", ["", TENANT, TENANT.upper()])
async def test_a_consent_that_stands_is_not_asked_for_again(desk: Desk, status: ConnectionStatus, tenant: str) -> None:
    tied = desk.tie(status=status)
    with pytest.raises(OperationError, match="its consent stands: nothing to do") as caught:
        await (look_or_renew(desk.ports, CUSTOMER, tenant) if tenant else ask(desk.ports, CUSTOMER))
    assert (caught.value.exit_code, "--add-tenant" in caught.value.message) == (2, False)
    assert desk.world.ledger.connections.held == {CUSTOMER: tied}
    assert not desk.world.ledger.invites.held


@pytest.mark.parametrize("status", ALL)
@pytest.mark.parametrize("tenant", ["", TENANT])
async def test_a_withdrawn_consent_is_asked_for_by_a_link_for_that_tenant(
    desk: Desk, status: ConnectionStatus, tenant: str
) -> None:
    tied = desk.tie(status=status)
    desk.world.directory.failures = [GONE]
    error = await renewed(desk, tenant)
    assert (error.exit_code, error.invite.tenant_id, error.invite.state) == (3, TENANT, InviteState.OPEN)
    assert "renews the consent; nothing else changes" in error.message
    assert error.link in error.message
    assert desk.world.ledger.connections.held == {CUSTOMER: tied}


async def test_a_required_permission_that_is_gone_is_named(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.tie(status=ConnectionStatus.APPROVED)

    async def lacking(tenant_id: str) -> frozenset[str]:
        return frozenset({"Reports.Read.All"})

    monkeypatch.setattr(desk.world.directory, "prove", lacking)
    error = await renewed(desk)
    assert (error.exit_code, "User.Read.All (to read users" in error.message) == (3, True)


@pytest.mark.parametrize(
    "trouble",
    [
        Transient("login", "login_unavailable"),
        StopTheLine("login", "secret_expired", scope=Scope.ACCOUNT),
        StopTheLine("login", "app_disabled", scope=Scope.TENANT),  # a new consent would not enable it
    ],
)
async def test_what_no_consent_would_cure_makes_no_link(desk: Desk, trouble: SyncError) -> None:
    desk.tie(status=ConnectionStatus.APPROVED)
    desk.world.directory.failures = [trouble]
    with pytest.raises(type(trouble)):
        await ask(desk.ports, CUSTOMER)
    assert not desk.world.ledger.invites.held


async def test_of_two_tenants_only_the_one_that_withdrew_is_asked(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    tied = desk.tie(status=ConnectionStatus.APPROVED)
    await desk.ports.connections.save(replace(tied, more_tenants=(OTHER,)))
    honest = desk.world.directory.prove

    async def prove(tenant_id: str) -> frozenset[str]:
        if tenant_id == OTHER:
            raise GONE
        return await honest(tenant_id)

    monkeypatch.setattr(desk.world.directory, "prove", prove)
    assert (await renewed(desk)).invite.tenant_id == OTHER


@pytest.mark.parametrize("status", ALL)
async def test_the_answer_renews_the_consent_and_the_connection_stays_as_it_is(
    desk: Desk, status: ConnectionStatus
) -> None:
    tied = desk.tie(status=status)
    desk.world.directory.failures = [GONE]
    error = await renewed(desk)
    assert (await answered(desk, error.invite)).state is InviteState.CONNECTED
    kept = desk.world.ledger.connections.held[CUSTOMER]
    assert replace(kept, changed_at=tied.changed_at) == tied
    assert (kept.changed_at == tied.changed_at) is (status is ConnectionStatus.PREVIEW)
    assert not (await listed(desk.ports)).consents


async def test_the_registrar_comes_back_at_once_after_a_renewal(desk: Desk) -> None:
    desk.tie(status=ConnectionStatus.APPROVED)
    tenants, held = Tenants(), desk.world.ledger.connections.held
    assert tenants.due(wishes(held.values()), 0.0) == [TENANT]
    tenants.failed(TENANT, GONE, 0.0)
    assert tenants.due(wishes(held.values()), 1.0) == []
    desk.world.directory.failures = [GONE]
    await answered(desk, (await renewed(desk)).invite)
    assert tenants.due(wishes(held.values()), 1.0) == [TENANT]


async def test_a_renewal_does_not_void_a_preview(desk: Desk) -> None:
    tied = desk.tie(status=ConnectionStatus.PREVIEW)
    await preview(desk.ports, CUSTOMER)
    desk.world.directory.failures = [GONE]
    await answered(desk, (await renewed(desk)).invite)
    proposed = await desk.ports.approvals.latest(CUSTOMER)
    assert proposed is not None
    assert proposed.connection_changed_at == desk.world.ledger.connections.held[CUSTOMER].changed_at == tied.changed_at


async def test_an_answer_of_a_tenant_it_has_already_waits_for_nobody(desk: Desk) -> None:
    made = await invite(desk.ports, CUSTOMER)
    desk.tie(status=ConnectionStatus.APPROVED)
    assert (await answered(desk, made)).state is InviteState.CONNECTED


@pytest.mark.parametrize(
    ("failure", "query", "outcome", "tenant"),
    [
        (None, f"&admin_consent=True&tenant={TENANT}", "consented", TENANT),
        (
            StopTheLine("login", "app_disabled", scope=Scope.TENANT),
            f"&admin_consent=True&tenant={TENANT}",
            "failed",
            "",
        ),
        (None, "&error=access_denied", "declined", ""),
        (Transient("graph", "timeout"), f"&admin_consent=True&tenant={TENANT}", "", ""),
    ],
)
async def test_a_pasted_answer_is_a_deed_by_the_same_rule_as_one_of_a_browser(
    desk: Desk, failure: SyncError | None, query: str, outcome: str, tenant: str
) -> None:
    desk.ports = replace(desk.ports, consent=replace(desk.ports.consent, public_url=""))
    made = await invite(desk.ports, CUSTOMER)
    desk.world.directory.failures = [failure] if failure is not None else []
    state = parse_qs(urlsplit(consent_link(desk.ports, made)).query)["state"][0]
    await finish(desk.ports, f"https://localhost/connect/callback?state={state}{query}", pauses=(), by="ada")
    noted = [(each.by, each.facts) for each in desk.world.ledger.deeds.noted if each.what == "consent"]
    facts = {"outcome": outcome, **({"tenant": tenant} if tenant else {})}
    assert noted == ([("ada", facts)] if outcome else [])


async def test_an_answer_that_waits_is_kept_and_named(desk: Desk) -> None:
    made = await invite(desk.ports, CUSTOMER)
    assert (await answered(desk, made)).state is InviteState.CONSENTED
    with pytest.raises(OperationError, match="An answer waits for your look") as caught:
        await ask(desk.ports, CUSTOMER)
    assert caught.value.exit_code == 3
    assert "Contoso Ltd (contoso.example)" in caught.value.message
    assert f"entra-syncro customers connect {CUSTOMER} --tenant {TENANT}" in caught.value.message
    assert desk.world.ledger.invites.held[made.nonce].state is InviteState.CONSENTED


async def test_a_new_link_takes_the_place_of_a_waiting_answer_when_it_is_asked_for(desk: Desk) -> None:
    made = await invite(desk.ports, CUSTOMER)
    await answered(desk, made)
    other = await ask(desk.ports, CUSTOMER, new_link=True)
    assert (other.state, other.nonce == made.nonce) == (InviteState.OPEN, False)
    assert desk.world.ledger.invites.held[made.nonce].state is InviteState.REPLACED


async def test_a_new_link_asks_a_consent_that_stands_for_more(desk: Desk) -> None:
    desk.tie(status=ConnectionStatus.APPROVED)
    with pytest.raises(ConsentNeededError) as caught:
        await ask(desk.ports, CUSTOMER, new_link=True)
    assert (caught.value.exit_code, caught.value.invite.tenant_id) == (3, TENANT)
