"""Notifications: the mapping of events, the payload, batches, duplicates, retries, the penalty box, lifecycle."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from sandbox.microsoft import Microsoft
from tests.support.microsoft import CONTOSO, FABRIKAM, GraphCaller, Hook, new_user_body, subscription_body

YEAR_ONE = datetime.fromisoformat("0001-01-01T00:00:00+00:00")


@pytest.fixture
async def subscribed(contoso: GraphCaller, hook: Hook) -> str:
    body = subscription_body(hook.url, lifecycleNotificationUrl=hook.url)
    return str((await contoso.post("/subscriptions", body)).body["id"])


async def _idle(microsoft: Microsoft) -> None:
    async with asyncio.timeout(5):
        while microsoft.pending_notifications:  # noqa: ASYNC110 - the sandbox offers a count, not an event
            await asyncio.sleep(0.01)


async def test_the_payload_is_the_captured_one(
    microsoft: Microsoft, contoso: GraphCaller, hook: Hook, subscribed: str
) -> None:
    microsoft.switches.change({"event_time_rate": 1.0, "offset_date_rate": 1.0})
    user = (await contoso.get("/users/person1@contoso.com")).body["id"]
    await contoso.patch(f"/users/{user}", {"jobTitle": "Chief"})
    (item,) = await hook.wait_for(1)
    assert item.keys() == {
        "changeType",
        "clientState",
        "resource",
        "resourceData",
        "subscriptionExpirationDateTime",
        "subscriptionId",
        "tenantId",
    }
    assert (item["changeType"], item["clientState"], item["resource"]) == ("updated", "k1.secret", f"Users/{user}")
    assert (item["subscriptionId"], item["tenantId"]) == (subscribed, CONTOSO)
    assert item["subscriptionExpirationDateTime"].endswith("-08:00")
    data = item["resourceData"]
    assert (data["@odata.type"], data["@odata.id"]) == ("#Microsoft.Graph.User", f"Users/{user}")
    assert (data["id"], data["organizationId"]) == (user, CONTOSO)
    assert isinstance(data["sequenceNumber"], int)
    event = datetime.fromisoformat(data["eventTime"])
    assert data["sequenceNumber"] // 10 == (event - YEAR_ONE) // timedelta(microseconds=1)
    await _idle(microsoft)
    (attempt,) = microsoft.accepted(user)
    assert (attempt.status, attempt.number) == (202, 1)
    assert attempt.as_dict()["items"][0]["user"] == user


async def test_the_mapping_of_events(microsoft: Microsoft, contoso: GraphCaller, hook: Hook, subscribed: str) -> None:
    user = (await contoso.post("/users", new_user_body("Nadia"))).body["id"]
    await _idle(microsoft)
    assert 2 <= len(hook.items) <= 5
    for act in (
        contoso.patch(f"/users/{user}", {"jobTitle": "Chief"}),
        contoso.delete(f"/users/{user}"),
        contoso.post(f"/directory/deletedItems/{user}/restore"),
    ):
        hook.posts.clear()
        await act
        assert [item["changeType"] for item in await hook.wait_for(1)] == ["updated"]
        await _idle(microsoft)
    hook.posts.clear()
    await contoso.patch(f"/users/{user}", {"jobTitle": "Chief"})  # nothing differs: no event
    await contoso.delete(f"/users/{user}")
    await contoso.delete(f"/directory/deletedItems/{user}")
    assert [item["changeType"] for item in await hook.wait_for(2)] == ["updated", "deleted"]


async def test_thirty_days_in_the_bin_end_in_deleted(microsoft: Microsoft, contoso: GraphCaller, hook: Hook) -> None:
    user = (await contoso.get("/users/person1@contoso.com")).body["id"]
    await contoso.delete(f"/users/{user}")
    microsoft.clock.advance(timedelta(days=29, hours=23))
    await contoso.sign_in()
    await contoso.post("/subscriptions", subscription_body(hook.url, changeType="deleted"))
    microsoft.clock.advance(timedelta(minutes=61 - 30))
    await contoso.patch("/users/person2@contoso.com", {"jobTitle": "x"})
    assert hook.items == []
    await contoso.post("/subscriptions", subscription_body(hook.url, changeType="deleted,updated"))
    microsoft.clock.advance(timedelta(minutes=40))
    assert {item["changeType"] for item in await hook.wait_for(1)} == {"deleted"}


async def test_one_post_mixes_tenants_and_kinds(
    microsoft: Microsoft, contoso: GraphCaller, fabrikam: GraphCaller, hook: Hook, subscribed: str
) -> None:
    await fabrikam.post("/subscriptions", subscription_body(hook.url))
    microsoft.switches.change({"latency_min_s": 0.1, "latency_max_s": 0.1})
    await contoso.patch("/users/person1@contoso.com", {"jobTitle": "a"})
    await fabrikam.patch("/users/fay@fabrikam.com", {"jobTitle": "b"})
    microsoft.send_lifecycle(CONTOSO)
    await hook.wait_for(3)
    assert len(hook.posts) == 1
    assert {item["tenantId"] for item in hook.items} == {CONTOSO, FABRIKAM}


async def test_duplicates_disorder_and_loss(
    microsoft: Microsoft, contoso: GraphCaller, hook: Hook, subscribed: str
) -> None:
    user = (await contoso.get("/users/person1@contoso.com")).body["id"]
    microsoft.switches.change({"duplicate_rate": 1.0, "duplicate_delay_s": 0.05, "disorder": True})
    microsoft.replay(CONTOSO, user, 30)
    numbers = [item["resourceData"]["sequenceNumber"] for item in await hook.wait_for(60)]
    assert len(set(numbers)) == 30
    assert numbers != sorted(numbers)
    hook.posts.clear()
    microsoft.switches.change({"loss_rate": 1.0})
    await contoso.patch(f"/users/{user}", {"jobTitle": "lost"})
    microsoft.switches.change({"loss_rate": 0.0, "delivery": False})
    await contoso.patch(f"/users/{user}", {"jobTitle": "lost too"})
    assert microsoft.pending_notifications == 0


@pytest.mark.parametrize("status", [503, 401, 404, 302])
async def test_anything_but_a_2xx_is_retried(
    microsoft: Microsoft, contoso: GraphCaller, hook: Hook, subscribed: str, status: int
) -> None:
    microsoft.switches.change({"speed": 20.0})
    hook.statuses = [status, status]
    user = (await contoso.get("/users/person1@contoso.com")).body["id"]
    await contoso.patch(f"/users/{user}", {"jobTitle": "Chief"})
    await hook.wait_for(3)
    await _idle(microsoft)
    assert [(a.number, a.status, a.outcome) for a in microsoft.attempts] == [
        (1, status, "refused"),
        (2, status, "refused"),
        (3, 202, "accepted"),
    ]
    first, second, third = (attempt.at for attempt in microsoft.attempts)
    # exponential: 2 s, then 4 s, both divided by the speed
    assert third - second > second - first > timedelta(milliseconds=99)


async def test_a_timeout_is_retried_and_four_hours_end_it(
    microsoft: Microsoft, contoso: GraphCaller, hook: Hook, subscribed: str
) -> None:
    microsoft.switches.change({"speed": 1000.0, "first_timeout_s": 0.0, "retry_timeout_s": 0.0, "retry_window_s": 20.0})
    await contoso.patch("/users/person1@contoso.com", {"jobTitle": "Chief"})
    await asyncio.sleep(0.05)
    await _idle(microsoft)
    # pauses of 2, 4 and 8 s fit into the 20 s, the next of 16 s does not
    assert [attempt.outcome for attempt in microsoft.attempts] == ["timeout"] * 4


async def test_a_slow_host_is_delayed_then_dropped(
    microsoft: Microsoft, contoso: GraphCaller, hook: Hook, subscribed: str
) -> None:
    user = (await contoso.get("/users/person1@contoso.com")).body["id"]
    microsoft.switches.change(
        {"first_timeout_s": 0.0, "penalty_min_responses": 5, "retry_window_s": 0.0, "batch_max": 1}
    )
    microsoft.replay(CONTOSO, user, 6)
    await _idle(microsoft)
    microsoft.switches.change({"first_timeout_s": 3.0, "retry_window_s": 60.0, "penalty_window_s": 0.3})
    hook.posts.clear()
    microsoft.replay(CONTOSO, user)
    await asyncio.sleep(0.1)
    assert hook.items == []  # held for the window
    await hook.wait_for(1)


async def test_creation_can_be_notified_before_it_is_answered(
    microsoft: Microsoft, contoso: GraphCaller, hook: Hook
) -> None:
    microsoft.switches.deliver_before_created = True
    created = await contoso.post("/subscriptions", subscription_body(hook.url))
    assert [item["subscriptionId"] for item in hook.items] == [created.body["id"]]


async def test_created_never_delivers_and_a_sub_path_neither(
    microsoft: Microsoft, contoso: GraphCaller, hook: Hook
) -> None:
    user = (await contoso.get("/users/person1@contoso.com")).body["id"]
    await contoso.post("/subscriptions", subscription_body(hook.url, changeType="created"))
    await contoso.post("/subscriptions", subscription_body(hook.url, resource=f"users/{user}/memberOf"))
    await contoso.post("/subscriptions", subscription_body(hook.url, resource=f"/users/{user}", clientState="one"))
    await contoso.post("/users", new_user_body("Nadia"))
    assert microsoft.pending_notifications == 0
    await contoso.patch(f"/users/{user}", {"jobTitle": "Chief"})
    assert [item["clientState"] for item in await hook.wait_for(1)] == ["one"]


async def test_lifecycle_events(microsoft: Microsoft, contoso: GraphCaller, hook: Hook, subscribed: str) -> None:
    assert microsoft.send_lifecycle(CONTOSO, "somethingNew") == 1
    (item,) = await hook.wait_for(1)
    assert item.keys() == {
        "lifecycleEvent",
        "subscriptionId",
        "subscriptionExpirationDateTime",
        "clientState",
        "tenantId",
    }
    assert item["lifecycleEvent"] == "somethingNew"
    hook.posts.clear()
    # a subscription of 45 minutes is challenged every 15
    microsoft.clock.advance(timedelta(minutes=16))
    assert (await hook.wait_for(1))[0]["lifecycleEvent"] == "reauthorizationRequired"
    microsoft.clock.advance(timedelta(minutes=16))
    await hook.wait_for(2)


async def test_an_expired_token_may_stop_deliveries(microsoft: Microsoft, contoso: GraphCaller, hook: Hook) -> None:
    far = (microsoft.clock.now() + timedelta(days=20)).isoformat()
    body = subscription_body(hook.url, expirationDateTime=far)
    created = (await contoso.post("/subscriptions", body)).body["id"]
    microsoft.switches.change({"stop_after_token_expiry": True})
    microsoft.clock.advance(timedelta(minutes=91))
    await contoso.sign_in()
    await contoso.patch("/users/person1@contoso.com", {"jobTitle": "a"})
    await asyncio.sleep(0.1)
    assert hook.items == []
    assert microsoft.pending_notifications == 1  # held, not lost
    await contoso.post(f"/subscriptions/{created}/reauthorize")
    await hook.wait_for(1)


async def test_every_notification_may_be_lost_until_further_notice(
    microsoft: Microsoft, contoso: GraphCaller, hook: Hook, subscribed: str
) -> None:
    user = (await contoso.get("/users/person1@contoso.com")).body["id"]
    microsoft.switches.loss_rate = 1.0
    for number in range(20):
        await contoso.patch(f"/users/{user}", {"jobTitle": f"lost {number}"})
    assert (microsoft.replay(CONTOSO, user, 20), microsoft.pending_notifications) == (20, 0)
    microsoft.switches.loss_rate = 0.0
    await contoso.patch(f"/users/{user}", {"jobTitle": "seen"})
    assert len(await hook.wait_for(1)) == 1
    assert (await contoso.get(f"/users/{user}")).body["jobTitle"] == "seen"


async def test_every_notification_may_be_late(
    microsoft: Microsoft, contoso: GraphCaller, hook: Hook, subscribed: str
) -> None:
    microsoft.switches.change({"latency_min_s": 3600.0, "latency_max_s": 7200.0, "disorder": True})
    await contoso.patch("/users/person1@contoso.com", {"jobTitle": "late"})
    await asyncio.sleep(0.05)
    assert (hook.items, microsoft.pending_notifications) == ([], 1)
    microsoft.switches.change({"latency_min_s": 0.0, "latency_max_s": 0.0})
    await contoso.patch("/users/person2@contoso.com", {"jobTitle": "in time"})
    (item,) = await hook.wait_for(1)
    assert item["resourceData"]["id"] == (await contoso.get("/users/person2@contoso.com")).body["id"]
    assert microsoft.pending_notifications >= 1
