"""Users of a tenant, read fresh: some by id (20 a call), all of them, or those who claim an address.

Satisfies `shared.ports.Directory`. A 404 is data, not an error: the user is then looked for in deletedItems. Any
other failure of one user fails the whole read, because the port answers for every id or raises. It remembers nothing
between calls. Next: `worker/sync.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from urllib.parse import quote

from shared.adapters.graph.auth import Tokens, roles
from shared.adapters.graph.caller import Call, GraphCaller
from shared.adapters.graph.errors import PAGE_EXPIRED, family, true_status, worst
from shared.adapters.graph.wire import directory_user, soft_deleted, unreadable
from shared.adapters.http import HttpClient
from shared.adapters.lenient import Json, integer, mapping, objects, text
from shared.domain.errors import SyncError, Transient
from shared.domain.user import SELECT, DirectoryUser, Missing, SoftDeleted, UserRead

BATCH = 20
PAGE = 999
# A page token lives for minutes. Pages are fetched back to back, so an expired one is rare; twice in one listing
# means that something else is wrong.
LISTING_ATTEMPTS = 3


class GraphDirectory:
    """`extra_select`: attributes beyond the common ones that custom mappings ask for (`extension_<app>_<name>`)."""

    def __init__(self, http: HttpClient, tokens: Tokens, base_url: str, *, extra_select: Sequence[str] = ()) -> None:
        self._tokens = tokens
        self._caller = GraphCaller(http, tokens, base_url)
        self._select = "$select=" + ",".join(dict.fromkeys([*SELECT, *extra_select]))

    async def users(self, tenant_id: str, user_ids: Sequence[str]) -> Mapping[str, UserRead]:
        """Fresh reads by id. Raises Transient with the largest Retry-After when Graph throttled any of them."""
        ids = list(dict.fromkeys(user_ids))
        reads: dict[str, UserRead] = {}
        for start in range(0, len(ids), BATCH):
            reads.update(await self._chunk(tenant_id, ids[start : start + BATCH]))
        return reads

    async def listing(self, tenant_id: str) -> AsyncIterator[DirectoryUser]:
        """Every user once. All pages are fetched before the first user is given: page tokens do not outlive work."""
        for user in (await self._whole_listing(tenant_id)).values():
            yield user

    async def claimants(self, tenant_id: str, address: str) -> Sequence[DirectoryUser]:
        """Users whose mail or user principal name is the address. Graph compares without regard to case."""
        literal = address.replace("'", "''")
        wanted = _quoted(f"mail eq '{literal}' or userPrincipalName eq '{literal}'")
        call = Call("GET", f"/users?{self._select}&$filter={wanted}", "/users?$filter")
        return list((await self._read_all(tenant_id, call)).values())

    async def prove(self, tenant_id: str) -> frozenset[str]:
        """The application roles of a token acquired now: an older one would not show what was consented since."""
        return roles(await self._tokens.renew(tenant_id))

    async def _chunk(self, tenant_id: str, ids: Sequence[str]) -> Mapping[str, UserRead]:
        living = await self._batch(tenant_id, ids, lambda user: f"/users/{user}?{self._select}")
        reads: dict[str, UserRead] = {user: directory_user(body) for user, body in living.items() if body is not None}
        absent = [user for user in ids if user not in reads]
        if not absent:
            return reads
        binned = await self._batch(
            tenant_id, absent, lambda user: f"/directory/deletedItems/{user}?$select=id,deletedDateTime"
        )
        return reads | {user: _gone(user, body) for user, body in binned.items()}

    async def _batch(self, tenant_id: str, ids: Sequence[str], url: Callable[[str], str]) -> Mapping[str, Json | None]:
        """One object per id, None for a 404."""
        requests = [{"id": str(index), "method": "GET", "url": url(_quoted(user))} for index, user in enumerate(ids)]
        call = Call("POST", "/$batch", "/$batch", json={"requests": requests})
        answer = await self._caller.read(tenant_id, call)
        items = {integer(item.get("id")): item for item in objects(answer.get("responses"))}
        if not items.keys() >= set(range(len(ids))):
            raise unreadable("/$batch")
        outcomes = {user: _item(items[index], tenant_id) for index, user in enumerate(ids)}
        errors = [outcome for outcome in outcomes.values() if isinstance(outcome, SyncError)]
        if errors:
            raise worst(errors)
        return {user: outcome for user, outcome in outcomes.items() if not isinstance(outcome, SyncError)}

    async def _whole_listing(self, tenant_id: str) -> Mapping[str, DirectoryUser]:
        first = Call("GET", f"/users?{self._select}&$top={PAGE}", "/users", headers={"x-ms-throttle-priority": "Low"})
        for attempt in range(1, LISTING_ATTEMPTS + 1):
            try:
                return await self._read_all(tenant_id, first)
            except Transient as error:
                if error.code != PAGE_EXPIRED or attempt == LISTING_ATTEMPTS:
                    raise
        raise AssertionError("the last attempt returns or raises")

    async def _read_all(self, tenant_id: str, first: Call) -> Mapping[str, DirectoryUser]:
        """By id: rows move between pages while people are hired, and a moved one would come twice."""
        users: dict[str, DirectoryUser] = {}
        async for page in self._caller.pages(tenant_id, first):
            for body in page:
                user = directory_user(body)
                users[user.id] = user
        return users


def _quoted(value: str) -> str:
    """Percent-encoded; a lone surrogate, which JSON can carry and no address can, becomes a question mark."""
    return quote(value, safe="", errors="replace")


def _item(item: Json, tenant_id: str) -> Json | SyncError | None:
    """One answer inside a batch: an object, None for "no such object" (a fresh one included), or its error."""
    status, body = integer(item.get("status")) or 0, item.get("body")
    if status == 200:
        return body if isinstance(body, dict) else unreadable("/$batch item")
    if true_status(status, body) == 404:
        return None
    headers = {name.lower(): text(value) or "" for name, value in mapping(item.get("headers")).items()}
    return family(status, headers, body, tenant_id)


def _gone(user_id: str, body: Json | None) -> SoftDeleted | Missing:
    return Missing(user_id) if body is None else soft_deleted(body)
