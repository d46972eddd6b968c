"""signInActivity and perUserMfaState: what they need, how they look, their own limit."""

from __future__ import annotations

import pytest

from sandbox.microsoft import Microsoft
from sandbox.microsoft.products import ENTRA_P2, PREMIUM, Sku
from sandbox.microsoft.reported import YEAR_ONE, Reported, SignIns
from tests.support.microsoft import CONTOSO, FABRIKAM, GraphCaller, Json

LISTING = "/users?$select=id,userPrincipalName,signInActivity&$top=500"
NON_PREMIUM = "Authentication_RequestFromNonPremiumTenantOrB2CTenant"
MOMENT = "2026-08-19T16:41:33Z"


async def _ids(caller: GraphCaller) -> dict[str, str]:
    rows = (await caller.get("/users?$select=id,userPrincipalName")).body["value"]
    return {row["userPrincipalName"].partition("@")[0]: row["id"] for row in rows}


async def _listed(caller: GraphCaller) -> dict[str, Json]:
    answer = await caller.get(LISTING)
    assert answer.status == 200, answer.body
    return {row["userPrincipalName"].partition("@")[0]: row for row in answer.body["value"]}


async def test_a_date_is_a_time_the_year_one_null_or_absent(microsoft: Microsoft, contoso: GraphCaller) -> None:
    ids, told = await _ids(contoso), microsoft.tenants[CONTOSO].reported
    told[ids["person0"]] = Reported(SignIns(MOMENT, MOMENT, MOMENT))
    told[ids["person1"]] = Reported(SignIns(None, MOMENT, None))
    told[ids["person2"]] = Reported(SignIns(YEAR_ONE, None, None))
    told[ids["person3"]] = Reported(SignIns())
    rows = await _listed(contoso)
    assert rows["person0"]["signInActivity"]["lastSuccessfulSignInDateTime"] == MOMENT
    assert rows["person1"]["signInActivity"]["lastSignInDateTime"] is None
    assert rows["person1"]["signInActivity"]["lastNonInteractiveSignInDateTime"] == MOMENT
    assert rows["person2"]["signInActivity"]["lastSignInDateTime"] == YEAR_ONE
    assert rows["person3"]["signInActivity"] is None
    assert "signInActivity" not in rows["person4"]
    one = await contoso.get(f"/users/{ids['person0']}?$select=signInActivity")
    assert one.body["signInActivity"]["lastSignInDateTime"] == MOMENT


async def test_one_user_is_named_by_its_object_id_only(contoso: GraphCaller) -> None:
    answer = await contoso.get("/users/person0@contoso.com?$select=signInActivity")
    assert answer.status == 400
    assert answer.message.startswith("Get By Key only supports UserId")


async def test_delta_knows_no_sign_ins(contoso: GraphCaller) -> None:
    answer = await contoso.get("/users/delta?$select=id,signInActivity")
    assert (answer.status, answer.code) == (400, "BadRequest")
    assert answer.message.endswith("properties: signInActivity")


@pytest.mark.parametrize(
    ("skus", "premium"),
    [
        ([Sku(PREMIUM, "SPB")], True),
        ([Sku(PREMIUM, "SPB", status="Warning")], True),
        ([Sku(PREMIUM, "SPB", status="Suspended")], False),
        ([Sku(PREMIUM, "SPB", p1="Disabled")], False),
        ([Sku(PREMIUM, "SPB", p1="PendingActivation")], True),
        ([Sku(ENTRA_P2, "AAD_PREMIUM_P2")], True),
        ([], False),
    ],
)
async def test_whether_a_tenant_is_premium_follows_from_its_products(
    microsoft: Microsoft, fabrikam: GraphCaller, skus: list[Sku], premium: bool
) -> None:
    microsoft.tenants[FABRIKAM].skus = skus
    answer = await fabrikam.get(LISTING)
    assert answer.status == (200 if premium else 403)
    assert premium or answer.code == NON_PREMIUM


async def test_both_texts_of_the_refusal_occur(microsoft: Microsoft, fabrikam: GraphCaller) -> None:
    microsoft.switches.throttling = False
    texts = {(await fabrikam.get(LISTING)).message for _ in range(20)}
    assert texts == {
        "Neither tenant is B2C or tenant doesn't have premium license",
        "Tenant is not a B2C tenant and doesn't have premium license(s)",
    }


async def test_a_premium_tenant_is_refused_falsely_as_often_as_asked_for(
    microsoft: Microsoft, contoso: GraphCaller
) -> None:
    microsoft.switches.false_non_premium = 2
    answers = [await contoso.get(LISTING) for _ in range(3)]
    assert [answer.status for answer in answers] == [403, 403, 200]
    assert answers[0].code == NON_PREMIUM
    microsoft.switches.false_non_premium_rate = 1.0
    assert (await contoso.get(LISTING)).code == NON_PREMIUM


async def test_without_the_permission_the_whole_listing_is_refused(microsoft: Microsoft, contoso: GraphCaller) -> None:
    microsoft.tenants[CONTOSO].roles = ("User.Read.All",)
    await contoso.sign_in()
    answer = await contoso.get(LISTING)
    assert (answer.status, answer.code) == (403, "Authentication_MSGraphPermissionMissing")
    assert "AuditLog.Read.All" in answer.message
    assert (await contoso.get("/users")).status == 200


async def test_ten_pages_a_minute_over_all_tenants(
    microsoft: Microsoft, contoso: GraphCaller, fabrikam: GraphCaller
) -> None:
    microsoft.tenants[FABRIKAM].skus = [Sku(PREMIUM, "SPB")]
    answers = [await caller.get(LISTING) for caller in (contoso, fabrikam) * 5]
    assert {answer.status for answer in answers} == {200}
    refused = await contoso.get(LISTING)
    assert (refused.status, refused.code) == (429, "TooManyRequests")
    assert 0 < float(refused.headers["retry-after"]) <= 60
    assert (await contoso.get("/users")).status == 200


async def test_more_than_500_are_refused_or_capped(microsoft: Microsoft, contoso: GraphCaller) -> None:
    path = "/users?$select=signInActivity&$top=999"
    assert (await contoso.get(path)).status == 400
    microsoft.switches.sign_in_top = "capped"
    assert len((await contoso.get(path)).body["value"]) == 5


async def test_the_state_of_mfa_per_user(microsoft: Microsoft, contoso: GraphCaller) -> None:
    path = "/users?$select=id,perUserMfaState"
    person = (await _ids(contoso))["person2"]
    microsoft.tenants[CONTOSO].reported[person] = Reported(per_user_mfa="enforced")
    states = {row["id"]: row["perUserMfaState"] for row in (await contoso.get(path)).body["value"]}
    assert states.pop(person) == "enforced"
    assert set(states.values()) == {"disabled"}
    microsoft.switches.per_user_mfa = "unknown"
    assert ((answer := await contoso.get(path)).status, answer.code) == (400, "BadRequest")
    microsoft.switches.per_user_mfa = "refused"
    assert ((answer := await contoso.get(path)).status, answer.code) == (403, "Authorization_RequestDenied")


async def test_the_state_of_mfa_needs_its_permission(microsoft: Microsoft, contoso: GraphCaller) -> None:
    microsoft.tenants[CONTOSO].roles = ("User.Read.All",)
    await contoso.sign_in()
    assert (await contoso.get("/users?$select=perUserMfaState")).status == 403


async def test_a_listing_may_begin_with_an_empty_page(microsoft: Microsoft, contoso: GraphCaller) -> None:
    microsoft.switches.empty_pages = 1
    first = await contoso.get("/users")
    assert first.body["value"] == []
    assert len((await contoso.get(first.body["@odata.nextLink"])).body["value"]) == 5
    assert len((await contoso.get("/users")).body["value"]) == 5


async def test_product_ids_in_mixed_case(microsoft: Microsoft, contoso: GraphCaller) -> None:
    person = (await _ids(contoso))["person1"]
    body = {"addLicenses": [{"skuId": PREMIUM}], "removeLicenses": []}
    assert (await contoso.post(f"/users/{person}/assignLicense", body)).status == 200
    microsoft.switches.mixed_case_ids = True
    one = await contoso.get(f"/users/{person}?$select=assignedLicenses")
    (held,) = [entry["skuId"] for entry in one.body["assignedLicenses"]]
    listed = [row["skuId"] for row in (await contoso.get("/subscribedSkus")).body["value"]]
    assert held != PREMIUM == held.lower()
    assert held in listed
