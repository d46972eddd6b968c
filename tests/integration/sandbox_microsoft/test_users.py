"""/users, the recycle bin, licences: shapes, refusals, replication lag, paging."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from sandbox.microsoft import Microsoft
from tests.support.microsoft import CONTOSO, GraphCaller, Json, new_user_body

DEFAULTS = {
    "@odata.context",
    "id",
    "businessPhones",
    "displayName",
    "givenName",
    "jobTitle",
    "mail",
    "mobilePhone",
    "officeLocation",
    "preferredLanguage",
    "surname",
    "userPrincipalName",
}


async def test_a_created_user_is_answered_at_once_and_readable_after_the_lag(
    microsoft: Microsoft, contoso: GraphCaller
) -> None:
    microsoft.switches.replication_lag_s = 60.0
    created = await contoso.post("/users", new_user_body("Nadia"))
    assert created.status == 201
    assert created.body.keys() == DEFAULTS
    assert created.body["@odata.context"].endswith("/v1.0/$metadata#users/$entity")
    user_id = created.body["id"]
    missing = await contoso.get(f"/users/{user_id}")
    assert (missing.status, missing.code) == (404, "Request_ResourceNotFound")
    assert missing.message == (
        f"Resource '{user_id}' does not exist or one of its queried reference-property objects are not present."
    )
    assert missing.body["error"]["innerError"].keys() == {"date", "request-id", "client-request-id"}
    microsoft.clock.advance(timedelta(seconds=61))
    assert (await contoso.get(f"/users/{user_id}")).body["displayName"] == "Nadia"


async def test_a_changed_user_is_read_with_the_old_value_until_the_lag_is_over(
    microsoft: Microsoft, contoso: GraphCaller
) -> None:
    microsoft.switches.replication_lag_s = 60.0
    path = "/users/person1@contoso.com"
    assert (await contoso.patch(path, {"jobTitle": "Chief"})).status == 204
    assert (await contoso.get(path)).body["jobTitle"] is None
    listed = (await contoso.get("/users?$filter=userPrincipalName eq 'person1@contoso.com'")).body["value"]
    assert listed[0]["jobTitle"] is None
    microsoft.clock.advance(timedelta(seconds=61))
    assert (await contoso.get(path)).body["jobTitle"] == "Chief"


async def test_headers_of_an_answer(contoso: GraphCaller) -> None:
    answer = await contoso.get("/users", **{"client-request-id": "5f0d3c1e"})
    assert answer.headers["client-request-id"] == "5f0d3c1e"
    assert answer.headers["odata-version"] == "4.0"
    assert answer.headers["content-type"].startswith("application/json;odata.metadata=minimal")
    assert answer.headers["x-ms-resource-unit"] == "2"
    assert len(answer.headers["request-id"]) == 36


async def test_select_returns_nulls_and_its_own_context(contoso: GraphCaller) -> None:
    answer = await contoso.get(
        "/users/person1@contoso.com?$select=id,companyName,otherMails,onPremisesExtensionAttributes"
    )
    assert answer.body["@odata.context"].endswith(
        "$metadata#users(id,companyName,otherMails,onPremisesExtensionAttributes)/$entity"
    )
    assert (answer.body["companyName"], answer.body["otherMails"]) == (None, [])
    assert len(answer.body["onPremisesExtensionAttributes"]) == 15


@pytest.mark.parametrize(
    ("path", "status", "code", "text"),
    [
        ("/users?$select=nonsense", 400, "BadRequest", "Could not find a property named 'nonsense'"),
        ("/users?$select=aboutMe", 501, "NotImplemented", ""),
        ("/users?$select=signInActivity&$top=501", 400, "Request_UnsupportedQuery", "Must be between 1 and 500"),
        ("/users?$top=1000", 400, "Request_UnsupportedQuery", "Must be between 1 and 999"),
        ("/users?$skip=1", 400, "Request_BadRequest", "'$skip' is not supported"),
        ("/users?$filter=mail ne 'x'", 400, "Request_UnsupportedQuery", "Unsupported"),
        ("/users?$filter=mail eq", 400, "BadRequest", "Invalid filter clause"),
        ("/users?$filter=nope eq 'x'", 400, "BadRequest", "Could not find a property named 'nope'"),
        ("/users/$count", 400, "Request_BadRequest", "not currently supported"),
        ("/users/delta?$filter=mail eq 'x'", 400, "Request_UnsupportedQuery", "delta"),
        ("/nonsense", 400, "BadRequest", "Resource not found for the segment 'nonsense'"),
        ("/me", 400, "BadRequest", "delegated"),
        ("/directory/deletedItems/00000000-0000-0000-0000-000000000000", 404, "Request_ResourceNotFound", "Resource"),
    ],
)
async def test_refusals_of_reads(contoso: GraphCaller, path: str, status: int, code: str, text: str) -> None:
    answer = await contoso.get(path)
    assert (answer.status, answer.code) == (status, code)
    assert text in answer.message


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ("mail eq 'PERSON1@contoso.com'", 1),
        ("proxyAddresses/any(p:p eq 'smtp:person2@contoso.com')", 1),
        ("startswith(displayName,'Person') and accountEnabled eq true", 5),
        ("startsWith(surname,'1') or surname eq '2'", 2),
        ("userPrincipalName in ('person1@contoso.com', 'person3@contoso.com')", 2),
        ("(surname eq '1' or surname eq '2') and givenName eq 'Nobody'", 0),
        ("mail eq 'o''brien@contoso.com'", 0),
    ],
)
async def test_filters(contoso: GraphCaller, wanted: str, count: int) -> None:
    answer = await contoso.get(f"/users?$filter={quote(wanted)}")
    assert answer.status == 200, answer.body
    assert len(answer.body["value"]) == count


async def test_more_than_fifteen_alternatives_are_refused(contoso: GraphCaller) -> None:
    ids = ",".join(f"'{number:036}'" for number in range(16))
    answer = await contoso.get(f"/users?$filter=id in ({ids})")
    assert (answer.status, answer.code) == (400, "Request_UnsupportedQuery")
    assert "Too many child clauses" in answer.message
    assert answer.message.endswith("16. Max allowed: 15.")


async def test_advanced_queries_need_the_header_and_the_count(contoso: GraphCaller) -> None:
    path = "/users?$count=true&$filter=" + quote("not(surname eq '1') and endswith(mail,'contoso.com')")
    answer = await contoso.get(path, ConsistencyLevel="eventual")
    assert answer.body["@odata.count"] == 4
    assert (await contoso.get("/users/$count", ConsistencyLevel="eventual")).body == "5"


async def test_pages_are_followed_verbatim_and_grow_stale(microsoft: Microsoft, contoso: GraphCaller) -> None:
    page = await contoso.get("/users?$top=2&$select=id")
    seen = list(page.body["value"])
    first_link = page.body["@odata.nextLink"]
    while link := page.body.get("@odata.nextLink"):
        page = await contoso.get(link)
        seen += page.body["value"]
    assert len({row["id"] for row in seen}) == len(seen) == 5
    microsoft.clock.advance(timedelta(minutes=6))
    stale = await contoso.get(first_link)
    assert (stale.status, stale.code) == (400, "Directory_ExpiredPageToken")


async def test_a_guest_is_found_by_its_encoded_name(microsoft: Microsoft, contoso: GraphCaller) -> None:
    name = "gus_example.org#EXT#@contoso.onmicrosoft.com"
    microsoft.seed_user(CONTOSO, displayName="Gus", userPrincipalName=name)
    answer = await contoso.get(f"/users/{quote(name)}?$select=userType,userPrincipalName")
    assert (answer.body["userType"], answer.body["userPrincipalName"]) == ("Guest", name)
    assert (await contoso.get("/users('person1@contoso.com')")).status == 200


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"displayName": None}, "A value is required for property 'displayName'"),
        ({"passwordProfile": None}, "A password must be specified"),
        ({"userPrincipalName": "x@elsewhere.com"}, "verified domain names"),
        ({"userPrincipalName": "person1@contoso.com"}, "property userPrincipalName already exists"),
        ({"mail": "person1@contoso.com"}, "property proxyAddresses already exists"),
        ({"mobilePhone": ""}, "Invalid value specified for property 'mobilePhone'"),
        ({"department": "d" * 65}, "Invalid value specified for property 'department'"),
        ({"businessPhones": ["1", "2"]}, "Invalid value specified for property 'businessPhones'"),
        ({"assignedLicenses": []}, "read-only"),
        ({"nonsense": 1}, "does not exist on type"),
        ({"jobTitle": 5}, "jobTitle"),
    ],
)
async def test_refusals_of_creations(contoso: GraphCaller, change: Json, text: str) -> None:
    body = {key: value for key, value in (new_user_body("Nadia") | change).items() if value is not None}
    answer = await contoso.post("/users", body)
    assert answer.status == 400
    assert text in answer.message


async def test_mail_and_proxy_addresses_stay_in_step(contoso: GraphCaller) -> None:
    await contoso.patch("/users/person1@contoso.com", {"mail": "new@contoso.com"})
    answer = await contoso.get("/users/person1@contoso.com?$select=proxyAddresses")
    assert answer.body["proxyAddresses"] == ["SMTP:new@contoso.com", "smtp:person1@contoso.com"]


async def test_a_synced_user_is_mastered_elsewhere(microsoft: Microsoft, contoso: GraphCaller) -> None:
    user = microsoft.seed_user(
        CONTOSO, displayName="Sid", userPrincipalName="sid@contoso.com", onPremisesSyncEnabled=True
    )
    answer = await contoso.patch(f"/users/{user['id']}", {"jobTitle": "Chief"})
    assert answer.status == 400
    assert "on-premises mastered" in answer.message


async def test_delete_restore_and_purge(contoso: GraphCaller) -> None:
    user_id = (await contoso.get("/users/person1@contoso.com")).body["id"]
    assert (await contoso.delete(f"/users/{user_id}")).status == 204
    assert (await contoso.get(f"/users/{user_id}")).status == 404
    listed = (await contoso.get("/directory/deletedItems/microsoft.graph.user")).body["value"]
    assert [row["id"] for row in listed] == [user_id]
    one = (await contoso.get(f"/directory/deletedItems/{user_id}")).body
    assert one["deletedDateTime"]
    assert one["userPrincipalName"] == user_id.replace("-", "") + "person1@contoso.com"
    restored = await contoso.post(f"/directory/deletedItems/{user_id}/restore")
    assert (restored.status, restored.body["userPrincipalName"]) == (200, "person1@contoso.com")
    await contoso.delete(f"/users/{user_id}")
    assert (await contoso.delete(f"/directory/deletedItems/{user_id}")).status == 204
    assert (await contoso.get(f"/directory/deletedItems/{user_id}")).status == 404


async def test_get_by_ids_leaves_out_the_missing(contoso: GraphCaller) -> None:
    user_id = (await contoso.get("/users/person1@contoso.com")).body["id"]
    body = {"ids": [user_id, "00000000-0000-0000-0000-000000000000"], "types": ["user"]}
    answer = await contoso.post("/directoryObjects/getByIds", body)
    assert [row["id"] for row in answer.body["value"]] == [user_id]
    assert answer.body["value"][0]["@odata.type"] == "#microsoft.graph.user"
    assert answer.headers["x-ms-resource-unit"] == "5"


SKU = "cbdc14ab-d96c-4c30-b9f4-6ada7cdc1d46"


async def test_licences(microsoft: Microsoft, contoso: GraphCaller) -> None:
    path = "/users/person1@contoso.com"
    assigned = await contoso.post(f"{path}/assignLicense", {"addLicenses": [{"skuId": SKU}], "removeLicenses": []})
    assert assigned.status == 200
    assert assigned.body.keys() == DEFAULTS
    read = (await contoso.get(f"{path}?$select=assignedLicenses")).body["assignedLicenses"]
    assert read == [{"disabledPlans": [], "skuId": SKU}]
    skus = {row["skuId"]: row for row in (await contoso.get("/subscribedSkus")).body["value"]}
    assert (skus[SKU]["skuPartNumber"], skus[SKU]["consumedUnits"]) == ("SPB", 1)
    details = (await contoso.get(f"{path}/licenseDetails")).body["value"]
    assert [row["skuPartNumber"] for row in details] == ["SPB"]
    organization = (await contoso.get("/organization")).body["value"][0]
    assert (organization["id"], organization["displayName"]) == (CONTOSO, "Contoso")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"addLicenses": []}, "missing parameters are: removeLicenses"),
        ({"addLicenses": [], "removeLicenses": [SKU]}, "does not have a corresponding license"),
        ({"addLicenses": [{"skuId": CONTOSO}], "removeLicenses": []}, "does not correspond to a valid company License"),
    ],
)
async def test_refusals_of_licences(contoso: GraphCaller, body: Any, text: str) -> None:
    answer = await contoso.post("/users/person1@contoso.com/assignLicense", body)
    assert answer.status == 400
    assert text in answer.message


@pytest.mark.parametrize(
    ("token", "text"),
    [("", "Access token is empty."), ("nonsense", "CompactToken parsing failed with error code: 80049217")],
)
async def test_bad_bearers(contoso: GraphCaller, token: str, text: str) -> None:
    contoso.token = token
    answer = await contoso.get("/users")
    assert (answer.status, answer.code, answer.message) == (401, "InvalidAuthenticationToken", text)
    assert answer.headers["www-authenticate"].startswith("Bearer ")


async def test_an_expired_token(microsoft: Microsoft, contoso: GraphCaller) -> None:
    microsoft.clock.advance(timedelta(hours=1))
    answer = await contoso.get("/users")
    assert (answer.status, answer.message) == (401, "Access token has expired or is not yet valid.")


async def test_a_tenant_sees_only_its_own_people(contoso: GraphCaller, fabrikam: GraphCaller) -> None:
    user_id = (await contoso.get("/users/person1@contoso.com")).body["id"]
    assert (await fabrikam.get(f"/users/{user_id}")).status == 404
    assert len((await fabrikam.get("/users")).body["value"]) == 1


async def test_a_listing_answers_a_share_of_the_users_in_short_pages(
    microsoft: Microsoft, contoso: GraphCaller
) -> None:
    microsoft.switches.change({"users_share": 0.4, "users_page_max": 1})
    page = await contoso.get("/users?$top=100&$select=id")
    second = await contoso.get(page.body["@odata.nextLink"])
    assert [len(page.body["value"]), len(second.body["value"])] == [1, 1]
    assert "@odata.nextLink" not in second.body


async def test_a_next_link_is_lost_and_a_page_breaks_off(microsoft: Microsoft, contoso: GraphCaller) -> None:
    microsoft.switches.change({"users_page_max": 2, "lost_next_links": 1})
    page = await contoso.get("/users?$select=id")
    assert (len(page.body["value"]), "@odata.nextLink" in page.body) == (2, False)
    assert "@odata.nextLink" in (await contoso.get("/users?$select=id")).body
    microsoft.switches.change({"torn_pages": 1})
    torn = await contoso.get("/users?$select=id")
    assert torn.status == 200
    with pytest.raises(ValueError, match=r"Unterminated|delimiter|Expecting"):
        json.loads(torn.body)
    assert (await contoso.get("/users?$select=id")).body["value"]
