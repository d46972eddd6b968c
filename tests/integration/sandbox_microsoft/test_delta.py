"""Delta rounds: what is in them, in which form, and how tokens end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sandbox.microsoft import Microsoft
from tests.support.microsoft import CONTOSO, GraphCaller, Json, new_user_body

SELECT = "/users/delta?$select=id,displayName,jobTitle,mail"


async def _round(caller: GraphCaller, path: str, **headers: str) -> tuple[list[Json], str]:
    """All items of a round and its delta link; a page never has both links."""
    items: list[Json] = []
    while True:
        page = await caller.get(path, **headers)
        assert page.status == 200, page.body
        items += page.body["value"]
        assert ("@odata.nextLink" in page.body) != ("@odata.deltaLink" in page.body)
        if "@odata.deltaLink" in page.body:
            return items, page.body["@odata.deltaLink"]
        path = page.body["@odata.nextLink"]


async def _id(caller: GraphCaller, number: int) -> str:
    return str((await caller.get(f"/users/person{number}@contoso.com")).body["id"])


async def test_a_round_reports_creations_changes_and_both_removals(contoso: GraphCaller) -> None:
    first, second, third = [await _id(contoso, number) for number in (1, 2, 3)]
    items, link = await _round(contoso, SELECT)
    assert len(items) == 5
    assert "jobTitle" not in items[0]  # never set: omitted
    await contoso.patch(f"/users/{first}", {"jobTitle": "Chief"})
    await contoso.delete(f"/users/{second}")
    await contoso.delete(f"/users/{third}")
    await contoso.delete(f"/directory/deletedItems/{third}")
    created = (await contoso.post("/users", new_user_body("Nadia"))).body["id"]
    items, link = await _round(contoso, link)
    found: dict[str, Any] = {item["id"]: item for item in items}
    assert found.keys() == {first, second, third, created}
    assert (found[first]["jobTitle"], found[first]["displayName"]) == ("Chief", "Person 1")
    assert found[second] == {"id": second, "@removed": {"reason": "changed"}}
    assert found[third] == {"id": third, "@removed": {"reason": "deleted"}}
    items, following = await _round(contoso, link)
    assert items == []
    assert following != link


async def test_set_to_null_is_null_and_minimal_shows_only_changes(contoso: GraphCaller) -> None:
    first = await _id(contoso, 1)
    await contoso.patch(f"/users/{first}", {"jobTitle": "Chief"})
    _, link = await _round(contoso, SELECT)
    await contoso.patch(f"/users/{first}", {"jobTitle": None})
    items, _ = await _round(contoso, link, Prefer="return=minimal")
    assert items == [{"id": first, "jobTitle": None}]
    items, _ = await _round(contoso, link)
    assert items[0]["jobTitle"] is None
    assert items[0]["displayName"] == "Person 1"


async def test_changes_outside_the_select_stay_out(contoso: GraphCaller) -> None:
    _, link = await _round(contoso, SELECT)
    await contoso.patch("/users/person1@contoso.com", {"city": "Graz"})
    assert (await _round(contoso, link))[0] == []


async def test_a_restore_is_hidden_under_select_only(contoso: GraphCaller) -> None:
    first = await _id(contoso, 1)
    await contoso.delete(f"/users/{first}")
    _, selected = await _round(contoso, SELECT)
    _, plain = await _round(contoso, "/users/delta")
    await contoso.post(f"/directory/deletedItems/{first}/restore")
    assert (await _round(contoso, selected))[0] == []
    assert [item["id"] for item in (await _round(contoso, plain))[0]] == [first]


async def test_latest_starts_from_now(contoso: GraphCaller) -> None:
    items, link = await _round(contoso, "/users/delta?$deltatoken=latest")
    assert items == []
    await contoso.patch("/users/person1@contoso.com", {"displayName": "Renamed"})
    assert [item["displayName"] for item in (await _round(contoso, link))[0]] == ["Renamed"]


async def test_empty_pages_and_repeats_change_nothing(microsoft: Microsoft, contoso: GraphCaller) -> None:
    microsoft.switches.change({"delta_page_size": 2, "delta_empty_page_rate": 1.0, "delta_repeat_rate": 1.0})
    items, _ = await _round(contoso, SELECT)
    assert len(items) == 10
    assert len({item["id"] for item in items}) == 5
    # pages of two for ten rows, and the empty one
    assert sum("delta" in call.path for call in microsoft.calls) == 6


async def test_delta_lags_on_its_own(microsoft: Microsoft, contoso: GraphCaller) -> None:
    _, link = await _round(contoso, SELECT)
    microsoft.switches.delta_lag_s = 120.0
    await contoso.patch("/users/person1@contoso.com", {"displayName": "Renamed"})
    items, link = await _round(contoso, link)
    assert items == []
    assert (await contoso.get("/users/person1@contoso.com")).body["displayName"] == "Renamed"
    microsoft.clock.advance(timedelta(minutes=3))
    assert len((await _round(contoso, link))[0]) == 1


async def test_a_token_lives_seven_days(microsoft: Microsoft, contoso: GraphCaller) -> None:
    _, link = await _round(contoso, SELECT)
    microsoft.clock.advance(timedelta(days=7, seconds=1))
    await contoso.sign_in()
    answer = await contoso.get(link)
    assert (answer.status, answer.code) == (400, "syncStateNotFound")
    assert answer.message.startswith("The sync state generation is not found.")


async def test_a_reset_is_a_410_with_a_location(microsoft: Microsoft, contoso: GraphCaller) -> None:
    _, link = await _round(contoso, SELECT)
    microsoft.switches.delta_resets = 1
    answer = await contoso.get(link)
    assert answer.status == 410
    assert answer.headers["location"].endswith("/v1.0/users/delta?$deltatoken=")
    assert len((await _round(contoso, answer.headers["location"]))[0]) == 5


async def test_the_id_filter_and_its_cap(contoso: GraphCaller) -> None:
    first, second = await _id(contoso, 1), await _id(contoso, 2)
    items, _ = await _round(contoso, f"/users/delta?$filter=id eq '{first}' or id eq '{second}'")
    assert {item["id"] for item in items} == {first, second}
    many = " or ".join(f"id eq '{number}'" for number in range(51))
    assert (await contoso.get(f"/users/delta?$filter={many}")).status == 400


async def test_tokens_are_opaque_and_of_one_tenant(contoso: GraphCaller, fabrikam: GraphCaller) -> None:
    _, link = await _round(contoso, SELECT)
    assert (await fabrikam.get(link)).status == 400
    assert (await contoso.get(link + "x")).status == 400
    assert (await contoso.get(f"/users/delta?$skiptoken={CONTOSO}&$select=id")).status == 400
    assert (await contoso.get("/users/microsoft.graph.delta()?$top=1")).status == 200
