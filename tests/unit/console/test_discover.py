"""Finding the customers' tenants: who is asked, how often, and that nothing is written."""

from __future__ import annotations

import pytest

from console.operations import discover
from shared.domain.contact import Customer
from shared.domain.discovery import Confidence
from shared.domain.errors import Scope, StopTheLine, Transient
from shared.domain.onboarding import PartnerCustomer, WithoutEntra
from tests.support.clock import START
from tests.support.desk import CUSTOMER, Desk
from tests.support.receiver import OTHER, TENANT

CONTOSO = Customer(CUSTOMER, "Contoso", email="office@contoso.example", addresses=("a@contoso.example", "x@gmail.com"))
NORTH = Customer(8, "Contoso North", email="north@gmail.com")


@pytest.fixture(autouse=True)
def two_customers(desk: Desk) -> None:
    desk.customers.put(CONTOSO)
    desk.customers.put(NORTH)
    desk.finder.tenants = {"contoso.example": TENANT}


async def test_a_customers_own_domain_finds_its_tenant_and_nothing_is_written(desk: Desk) -> None:
    found = await discover(desk.ports)
    assert [(each.customer_id, each.tenant_id) for each in found.proposals] == [(CUSTOMER, TENANT)]
    assert [each.customer_id for each in found.unplaced] == [8]
    ledger = desk.world.ledger
    assert (ledger.invites.held, ledger.connections.held, ledger.apart.held) == ({}, {}, {})


async def test_each_domain_is_asked_for_once_and_no_mail_provider_ever(desk: Desk) -> None:
    for number in range(20, 30):
        desk.customers.put(Customer(number, f"Branch {number}", email=f"b{number}@contoso.example"))
    found = await discover(desk.ports)
    assert desk.finder.asked == ["contoso.example"]
    assert len(found.proposals) == 11
    assert not any(each.is_plain for each in found.proposals)


async def test_who_is_connected_without_entra_or_disabled_is_left_out(desk: Desk) -> None:
    desk.tie(CUSTOMER, TENANT)
    await desk.world.ledger.apart.add(WithoutEntra(8, "Contoso North", START))
    desk.customers.put(Customer(30, "Closed", email="a@closed.example", disabled=True))
    found = await discover(desk.ports)
    assert (found.proposals, found.unplaced, found.settled) == ((), (), 3)
    assert desk.finder.asked == []


async def test_a_connected_customers_tenant_is_a_rival(desk: Desk) -> None:
    desk.tie(8, TENANT)
    (only,) = (await discover(desk.ports)).proposals
    assert "connected to customer 8" in only.rivals[0]


async def test_a_domain_that_cannot_be_asked_about_is_said_and_stops_nothing(desk: Desk) -> None:
    desk.finder.failure = Transient("login", "login_unavailable")
    found = await discover(desk.ports)
    assert {each.customer_id: each.was_asked for each in found.unplaced} == {CUSTOMER: False, 8: True}


async def test_our_own_trouble_is_raised(desk: Desk) -> None:
    desk.finder.failure = StopTheLine("login", "login_refused", scope=Scope.ACCOUNT)
    with pytest.raises(ExceptionGroup):
        await discover(desk.ports)


async def test_a_partners_customer_is_found_by_domain_without_asking_and_by_name(desk: Desk) -> None:
    related = [PartnerCustomer(TENANT, "Contoso Int.", "contoso.example"), PartnerCustomer(OTHER, "Contoso NORTH", "")]
    by_domain, by_name = (await discover(desk.ports, related=related)).proposals
    assert desk.finder.asked == []
    assert (by_domain.tenant_id, by_domain.tenant_name) == (TENANT, "Contoso Int.")
    assert (by_name.tenant_id, by_name.confidence) == (OTHER, Confidence.NAME)


async def test_progress_counts_the_domains(desk: Desk) -> None:
    desk.customers.put(Customer(30, "Fabrikam", email="a@fabrikam.example"))
    totals, told = list[int](), list[None]()
    await discover(desk.ports, expect=totals.append, told=lambda: told.append(None))
    assert (totals, len(told)) == ([2], 2)
