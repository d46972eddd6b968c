"""Users of a tenant, read fresh: some by id (20 a call), all of them, or those who claim an address.

Satisfies `shared.ports.Directory`. A 404 is data, not an error: the user is then looked for in deletedItems. Any
other failure of one user fails the whole read, because the port answers for every id or raises. Which attributes are
read, `attributes.py` says. Next: `worker/sync.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar
from urllib.parse import quote

from shared.adapters.graph.attributes import Attributes, CommonAttributes, Selected, selecting
from shared.adapters.graph.auth import Tokens, roles
from shared.adapters.graph.caller import Call, GraphCaller
from shared.adapters.graph.errors import PAGE_EXPIRED, family, true_status, worst
from shared.adapters.graph.wire import directory_user, soft_deleted, unreadable
from shared.adapters.http import HttpClient
from shared.adapters.lenient import Json, integer, mapping, objects, text
from shared.domain.errors import SyncError, Transient
from shared.domain.user import DirectoryUser, Missing, SoftDeleted, UserRead

BATCH = 20
PAGE = 999
# A page token lives for minutes. Pages are fetched back to back, so an expired one is rare; twice in one listing
# means that something else is wrong.
LISTING_ATTEMPTS = 3

Result = TypeVar("Result")


class GraphDirectory:
    """`attributes`: those beyond the common ones that custom mappings ask for (`extension_<app>_<name>`)."""

    def __init__(self, http: HttpClient, tokens: Tokens, base_url: str, attributes: Attributes | None = None) -> None:
        self._tokens = tokens
        self._caller = GraphCaller(http, tokens, base_url)
        self._attributes = attributes or CommonAttributes()

    async def users(self, tenant_id: str, user_ids: Sequence[str]) -> Mapping[str, UserRead]:
        """Fresh reads by id. Raises Transient with the largest Retry-After when Graph throttled any of them."""
        ids = list(dict.fromkeys(user_ids))
        reads: dict[str, UserRead] = {}
        for start in range(0, len(ids), BATCH):
            chunk = ids[start : start + BATCH]
            reads.update(await self._selecting(tenant_id, partial(self._chunk, tenant_id, chunk)))
        return reads

    async def listing(self, tenant_id: str) -> AsyncIterator[DirectoryUser]:
        """Every user once. All pages are fetched before the first user is given: page tokens do not outlive work."""
        users = await self._selecting(tenant_id, lambda chosen: self._whole_listing(tenant_id, chosen))
        for user in users.values():
            yield user

    async def claimants(self, tenant_id: str, address: str) -> Sequence[DirectoryUser]:
        """Users whose mail or user principal name is the address. Graph compares without regard to case."""
        literal = address.replace("'", "''")
        wanted = _quoted(f"mail eq '{literal}' or userPrincipalName eq '{literal}'")

        def asked(chosen: Selected) -> Awaitable[Mapping[str, DirectoryUser]]:
            call = Call("GET", f"/users?{_select(chosen)}&$filter={wanted}", "/users?$filter")
            return self._read_all(tenant_id, call, chosen)

        return list((await self._selecting(tenant_id, asked)).values())

    async def prove(self, tenant_id: str) -> frozenset[str]:
        """The application roles of a token acquired now: an older one would not show what was consented since."""
        return roles(await self._tokens.renew(tenant_id))

    async def lacking(self, tenant_id: str, also: Sequence[str] = ()) -> Sequence[str]:
        """Names of directory extensions that rules want and the tenant does not have, by asking for each."""
        return (await self._attributes.tested(tenant_id, also)).lacking

    async def _selecting(self, tenant_id: str, read: Callable[[Selected], Awaitable[Result]]) -> Result:
        return await selecting(self._attributes, tenant_id, read)

    async def _chunk(self, tenant_id: str, ids: Sequence[str], chosen: Selected) -> Mapping[str, UserRead]:
        living = await self._batch(tenant_id, ids, lambda user: f"/users/{user}?{_select(chosen)}")
        reads: dict[str, UserRead] = {
            user: directory_user(body, chosen.lacking) for user, body in living.items() if body is not None
        }
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

    async def _whole_listing(self, tenant_id: str, chosen: Selected) -> Mapping[str, DirectoryUser]:
        path = f"/users?{_select(chosen)}&$top={PAGE}"
        first = Call("GET", path, "/users", headers={"x-ms-throttle-priority": "Low"})
        for attempt in range(1, LISTING_ATTEMPTS + 1):
            try:
                return await self._read_all(tenant_id, first, chosen)
            except Transient as error:
                if error.code != PAGE_EXPIRED or attempt == LISTING_ATTEMPTS:
                    raise
        raise AssertionError("the last attempt returns or raises")

    async def _read_all(self, tenant_id: str, first: Call, chosen: Selected) -> Mapping[str, DirectoryUser]:
        """By id: rows move between pages while people are hired, and a moved one would come twice."""
        users: dict[str, DirectoryUser] = {}
        async for page in self._caller.pages(tenant_id, first):
            for body in page:
                user = directory_user(body, chosen.lacking)
                users[user.id] = user
        return users


def _select(chosen: Selected) -> str:
    return f"$select={','.join(chosen.columns)}"


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
