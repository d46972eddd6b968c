"""`GET /users/delta`: rounds of pages, from a first full one to the changes since a delta token.

A delta token is a moment: a version is in the round when it is younger than the token and older than now minus the
delta lag. A round is fixed when it starts; later pages are read with skip tokens. Next: delta_items.py.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, replace
from typing import Any

from sandbox.microsoft.cloud import Cloud
from sandbox.microsoft.delta_items import Item, Scope, full_round, later_round
from sandbox.microsoft.errors import GraphError, bad_request
from sandbox.microsoft.listing import selected
from sandbox.microsoft.request import READ_USERS, GraphRequest, GraphResponse, Route
from sandbox.microsoft.throttle import Cost

MAX_FILTER_IDS = 50
_ID_CLAUSE = re.compile(r"\s*\(?\s*id\s+eq\s+'([^']+)'\s*\)?\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Round:
    """The rest of a round: pages not yet read, and the token the last page hands out."""

    tenant_id: str
    scope: Scope
    pages: tuple[tuple[Item, ...], ...]
    until: float
    born_at: float


class Delta:
    """All delta and skip tokens of the sandbox."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._rounds: dict[str, _Round] = {}

    def routes(self) -> list[Route]:
        return [Route("GET", "/users/delta", self._get, READ_USERS, Cost("read", 1))]

    async def _get(self, request: GraphRequest) -> GraphResponse:
        _check_properties(request)
        skip, token = request.option("$skiptoken"), request.option("$deltatoken")
        if skip is not None and (request.option("$select") is not None or token is not None):
            raise bad_request("Skip token cannot be combined with other query options.", "Request_BadRequest")
        if skip is not None:
            return self._page(request, self._known(request, skip))
        if not token:
            _check_options(request)
            return self._page(request, self._start(request, full=True))
        if token.lower() == "latest":
            return self._page(request, self._start(request, full=False))
        return self._later(request, token)

    def _later(self, request: GraphRequest, token: str) -> GraphResponse:
        if self._cloud.switches.delta_resets > 0:
            self._cloud.switches.delta_resets -= 1
            location = f"{self._base(request)}?$deltatoken="
            raise GraphError(410, "resyncRequired", "Resync required.", headers={"Location": location})
        last = self._known(request, token)
        scope = last.scope
        if request.option("$select") is not None:
            scope = replace(scope, names=tuple(selected(request, in_list=True)), select=request.option("$select"))
        scope = replace(scope, minimal="return=minimal" in request.headers.get("prefer", "").replace(" ", ""))
        until = max(last.until, self._cloud.delta_horizon())
        items = later_round(
            request.tenant.directory, scope, last.until, until, self._cloud.switches.delta_restore_hidden
        )
        return self._page(request, self._cut(request, scope, items, until))

    def _start(self, request: GraphRequest, *, full: bool) -> _Round:
        names = tuple(selected(request, in_list=True))
        scope = Scope(names=names, select=request.option("$select"), ids=_ids(request.option("$filter")))
        until = self._cloud.delta_horizon()
        with_removed = self._cloud.switches.delta_removed_in_first_round
        items = full_round(request.tenant.directory, scope, until, with_removed) if full else []
        return self._cut(request, scope, items, until)

    def _cut(self, request: GraphRequest, scope: Scope, items: list[Item], until: float) -> _Round:
        """Pages of at most 200, with the repeats and the empty pages the vendor allows itself."""
        switches, rng = self._cloud.switches, self._cloud.rng
        repeated = [item for item in items if rng.random() < switches.delta_repeat_rate]
        rows = items + repeated
        size = switches.delta_page_size
        pages = [tuple(rows[at : at + size]) for at in range(0, len(rows), size)] or [()]
        if rows and rng.random() < switches.delta_empty_page_rate:
            pages.insert(rng.randrange(len(pages)), ())
        return _Round(request.tenant.tenant_id, scope, tuple(pages), until, self._cloud.clock.timestamp())

    def _page(self, request: GraphRequest, current: _Round) -> GraphResponse:
        scope = current.scope
        names = f"({scope.select})" if scope.select else ""
        body: dict[str, Any] = {"@odata.context": f"{request.root}/$metadata#users{names}"}
        token = secrets.token_urlsafe(40)
        self._rounds[token] = replace(current, pages=current.pages[1:], born_at=self._cloud.clock.timestamp())
        if len(current.pages) > 1:
            body["@odata.nextLink"] = f"{self._base(request)}?$skiptoken={token}"
        else:
            body["@odata.deltaLink"] = f"{self._base(request)}?$deltatoken={token}"
        body["value"] = list(current.pages[0])
        return GraphResponse(200, body)

    def _known(self, request: GraphRequest, token: str) -> _Round:
        found = self._rounds.get(token)
        if found is None or found.tenant_id != request.tenant.tenant_id:
            raise bad_request("Badly formed token.", "Request_BadRequest")
        if self._cloud.clock.timestamp() - found.born_at > self._cloud.switches.delta_token_life_s:
            raise bad_request(
                "The sync state generation is not found. The delta token is expired and data must be synchronized "
                "again.",
                "syncStateNotFound",
            )
        return found

    def _base(self, request: GraphRequest) -> str:
        return f"{request.root}/users/delta"


def _check_properties(request: GraphRequest) -> None:
    if "signinactivity" in (request.option("$select") or "").lower():
        raise bad_request(
            "Invalid request for delta query: for this entity set, $expand/$select is not supported for the following "
            "properties: signInActivity",
            "BadRequest",
        )


def _check_options(request: GraphRequest) -> None:
    """`$top` is ignored by the service, these are not."""
    for name in ("$orderby", "$expand", "$search", "$skip"):
        if name in request.query:
            raise bad_request(f"'{name}' is not supported for delta queries on this resource.", "BadRequest")


def _ids(text: str | None) -> frozenset[str] | None:
    """The ids of the only filter delta knows: `id eq '…' or id eq '…'`."""
    if text is None:
        return None
    found = [_ID_CLAUSE.fullmatch(clause) for clause in re.split(r"\s+or\s+", text, flags=re.IGNORECASE)]
    ids = frozenset(match[1].lower() for match in found if match)
    if len(found) > MAX_FILTER_IDS or not all(found):
        raise bad_request(
            "Filter clause is not supported for delta queries on this resource.", "Request_UnsupportedQuery"
        )
    return ids
