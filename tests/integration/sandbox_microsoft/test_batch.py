"""`$batch` and the limits: per-item answers, malformed batches, 429 with and without Retry-After, faults."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from sandbox.microsoft import Microsoft
from tests.support.microsoft import GraphCaller, Json, new_user_body


def _get(number: int, url: str) -> Json:
    return {"id": str(number), "method": "GET", "url": url}


async def test_each_item_has_its_own_answer(contoso: GraphCaller) -> None:
    items = [
        _get(1, "/users/person1@contoso.com?$select=id,displayName"),
        _get(2, "users/00000000-0000-0000-0000-000000000000?$select=id"),
        {
            "id": "3",
            "method": "PATCH",
            "url": "/users/person2@contoso.com",
            "body": {"jobTitle": "Chief"},
            "headers": {"Content-Type": "application/json"},
        },
    ]
    answer = await contoso.post("/$batch", {"requests": items})
    assert answer.status == 200
    found = {item["id"]: item for item in answer.body["responses"]}
    assert [found[key]["status"] for key in ("1", "2", "3")] == [200, 404, 204]
    assert found["1"]["body"]["displayName"] == "Person 1"
    assert found["1"]["headers"]["Content-Type"].startswith("application/json")
    assert found["2"]["body"]["error"]["code"] == "Request_ResourceNotFound"
    assert "body" not in found["3"]
    recorded = [(call.method, call.status, call.batched) for call in contoso.microsoft.calls[-4:]]
    assert recorded == [("GET", 200, True), ("GET", 404, True), ("PATCH", 204, True), ("POST", 200, False)]


async def test_answers_come_in_any_order(microsoft: Microsoft, contoso: GraphCaller) -> None:
    microsoft.switches.batch_shuffle = True
    items = [_get(number, "/users/person1@contoso.com?$select=id") for number in range(20)]
    answer = await contoso.post("/$batch", {"requests": items})
    order = [item["id"] for item in answer.body["responses"]]
    assert sorted(order, key=int) == [str(number) for number in range(20)]
    assert order != sorted(order, key=int)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"requests": []},
        {"requests": "x"},
        {"requests": [_get(number, "/users") for number in range(21)]},
        {"requests": [_get(1, "/users"), _get(1, "/users")]},
        {"requests": [_get(1, "https://graph.microsoft.com/v1.0/users")]},
        {"requests": [{"id": "1", "url": "/users"}]},
        {"requests": [{"id": "1", "method": "PATCH", "url": "/users/x", "body": {"jobTitle": "x"}}]},
        {"requests": [{"id": "1", "method": "GET", "url": "/users", "dependsOn": ["2"]}]},
    ],
)
async def test_a_malformed_batch_is_a_400_as_a_whole(contoso: GraphCaller, body: Any) -> None:
    assert (await contoso.post("/$batch", body)).status == 400


async def test_a_nested_batch_and_a_failed_dependency(contoso: GraphCaller) -> None:
    nested = _get(1, "/$batch") | {"method": "POST"}
    dependent = _get(2, "/users") | {"dependsOn": ["1"]}
    answer = await contoso.post("/$batch", {"requests": [nested, dependent]})
    assert [item["status"] for item in answer.body["responses"]] == [400, 424]


async def test_items_are_throttled_one_by_one(microsoft: Microsoft, contoso: GraphCaller) -> None:
    microsoft.switches.add_fault(path="person2", status=429, retry_after="2.128")
    items = [_get(number, f"/users/person{number}@contoso.com") for number in (1, 2)]
    answer = await contoso.post("/$batch", {"requests": items})
    first, second = answer.body["responses"]
    assert (first["status"], second["status"]) == (200, 429)
    assert second["headers"]["Retry-After"] == "2.128"
    assert second["body"]["error"]["code"] == "TooManyRequests"


@pytest.mark.parametrize(("style", "fraction"), [("fractional", True), ("integer", False), ("none", None)])
async def test_the_subscription_list_is_limited(
    microsoft: Microsoft, contoso: GraphCaller, style: str, fraction: bool | None
) -> None:
    microsoft.switches.retry_after = style
    statuses = [(await contoso.get("/subscriptions")).status for _ in range(25)]
    assert set(statuses) == {200}
    answer = await contoso.get("/subscriptions")
    assert (answer.status, answer.code) == (429, "TooManyRequests")
    assert answer.body["error"]["innerError"]["status"] == "429"
    header = answer.headers.get("retry-after")
    assert (header is None) if fraction is None else (header is not None and ("." in header) is fraction)
    microsoft.switches.throttling = False
    assert (await contoso.get("/subscriptions")).status == 200


async def test_resource_units_warn_and_then_refuse(microsoft: Microsoft, contoso: GraphCaller) -> None:
    microsoft.switches.limit_window_divisor = 0.01
    ids = {"ids": [], "types": ["user"]}
    statuses = []
    warned = False
    for _ in range(40):
        items = [
            {
                "id": str(number),
                "method": "POST",
                "url": "/directoryObjects/getByIds",
                "body": ids,
                "headers": {"Content-Type": "application/json"},
            }
            for number in range(20)
        ]
        answer = await contoso.post("/$batch", {"requests": items})
        statuses += [item["status"] for item in answer.body["responses"]]
        warned = warned or any("x-ms-throttle-limit-percentage" in item["headers"] for item in answer.body["responses"])
    # 3,500 units at 5 each
    assert statuses == [200] * 700 + [429] * 100
    assert warned


async def test_a_fault_can_drop_the_connection_or_last(microsoft: Microsoft, contoso: GraphCaller) -> None:
    microsoft.switches.add_fault(path="^/users$", method="POST", drop=True)
    with pytest.raises(aiohttp.ClientError):
        await contoso.post("/users", new_user_body("Nadia"))
    microsoft.switches.add_fault(path="/users", status=503, code="ServiceUnavailable", times=None)
    assert {(await contoso.get("/users")).status for _ in range(3)} == {503}
    microsoft.switches.faults.clear()
    assert (await contoso.get("/users")).status == 200


def test_switches_refuse_unknown_names_and_wrong_types(microsoft: Microsoft) -> None:
    wrongs: list[Json] = [{"nonsense": 1}, {"speed": "fast"}, {"delivery": 1}, {"faults": []}]
    for wrong in wrongs:
        with pytest.raises(ValueError, match="switch"):
            microsoft.switches.change({"loss_rate": 0.5} | wrong)
    assert microsoft.switches.loss_rate == 0.0
    with pytest.raises(ValueError, match="fault"):
        microsoft.switches.add_fault(nonsense=1)


async def test_bodies_that_are_no_json(contoso: GraphCaller, session: aiohttp.ClientSession) -> None:
    url = f"{contoso.microsoft.graph_url}/v1.0/users"
    for kind, text in (("application/json", "Unable to read JSON"), ("text/plain", "Content-Type")):
        headers = {"Authorization": f"Bearer {contoso.token}", "Content-Type": kind}
        async with session.post(url, data=b"{nonsense", headers=headers) as response:
            assert response.status == 400
            assert text in (await response.json())["error"]["message"]
    assert (await contoso.call("PUT", "/users", {})).status == 405
