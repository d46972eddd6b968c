"""Groups: who is in one through nested groups too, and which of some groups a user is in.

Members are a tenant's `groups` (direct ones, users and groups by id), set through the control API: no user's change
tells of them, as in the real directory. Needs GroupMember.Read.All. Next: `sandbox/microsoft/licences.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.microsoft.cloud import Cloud
from sandbox.microsoft.errors import bad_request, not_found
from sandbox.microsoft.request import GraphRequest, GraphResponse, Route
from sandbox.microsoft.tenant import Tenant
from sandbox.microsoft.throttle import Cost

MOST_ASKED = 20  # groups in one question
MAX_PAGE = 999
_PATH = "/groups/{id}/transitiveMembers/microsoft.graph.user"
_READ = frozenset(
    {"GroupMember.Read.All", "Group.Read.All", "Group.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"}
)


class Groups:
    """The groups of every tenant."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def routes(self) -> list[Route]:
        return [
            Route("GET", _PATH, self._members, _READ, Cost("read", 3)),
            Route("POST", "/users/{id}/checkMemberGroups", self._check, _READ, Cost("read", 3)),
        ]

    async def _members(self, request: GraphRequest) -> GraphResponse:
        """A cast is an advanced query: without the header and the count it is refused."""
        if not (request.eventual and (request.option("$count") or "").lower() == "true"):
            raise bad_request("Unsupported Query.", "Request_UnsupportedQuery")
        tenant, group_id = request.tenant, request.params["id"].lower()
        if group_id not in tenant.groups:
            raise not_found(group_id)
        horizon = self._cloud.read_horizon()
        seen = (tenant.directory.seen(user_id, horizon) for user_id in sorted(users_in(tenant, group_id)))
        ids = [version.state["id"] for version in seen if version is not None and version.live]
        return GraphResponse(200, _page(request, group_id, ids))

    async def _check(self, request: GraphRequest) -> GraphResponse:
        user = request.tenant.directory.named(request.params["id"], self._cloud.read_horizon())
        if user is None:
            raise not_found(request.params["id"])
        asked = _asked(request.body)
        inside = [group for group in asked if user.state["id"] in users_in(request.tenant, group.lower())]
        return GraphResponse(
            200, {"@odata.context": f"{request.root}/$metadata#Collection(Edm.String)", "value": inside}
        )


def users_in(tenant: Tenant, group_id: str) -> set[str]:
    """Everybody in a group or in a group in it, user ids that mean nobody included; empty without such a group."""
    seen: set[str] = set()
    waiting, users = [group_id], set[str]()
    while waiting:
        for member in tenant.groups.get(waiting.pop(), frozenset()) - seen:
            seen.add(member)
            (waiting.append if member in tenant.groups else users.add)(member)
    return users


def apply(tenant: Tenant, body: Mapping[str, Any]) -> dict[str, list[str]]:
    """Set the direct members of the groups that `body` names, null for no such group; gives all of them."""
    if not all(members is None or isinstance(members, list) for members in body.values()):
        raise ValueError("groups: a list of ids for each group, or null")
    for group_id, members in body.items():
        if members is None:
            tenant.groups.pop(group_id.lower(), None)
        else:
            tenant.groups[group_id.lower()] = frozenset(str(member).lower() for member in members)
    return {group_id: sorted(members) for group_id, members in sorted(tenant.groups.items())}


def _page(request: GraphRequest, group_id: str, ids: Sequence[str]) -> dict[str, Any]:
    start = int(request.option("$skiptoken") or 0)
    size = min(int(request.option("$top") or 100), MAX_PAGE)
    body: dict[str, Any] = {"@odata.context": f"{request.root}/$metadata#users(id)", "@odata.count": len(ids)}
    if start + size < len(ids):
        path = _PATH.replace("{id}", group_id)
        body["@odata.nextLink"] = f"{request.root}{path}?$select=id&$top={size}&$count=true&$skiptoken={start + size}"
    body["value"] = [{"id": user_id} for user_id in ids[start : start + size]]
    return body


def _asked(body: Any) -> list[str]:
    ids = body.get("groupIds") if isinstance(body, dict) else None
    if not isinstance(ids, list) or not all(isinstance(each, str) for each in ids):
        raise bad_request("Invalid value specified for property 'groupIds' of resource 'User'.")
    if len(ids) > MOST_ASKED:
        raise bad_request(f"The number of groups must not exceed {MOST_ASKED}.")
    return ids
