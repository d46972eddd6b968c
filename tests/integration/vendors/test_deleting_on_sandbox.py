"""Deleting contacts of the simulated Syncro, and what keeps one: a ticket, an asset, a portal login."""

from __future__ import annotations

import pytest

from sandbox.syncro.account import Holding
from sandbox.syncro.faults import Fault
from sandbox.syncro.tokens import ALL_PERMISSIONS, ASSETS_LIST, GLOBAL_ADMIN, TICKETS_LIST
from shared.domain.contact import Contact
from shared.domain.errors import Ambiguous, Permanent, StopTheLine, SyncError
from tests.integration.vendors.conftest import Vendors
from tests.support.vendor_stub import FreeAllowance


async def made(vendors: Vendors, email: str | None = None) -> Contact:
    row = vendors.world.syncro.add_contact(vendors.customer, "Ann Lee", email=email)
    found = await vendors.contacts.get(FreeAllowance(), row.id)
    assert found is not None
    return found


async def test_a_contact_is_deleted_for_good_and_twice_is_no_trouble(vendors: Vendors) -> None:
    ann = await made(vendors)
    await vendors.contacts.delete(FreeAllowance(), ann.id)
    assert await vendors.contacts.get(FreeAllowance(), ann.id) is None
    await vendors.contacts.delete(FreeAllowance(), ann.id)


@pytest.mark.parametrize("page_past_end", ["empty", "404"])
async def test_what_hangs_on_contacts_is_seen(vendors: Vendors, page_past_end: str) -> None:
    vendors.world.syncro.switches.move({"page_past_end": page_past_end})
    account = vendors.world.syncro.account
    free, ticketed, owner, by_address = [await made(vendors, email=f"a{n}@x.example") for n in range(4)]
    for _ in range(30):  # two pages
        vendors.world.syncro.add_ticket(ticketed.id)
    account.assets[1] = Holding(1, vendors.customer, owner.id, "LAPTOP-7", account.now())
    account.portal_users[1] = Holding(1, vendors.customer, None, "A3@x.example", account.now())
    found = await vendors.contacts.attached(FreeAllowance(), vendors.customer, [free, ticketed, owner, by_address])
    assert found == {ticketed.id: {"ticket"}, owner.id: {"asset"}, by_address.id: {"portal login"}}
    assert await vendors.contacts.attached(FreeAllowance(), vendors.customer, [ticketed]) == {ticketed.id: {"ticket"}}
    assert await vendors.contacts.attached(FreeAllowance(), vendors.customer, [free]) == {}


@pytest.mark.parametrize("permission", [TICKETS_LIST, ASSETS_LIST, GLOBAL_ADMIN])
async def test_what_may_not_be_seen_is_an_error(vendors: Vendors, permission: str) -> None:
    vendors.world.syncro.token.permissions = ALL_PERMISSIONS - {permission}
    with pytest.raises(StopTheLine) as failure:
        await vendors.contacts.attached(FreeAllowance(), vendors.customer, [await made(vendors)])
    assert failure.value.code == "permission"


@pytest.mark.parametrize(
    ("kind", "position", "family", "is_gone"),
    [
        ("504_html", "before", Ambiguous, False),
        ("504_html", "after", Ambiguous, True),
        ("reset", "after", Ambiguous, True),
        ("200_html", "after", Ambiguous, True),
        ("429", "before", StopTheLine, False),
    ],
)
async def test_a_deletion_that_fails_never_claims_that_it_did_not_happen(
    vendors: Vendors, kind: str, position: str, family: type[SyncError], is_gone: bool
) -> None:
    ann = await made(vendors)
    vendors.world.syncro.faults.arm(Fault(kind, method="DELETE", position=position, times=1))
    with pytest.raises(family):
        await vendors.contacts.delete(FreeAllowance(), ann.id)
    assert (await vendors.contacts.get(FreeAllowance(), ann.id) is None) is is_gone


async def test_an_account_that_protects_contacts_with_tickets_refuses(vendors: Vendors) -> None:
    vendors.world.syncro.switches.move({"delete_with_tickets": "422"})
    ann = await made(vendors)
    vendors.world.syncro.add_ticket(ann.id)
    with pytest.raises(Permanent):
        await vendors.contacts.delete(FreeAllowance(), ann.id)
