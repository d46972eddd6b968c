"""The registration report and the methods of single users."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from sandbox.microsoft import Microsoft
from sandbox.microsoft.reported import Reported
from tests.support.microsoft import CONTOSO, GraphCaller, Json, new_user_body

REPORT = "/reports/authenticationMethods/userRegistrationDetails"


async def _ids(caller: GraphCaller) -> dict[str, str]:
    rows = (await caller.get("/users?$select=id,userPrincipalName")).body["value"]
    return {row["userPrincipalName"].partition("@")[0]: row["id"] for row in rows}


async def _rows(caller: GraphCaller, query: str = "?$top=999") -> dict[str, Json]:
    answer = await caller.get(REPORT + query)
    assert answer.status == 200, answer.body
    return {row["id"]: row for row in answer.body["value"]}


async def test_a_row_says_what_is_registered(microsoft: Microsoft, contoso: GraphCaller) -> None:
    ids, told = await _ids(contoso), microsoft.tenants[CONTOSO].reported
    told[ids["person0"]] = Reported(methods=("mobilePhone", "microsoftAuthenticatorPush"), preferred="push")
    told[ids["person1"]] = Reported(methods=("email", "temporaryAccessPass"))
    told[ids["person2"]] = Reported(methods=("holographicBadge",), capable=False)
    told[ids["person3"]] = Reported(has_row=False)
    rows = await _rows(contoso)
    assert ids["person3"] not in rows
    first, second, third, last = (rows[ids[f"person{number}"]] for number in (0, 1, 2, 4))
    assert (first["isMfaRegistered"], first["isMfaCapable"]) == (True, True)
    assert first["methodsRegistered"] == ["mobilePhone", "microsoftAuthenticatorPush"]
    assert first["userPreferredMethodForSecondaryAuthentication"] == "push"
    assert (second["isMfaRegistered"], second["userPreferredMethodForSecondaryAuthentication"]) == (False, "")
    assert (third["isMfaRegistered"], third["isMfaCapable"]) == (True, False)
    assert (last["methodsRegistered"], last["userPreferredMethodForSecondaryAuthentication"]) == ([], "none")
    assert first["userPrincipalName"] != "person0@contoso.com" == first["userPrincipalName"].lower()
    assert first["userType"] == "member"


async def test_a_new_user_has_no_row_for_an_hour(microsoft: Microsoft, contoso: GraphCaller) -> None:
    await contoso.post("/users", new_user_body("Nadia"))
    assert len(await _rows(contoso)) == 5
    microsoft.clock.advance(timedelta(minutes=61))
    await contoso.sign_in()
    assert len(await _rows(contoso)) == 6


@pytest.mark.parametrize(("state", "rows", "days"), [("fresh", 5, 0), ("stale", 5, 2), ("empty", 0, 0)])
async def test_the_report_may_be_old_or_empty(
    microsoft: Microsoft, contoso: GraphCaller, state: str, rows: int, days: int
) -> None:
    microsoft.switches.change({"registration_report": state})
    found = await _rows(contoso)
    assert len(found) == rows
    for row in found.values():
        age = microsoft.clock.now() - datetime.fromisoformat(row["lastUpdatedDateTime"])
        assert age.days == days


async def test_pages_and_their_short_lived_tokens(microsoft: Microsoft, contoso: GraphCaller) -> None:
    microsoft.switches.change({"registration_page_max": 2, "empty_pages": 1})
    first = await contoso.get(REPORT + "?$top=999")
    assert first.body["value"] == []
    seen, page = [], first
    while link := page.body.get("@odata.nextLink"):
        page = await contoso.get(link)
        seen += page.body["value"]
    assert len({row["id"] for row in seen}) == len(seen) == 5
    microsoft.clock.advance(timedelta(minutes=6))
    expired = await contoso.get(first.body["@odata.nextLink"])
    assert (expired.status, expired.code) == (400, "")
    assert expired.message == "Token not found: token is either invalid or expired"


@pytest.mark.parametrize("query", ["?$top=1000", "?$top=0", "?$skip=1", "?$filter=nonsense"])
async def test_refused_queries(contoso: GraphCaller, query: str) -> None:
    assert (await contoso.get(REPORT + query)).status == 400


async def test_chosen_members_and_a_filter_by_flags(microsoft: Microsoft, contoso: GraphCaller) -> None:
    person = (await _ids(contoso))["person1"]
    microsoft.tenants[CONTOSO].reported[person] = Reported(methods=("mobilePhone",))
    rows = await _rows(contoso, "?$select=id,isMfaCapable&$filter=isMfaRegistered eq true")
    assert rows == {person: {"id": person, "isMfaCapable": True}}


async def test_five_requests_in_ten_seconds(microsoft: Microsoft, contoso: GraphCaller) -> None:
    microsoft.switches.retry_after = "integer"
    assert [(await contoso.get(REPORT)).status for _ in range(6)] == [200] * 5 + [429]
    refused = await contoso.get(REPORT)
    assert (refused.status, refused.code, refused.headers["retry-after"]) == (429, "UnknownError", "10")
    microsoft.clock.advance(timedelta(seconds=11))
    assert (await contoso.get(REPORT)).status == 200


async def test_the_report_needs_permission_and_licence(
    microsoft: Microsoft, contoso: GraphCaller, fabrikam: GraphCaller
) -> None:
    assert (await fabrikam.get(REPORT)).code == "Authentication_RequestFromNonPremiumTenantOrB2CTenant"
    microsoft.switches.false_non_premium = 1
    assert (await contoso.get(REPORT)).code == "Authentication_RequestFromNonPremiumTenantOrB2CTenant"
    assert (await contoso.get(REPORT)).status == 200
    microsoft.tenants[CONTOSO].roles = ("User.Read.All", "Reports.Read.All")
    await contoso.sign_in()
    refused = await contoso.get(REPORT)
    assert (refused.status, refused.code) == (403, "Authentication_MSGraphPermissionMissing")


async def test_ids_in_mixed_case(microsoft: Microsoft, contoso: GraphCaller) -> None:
    microsoft.switches.mixed_case_ids = True
    ids = set((await _ids(contoso)).values())
    rows = await _rows(contoso)
    assert {row.lower() for row in rows} == ids != set(rows)


async def test_methods_of_one_user_need_no_p1(microsoft: Microsoft, contoso: GraphCaller) -> None:
    tenant = microsoft.tenants[CONTOSO]
    tenant.skus = []
    person = (await _ids(contoso))["person0"]
    methods = ("mobilePhone", "microsoftAuthenticatorPush", "securityQuestion", "qrCodePin")
    tenant.reported[person] = Reported(methods=methods)
    rows = (await contoso.get(f"/users/{person}/authentication/methods")).body["value"]
    assert [row["@odata.type"].removeprefix("#microsoft.graph.") for row in rows] == [
        "passwordAuthenticationMethod",
        "phoneAuthenticationMethod",
        "microsoftAuthenticatorAuthenticationMethod",
        "qrCodePinAuthenticationMethod",
    ]
    assert rows[1]["phoneType"] == "mobile"
    assert (await contoso.get("/users/nobody/authentication/methods")).status == 404
    tenant.roles = ("User.Read.All",)
    await contoso.sign_in()
    assert (await contoso.get(f"/users/{person}/authentication/methods")).code == "Authorization_RequestDenied"
