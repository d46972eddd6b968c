"""Subscriptions: what is sent, what a duplicate and a vanished one mean."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.adapters.graph.subscriptions import GraphSubscriptions
from shared.adapters.http import Answer
from shared.domain.errors import Ambiguous, Permanent, StopTheLine, SyncError, Transient
from shared.ports import AlreadyExists, SubscriptionWish
from tests.support.vendor_stub import ScriptedHttp, StaticTokens, answer
from tests.support.virtual_time import run_virtual

GUID = "c0bba80e-57a3-43a7-bac2-e6f525a76e7c"
EXPIRY = datetime(2026, 11, 20, 18, 23, 45, tzinfo=UTC)
WISH = SubscriptionWish("https://h.example/n", "https://h.example/l", "k1.state", EXPIRY)
GONE = {"error": {"code": "ResourceNotFound", "message": "The object was not found."}}
WRAPPED_GONE = {
    "error": {"code": "ExtensionError", "message": "Operation: Delete; Exception: [Status Code: NotFound; Reason: x]"}
}
DENIED = {"error": {"code": "Authorization_RequestDenied", "message": ""}}


def adapter(http: ScriptedHttp) -> GraphSubscriptions:
    return GraphSubscriptions(http, StaticTokens(), "https://graph.example/")


def body(**other: Any) -> dict[str, Any]:
    return {
        "id": GUID,
        "resource": "Users",
        "changeType": "updated,deleted",
        "notificationUrl": "https://h.example/n",
        "lifecycleNotificationUrl": "https://h.example/l",
        "expirationDateTime": "2026-11-20T18:23:45Z",
    } | other


def duplicate(message: str) -> Answer:
    return answer(409, {"error": {"code": "ObjectIdentifierInUse", "message": message}})


async def test_create_sends_what_is_needed_and_no_more() -> None:
    http = ScriptedHttp(answer(201, body()))
    made = await adapter(http).create("t", WISH)
    assert not isinstance(made, AlreadyExists)
    assert (made.id, made.resource, made.expires_at) == (GUID, "users", EXPIRY)
    assert http.lines == ["POST /v1.0/subscriptions"]
    assert http.bodies[0] == {
        "changeType": "updated,deleted",
        "notificationUrl": "https://h.example/n",
        "lifecycleNotificationUrl": "https://h.example/l",
        "resource": "users",
        "expirationDateTime": "2026-11-20T18:23:45.0000000Z",
        "clientState": "k1.state",
    }
    assert http.requests[0].repeatable is False
    assert (http.requests[0].total or 0.0) >= 30.0, "two handshakes of 10 s each happen meanwhile"


async def test_a_duplicate_names_its_id() -> None:
    http = ScriptedHttp(duplicate(f"Subscription Id {GUID} already exists for the requested combination"))
    assert await adapter(http).create("t", WISH) == AlreadyExists(GUID)


async def test_a_duplicate_without_an_id_is_looked_for_without_regard_to_case() -> None:
    others = [body(id="other", resource="groups"), body(id="another", changeType="updated"), body(resource="/USERS")]
    http = ScriptedHttp(duplicate("already exists"), answer(200, {"value": others}))
    assert await adapter(http).create("t", WISH) == AlreadyExists(GUID)


async def test_the_order_of_the_kinds_of_change_means_nothing() -> None:
    http = ScriptedHttp(duplicate("already exists"), answer(200, {"value": [body(changeType="Deleted,Updated")]}))
    assert await adapter(http).create("t", WISH) == AlreadyExists(GUID)


async def test_a_duplicate_may_be_wrapped_into_another_status() -> None:
    message = f"Operation: Create; Exception: [Status Code: Conflict; Reason: Subscription Id {GUID} already exists]"
    http = ScriptedHttp(answer(400, {"error": {"code": "ExtensionError", "message": message}}))
    assert await adapter(http).create("t", WISH) == AlreadyExists(GUID)


def test_listings_wait_for_their_turn_whatever_the_tenant() -> None:
    async def scenario() -> None:
        http = ScriptedHttp(*(answer(200, {"value": []}) for _ in range(30)))
        graph, loop = adapter(http), asyncio.get_running_loop()
        moments: list[float] = []

        async def one(tenant: str) -> None:
            await graph.list(tenant)
            moments.append(loop.time())

        async with asyncio.TaskGroup() as group:
            for number in range(30):
                group.create_task(one(f"t{number}"), name="list")
        assert max(sum(one <= other < one + 20 for other in moments) for one in moments) <= 20

    run_virtual(scenario())


async def test_a_duplicate_that_cannot_be_found_needs_a_person() -> None:
    http = ScriptedHttp(duplicate("already exists"), answer(200, {"value": []}))
    with pytest.raises(Permanent) as failure:
        await adapter(http).create("t", WISH)
    assert failure.value.code == "already_exists"


@pytest.mark.parametrize(
    ("step", "family"),
    [
        (answer(201, b"<html>"), Transient),
        (answer(403, DENIED), StopTheLine),
        (answer(429, {}), Transient),
        (Ambiguous("graph", "timed_out"), Ambiguous),
    ],
)
async def test_create_raises_the_family(step: Answer | SyncError, family: type[SyncError]) -> None:
    with pytest.raises(family):
        await adapter(ScriptedHttp(step)).create("t", WISH)


async def test_get_gives_none_for_one_that_is_unknown_or_expired() -> None:
    http = ScriptedHttp(answer(200, body()), answer(404, GONE), answer(404, WRAPPED_GONE), answer(400, WRAPPED_GONE))
    found = await adapter(http).get("t", GUID)
    assert found is not None
    assert [await adapter(http).get("t", "a/../b") for _ in range(3)] == [None, None, None]
    assert http.lines[0] == f"GET /v1.0/subscriptions/{GUID}"
    assert http.lines[1] == "GET /v1.0/subscriptions/a%2F..%2Fb"


async def test_renew_gives_none_when_it_is_gone() -> None:
    http = ScriptedHttp(answer(200, body()), answer(404, GONE))
    renewed = await adapter(http).renew("t", GUID, EXPIRY)
    assert renewed is not None
    assert renewed.expires_at == EXPIRY
    assert await adapter(http).renew("t", GUID, EXPIRY) is None
    assert http.bodies[0] == {"expirationDateTime": "2026-11-20T18:23:45.0000000Z"}
    assert http.lines[0].startswith("PATCH ")


async def test_delete_is_content_when_it_is_gone_already() -> None:
    http = ScriptedHttp(answer(204), answer(404, GONE), answer(400, WRAPPED_GONE))
    for _ in range(3):
        await adapter(http).delete("t", GUID)
    assert [line.split()[0] for line in http.lines] == ["DELETE"] * 3


@pytest.mark.parametrize("status", [400, 403, 429, 500])
async def test_no_other_status_counts_as_gone(status: int) -> None:
    with pytest.raises(SyncError):
        await adapter(ScriptedHttp(answer(status, {}))).get("t", GUID)
    with pytest.raises(SyncError):
        await adapter(ScriptedHttp(answer(status, {}))).renew("t", GUID, EXPIRY)
    with pytest.raises(SyncError):
        await adapter(ScriptedHttp(answer(status, {}))).delete("t", GUID)


async def test_list_follows_its_links() -> None:
    link = "https://graph.example/v1.0/subscriptions?$skiptoken=x"
    http = ScriptedHttp(
        answer(200, {"value": [body()], "@odata.nextLink": link}), answer(200, {"value": [body(id="two")]})
    )
    assert [found.id for found in await adapter(http).list("t")] == [GUID, "two"]
    assert http.lines == ["GET /v1.0/subscriptions", "GET /v1.0/subscriptions?$skiptoken=x"]
