"""Partner Center and Graph in a person's name, over real HTTP and the real MSAL. Repeats the lines of the port."""

from __future__ import annotations

import pytest

from shared.domain.errors import Permanent, StopTheLine, SyncError, Transient
from shared.domain.permissions import ASKED
from tests.integration.partner.conftest import Provider


async def signed_in(provider: Provider) -> str:
    return await provider.partner.sign_in(provider.tell)


async def failure(provider: Provider, number: int = 0) -> SyncError:
    with pytest.raises(SyncError) as caught:
        await provider.partner.consent(provider.tenant(number).tenant_id, ASKED)
    return caught.value


async def test_a_person_is_told_once_where_to_sign_in_and_is_named(provider: Provider) -> None:
    provider.switch(device_code_pending=1)
    assert await signed_in(provider) == "Pat Quill"
    ((address, code),) = provider.told
    assert address.startswith("https://")
    assert code


@pytest.mark.parametrize(("answer", "code"), [("decline", "sign_in_declined"), ("expire", "sign_in_expired")])
async def test_a_sign_in_that_comes_to_nothing_says_so(provider: Provider, answer: str, code: str) -> None:
    """raise Permanent "sign_in_declined" or "sign_in_expired" """
    provider.switch(device_code=answer, device_code_pending=0)
    with pytest.raises(Permanent) as caught:
        await signed_in(provider)
    assert caught.value.code == code


async def test_nobody_signs_in_in_time(provider: Provider) -> None:
    """must: end within 15 minutes"""
    provider.switch(device_code="wait", device_code_life_s=2)
    with pytest.raises(Permanent) as caught:
        await signed_in(provider)
    assert caught.value.code == "sign_in_expired"


async def test_an_app_that_may_not_be_used_for_it_is_named(provider: Provider) -> None:
    provider.switch(public_client_flows=False)
    with pytest.raises(Permanent) as caught:
        await signed_in(provider)
    assert caught.value.code == "public_client_off"


async def test_every_customer_under_a_relationship_is_listed_over_all_pages(provider: Provider) -> None:
    """Tenants under a relationship, after `sign_in`."""
    provider.switch(partner_page_max=17)
    await signed_in(provider)
    found = await provider.partner.customers()
    related = {each.tenant_id for each in provider.world.microsoft.tenants.values() if each.relationship != "none"}
    assert {each.tenant_id for each in found} == related
    assert len(found) == len(related) == 133
    one = next(each for each in found if each.tenant_id == provider.tenant().tenant_id)
    assert (one.name, one.domain) == (provider.tenant().name, provider.tenant().default_domain)


async def test_consenting_makes_the_app_known_and_grants_the_roles(provider: Provider) -> None:
    """Make the tenant know our application and grant it these roles; gives those it has now."""
    await signed_in(provider)
    assert not provider.tenant().consented
    assert await provider.partner.consent(provider.tenant().tenant_id, ASKED) == frozenset(ASKED)
    assert provider.tenant().consented
    assert set(provider.tenant().roles) == set(ASKED)


async def test_consenting_again_is_harmless(provider: Provider) -> None:
    """must: be harmless when some or all are granted already"""
    await signed_in(provider)
    tenant = provider.tenant().tenant_id
    await provider.partner.consent(tenant, ASKED[:2])
    assert await provider.partner.consent(tenant, ASKED) == frozenset(ASKED)
    assert await provider.partner.consent(tenant, ASKED) == frozenset(ASKED)


async def test_a_tenant_outside_every_relationship_is_refused_untouched(provider: Provider) -> None:
    """must: raise Permanent "no_relationship" for a tenant outside every relationship"""
    await signed_in(provider)
    provider.tenant().relationship = "none"
    error = await failure(provider)
    assert isinstance(error, Permanent)
    assert error.code == "no_relationship"
    assert not provider.tenant().consented


async def test_a_person_without_the_role_is_told_so(provider: Provider) -> None:
    await signed_in(provider)
    provider.tenant().relationship = "reader"
    error = await failure(provider)
    assert (type(error), error.code) == (Permanent, "lacks_role")


async def test_a_role_that_a_policy_withholds_is_missing_from_the_answer(provider: Provider) -> None:
    await signed_in(provider)
    provider.tenant().withheld = frozenset({"User.Read.All"})
    assert await provider.partner.consent(provider.tenant().tenant_id, ASKED) == frozenset(ASKED) - {"User.Read.All"}


async def test_partner_center_that_is_busy_may_work_later(provider: Provider) -> None:
    await signed_in(provider)
    await provider.partner.customers()
    provider.world.microsoft.switches.add_fault(
        service="partner", status=429, retry_after="7", path="applicationconsents"
    )
    error = await failure(provider)
    assert isinstance(error, Transient)
    assert (error.code, error.retry_after) == ("partner_busy", 7.0)


async def test_what_replicates_slowly_is_waited_for(provider: Provider) -> None:
    provider.switch(introduction_lag_s=0.1, role_lag_s=0.1)
    await signed_in(provider)
    tenant = provider.tenant().tenant_id
    await provider.partner.consent(tenant, ASKED)
    assert provider.tenant().consented


async def test_without_a_sign_in_nothing_is_asked(provider: Provider) -> None:
    with pytest.raises(Permanent) as caught:
        await provider.partner.customers()
    assert caught.value.code == "sign_in_expired"
    assert not isinstance(caught.value, StopTheLine)
