"""Connecting a customer to its tenant: what is refused, with which words, and what is remembered."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from console.operations import (
    ConsentNeededError,
    OperationError,
    OperatorPorts,
    approve,
    confirm,
    connect,
    connections,
    consent_link,
    invite,
    listed,
    look,
    preview,
)
from console.operations.finishing import finish as finish_patiently
from shared.domain.consent import Signed, read_invite
from shared.domain.contact import Customer
from shared.domain.errors import Scope, StopTheLine, Transient
from shared.domain.onboarding import Invite, InviteState, Organization
from shared.domain.records import ConnectionStatus
from tests.support.clock import START
from tests.support.desk import CUSTOMER, Desk
from tests.support.receiver import OTHER, TENANT

CONTOSO = Organization(TENANT, "Contoso Ltd", ("contoso.example", "contoso.test"))
DECLINE = {"error": "consent_required", "error_description": "AADSTS65004: User declined.", "admin_consent": "True"}


@pytest.fixture(autouse=True)
def known(desk: Desk) -> None:
    """Two tenants that consented."""
    desk.organizations.known = {TENANT: CONTOSO, OTHER: Organization(OTHER, "Fabrikam", ("fabrikam.example",))}


async def refused(desk: Desk, customer: int, tenant: str, *, add: bool = False) -> OperationError:
    with pytest.raises(OperationError) as caught:
        await connect(desk.ports, customer, tenant, add_tenant=add)
    return caught.value


def without_door(desk: Desk) -> None:
    desk.ports = replace(desk.ports, consent=replace(desk.ports.consent, public_url=""))


async def finish(ports: OperatorPorts, address: str, *, expect: int | None = None) -> Invite:
    """What is replicating is not waited for here: tests/unit/runtime/test_proof.py does."""
    return await finish_patiently(ports, address, expect=expect, pauses=())


def state_in(link: str) -> str:
    return parse_qs(urlsplit(link).query)["state"][0]


def pasted(state: str, **answer: str) -> str:
    """What stands in the browser's address bar after Microsoft's page."""
    given = answer or {"admin_consent": "True", "tenant": TENANT}
    return "https://localhost/connect/callback?" + urlencode({**given, "state": state})


async def an_invite(desk: Desk, tenant: str = "") -> tuple[Invite, str]:
    """An open invite without a public address, and its state."""
    without_door(desk)
    made = await invite(desk.ports, CUSTOMER, tenant)
    return made, state_in(consent_link(desk.ports, made))


def stored(desk: Desk, made: Invite) -> Invite:
    return desk.world.ledger.invites.held[made.nonce]


# --- a tenant that consented ----------------------------------------------------------------------------------


async def test_a_new_connection_waits_for_approval_and_carries_syncros_name(desk: Desk) -> None:
    made = await connect(desk.ports, CUSTOMER, TENANT)
    assert (made.customer_name, made.tenant_id, made.status) == ("Contoso", TENANT, ConnectionStatus.PREVIEW)
    assert await connections(desk.ports) == [made]


async def test_the_tenant_is_kept_as_entra_writes_it(desk: Desk) -> None:
    made = await connect(desk.ports, CUSTOMER, TENANT.upper())
    assert made.tenant_id == TENANT


async def test_a_look_shows_the_tenant_by_its_own_words_and_saves_nothing(desk: Desk) -> None:
    match = await look(desk.ports, CUSTOMER, TENANT)
    assert (match.customer_name, match.organization) == ("Contoso", CONTOSO)
    assert "Reports.Read.All" in match.lacks
    assert not desk.world.ledger.connections.held
    assert not desk.world.ledger.invites.held


async def test_what_became_of_the_rules_since_the_look_counts(desk: Desk) -> None:
    match = await look(desk.ports, CUSTOMER, TENANT)
    desk.tie(8)
    with pytest.raises(OperationError, match="customer 8"):
        await confirm(desk.ports, match)
    assert CUSTOMER not in desk.world.ledger.connections.held


@pytest.mark.parametrize("tenant", ["", "contoso.example", "84bd8158", TENANT + "0"])
async def test_a_tenant_that_is_no_guid_is_wrong_use_and_costs_no_call(desk: Desk, tenant: str) -> None:
    error = await refused(desk, CUSTOMER, tenant)
    assert error.exit_code == 2
    assert "Entra admin center" in error.message
    assert not desk.world.ledger.connections.held


async def test_a_customer_that_syncro_does_not_know_is_wrong_use(desk: Desk) -> None:
    error = await refused(desk, 999, TENANT)
    assert error.exit_code == 2
    assert "no customer 999" in error.message


async def test_a_missing_role_is_named_with_its_use_and_nothing_is_connected(desk: Desk) -> None:
    give(desk, frozenset({"Mail.Read"}))
    error = await refused(desk, CUSTOMER, TENANT)
    assert error.exit_code == 1
    assert "User.Read.All (to read users and to be notified of their changes)" in error.message
    assert "administrator" in error.message
    assert not desk.world.ledger.connections.held


def give(desk: Desk, roles: frozenset[str]) -> None:
    """Every tenant granted these."""

    async def prove(tenant_id: str) -> frozenset[str]:
        return roles

    desk.world.directory.prove = prove  # type: ignore[method-assign]  # this tenant granted others than the fake's


@pytest.mark.parametrize("door", [True, False])
async def test_without_consent_the_message_carries_the_link_and_nothing_is_connected(desk: Desk, door: bool) -> None:
    if not door:
        without_door(desk)
    desk.world.directory.failures = [StopTheLine("login", "consent_missing", scope=Scope.TENANT)]
    with pytest.raises(ConsentNeededError) as caught:
        await connect(desk.ports, CUSTOMER, TENANT)
    error = caught.value
    assert (error.exit_code, error.link in error.message) == (3, True)
    assert (error.invite.tenant_id, error.invite.state) == (TENANT, InviteState.OPEN)
    assert error.link == consent_link(desk.ports, error.invite)
    assert ("connected by itself" in error.message, "--callback" in error.message) == (door, not door)
    assert not desk.world.ledger.connections.held


async def test_our_own_secret_is_not_the_customers_consent(desk: Desk) -> None:
    desk.world.directory.failures = [StopTheLine("login", "secret_expired", scope=Scope.ACCOUNT)]
    with pytest.raises(StopTheLine):
        await connect(desk.ports, CUSTOMER, TENANT)
    assert not desk.world.ledger.invites.held


async def test_a_tenant_that_does_not_exist_was_mistyped(desk: Desk) -> None:
    desk.world.directory.failures = [StopTheLine("login", "tenant_unknown", scope=Scope.TENANT)]
    error = await refused(desk, CUSTOMER, TENANT)
    assert (error.exit_code, TENANT in error.message) == (2, True)
    assert not desk.world.ledger.connections.held


async def test_a_tenant_of_another_customer_is_refused_by_name_unless_it_is_shared(desk: Desk) -> None:
    desk.tie(8)
    error = await refused(desk, CUSTOMER, TENANT)
    assert error.exit_code == 2
    assert "customer 8" in error.message
    assert "--shared-tenant" in error.message
    made = await connect(desk.ports, CUSTOMER, TENANT, shared_tenant=True)
    assert made.status is ConnectionStatus.PREVIEW


@pytest.mark.parametrize("status", [ConnectionStatus.PREVIEW, ConnectionStatus.APPROVED, ConnectionStatus.PAUSED])
async def test_a_connected_customer_keeps_its_state(desk: Desk, status: ConnectionStatus) -> None:
    desk.tie(status=status)
    same = await refused(desk, CUSTOMER, TENANT)
    other = await refused(desk, CUSTOMER, OTHER)
    assert (same.exit_code, other.exit_code) == (2, 2)
    assert "already" in same.message
    assert TENANT in other.message
    assert "--add-tenant" in other.message
    assert desk.status_of() is status


async def test_a_second_tenant_is_added_only_explicitly_and_waits_for_a_new_approval(desk: Desk) -> None:
    desk.tie(status=ConnectionStatus.APPROVED)
    made = await connect(desk.ports, CUSTOMER, OTHER, add_tenant=True)
    assert (made.tenants, made.status) == ((TENANT, OTHER), ConnectionStatus.PREVIEW)
    again = await refused(desk, CUSTOMER, OTHER, add=True)
    assert "already" in again.message


async def test_a_disconnected_customer_may_be_connected_again_to_any_tenant_and_waits_again(desk: Desk) -> None:
    desk.tie(status=ConnectionStatus.DISCONNECTED)
    made = await connect(desk.ports, CUSTOMER, OTHER)
    assert (made.tenant_id, made.status) == (OTHER, ConnectionStatus.PREVIEW)


async def test_the_tenant_of_a_disconnected_customer_is_free(desk: Desk) -> None:
    desk.tie(8, status=ConnectionStatus.DISCONNECTED)
    assert (await connect(desk.ports, CUSTOMER, TENANT)).tenant_id == TENANT


async def test_connecting_takes_one_syncro_call_or_none_where_the_customer_is_known(desk: Desk) -> None:
    await connect(desk.ports, CUSTOMER, TENANT)
    assert len(desk.world.pace.calls) == 1
    await connect(desk.ports, 8, OTHER, customer=Customer(8, "Contoso North"))
    assert len(desk.world.pace.calls) == 1


# --- the invite -----------------------------------------------------------------------------------------------


async def test_an_invite_is_kept_with_its_end_and_its_link_names_it(desk: Desk) -> None:
    made = await invite(desk.ports, CUSTOMER, TENANT.upper())
    assert (made.customer_name, made.tenant_id, made.state) == ("Contoso", TENANT, InviteState.OPEN)
    assert made.expires_at - made.invited_at == timedelta(days=14)
    assert stored(desk, made) == made
    link = urlsplit(consent_link(desk.ports, made))
    assert f"{link.scheme}://{link.netloc}" == desk.ports.public_url
    assert read_invite(desk.ports.consent.secrets, parse_qs(link.query)["invite"][0]) == Signed(made.nonce)


async def test_the_same_open_link_is_given_again_and_no_syncro_call_is_made_for_it(desk: Desk) -> None:
    first = await invite(desk.ports, CUSTOMER, TENANT)
    assert await invite(desk.ports, CUSTOMER, TENANT) == first
    assert len(desk.world.pace.calls) == 1


@pytest.mark.parametrize("reason", ["other tenant", "any tenant", "shared", "nearly over", "answered"])
async def test_a_new_one_takes_the_place_of_an_invite_that_is_not_the_same(desk: Desk, reason: str) -> None:
    first = await invite(desk.ports, CUSTOMER, TENANT)
    tenant = {"other tenant": OTHER, "any tenant": ""}.get(reason, TENANT)
    if reason == "nearly over":
        desk.world.clock.ahead += timedelta(days=14, minutes=-30)
    if reason == "answered":
        await desk.ports.invites.settle(replace(first, state=InviteState.CONSENTED))
    second = await invite(desk.ports, CUSTOMER, tenant, shared=reason == "shared")
    assert second.nonce != first.nonce
    assert stored(desk, first).state is InviteState.REPLACED


async def test_nobody_is_invited_to_what_no_rule_allows(desk: Desk) -> None:
    desk.tie(8)
    for tenant in (TENANT, ""):
        with pytest.raises(OperationError) as caught:
            await invite(desk.ports, 8, tenant)
        assert caught.value.exit_code == 2
    with pytest.raises(OperationError, match="--shared-tenant"):
        await invite(desk.ports, CUSTOMER, TENANT)
    assert (await invite(desk.ports, 8, OTHER, add=True)).tenant_id == OTHER
    assert (await invite(desk.ports, CUSTOMER, TENANT, shared=True)).is_shared


# --- a pasted answer ------------------------------------------------------------------------------------------


async def test_an_answer_of_the_named_tenant_connects_in_preview(desk: Desk) -> None:
    made, state = await an_invite(desk, TENANT)
    settled = await finish(desk.ports, pasted(state), expect=CUSTOMER)
    assert (settled.state, settled.answered_by) == (InviteState.CONNECTED, CONTOSO)
    assert settled.settled_at is not None
    assert "Reports.Read.All" in settled.missing
    assert stored(desk, made).state is InviteState.CONNECTED
    assert desk.status_of() is ConnectionStatus.PREVIEW


@pytest.mark.parametrize("named", ["", OTHER])
async def test_an_answer_of_a_tenant_that_was_not_named_waits_for_a_person(desk: Desk, named: str) -> None:
    _, state = await an_invite(desk, named)
    settled = await finish(desk.ports, pasted(state))
    assert (settled.state, settled.answered_by) == (InviteState.CONSENTED, CONTOSO)
    assert not desk.world.ledger.connections.held
    (waiting,) = (await listed(desk.ports)).consents
    assert "Contoso Ltd (contoso.example, contoso.test)" in waiting.next
    assert f"customers connect {CUSTOMER} --tenant {TENANT}" in waiting.next
    assert ("ANOTHER TENANT" in waiting.next) is bool(named)
    await connect(desk.ports, CUSTOMER, TENANT)
    assert not (await listed(desk.ports)).consents


async def test_a_rule_that_forbids_the_link_leaves_it_to_a_person(desk: Desk) -> None:
    _, state = await an_invite(desk, TENANT)
    desk.tie(8)
    settled = await finish(desk.ports, pasted(state))
    assert settled.state is InviteState.CONSENTED
    assert CUSTOMER not in desk.world.ledger.connections.held
    (waiting,) = (await listed(desk.ports)).consents
    assert "belongs to customer 8 (Customer 8) already" in waiting.next
    assert f"--tenant {TENANT} --shared-tenant" in waiting.next


async def test_a_further_tenant_is_confirmed_as_one(desk: Desk) -> None:
    without_door(desk)
    desk.tie(tenant_id=OTHER)
    made = await invite(desk.ports, CUSTOMER, TENANT, add=True)
    await finish(desk.ports, pasted(state_in(consent_link(desk.ports, made))))
    (waiting,) = (await listed(desk.ports)).consents
    assert f"--tenant {TENANT} --add-tenant" in waiting.next
    await connect(desk.ports, CUSTOMER, TENANT, add_tenant=True)
    assert desk.world.ledger.connections.held[CUSTOMER].tenants == (OTHER, TENANT)


async def test_a_preview_from_before_the_connection_cannot_be_approved(desk: Desk) -> None:
    await connect(desk.ports, CUSTOMER, TENANT)
    desk.world.clock.ahead += timedelta(seconds=1)
    shown = await preview(desk.ports, CUSTOMER)
    desk.world.clock.ahead += timedelta(seconds=1)
    await connect(desk.ports, CUSTOMER, OTHER, add_tenant=True)
    for code in (shown.preview.code, None):
        with pytest.raises(OperationError, match="Look at the plan again") as caught:
            await approve(desk.ports, CUSTOMER, code, by="ada")
        assert (caught.value.exit_code, desk.status_of()) == (3, ConnectionStatus.PREVIEW)
    again = await preview(desk.ports, CUSTOMER)
    await approve(desk.ports, CUSTOMER, again.preview.code, by="ada")
    assert desk.status_of() is ConnectionStatus.APPROVED


async def test_an_allowed_shared_tenant_is_linked_at_once(desk: Desk) -> None:
    without_door(desk)
    desk.tie(8)
    made = await invite(desk.ports, CUSTOMER, TENANT, shared=True)
    settled = await finish(desk.ports, pasted(state_in(consent_link(desk.ports, made))))
    assert settled.state is InviteState.CONNECTED


async def test_consent_given_anew_leaves_a_connection_as_it_is(desk: Desk) -> None:
    _, state = await an_invite(desk, TENANT)
    tied = desk.tie(status=ConnectionStatus.APPROVED)
    assert (await finish(desk.ports, pasted(state))).state is InviteState.CONNECTED
    kept = desk.world.ledger.connections.held[CUSTOMER]
    assert replace(kept, changed_at=tied.changed_at) == tied


async def test_a_missing_role_fails_the_invite_by_name(desk: Desk) -> None:
    _, state = await an_invite(desk, TENANT)
    give(desk, frozenset({"Reports.Read.All"}))
    settled = await finish(desk.ports, pasted(state))
    assert (settled.state, settled.missing) == (InviteState.FAILED, ("User.Read.All",))
    (waiting,) = (await listed(desk.ports)).consents
    assert "User.Read.All (to read users and to be notified of their changes)" in waiting.next
    assert f"entra-syncro customers connect {CUSTOMER}" in waiting.next
    assert not desk.world.ledger.connections.held


async def test_a_decline_is_kept_and_nothing_is_asked_of_the_tenant(desk: Desk) -> None:
    made, state = await an_invite(desk, TENANT)
    desk.world.directory.failures = [Transient("login", "never_asked")]
    settled = await finish(desk.ports, pasted(state, tenant=TENANT, **DECLINE))
    assert (settled.state, settled.code) == (InviteState.DECLINED, "login:consent_declined")
    assert stored(desk, made).state is InviteState.DECLINED
    assert not desk.world.ledger.connections.held
    (waiting,) = (await listed(desk.ports)).consents
    assert "the administrator declined" in waiting.next
    assert f"customers connect {CUSTOMER} --tenant {TENANT}" in waiting.next


async def test_what_cannot_be_checked_now_leaves_the_link_good(desk: Desk) -> None:
    made, state = await an_invite(desk, TENANT)
    desk.world.directory.failures = [Transient("login", "login_unavailable")]
    settled = await finish(desk.ports, pasted(state))
    assert (settled.state, settled.code) == (InviteState.OPEN, "login:login_unavailable")
    assert stored(desk, made).state is InviteState.OPEN
    (waiting,) = (await listed(desk.ports)).consents
    assert "could not be checked (login unavailable); the link still works" in waiting.next
    assert (await finish(desk.ports, pasted(state))).state is InviteState.CONNECTED


@pytest.mark.parametrize("claim", ["no consent", "our secret"])
async def test_a_claim_is_never_believed(desk: Desk, claim: str) -> None:
    scope, state_now = (
        (Scope.TENANT, InviteState.FAILED) if claim == "no consent" else (Scope.ACCOUNT, InviteState.OPEN)
    )
    _, state = await an_invite(desk, TENANT)
    desk.world.directory.failures = [StopTheLine("login", "consent_missing", scope=scope)]
    assert (await finish(desk.ports, pasted(state))).state is state_now
    assert not desk.world.ledger.connections.held


async def unusable(desk: Desk, address: str, expect: int | None = None) -> str:
    before = dict(desk.world.ledger.invites.held)
    with pytest.raises(OperationError) as caught:
        await finish(desk.ports, address, expect=expect)
    assert caught.value.exit_code == 2
    assert desk.world.ledger.invites.held == before
    return caught.value.message


async def test_an_answer_is_used_once(desk: Desk) -> None:
    _, state = await an_invite(desk, TENANT)
    await finish(desk.ports, pasted(state))
    await desk.ports.connections.save(replace(desk.tie(), status=ConnectionStatus.DISCONNECTED))
    assert "used already" in await unusable(desk, pasted(state))
    assert desk.status_of() is ConnectionStatus.DISCONNECTED


async def test_a_forged_expired_replaced_or_foreign_answer_changes_nothing(desk: Desk) -> None:
    made, state = await an_invite(desk, TENANT)
    assert "altered" in await unusable(desk, pasted(state[:-1] + ("A" if state[-1] != "A" else "B")))
    assert "belongs to customer 7" in await unusable(desk, pasted(state), expect=8)
    assert "whole address" in await unusable(desk, "https://localhost/connect/callback")
    assert "names no tenant" in await unusable(desk, pasted(state, admin_consent="True"))
    link = consent_link(replace(desk.ports, consent=replace(desk.ports.consent, public_url="https://h")), made)
    assert "whole address" in await unusable(desk, link)
    token = parse_qs(urlsplit(link).query)["invite"][0]
    assert "the link itself" in await unusable(desk, pasted(token))
    await invite(desk.ports, CUSTOMER, OTHER)
    assert "newer link" in await unusable(desk, pasted(state))
    desk.world.clock.ahead += timedelta(days=14)
    assert "expired" in await unusable(desk, pasted(state))


async def test_an_invite_of_another_ledger_is_not_known(desk: Desk) -> None:
    made, state = await an_invite(desk, TENANT)
    del desk.world.ledger.invites.held[made.nonce]
    assert "knows no such invitation" in await unusable(desk, pasted(state))


async def test_a_rotated_secret_is_accepted_until_it_is_removed(desk: Desk) -> None:
    _, state = await an_invite(desk, TENANT)
    old = desk.ports.consent
    new = {2: b"another secret of the tests"}
    desk.ports = replace(desk.ports, consent=replace(old, secrets=new))
    assert "altered" in await unusable(desk, pasted(state))
    desk.ports = replace(desk.ports, consent=replace(old, secrets={**old.secrets, **new}))
    assert (await finish(desk.ports, pasted(state))).state is InviteState.CONNECTED


async def test_what_waits_is_listed_with_its_end(desk: Desk) -> None:
    made = await invite(desk.ports, CUSTOMER)
    (waiting,) = (await listed(desk.ports)).consents
    assert (waiting.state, waiting.link) == ("waiting for consent", consent_link(desk.ports, made))
    without_door(desk)
    (waiting,) = (await listed(desk.ports)).consents
    assert "--callback" in waiting.next
    assert desk.ports.clock.now() >= START
    desk.world.clock.ahead += timedelta(days=15)
    (waiting,) = (await listed(desk.ports)).consents
    assert (waiting.state, waiting.link) == ("link expired", "")


async def test_a_machine_without_the_secret_makes_no_link_and_says_what_is_missing(desk: Desk) -> None:
    await invite(desk.ports, CUSTOMER)
    desk.ports = replace(desk.ports, consent=replace(desk.ports.consent, secrets={}))
    for act in (invite(desk.ports, 8), finish(desk.ports, pasted("x"))):
        with pytest.raises(OperationError, match=r"receiver\.secrets\.k1") as caught:
            await act
        assert caught.value.exit_code == 2
    (waiting,) = (await listed(desk.ports)).consents
    assert (waiting.link, "receiver.secrets.k1" in waiting.next) == ("", True)
