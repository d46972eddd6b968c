"""From a link to a preview: the real door and the real stores against the simulated Microsoft's consent page."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from console import operations
from console.operations import ConsentNeededError, OperationError, OperatorPorts
from receiver.consent_pages import Page
from shared.domain.consent import NOBODYS_CALLBACK
from shared.domain.onboarding import InviteState
from shared.domain.records import ConnectionStatus
from shared.runtime.proof import AT_ONCE
from tests.integration.onboarding.conftest import Reception, Seen


def shows(seen: Seen, page: Page) -> bool:
    return (seen.status, seen.text) == (page.status, page.html)


def pasting(reception: Reception) -> OperatorPorts:
    """A deployment without a public address."""
    return replace(reception.ports, consent=replace(reception.ports.consent, public_url=""))


async def test_a_link_for_any_tenant_leads_over_a_persons_look_to_a_preview(reception: Reception) -> None:
    ports, (customer, tenant) = reception.ports, reception.customer()
    reception.switch(consent_as=tenant, token_lag_s=1.0)  # the first tokens show nothing yet
    link = operations.consent_link(ports, await operations.invite(ports, customer))
    async with reception.services(), reception.browser() as browser:
        seen = await browser.open(link)
        assert shows(seen, Page.RECEIVED)
        assert urlsplit(seen.address).path == "/connect/callback"
        assert shows(await browser.open(seen.address), Page.USED)
    assert not await operations.connections(ports)
    (waiting,) = (await operations.listed(ports)).consents
    who = waiting.invite.answered_by
    assert (waiting.invite.state, who and who.tenant_id) == (InviteState.CONSENTED, tenant)
    match = await operations.look(ports, customer, tenant)
    assert (match.organization, match.customer_name) == (who, waiting.invite.customer_name)
    made = await operations.confirm(ports, match)
    assert made.status is ConnectionStatus.PREVIEW
    assert not (await operations.listed(ports)).consents
    assert (await operations.preview(ports, customer)).preview.rows
    assert not reception.world.syncro.calls.writes()


async def test_a_link_for_a_named_tenant_connects_it(reception: Reception) -> None:
    ports, (customer, tenant) = reception.ports, reception.customer()
    with pytest.raises(ConsentNeededError) as caught:
        await operations.connect(ports, customer, tenant)
    async with reception.services(), reception.browser() as browser:
        assert shows(await browser.open(caught.value.link), Page.RECEIVED)
    (made,) = await operations.connections(ports)
    assert (made.customer_id, made.tenant_id, made.status) == (customer, tenant, ConnectionStatus.PREVIEW)


async def test_a_person_who_declines_is_told_so_and_the_link_is_used_up(reception: Reception) -> None:
    ports, (customer, tenant) = reception.ports, reception.customer()
    reception.switch(consent_declined=True, decline_names_tenant=True)
    link = operations.consent_link(ports, await operations.invite(ports, customer, tenant))
    async with reception.services(), reception.browser() as browser:
        assert shows(await browser.open(link), Page.DECLINED)
        reception.switch(consent_declined=False)
        assert shows(await browser.open(link), Page.USED)
    (waiting,) = (await operations.listed(ports)).consents
    assert (waiting.state, await operations.connections(ports)) == ("declined", [])


async def test_a_consent_that_lacks_a_role_names_it(reception: Reception) -> None:
    (customer, tenant), ports = reception.customer(), pasting(reception)
    reception.switch(consent_roles=["Reports.Read.All"])
    link = operations.consent_link(ports, await operations.invite(ports, customer, tenant))
    async with reception.browser() as browser:
        address = await browser.steps(link, NOBODYS_CALLBACK)
    settled = await operations.finish(ports, address, pauses=AT_ONCE)  # the door would wait 20 s for it
    assert (settled.state, settled.missing) == (InviteState.FAILED, ("User.Read.All",))
    (waiting,) = (await operations.listed(ports)).consents
    assert "User.Read.All (to read users and to be notified of their changes)" in waiting.next
    assert not await operations.connections(ports)


async def test_an_answer_in_another_browser_or_of_another_state_changes_nothing(reception: Reception) -> None:
    ports, (customer, tenant) = reception.ports, reception.customer()
    link = operations.consent_link(ports, await operations.invite(ports, customer, tenant))
    async with reception.services(), reception.browser() as mine, reception.browser() as theirs:
        callback = await mine.steps(link, f"{reception.door}/connect/callback")
        assert shows(await theirs.open(callback), Page.OTHER_BROWSER)
        state = parse_qs(urlsplit(callback).query)["state"][0]
        other = "A" if state[-1] != "A" else "B"
        assert shows(await mine.open(callback.replace(state, state[:-1] + other)), Page.NOT_OURS)
        assert not await operations.connections(ports)
        assert shows(await mine.open(callback), Page.RECEIVED)
    assert len(await operations.connections(ports)) == 1


async def test_without_a_public_address_the_answers_address_is_pasted(reception: Reception) -> None:
    (customer, tenant), ports = reception.customer(), pasting(reception)
    link = operations.consent_link(ports, await operations.invite(ports, customer, tenant))
    async with reception.browser() as browser:
        address = await browser.steps(link, NOBODYS_CALLBACK)
    settled = await operations.finish(ports, f" {address}\n", expect=customer)
    assert settled.state is InviteState.CONNECTED
    with pytest.raises(OperationError, match="used already"):
        await operations.finish(ports, address)


async def test_the_two_pages_know_get_alone_and_keep_the_doors_headers(reception: Reception) -> None:
    async with reception.services(), reception.browser() as browser:
        for path in ("/connect/start", "/connect/callback"):
            address = f"{reception.door}{path}"
            for method in ("HEAD", "POST", "PUT", "DELETE", "OPTIONS"):
                seen = await browser.open(address, method=method)
                assert (seen.status, seen.headers.get("Allow")) == (405, "GET")
            seen = await browser.open(address)
            assert shows(seen, Page.NOT_OURS)
            assert seen.headers["Content-Type"] == "text/html; charset=utf-8"
            assert seen.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
            assert seen.headers["X-Content-Type-Options"] == "nosniff"
            assert seen.headers["Cache-Control"] == "no-store"
            assert seen.headers["Referrer-Policy"] == "no-referrer"


async def test_a_disconnected_tenant_stays_in_the_list_and_its_contacts_as_they_are(reception: Reception) -> None:
    ports, (customer, tenant) = reception.ports, reception.customer()
    reception.tenant().grant(["User.Read.All"], 0.0)
    await operations.connect(ports, customer, tenant)
    ended = await operations.disconnect(ports, customer)
    assert ended.ended == (tenant,)
    assert not reception.world.syncro.calls.writes()
    assert (await operations.connections(ports))[0].status is ConnectionStatus.DISCONNECTED
    assert (await operations.connect(ports, customer, tenant)).status is ConnectionStatus.PREVIEW
