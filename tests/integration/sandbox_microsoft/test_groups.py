"""Groups of the simulated Microsoft: nested members in pages, the questions about single users, and who may ask."""

from __future__ import annotations

import pytest

from sandbox.microsoft import Microsoft
from sandbox.microsoft.groups import apply
from tests.support.microsoft import CONTOSO, GraphCaller

OUTER, INNER = "00000001-0000-4000-8000-000000000000", "00000002-0000-4000-8000-000000000000"
MEMBERS = f"/groups/{OUTER}/transitiveMembers/microsoft.graph.user?$select=id&$count=true&$top=2"
EVENTUAL = {"ConsistencyLevel": "eventual"}


@pytest.fixture
def people(microsoft: Microsoft) -> list[str]:
    """Five of them: two in the outer group, three in the inner one that is a member of it, and it of that."""
    tenant = microsoft.tenants[CONTOSO]
    ids = sorted(version.state["id"] for version in tenant.directory.all_seen(float("inf")))
    apply(tenant, {OUTER: [*ids[:2], INNER.upper(), "nobody"], INNER: [*ids[2:], OUTER]})
    return ids


async def test_members_come_in_pages_through_nested_groups(contoso: GraphCaller, people: list[str]) -> None:
    seen, path = [], MEMBERS
    while path:
        answer = await contoso.call("GET", path, headers=EVENTUAL)
        assert answer.status == 200
        seen += [row["id"] for row in answer.body["value"]]
        path = answer.body.get("@odata.nextLink", "")
    assert sorted(seen) == people


async def test_a_cast_without_its_header_is_refused(contoso: GraphCaller, people: list[str]) -> None:
    answer = await contoso.call("GET", MEMBERS)
    assert (answer.status, answer.body["error"]["code"]) == (400, "Request_UnsupportedQuery")


async def test_a_group_that_is_not_there_is_a_404(contoso: GraphCaller, people: list[str]) -> None:
    assert (await contoso.call("GET", MEMBERS.replace(OUTER, people[0]), headers=EVENTUAL)).status == 404


async def test_a_user_is_told_in_which_of_some_groups_it_is(contoso: GraphCaller, people: list[str]) -> None:
    asked = {"groupIds": [INNER, OUTER, people[0]]}
    assert (await contoso.post(f"/users/{people[0]}/checkMemberGroups", asked)).body["value"] == [INNER, OUTER]
    assert (await contoso.post(f"/users/{OUTER}/checkMemberGroups", asked)).status == 404
    for body in ({"groupIds": [INNER] * 21}, {"groupIds": INNER}, {}):
        assert (await contoso.post(f"/users/{people[0]}/checkMemberGroups", body)).status == 400


async def test_a_deleted_user_is_a_member_of_nothing(
    microsoft: Microsoft, contoso: GraphCaller, people: list[str]
) -> None:
    microsoft.tenants[CONTOSO].directory.delete(people[4])
    answer = await contoso.call("GET", MEMBERS.replace("top=2", "top=999"), headers=EVENTUAL)
    assert sorted(row["id"] for row in answer.body["value"]) == people[:4]


@pytest.mark.parametrize("body", [{OUTER: "u1"}, {INNER: ["u1"], OUTER: 5}])
def test_members_are_a_list_or_nothing_is_set(microsoft: Microsoft, people: list[str], body: dict[str, object]) -> None:
    tenant = microsoft.tenants[CONTOSO]
    before = dict(tenant.groups)
    with pytest.raises(ValueError, match="a list of ids"):
        apply(tenant, body)
    assert tenant.groups == before
    assert OUTER not in apply(tenant, {OUTER: None})
