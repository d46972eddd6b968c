"""Which users of a tenant changed, by Graph's delta query: pages of a round, read to the link that ends it.

Satisfies `shared.ports.UserChanges`. Only ids are kept, whatever a row says: what changed is read afresh by the look.
A void link is `RESYNC` (`shared/adapters/graph/errors.py`), never the beginning of a round of its own. A link of
Microsoft's keeps the fields that it was taken for, so ours says which those were, and from which cloud it is; one for
other fields or from another cloud is void. Next: `worker/rounds.py`.
"""

from __future__ import annotations

from hashlib import sha256

from shared.adapters.graph.attributes import Attributes, CommonAttributes, Selected, is_refused, selecting
from shared.adapters.graph.auth import Tokens
from shared.adapters.graph.caller import MOST_PAGES, Call, GraphCaller
from shared.adapters.graph.wire import SERVICE, unreadable
from shared.adapters.http import HttpClient
from shared.adapters.lenient import Json, objects, text
from shared.domain.errors import Permanent, Transient
from shared.domain.user import SELECT
from shared.ports import RESYNC, ChangedUsers

_TEMPLATE = "/users/delta"
_LOW = {"x-ms-throttle-priority": "Low"}  # where Graph has to choose, the looks at what changed come first
_LINK = Call("GET", _TEMPLATE, _TEMPLATE, headers=_LOW)


class GraphUserChanges:
    """`attributes`: as for `GraphDirectory`; each is watched as well."""

    def __init__(self, http: HttpClient, tokens: Tokens, base_url: str, attributes: Attributes | None = None) -> None:
        self._caller = GraphCaller(http, tokens, base_url)
        self._base_url = base_url.rstrip("/")
        self._attributes = attributes or CommonAttributes()

    async def now(self, tenant_id: str) -> str:
        """The link of an empty round: `latest` skips everything that is."""

        async def latest(chosen: Selected) -> str:
            path = f"{_TEMPLATE}?$deltatoken=latest&$select={','.join(chosen.columns)}"
            call = Call("GET", path, _TEMPLATE, headers=_LOW)
            return (await self._round(tenant_id, call, self._mark(chosen))).link

        return await selecting(self._attributes, tenant_id, latest)

    async def since(self, tenant_id: str, link: str) -> ChangedUsers:
        """A removed user is one that changed. Raises Permanent "foreign_link" when Graph sends us to another host."""
        mark = self._mark(await self._attributes.of(tenant_id))
        if not link.startswith(mark):
            # Taken without a name that the tenant lacks, maybe by a process that ended since: such a link is well.
            mark = self._mark(await self._attributes.tested(tenant_id))
        if not link.startswith(mark):
            raise _other_fields()
        try:
            return await self._round(tenant_id, self._caller.follow(link.removeprefix(mark), _LINK), mark)
        except Permanent as error:
            # An attribute can be taken away from a tenant after the link was taken for it.
            if not is_refused(error) or link.startswith(self._mark(await self._attributes.tested(tenant_id))):
                raise
            raise _other_fields() from None

    def _mark(self, chosen: Selected) -> str:
        """Whoever asks for the same names in another order or in other letters gets the same."""
        columns = [*SELECT, *sorted({name.casefold() for name in chosen.names})]
        taken_for = f"{self._base_url} {','.join(columns)}"
        return f"v1:{sha256(taken_for.encode()).hexdigest()[:16]}|"

    async def _round(self, tenant_id: str, first: Call, mark: str) -> ChangedUsers:
        """An empty page ends nothing; a user may come several times; only a delta link is the end."""
        call, users, links = first, dict[str, None](), set[str]()
        for requests in range(1, MOST_PAGES + 1):
            body = await self._caller.read(tenant_id, call)
            users.update(dict.fromkeys(_ids(body)))
            link = text(body.get("@odata.nextLink"))
            if link is None:
                end = self._caller.follow(_end(body), first)  # one that could never be asked with is kept by nobody
                return ChangedUsers(tuple(users), mark + end.path, requests)
            if link in links:
                break
            links.add(link)
            call = self._caller.follow(link, first)
        raise Transient(SERVICE, "listing_without_end", _TEMPLATE)


def _other_fields() -> Transient:
    return Transient(SERVICE, RESYNC, "the link is for other fields or from another cloud")


def _ids(body: Json) -> list[str]:
    """Lower case, as in notifications. Raises Transient for a row without one: a change would be lost with it."""
    if not isinstance(body.get("value"), list):
        raise unreadable(_TEMPLATE)
    found = [text(row.get("id")) for row in objects(body["value"])]
    ids = [each.lower() for each in found if each]
    if len(ids) != len(body["value"]):
        raise unreadable(_TEMPLATE)
    return ids


def _end(body: Json) -> str:
    link = text(body.get("@odata.deltaLink"))
    if link is None:
        raise unreadable(_TEMPLATE)
    return link
