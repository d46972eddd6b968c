"""Products, Secure Score and security defaults of a tenant, alone and in one batch."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from sandbox.microsoft import Microsoft
from sandbox.microsoft.products import NEW_BUNDLE, PREMIUM, STANDARD, Sku
from sandbox.microsoft.reported import Score
from tests.support.microsoft import CONTOSO, GraphCaller, Json

SCORES = "/security/secureScores"
DEFAULTS = "/policies/identitySecurityDefaultsEnforcementPolicy"
P1 = "41781fb2-bc02-4b7c-bd55-b576c07bb09d"


async def _skus(caller: GraphCaller) -> dict[str, Json]:
    return {row["skuId"]: row for row in (await caller.get("/subscribedSkus")).body["value"]}


async def test_products_show_their_plans_units_and_state(microsoft: Microsoft, contoso: GraphCaller) -> None:
    microsoft.tenants[CONTOSO].skus = [
        Sku(PREMIUM, "SPB", 25, status="Suspended", p1="Disabled"),
        Sku(STANDARD, "O365_BUSINESS_PREMIUM", 7),
        Sku(NEW_BUNDLE, "TOMORROW"),
        Sku(CONTOSO, "NEVER_HEARD_OF"),
    ]
    skus = await _skus(contoso)
    lapsed = skus[PREMIUM]
    assert lapsed["capabilityStatus"] == "Suspended"
    assert lapsed["prepaidUnits"] == {"enabled": 0, "warning": 0, "suspended": 25, "lockedOut": 0}
    (plan,) = [plan for plan in lapsed["servicePlans"] if plan["servicePlanId"] == P1]
    assert (plan["servicePlanName"], plan["provisioningStatus"]) == ("AAD_PREMIUM", "Disabled")
    assert skus[STANDARD]["prepaidUnits"]["enabled"] == 7
    assert P1 not in {plan["servicePlanId"] for plan in skus[STANDARD]["servicePlans"]}
    assert skus[NEW_BUNDLE]["skuPartNumber"] == "TOMORROW"
    assert skus[CONTOSO]["servicePlans"] == []


async def test_a_lapsed_product_stays_assigned_and_is_given_to_nobody_new(
    microsoft: Microsoft, contoso: GraphCaller
) -> None:
    tenant = microsoft.tenants[CONTOSO]
    first, second = "/users/person0@contoso.com/assignLicense", "/users/person1@contoso.com/assignLicense"
    body = {"addLicenses": [{"skuId": PREMIUM}], "removeLicenses": []}
    assert (await contoso.post(first, body)).status == 200
    tenant.skus = [Sku(PREMIUM, "SPB", status="Suspended")]
    assert (await _skus(contoso))[PREMIUM]["consumedUnits"] == 1
    refused = await contoso.post(second, body)
    assert (refused.status, "any available licenses" in refused.message) == (400, True)


async def test_products_need_a_permission_of_their_own(microsoft: Microsoft, contoso: GraphCaller) -> None:
    for role, status in (("LicenseAssignment.Read.All", 200), ("User.Read.All", 403)):
        microsoft.tenants[CONTOSO].roles = (role,)
        await contoso.sign_in()
        assert (await contoso.get("/subscribedSkus")).status == status


async def test_the_newest_score_comes_first_and_a_next_link_leads_into_the_past(
    microsoft: Microsoft, contoso: GraphCaller
) -> None:
    microsoft.tenants[CONTOSO].score = Score(90.5, 200.0)
    answer = await contoso.get(SCORES + "?$top=1&$select=currentScore,maxScore,createdDateTime")
    (day,) = answer.body["value"]
    assert (day.keys(), day["currentScore"], day["maxScore"]) == (
        {"currentScore", "maxScore", "createdDateTime"},
        90.5,
        200.0,
    )
    assert datetime.fromisoformat(day["createdDateTime"]).date() == microsoft.clock.now().date()
    (earlier,) = (await contoso.get(answer.body["@odata.nextLink"])).body["value"]
    assert earlier["createdDateTime"] < day["createdDateTime"]
    assert earlier["averageComparativeScores"][1] == {"basis": "TotalSeats", "averageScore": -1.0}
    every = await contoso.get(SCORES + "?$count=true")
    assert (every.body["@odata.count"], len(every.body["value"])) == (90, 90)
    assert (await contoso.get(SCORES + "?$top=many")).status == 400


async def test_a_score_may_be_missing_or_stalled(microsoft: Microsoft, contoso: GraphCaller) -> None:
    microsoft.switches.change({"secure_score": "stalled"})
    (day,) = (await contoso.get(SCORES + "?$top=1")).body["value"]
    assert microsoft.clock.now() - datetime.fromisoformat(day["createdDateTime"]) >= timedelta(days=21)
    microsoft.switches.change({"secure_score": "none"})
    assert (await contoso.get(SCORES)).body["value"] == []
    microsoft.switches.change({"secure_score": "fresh"})
    microsoft.tenants[CONTOSO].score = None
    assert (await contoso.get(SCORES)).body["value"] == []


async def test_the_two_counts_are_as_odd_as_in_the_field(microsoft: Microsoft, contoso: GraphCaller) -> None:
    body = {"addLicenses": [{"skuId": PREMIUM}, {"skuId": STANDARD}], "removeLicenses": []}
    assert (await contoso.post("/users/person0@contoso.com/assignLicense", body)).status == 200
    (day,) = (await contoso.get(SCORES + "?$top=1")).body["value"]
    assert (day["licensedUserCount"], day["activeUserCount"]) == (500_001, 0)
    microsoft.switches.change({"score_counts": "plain"})
    (day,) = (await contoso.get(SCORES + "?$top=1")).body["value"]
    assert (day["licensedUserCount"], day["activeUserCount"]) == (5, 5)
    microsoft.tenants[CONTOSO].score = Score(1.0, 2.0, licensed_users=4, active_users=3)
    (day,) = (await contoso.get(SCORES + "?$top=1")).body["value"]
    assert (day["licensedUserCount"], day["activeUserCount"]) == (4, 3)


async def test_score_and_policy_need_their_permissions(microsoft: Microsoft, contoso: GraphCaller) -> None:
    microsoft.tenants[CONTOSO].roles = ("User.Read.All",)
    await contoso.sign_in()
    score = await contoso.get(SCORES)
    assert (score.status, score.code) == (403, "")
    assert score.message.startswith("Auth token does not contain valid permissions or user does not have valid roles")
    assert (await contoso.get(DEFAULTS)).code == "Authorization_RequestDenied"


@pytest.mark.parametrize("is_on", [True, False])
async def test_security_defaults(microsoft: Microsoft, contoso: GraphCaller, is_on: bool) -> None:
    microsoft.tenants[CONTOSO].security_defaults = is_on
    assert (await contoso.get(DEFAULTS)).body["isEnabled"] is is_on


async def test_one_batch_carries_them_all(microsoft: Microsoft, contoso: GraphCaller) -> None:
    paths = [
        "/subscribedSkus",
        f"{SCORES}?$top=1&$select=currentScore,maxScore",
        DEFAULTS,
        "/admin/reportSettings",
        "/users?$select=id,signInActivity&$top=500",
        "/reports/authenticationMethods/userRegistrationDetails?$top=999",
        "/users/person0@contoso.com/authentication/methods",
        "/reports/getOffice365ActiveUserDetail(period='D180')",
    ]
    items = [{"id": str(number), "method": "GET", "url": path} for number, path in enumerate(paths)]
    answers = (await contoso.post("/$batch", {"requests": items})).body["responses"]
    found = {int(answer["id"]): answer for answer in answers}
    assert [found[number]["status"] for number in range(len(paths))] == [200] * 7 + [302]
    assert found[1]["body"]["value"] == [{"currentScore": 74.0, "maxScore": 186.0}]
    assert found[7]["headers"]["Location"].startswith(microsoft.reports_url)


def test_a_switch_names_its_choices(microsoft: Microsoft) -> None:
    with pytest.raises(ValueError, match="by_tenant, always, never"):
        microsoft.switches.change({"concealed_names": "sometimes"})
