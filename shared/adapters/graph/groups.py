"""Members of Entra groups: of whole groups for a full reading, of some users for a look. Reads only.

Satisfies `shared.ports.Groups`. Both count nested groups. A group or a user that is not there is data, not an error;
a refusal is the tenant's (GroupMember.Read.All). Next: `worker/membership.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import quote

from shared.adapters.graph.auth import Tokens
from shared.adapters.graph.caller import Call, GraphCaller
from shared.adapters.graph.errors import NOT_FOUND, PAGE_EXPIRED, family, true_status, worst
from shared.adapters.graph.wire import unreadable
from shared.adapters.http import HttpClient
from shared.adapters.lenient import Json, integer, mapping, objects, text, texts
from shared.domain.errors import Permanent, SyncError, Transient

BATCH = 20  # requests of one $batch
MOST_ASKED = 20  # groups in one checkMemberGroups
LISTING_ATTEMPTS = 3
# A cast is an advanced query, which Graph answers only with this header and a count.
_ADVANCED = {"ConsistencyLevel": "eventual", "x-ms-throttle-priority": "Low"}
_JSON = {"Content-Type": "application/json"}
_Question = tuple[str, tuple[str, ...]]  # user id, group ids


class GraphGroups:
    def __init__(self, http: HttpClient, tokens: Tokens, base_url: str) -> None:
        self._caller = GraphCaller(http, tokens, base_url)

    async def members(self, tenant_id: str, group_ids: Sequence[str]) -> Mapping[str, frozenset[str]]:
        """One listing a group. Raises one of the three families."""
        found: dict[str, frozenset[str]] = {}
        for group_id in dict.fromkeys(group_ids):
            try:
                found[group_id] = await self._whole(tenant_id, group_id)
            except Permanent as error:
                if error.code != NOT_FOUND:
                    raise
        return found

    async def of_users(
        self, tenant_id: str, user_ids: Sequence[str], group_ids: Sequence[str]
    ) -> Mapping[str, frozenset[str]]:
        """One question a user and twenty groups, twenty questions a call."""
        found: dict[str, set[str]] = {user_id: set() for user_id in user_ids}
        waiting = [(user_id, chunk) for user_id in found for chunk in _chunks(group_ids, MOST_ASKED)]
        while waiting:
            questions, waiting = waiting[:BATCH], waiting[BATCH:]
            for question, inside in (await self._asked(tenant_id, questions)).items():
                user_id, asked = question
                if inside is not None:
                    found[user_id] |= inside
                elif len(asked) > 1:
                    # "Not there" does not say what: a group of another tenant must not hide those of this one.
                    waiting += [(user_id, (group_id,)) for group_id in asked]
        return {user_id: frozenset(groups) for user_id, groups in found.items()}

    async def _whole(self, tenant_id: str, group_id: str) -> frozenset[str]:
        path = f"/groups/{quote(group_id, safe='')}/transitiveMembers/microsoft.graph.user"
        template = "/groups/{id}/transitiveMembers/microsoft.graph.user"
        first = Call("GET", f"{path}?$select=id&$top=999&$count=true", template, headers=_ADVANCED)
        for attempt in range(1, LISTING_ATTEMPTS + 1):
            try:
                pages = [page async for page in self._caller.pages(tenant_id, first)]
            except Transient as error:
                if error.code != PAGE_EXPIRED or attempt == LISTING_ATTEMPTS:
                    raise
            else:
                return frozenset(_id(row) for page in pages for row in page)
        raise AssertionError("the last attempt returns or raises")

    async def _asked(self, tenant_id: str, questions: Sequence[_Question]) -> Mapping[_Question, set[str] | None]:
        """Those of the groups that the user is in, as they were asked for; None for a 404."""
        requests = [
            {
                "id": str(index),
                "method": "POST",
                "url": f"/users/{quote(user_id, safe='')}/checkMemberGroups",
                "headers": _JSON,
                "body": {"groupIds": list(group_ids)},
            }
            for index, (user_id, group_ids) in enumerate(questions)
        ]
        call = Call("POST", "/$batch", "/$batch", json={"requests": requests})
        answer = await self._caller.read(tenant_id, call)
        items = {integer(item.get("id")): item for item in objects(answer.get("responses"))}
        if not items.keys() >= set(range(len(questions))):
            raise unreadable("/$batch")
        outcomes = [_item(items[index], tenant_id, question) for index, question in enumerate(questions)]
        errors = [outcome for outcome in outcomes if isinstance(outcome, SyncError)]
        if errors:
            raise worst(errors)
        pairs = zip(questions, outcomes, strict=True)
        return {question: outcome for question, outcome in pairs if not isinstance(outcome, SyncError)}


def _chunks(ids: Sequence[str], size: int) -> Iterator[tuple[str, ...]]:
    plain = tuple(dict.fromkeys(ids))
    return (plain[start : start + size] for start in range(0, len(plain), size))


def _item(item: Json, tenant_id: str, question: _Question) -> set[str] | SyncError | None:
    status, body = integer(item.get("status")) or 0, item.get("body")
    if status == 200:
        value = mapping(body).get("value")
        if not isinstance(value, list):
            return unreadable("/$batch item")
        inside = {each.lower() for each in texts(value)}
        return {group_id for group_id in question[1] if group_id.lower() in inside}
    if true_status(status, body) == 404:
        return None
    headers = {name.lower(): text(value) or "" for name, value in mapping(item.get("headers")).items()}
    return family(status, headers, body, tenant_id)


def _id(row: Json) -> str:
    found = text(row.get("id"))
    if not found:
        raise unreadable("a group's member")
    return found
