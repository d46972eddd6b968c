"""What clients ask of Graph and login beyond the common calls: casts, searches, versions, TLS, the older token."""

from __future__ import annotations

import json
from urllib.parse import quote

import aiohttp
import pytest

from sandbox.microsoft import Microsoft
from tests.support.microsoft import CONTOSO, GraphCaller, Json, token_request


async def _raw(microsoft: Microsoft, caller: GraphCaller, path: str) -> tuple[int, Json]:
    headers = {"Authorization": f"Bearer {caller.token}"}
    async with caller.session.get(microsoft.graph_url + path, headers=headers) as response:
        return response.status, await response.json()


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/", "Invalid version: "),
        ("/v2.0/users", "Invalid version: v2.0"),
        ("/v1.0/nonsense/one/two", "Resource not found for the segment 'nonsense'."),
        ("/v1.0/users/someone/nonsense", "Resource not found for the segment 'nonsense'."),
        ("/v1.0/directory", "Resource not found for the segment 'directory'."),
    ],
)
async def test_a_path_that_leads_nowhere_is_a_400_in_json(
    microsoft: Microsoft, contoso: GraphCaller, path: str, text: str
) -> None:
    status, body = await _raw(microsoft, contoso, path)
    assert (status, body["error"]["code"], body["error"]["message"]) == (400, "BadRequest", text)


async def test_json_nested_too_deep_is_bad_json(microsoft: Microsoft, contoso: GraphCaller) -> None:
    headers = {"Authorization": f"Bearer {contoso.token}", "Content-Type": "application/json"}
    url = f"{microsoft.graph_url}/v1.0/users"
    async with contoso.session.post(url, data="[" * 100_000, headers=headers) as response:
        assert response.status == 400
        assert (await response.json())["error"]["message"].startswith("Unable to read JSON request payload.")


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ('"displayName:pers"', 5),
        ('"displayName:person 3"', 1),
        ('"displayName:erson"', 0),
        ('"mail:PERSON1@"', 1),
        ('"surname:1" OR "surname:2"', 2),
        ('"givenName:person" AND "surname:4"', 1),
        ('"surname:1" AND "surname:2" OR "surname:3"', 1),
    ],
)
async def test_a_search_reads_words_of_the_name_and_the_beginning_of_the_rest(
    contoso: GraphCaller, wanted: str, count: int
) -> None:
    answer = await contoso.get(f"/users?$search={quote(wanted)}", ConsistencyLevel="eventual")
    assert answer.status == 200, answer.body
    assert len(answer.body["value"]) == count


@pytest.mark.parametrize(
    "wanted", ["person", '"displayName:a" "mail:b"', '"displayName:a" AND', '"department:x"', '"displayName"', ""]
)
async def test_a_search_in_another_form_is_refused(contoso: GraphCaller, wanted: str) -> None:
    answer = await contoso.get(f"/users?$search={quote(wanted)}", ConsistencyLevel="eventual")
    assert (answer.status, answer.code) == (400, "BadRequest")


async def test_a_search_needs_the_header(contoso: GraphCaller) -> None:
    answer = await contoso.get("/users?$search=" + quote('"displayName:person"'))
    assert (answer.status, answer.code) == (400, "Request_UnsupportedQuery")
    assert "ConsistencyLevel: eventual" in answer.message


async def test_filters_count_collections_and_compare_dates(microsoft: Microsoft, contoso: GraphCaller) -> None:
    licence = {"skuId": "00000000-0000-4000-8000-000000000001", "disabledPlans": []}
    microsoft.seed_user(CONTOSO, displayName="Lea", userPrincipalName="lea@contoso.com", assignedLicenses=[licence])
    counted = "/users?$count=true&$filter=" + quote("assignedLicenses/$count ne 0")
    assert (await contoso.get(counted)).code == "Request_UnsupportedQuery"
    found = await contoso.get(counted, ConsistencyLevel="eventual")
    assert [row["displayName"] for row in found.body["value"]] == ["Lea"]
    for clause, number in (("ge 2020-01-01T00:00:00Z", 6), ("lt 2020-01-01T00:00:00+02:00", 0)):
        answer = await contoso.get("/users?$filter=" + quote(f"createdDateTime {clause}"))
        assert len(answer.body["value"]) == number
    for wrong in ("createdDateTime ge 'x'", "mail ge 'a'", "mail/$count eq 1", "otherMails/$count eq many"):
        assert (await contoso.get("/users?$filter=" + quote(wrong))).code == "BadRequest"


@pytest.mark.parametrize("name", ["$orderby=displayName", "$expand=manager", "$search=x", "$skip=1"])
async def test_delta_refuses_what_it_cannot_do_and_ignores_top(contoso: GraphCaller, name: str) -> None:
    assert (await contoso.get(f"/users/delta?{name}")).status == 400
    assert len((await contoso.get("/users/delta?$top=1")).body["value"]) == 5


async def test_the_bin_is_read_with_a_cast_before_or_behind_the_id(contoso: GraphCaller) -> None:
    user_id = (await contoso.get("/users/person1@contoso.com")).body["id"]
    await contoso.delete(f"/users/{user_id}")
    for path in ("{}", "{}/microsoft.graph.user", "{}/graph.user", "microsoft.graph.user/{}"):
        answer = await contoso.get("/directory/deletedItems/" + path.format(user_id))
        assert (answer.status, answer.body["id"]) == (200, user_id)
        assert answer.body["deletedDateTime"]
    groups = await contoso.get("/directory/deletedItems/microsoft.graph.group")
    assert (groups.status, groups.body["value"]) == (200, [])
    assert (await contoso.get(f"/directoryObjects/{user_id}")).status == 404
    restored = await contoso.post(f"/directory/deletedItems/microsoft.graph.user/{user_id}/restore")
    assert (restored.status, restored.body["id"]) == (200, user_id)
    found = await contoso.get(f"/directoryObjects/{user_id}")
    assert (found.status, found.body["@odata.type"], found.body["id"]) == (200, "#microsoft.graph.user", user_id)


async def test_the_mailbox_is_another_service(microsoft: Microsoft, contoso: GraphCaller) -> None:
    microsoft.seed_user(CONTOSO, displayName="Bare", userPrincipalName="bare@contoso.com")
    path = "/users/person1@contoso.com/mailboxSettings"
    refused = await contoso.get(path)
    assert (refused.status, refused.code) == (403, "ErrorAccessDenied")
    microsoft.tenants[CONTOSO].roles = ("User.Read.All", "MailboxSettings.Read")
    await contoso.sign_in()
    assert (await contoso.get(path)).body["userPurpose"] == "user"
    none = await contoso.get("/users/bare@contoso.com/mailboxSettings")
    assert (none.status, none.code) == (404, "MailboxNotEnabledForRESTAPI")
    assert (await contoso.get("/users/nobody@contoso.com/mailboxSettings")).status == 404


async def test_graph_over_tls_links_to_itself(microsoft: Microsoft, contoso: GraphCaller) -> None:
    first = await contoso.get(f"{microsoft.graph_tls_url}/v1.0/users?$top=3")
    link = first.body["@odata.nextLink"]
    assert microsoft.graph_tls_url.startswith("https://")
    assert link.startswith(f"{microsoft.graph_tls_url}/v1.0/users?$skiptoken=")
    assert len((await contoso.get(link)).body["value"]) == 2
    batch = {"requests": [{"id": "1", "method": "GET", "url": "/users?$top=1"}]}
    answer = await contoso.post(f"{microsoft.graph_tls_url}/v1.0/$batch", batch)
    assert microsoft.graph_tls_url in json.dumps(answer.body)
    assert microsoft.graph_url in json.dumps((await contoso.post("/$batch", batch)).body)
    scope = microsoft.graph_tls_url + "/.default"
    assert (await token_request(microsoft, contoso.session, CONTOSO, scope=scope)).status == 200


async def test_the_older_token_endpoint_takes_a_resource(
    microsoft: Microsoft, session: aiohttp.ClientSession, contoso: GraphCaller
) -> None:
    url = f"{microsoft.login_url}/{CONTOSO}/oauth2/token"
    form = {"client_id": microsoft.app_id, "client_secret": microsoft.app_secret, "grant_type": "client_credentials"}
    async with session.post(url, data=form | {"resource": "https://graph.microsoft.com"}) as response:
        body = await response.json()
    assert (body["expires_in"], body["resource"]) == ("3599", "https://graph.microsoft.com")
    contoso.token = body["access_token"]
    assert (await contoso.get("/users")).status == 200
    async with session.post(url, data=form) as response:
        assert (await response.json())["error_codes"] == [900144]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/$batch", {"requests": [{"id": "1", "method": "GET", "url": "/users", "headers": "x"}]}),
        ("/$batch", {"requests": [{"id": "1", "method": "GET", "url": "/users", "dependsOn": 1}]}),
        ("/$batch", {"requests": [{"id": "1", "method": "GET", "url": "/users", "dependsOn": [{}]}]}),
        ("/$batch", {"requests": [{"id": "1", "method": "GET", "url": "//[nowhere"}]}),
        ("/directoryObjects/getByIds", {"ids": [], "types": 5}),
        ("/subscriptions", {"notificationUrl": "http://[::1"}),
        ("/subscriptions", {"lifecycleNotificationUrl": "http://[::1"}),
    ],
)
async def test_values_of_a_wrong_type_are_a_400(contoso: GraphCaller, path: str, body: Json) -> None:
    subscription = {
        "changeType": "updated",
        "notificationUrl": "http://127.0.0.1:9/n",
        "resource": "users",
        "expirationDateTime": "2030-01-01T00:00:00Z",
    }
    answer = await contoso.post(path, subscription | body if path == "/subscriptions" else body)
    assert answer.status == 400
    assert answer.code in ("BadRequest", "Request_BadRequest", "InvalidRequest")


@pytest.mark.parametrize("query", ["$top=%C2%B2", "$filter=" + "(" * 3000])
async def test_a_query_that_cannot_be_read_is_a_400(contoso: GraphCaller, query: str) -> None:
    assert (await contoso.get(f"/users?{query}")).status == 400
