"""A tenant by its own words, and by its users' names where it does not let us read them."""

from __future__ import annotations

import pytest

from shared.adapters.graph.organization import GraphOrganizations
from shared.adapters.http import Answer
from shared.domain.errors import StopTheLine, SyncError, Transient
from shared.domain.onboarding import Organization
from tests.support.vendor_stub import ScriptedHttp, StaticTokens, answer

TENANT = "11111111-2222-4333-8444-55555555abcd"
DOMAINS = [
    {"name": "Contoso.onmicrosoft.com", "isDefault": False, "isInitial": True},
    {"name": "Contoso.COM", "isDefault": True, "isInitial": False},
    {"name": "contoso.net", "isDefault": False},
    {"name": None},
]
REFUSED = answer(403, {"error": {"code": "Authorization_RequestDenied", "message": "Insufficient privileges"}})


async def told(*script: Answer | SyncError) -> tuple[Organization, ScriptedHttp]:
    http = ScriptedHttp(*script)
    return await GraphOrganizations(http, StaticTokens(), "https://graph.example").organization(TENANT), http


async def test_name_and_domains_the_default_one_first() -> None:
    body = {"value": [{"id": TENANT, "displayName": "Contoso", "verifiedDomains": DOMAINS}]}
    found, http = await told(answer(200, body))
    assert found == Organization(TENANT, "Contoso", ("contoso.com", "contoso.onmicrosoft.com", "contoso.net"))
    assert http.lines == ["GET /v1.0/organization?$select=id,displayName,verifiedDomains"]


async def test_what_a_tenant_leaves_out_is_blank() -> None:
    assert (await told(answer(200, {"value": [{"id": TENANT}]})))[0] == Organization(TENANT, "", ())


async def test_where_it_is_refused_the_users_names_tell_the_domains() -> None:
    names = ["mia@contoso.com", "Ben@Contoso.com", "guest_x.com#EXT#@contoso.onmicrosoft.com", None, "odd"]
    found, http = await told(REFUSED, answer(200, {"value": [{"userPrincipalName": name} for name in names]}))
    assert found == Organization(TENANT, "", ("contoso.com", "contoso.onmicrosoft.com"))
    assert http.lines[1] == "GET /v1.0/users?$select=userPrincipalName&$top=999"


async def test_where_both_are_refused_the_permission_is_missing() -> None:
    with pytest.raises(StopTheLine) as failure:
        await told(REFUSED, REFUSED)
    assert failure.value.code == "permission_missing"


@pytest.mark.parametrize(
    ("reply", "family"),
    [
        (answer(403, {"error": {"code": "Forbidden", "message": "app blocked"}}), StopTheLine),
        (answer(503, {}), Transient),
        (answer(200, {"value": []}), Transient),
        (answer(200, b"<html>"), Transient),
    ],
)
async def test_any_other_trouble_is_not_worked_around(reply: Answer, family: type[SyncError]) -> None:
    with pytest.raises(family):
        await told(reply)
