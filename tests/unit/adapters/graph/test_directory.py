"""Reading users by batch and by page, without a socket."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest

from shared.adapters.graph.directory import GraphDirectory
from shared.adapters.http import Answer, Request
from shared.domain.errors import Permanent, StopTheLine, SyncError, Transient
from shared.domain.user import SELECT, DirectoryUser, Missing, SoftDeleted
from tests.support.vendor_stub import ScriptedHttp, StaticTokens, answer

BASE = "https://graph.example"
NOT_FOUND = {"error": {"code": "Request_ResourceNotFound", "message": "Resource does not exist"}}


def directory(http: ScriptedHttp, tokens: StaticTokens | None = None) -> GraphDirectory:
    return GraphDirectory(http, tokens or StaticTokens(), BASE)


def batch(*items: tuple[int, Any], headers: dict[str, str] | None = None) -> Answer:
    """A batch answer, its items in reverse order as Graph may give them."""
    responses = [
        {"id": str(index), "status": status, "headers": headers or {}, "body": body}
        for index, (status, body) in enumerate(items)
    ]
    return answer(200, {"responses": responses[::-1]})


def all_living(request: Request) -> Answer:
    asked: Any = request.json
    ids = [item["url"].split("/")[2].split("?")[0] for item in asked["requests"]]
    return batch(*((200, {"id": user}) for user in ids))


async def test_20_a_call_and_every_id_answered() -> None:
    http = ScriptedHttp(all_living, all_living, all_living)
    ids = [f"user-{number}" for number in range(45)]
    reads = await directory(http).users("t", [*ids, ids[0]])
    assert list(reads) == ids
    assert [len(body["requests"]) for body in http.bodies] == [20, 20, 5]
    assert all(line == "POST /v1.0/$batch" for line in http.lines)
    first = http.bodies[0]["requests"][0]
    assert first == {"id": "0", "method": "GET", "url": "/users/user-0?$select=" + ",".join(SELECT)}


async def test_nothing_asked_is_nothing_called() -> None:
    http = ScriptedHttp()
    assert await directory(http).users("t", []) == {}
    assert http.requests == []


async def test_a_404_is_looked_for_in_deleted_items_before_it_is_missing() -> None:
    http = ScriptedHttp(
        batch((200, {"id": "a"}), (404, NOT_FOUND), (404, NOT_FOUND)),
        batch((200, {"id": "b", "deletedDateTime": "2026-11-20T18:23:45Z"}), (404, NOT_FOUND)),
    )
    reads = await directory(http).users("t", ["a", "b", "c"])
    assert isinstance(reads["a"], DirectoryUser)
    assert isinstance(reads["b"], SoftDeleted)
    assert reads["c"] == Missing("c")
    urls = [item["url"] for item in http.bodies[1]["requests"]]
    assert urls == [f"/directory/deletedItems/{user}?$select=id,deletedDateTime" for user in ("b", "c")]


async def test_a_fresh_user_that_the_company_cannot_read_yet_is_missing() -> None:
    fresh = {"error": {"code": "Directory_ObjectNotFound", "message": "Unable to read the company information"}}
    http = ScriptedHttp(batch((404, fresh)), batch((404, NOT_FOUND)))
    assert await directory(http).users("t", ["a"]) == {"a": Missing("a")}


async def test_throttled_items_fail_the_read_with_the_largest_wait() -> None:
    responses = [
        {"id": "0", "status": 429, "headers": {"Retry-After": "3"}, "body": {"error": {"code": "TooManyRequests"}}},
        {"id": "1", "status": 200, "body": {"id": "b"}},
        {"id": "2", "status": 429, "headers": {"retry-after": "8.5"}, "body": {}},
    ]
    with pytest.raises(Transient) as failure:
        await directory(ScriptedHttp(answer(200, {"responses": responses}))).users("t", ["a", "b", "c"])
    assert (failure.value.code, failure.value.retry_after) == ("throttled", 8.5)


@pytest.mark.parametrize(
    ("response", "family", "code"),
    [
        (batch((403, {"error": {"code": "Authorization_RequestDenied"}})), StopTheLine, "permission_missing"),
        (batch((400, {"error": {"code": "Request_BadRequest"}})), Permanent, "bad_request"),
        (batch((424, None)), Transient, "try_again"),
        (batch((200, "text")), Transient, "unreadable_answer"),
        (batch((200, {"displayName": "no id"})), Transient, "unreadable_answer"),
        (answer(200, {"responses": []}), Transient, "unreadable_answer"),
        (answer(200, {}), Transient, "unreadable_answer"),
        (answer(200, b"<html>"), Transient, "unreadable_answer"),
        (answer(200, []), Transient, "unreadable_answer"),
        (answer(424, {}), Transient, "try_again"),
        (answer(429, {}, Retry_After="2.5"), Transient, "throttled"),
        (answer(400, {}), Permanent, "bad_request"),
    ],
)
async def test_answer_for_every_id_or_raise(response: Answer, family: type[SyncError], code: str) -> None:
    with pytest.raises(family) as failure:
        await directory(ScriptedHttp(response)).users("t", ["a"])
    assert failure.value.code == code


async def test_a_401_renews_the_token_once() -> None:
    tokens = StaticTokens()
    http = ScriptedHttp(answer(401, {}), all_living)
    await directory(http, tokens).users("t", ["a"])
    assert [request.headers["Authorization"] for request in http.requests] == ["Bearer first", "Bearer second"]
    assert tokens.renewed == 1


async def test_a_second_401_is_an_error() -> None:
    tokens = StaticTokens()
    refused = answer(401, {"error": {"code": "InvalidAuthenticationToken"}})
    with pytest.raises(Transient) as failure:
        await directory(ScriptedHttp(refused, refused), tokens).users("t", ["a"])
    assert failure.value.code == "token_refused"
    assert tokens.renewed == 1


async def test_every_request_has_an_id_of_its_own() -> None:
    http = ScriptedHttp(answer(401, {}), all_living)
    await directory(http).users("t", ["a"])
    assert len({request.headers["client-request-id"] for request in http.requests}) == 2


def page(*ids: str, link: str | None = None) -> Answer:
    body: dict[str, Any] = {"value": [{"id": user} for user in ids]}
    return answer(200, body | ({"@odata.nextLink": link} if link else {}))


EXPIRED = answer(400, {"error": {"code": "Directory_ExpiredPageToken", "message": "expired"}})
LINK = f"{BASE}/v1.0/users?$skiptoken=a%2Fb+c=="


async def listed(http: ScriptedHttp) -> list[str]:
    return [user.id async for user in directory(http).listing("t")]


async def test_next_links_are_followed_byte_for_byte() -> None:
    http = ScriptedHttp(page("a", "b", link=LINK), page(link=LINK + "2"), page("c"))
    assert await listed(http) == ["a", "b", "c"]
    assert http.lines[0] == "GET /v1.0/users?$select=" + ",".join(SELECT) + "&$top=999"
    assert [request.url for request in http.requests[1:]] == [LINK, LINK + "2"]
    assert {request.headers["x-ms-throttle-priority"] for request in http.requests} == {"Low"}


async def test_a_user_that_moved_between_pages_comes_once() -> None:
    assert await listed(ScriptedHttp(page("a", "b", link=LINK), page("b", "c"))) == ["a", "b", "c"]


async def test_an_expired_page_token_begins_the_listing_anew() -> None:
    http = ScriptedHttp(page("a", "b", link=LINK), EXPIRED, page("a", "b", link=LINK), page("c"))
    assert await listed(http) == ["a", "b", "c"]


async def test_a_listing_that_always_expires_is_given_up() -> None:
    http = ScriptedHttp(*[page("a", link=LINK), EXPIRED] * 3)
    with pytest.raises(Transient) as failure:
        await listed(http)
    assert failure.value.code == "page_token_expired"


@pytest.mark.parametrize(
    ("second", "code"),
    [
        (answer(503, {}), "service_fault"),
        (answer(200, {}), "unreadable_answer"),
        (answer(200, b"<html>"), "unreadable_answer"),
        (page("b", link=LINK), "listing_without_end"),
    ],
)
async def test_a_listing_never_ends_early_as_if_it_were_complete(second: Answer, code: str) -> None:
    got: list[str] = []

    async def collect() -> None:
        async for user in directory(ScriptedHttp(page("a", link=LINK), second)).listing("t"):
            got.append(user.id)

    with pytest.raises(Transient) as failure:
        await collect()
    assert failure.value.code == code
    assert got == []


async def test_a_link_to_another_host_gets_no_token() -> None:
    http = ScriptedHttp(page("a", link="https://graph.example.evil/v1.0/users"))
    with pytest.raises(Permanent) as failure:
        await listed(http)
    assert failure.value.code == "foreign_link"
    assert len(http.requests) == 1


async def test_claimants_are_asked_for_by_mail_and_upn_with_quotes_doubled() -> None:
    http = ScriptedHttp(page("a", link=LINK), page("b"))
    found = await directory(http).claimants("t", "o'hara+x#1@contoso.example")
    assert [user.id for user in found] == ["a", "b"]
    asked = http.requests[0].url.split("&$filter=")[1]
    assert "'" not in asked
    assert "#" not in asked
    assert "+" not in asked
    literal = "o''hara+x#1@contoso.example"
    assert unquote(asked) == f"mail eq '{literal}' or userPrincipalName eq '{literal}'"


async def test_what_no_address_can_hold_finds_nobody_instead_of_crashing() -> None:
    http = ScriptedHttp(page())
    assert await directory(http).claimants("t", "\ud83d@contoso.example") == []
    assert "%3F%40contoso.example" in http.requests[0].url


async def test_prove_reads_the_roles_of_a_token_acquired_now() -> None:
    # {"roles": ["User.Read.All", "Organization.Read.All"]}
    tokens = StaticTokens(second="e30.eyJyb2xlcyI6IFsiVXNlci5SZWFkLkFsbCIsICJPcmdhbml6YXRpb24uUmVhZC5BbGwiXX0.x")
    assert await directory(ScriptedHttp(), tokens).prove("t") == {"User.Read.All", "Organization.Read.All"}
    assert tokens.renewed == 1
