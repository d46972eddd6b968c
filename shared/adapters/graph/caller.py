"""One call to Graph for one tenant: token, request id, one token refresh on a 401, and errors as our families.

Never retries otherwise, and never follows a link to another host: a bearer token goes with it.
Next: `shared/adapters/graph/directory.py`, `shared/adapters/graph/subscriptions.py`.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field

from shared.adapters.graph.auth import Tokens
from shared.adapters.graph.errors import family
from shared.adapters.graph.wire import SERVICE, unreadable
from shared.adapters.http import Answer, HttpClient, Request
from shared.adapters.lenient import Json, objects, text
from shared.domain.errors import Permanent, Transient

MOST_PAGES = 10_000


@dataclass(frozen=True, slots=True)
class Call:
    """One request of ours: `path` with its query, `template` the same for logs, without ids or values."""

    method: str
    path: str
    template: str
    json: object | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True
    total: float | None = None
    expected: Collection[int] = (200,)  # statuses that the caller reads itself, all others become an error


Fetch = Callable[[str, Call], Awaitable[Answer]]  # (tenant id, call) -> its answer


class GraphCaller:
    """`base_url` has no path ("https://graph.microsoft.com"); paths begin behind `/v1.0`."""

    def __init__(self, http: HttpClient, tokens: Tokens, base_url: str) -> None:
        self._http = http
        self._tokens = tokens
        self._root = base_url.rstrip("/")

    async def call(self, tenant_id: str, call: Call) -> Answer:
        """The answer if its status is expected. Raises one of the three families otherwise."""
        token = await self._tokens.token(tenant_id)
        answer = await self._send(call, token)
        if answer.status == 401:
            # A token can be void before its time: the role was granted after it was issued, or access was revoked.
            answer = await self._send(call, await self._tokens.renew(tenant_id, token))
        if answer.status in call.expected:
            return answer
        raise family(answer.status, answer.headers, answer.document, tenant_id)

    async def read(self, tenant_id: str, call: Call) -> Json:
        """The JSON object of an expected answer. Raises Transient when it is none."""
        return _object(await self.call(tenant_id, call), call)

    async def pages(self, tenant_id: str, first: Call, fetch: Fetch | None = None) -> AsyncIterator[list[Json]]:
        """The `value` of every page; next links are followed byte for byte, an empty page ends nothing.

        `fetch` takes the place of `call` for one that waits between pages.
        """
        call, links = first, set[str]()
        while len(links) < MOST_PAGES:
            body = _object(await (fetch or self.call)(tenant_id, call), call)
            if not isinstance(body.get("value"), list):
                raise unreadable(first.template)
            yield objects(body["value"])
            link = text(body.get("@odata.nextLink"))
            if link is None:
                return
            if link in links:
                break
            links.add(link)
            call = self.follow(link, first)
        raise Transient(SERVICE, "listing_without_end", first.template)

    def follow(self, link: str, like: Call) -> Call:
        """The call that a link of Graph's asks for, byte for byte. Raises Permanent when it leads to another host."""
        return Call("GET", self._own(link), like.template, headers=like.headers)

    async def _send(self, call: Call, token: str) -> Answer:
        url = call.path if call.path.startswith(f"{self._root}/") else f"{self._root}/v1.0{call.path}"
        headers = {"Authorization": f"Bearer {token}", "client-request-id": str(uuid.uuid4()), **call.headers}
        return await self._http.send(
            Request(
                SERVICE,
                call.method,
                url,
                call.template,
                headers,
                call.json,
                repeatable=call.repeatable,
                total=call.total,
            )
        )

    def _own(self, link: str) -> str:
        if not link.startswith(f"{self._root}/"):
            raise Permanent(SERVICE, "foreign_link", "a next link leads to another host")
        return link


def _object(answer: Answer, call: Call) -> Json:
    body = answer.document
    if not isinstance(body, dict):
        raise unreadable(call.template)
    return body
