"""What Graph answers about groups that the simulated one does not: which of two things is "not there"."""

from __future__ import annotations

from typing import Any

import pytest

from shared.adapters.graph.groups import GraphGroups
from shared.adapters.http import Answer, Request
from shared.domain.errors import Permanent, Transient
from tests.support.vendor_stub import ScriptedHttp, StaticTokens, answer
from tests.support.virtual_time import run_virtual

HERE, ELSEWHERE = "a" * 8 + "-0000-4000-8000-000000000000", "b" * 8 + "-0000-4000-8000-000000000000"


def of_users(http: ScriptedHttp, *user_ids: str) -> Any:
    groups = GraphGroups(http, StaticTokens(), "https://graph.example")

    async def main() -> Any:
        return await groups.of_users("tenant", user_ids, [HERE, ELSEWHERE])

    return run_virtual(main())


def strict(request: Request) -> Answer:
    """A Graph that says 404 as soon as one of the groups is of another tenant."""
    assert isinstance(request.json, dict)
    return answer(200, {"responses": [_item(item) for item in reversed(request.json["requests"])]})


def _item(item: dict[str, Any]) -> dict[str, Any]:
    asked = item["body"]["groupIds"]
    if ELSEWHERE in asked or "nobody" in item["url"]:
        return {"id": item["id"], "status": 404, "body": {"error": {"code": "Request_ResourceNotFound"}}}
    return {"id": item["id"], "status": 200, "body": {"value": [HERE.upper()]}}


def test_a_group_of_another_tenant_hides_none_of_this_one() -> None:
    http = ScriptedHttp(strict, strict)
    assert of_users(http, "anna", "nobody") == {"anna": {HERE}, "nobody": set()}
    assert len(http.requests) == 2


@pytest.mark.parametrize(
    "body",
    [
        {"responses": []},
        {"responses": [{"id": "0", "status": 200, "body": {"value": None}}]},
        {"responses": [{"id": "0", "status": 503, "body": None}]},
    ],
)
def test_half_an_answer_is_none(body: object) -> None:
    with pytest.raises(Transient):
        of_users(ScriptedHttp(answer(200, body)), "anna")


def test_a_refusal_of_a_single_group_is_no_absence() -> None:
    groups = GraphGroups(ScriptedHttp(answer(400, {"error": {}})), StaticTokens(), "https://graph.example")
    with pytest.raises(Permanent):
        run_virtual(groups.members("tenant", [HERE]))
