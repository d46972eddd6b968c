"""Contacts and customers of the simulated Syncro, at its harsh defaults and with every switch that concerns us."""

from __future__ import annotations

import pytest

from sandbox.syncro.faults import Fault
from shared.adapters.syncro.account import SyncroAccount
from shared.adapters.syncro.contacts import SyncroContacts
from shared.domain.changes import FieldChange, Kind
from shared.domain.contact import Contact
from shared.domain.errors import Ambiguous, Permanent, Scope, StopTheLine, SyncError, Transient
from tests.integration.vendors.conftest import Vendors
from tests.support.vendor_stub import FreeAllowance, TellTalePace

NEW = ("name", "Ann Lee"), ("email", "ann.lee@alpenrose.example"), ("title", "CFO"), ("azure_license", "Basic")


def changes(*pairs: tuple[str, str]) -> list[FieldChange]:
    return [FieldChange(field, "", after, Kind.PROFILE, "because") for field, after in pairs]


async def listed(vendors: Vendors, allowance: FreeAllowance | None = None) -> list[Contact]:
    return list(await vendors.contacts.listing(allowance or FreeAllowance(), vendors.customer))


def fill(vendors: Vendors, count: int) -> int:
    """Add contacts; gives how many the customer has then."""
    for number in range(count):
        vendors.world.syncro.add_contact(vendors.customer, f"Person {number:04}")
    owned = vendors.world.syncro.account.contacts.values()
    return sum(contact.customer_id == vendors.customer for contact in owned)


def arm(vendors: Vendors, kind: str, method: str = "", position: str = "before", times: int | None = 1) -> None:
    vendors.world.syncro.faults.arm(Fault(kind, method=method, position=position, times=times))


@pytest.mark.parametrize("order", ["id_descending", "id_ascending", "updated_at"])
@pytest.mark.parametrize("size", ["50", "25"])
async def test_every_contact_is_listed_once(vendors: Vendors, order: str, size: str) -> None:
    vendors.world.syncro.switches.move({"order": order, "contact_page_size": size})
    total = fill(vendors, 130)
    allowance = FreeAllowance()
    contacts = await listed(vendors, allowance)
    assert len({contact.id for contact in contacts}) == len(contacts) == total
    assert allowance.spent == -(-total // int(size))


@pytest.mark.parametrize("kind", ["drift_insert", "drift_delete"])
async def test_rows_that_come_and_go_between_pages_are_read_again(vendors: Vendors, kind: str) -> None:
    fill(vendors, 120)
    arm(vendors, kind, "GET")
    contacts = await listed(vendors)
    assert {contact.id for contact in contacts} == {
        one.id for one in vendors.world.syncro.account.contacts.values() if one.customer_id == vendors.customer
    }


async def test_a_listing_that_never_stands_still(vendors: Vendors) -> None:
    fill(vendors, 120)
    arm(vendors, "drift_insert", "GET", times=None)
    with pytest.raises(Transient) as failure:
        await listed(vendors)
    assert failure.value.code == "listing_unstable"


@pytest.mark.parametrize(
    ("switches", "calls"),
    [
        ({}, 2),
        ({"properties_on_post": "stored"}, 1),
        ({"properties_on_post": "stored", "properties_on_put": "merge"}, 1),
        ({"timestamps": "utc", "contact_phone": "digits", "email_case": "lower"}, 2),
    ],
)
async def test_a_contact_is_created_whole_in_as_few_calls_as_possible(
    vendors: Vendors, switches: dict[str, object], calls: int
) -> None:
    vendors.world.syncro.switches.move(switches)
    allowance = FreeAllowance()
    written = await vendors.contacts.create(allowance, vendors.customer, changes(*NEW, ("phone", "(217) 555-0143")))
    assert (written.unstuck, allowance.spent) == ((), calls)
    read = await vendors.contacts.get(allowance, written.contact.id)
    assert read is not None
    assert (read.name, read.title, read.value("azure_license")) == ("Ann Lee", "CFO", "Basic")
    assert len([contact for contact in await listed(vendors) if contact.name == "Ann Lee"]) == 1


@pytest.mark.parametrize("on_put", ["replace", "merge"])
async def test_an_update_touches_nothing_else(vendors: Vendors, on_put: str) -> None:
    vendors.world.syncro.switches.move({"properties_on_put": on_put})
    made = vendors.world.syncro.add_contact(
        vendors.customer, "Ann", {"title": "CEO", "notification_billing": "1"}, phone="1", email="a@x.example"
    )
    fresh = await vendors.contacts.get(FreeAllowance(), made.id)
    assert fresh is not None
    written = await vendors.contacts.update(
        FreeAllowance(), fresh, changes(("title", "CFO"), ("azure_license", "Basic"), ("mobile", "2"))
    )
    assert written.unstuck == ()
    read = await vendors.contacts.get(FreeAllowance(), made.id)
    assert read is not None
    assert read.properties == {"title": "CFO", "notification_billing": "1", "azure_license": "Basic"}
    assert (read.name, read.phone, read.mobile, read.email, read.title) == ("Ann", "1", "2", "a@x.example", "CFO")


async def test_a_field_that_the_account_lacks_is_named(vendors: Vendors) -> None:
    written = await vendors.contacts.create(FreeAllowance(), vendors.customer, changes(*NEW, ("No Such Field", "x")))
    assert written.unstuck == ("No Such Field",)


async def test_a_refused_value_has_a_safe_code(vendors: Vendors) -> None:
    with pytest.raises(Permanent) as failure:
        await vendors.contacts.create(FreeAllowance(), vendors.customer, changes(("name", "Ann"), ("email", "xxx")))
    assert failure.value.code == "invalid_email"
    assert "Ann" not in str(failure.value)


@pytest.mark.parametrize(
    ("kind", "position", "family", "made"),
    [
        ("500_json", "before", Ambiguous, False),
        ("504_html", "after", Ambiguous, True),
        ("reset", "before", Ambiguous, False),
        ("reset", "after", Ambiguous, True),
        ("200_html", "after", Ambiguous, True),
        ("429", "before", StopTheLine, False),
        ("200_error", "before", StopTheLine, False),
        ("401_permission", "before", StopTheLine, False),
    ],
)
async def test_a_creation_that_fails_never_claims_that_it_did_not_happen(
    vendors: Vendors, kind: str, position: str, family: type[SyncError], made: bool
) -> None:
    arm(vendors, kind, "POST", position)
    with pytest.raises(family):
        await vendors.contacts.create(FreeAllowance(), vendors.customer, changes(*NEW))
    assert any(contact.name == "Ann Lee" for contact in await listed(vendors)) is made
    assert len([call for call in vendors.world.syncro.calls if call.method == "POST"]) == 1


@pytest.mark.parametrize("answer", ["429_json", "429_retry_after", "429_html", "200_error"])
async def test_every_form_of_too_many_stops_the_account(vendors: Vendors, answer: str) -> None:
    vendors.world.syncro.switches.move({"limit_answer": answer})
    vendors.world.syncro.limiter.per_minute = 2
    for _ in range(2):
        await vendors.account.whoami(FreeAllowance())
    with pytest.raises(StopTheLine) as failure:
        await listed(vendors)
    assert (failure.value.scope, failure.value.code) == (Scope.ACCOUNT, "too_many")
    assert failure.value.retry_after is not None
    assert failure.value.retry_after > 0
    assert vendors.pace.refusals == 1


@pytest.mark.parametrize(
    ("kind", "family", "code"),
    [
        ("500_json", Transient, "service_fault"),
        ("502_html", Transient, "service_fault"),
        ("200_html", Transient, "unreadable_answer"),
        ("reset", Transient, "connection_lost"),
        ("401_token", StopTheLine, "token"),
        ("401_permission", StopTheLine, "permission"),
    ],
)
async def test_a_read_that_fails(vendors: Vendors, kind: str, family: type[SyncError], code: str) -> None:
    arm(vendors, kind)
    with pytest.raises(family) as failure:
        await listed(vendors)
    assert (type(failure.value), failure.value.code) == (family, code)


async def test_a_vanished_contact_is_none(vendors: Vendors) -> None:
    assert await vendors.contacts.get(FreeAllowance(), 5) is None


async def test_customers_and_the_account(vendors: Vendors) -> None:
    found = await vendors.customers.listing(FreeAllowance())
    assert {customer.id for customer in found} >= set(vendors.world.customer_ids.values())
    one = await vendors.customers.get(FreeAllowance(), vendors.customer)
    assert one is not None
    assert one.name == vendors.world.companies[0].name
    assert await vendors.customers.get(FreeAllowance(), 1) is None
    assert await vendors.account.whoami(FreeAllowance()) == "sandbox"


@pytest.mark.parametrize("on_put", ["replace", "merge"])
async def test_an_update_of_a_customer_touches_nothing_else(vendors: Vendors, on_put: str) -> None:
    vendors.world.syncro.switches.move({"properties_on_put": on_put})
    fresh = await vendors.customers.get(FreeAllowance(), vendors.customer)
    assert fresh is not None
    sent = changes(("microsoft_secure_score", "52.5% (21 of 40)"), ("No Such Field", "x"))
    written = await vendors.customers.update(FreeAllowance(), fresh, sent)
    assert written.unstuck == ("No Such Field",)
    read = await vendors.customers.get(FreeAllowance(), vendors.customer)
    assert read == written.customer
    assert (read.name, read.disabled) == (fresh.name, fresh.disabled)
    assert read.properties == {**fresh.properties, "microsoft_secure_score": "52.5% (21 of 40)"}


@pytest.mark.parametrize("text", ["failed_to_authenticate", "other_text"])
async def test_a_wrong_token(vendors: Vendors, text: str) -> None:
    vendors.world.syncro.switches.move({"bad_token": text})
    account = SyncroAccount(vendors.http, vendors.world.syncro.url, "wrong-token-value", TellTalePace())
    with pytest.raises(StopTheLine) as failure:
        await account.whoami(FreeAllowance())
    assert (failure.value.scope, failure.value.code) == (Scope.ACCOUNT, "token")
    assert "wrong-token-value" not in str(failure.value)


async def test_a_syncro_that_is_not_there(vendors: Vendors) -> None:
    address = vendors.world.syncro.url
    await vendors.world.syncro.stop()
    contacts = SyncroContacts(vendors.http, address, "t", TellTalePace())
    with pytest.raises(Transient) as failure:
        await contacts.create(FreeAllowance(), vendors.customer, changes(*NEW))
    assert (type(failure.value), failure.value.code) == (Transient, "unreachable")
