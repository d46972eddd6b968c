"""Pages of users: `$top`, `$select`, `$filter`, `$search`, `$orderby`, `$count`, and next links that go stale.

The result is fixed when the first page is read and rendered page by page, so that a tenant of 100,000 is cheap; a next
link carries an opaque page token that expires. Next: users.py.
"""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sandbox.microsoft.cloud import Cloud
from sandbox.microsoft.errors import GraphError, bad_request
from sandbox.microsoft.odata import check_allowed, parse_filter
from sandbox.microsoft.overlay import SIGN_INS, Overlay
from sandbox.microsoft.request import GraphRequest, GraphResponse
from sandbox.microsoft.schema import DEFAULT_PROPERTIES, PROPERTIES, State, canonical, value_of
from sandbox.microsoft.search import parse_search
from sandbox.microsoft.tenant import Tenant

MAX_PAGE = 999
DEFAULT_PAGE = 100
MAX_PAGE_WITH_SIGN_IN = 500


@dataclass(frozen=True, slots=True)
class _Page:
    """One page to come of a fixed result; `is_empty`: it carries no row, only the way on.

    `may_break`: it lists users, so switches may cut it or end the listing.
    """

    tenant: Tenant
    states: Sequence[State]
    names: Sequence[str]
    offset: int
    size: int
    context: str
    path: str
    expires_at: float
    is_empty: bool = False
    may_break: bool = False


class Listings:
    """The open page tokens of the sandbox."""

    def __init__(self, cloud: Cloud, overlay: Overlay) -> None:
        self._cloud = cloud
        self._overlay = overlay
        self._pages: dict[str, _Page] = {}

    def first_page(self, request: GraphRequest, states: Iterable[State], kind: str = "users") -> GraphResponse:
        """Filter and order everything, then answer the first page."""
        names = selected(request, in_list=True)
        is_users = kind == "users"
        size = self._page_size(request, names)
        self._overlay.check(request, names)
        wanted = self._wanted(request)
        rows = _ordered(request, [state for state in states if wanted(state)])
        if is_users:
            switches = self._cloud.switches
            rows, size = rows[: math.ceil(switches.users_share * len(rows))], min(size, switches.users_page_max)
        count = len(rows) if (request.option("$count") or "").lower() == "true" and request.eventual else None
        page = _Page(
            tenant=request.tenant,
            states=rows,
            names=names,
            offset=0,
            size=size,
            context=self.context(request, kind, single=False),
            path=f"{request.root}{request.path}",
            expires_at=self._expiry(),
            is_empty=is_users and self._cloud.switches.take_empty_page(),
            may_break=is_users,
        )
        self._forget_expired()
        return self._answer(page, count)

    def next_page(self, request: GraphRequest, token: str) -> GraphResponse:
        """The page a `$skiptoken` names; 400 once the token has expired."""
        page = self._pages.get(token)
        now = self._cloud.clock.timestamp()
        if page is None or page.tenant is not request.tenant or page.expires_at < now:
            raise bad_request(
                "The specified page token value has expired and cannot be included in your request.",
                "Directory_ExpiredPageToken",
            )
        self._overlay.charge(page.tenant, page.names)
        return self._answer(page, None)

    def context(self, request: GraphRequest, kind: str, *, single: bool) -> str:
        """`@odata.context`, with the property list when there was a `$select`."""
        chosen = request.option("$select")
        names = "(" + ",".join(_split(chosen)) + ")" if chosen else ""
        tail = "/$entity" if single else ""
        return f"{request.root}/$metadata#{kind}{names}{tail}"

    def _wanted(self, request: GraphRequest) -> Any:
        text, search = request.option("$filter"), request.option("$search")
        found = parse_search(search, request.eventual) if search is not None else _everybody
        if text is None:
            return found
        wanted = parse_filter(text)
        counted = (request.option("$count") or "").lower() == "true"
        check_allowed(wanted, request.eventual and counted)
        return lambda state: found(state) and wanted.predicate(state)

    def _answer(self, page: _Page, count: int | None) -> GraphResponse:
        end = page.offset if page.is_empty else page.offset + page.size
        body: dict[str, Any] = {"@odata.context": page.context}
        if count is not None:
            body["@odata.count"] = count
        if (end < len(page.states) or page.is_empty) and not (page.may_break and self._cloud.switches.take_lost_link()):
            token = secrets.token_urlsafe(24)
            self._pages[token] = replace(page, offset=end, is_empty=False, expires_at=self._expiry())
            body["@odata.nextLink"] = f"{page.path}?$skiptoken={token}"
        states = page.states[page.offset : end]
        body["value"] = [self._overlay.show(page.tenant, state, page.names) for state in states]
        if page.may_break and self._cloud.switches.take_torn_page():
            whole = json.dumps(body)
            return GraphResponse(200, whole[: len(whole) // 2])
        return GraphResponse(200, body)

    def _page_size(self, request: GraphRequest, names: Sequence[str]) -> int:
        if request.option("$skip") is not None and "$skip" in request.query:
            raise bad_request("'$skip' is not supported by the service.", "Request_BadRequest")
        text = request.option("$top")
        if text is None:
            return DEFAULT_PAGE
        limit = MAX_PAGE_WITH_SIGN_IN if SIGN_INS in names else MAX_PAGE
        if text.isdecimal() and limit < int(text) <= MAX_PAGE and self._cloud.switches.sign_in_top == "capped":
            return limit
        if not text.isdecimal() or not 1 <= int(text) <= limit:
            raise bad_request(
                f"Invalid page size specified: '{text}'. Must be between 1 and {limit} inclusive.",
                "Request_UnsupportedQuery",
            )
        return int(text)

    def _forget_expired(self) -> None:
        """Open pages hold a whole result; what can no longer be asked for need not be kept."""
        now = self._cloud.clock.timestamp()
        self._pages = {token: page for token, page in self._pages.items() if page.expires_at >= now}

    def _expiry(self) -> float:
        return self._cloud.clock.timestamp() + self._cloud.switches.page_token_life_s


def _everybody(state: State) -> bool:
    return True


def selected(request: GraphRequest, *, in_list: bool) -> list[str]:
    """The properties to return, in the order asked for; checks that they exist and may be read."""
    text = request.option("$select")
    if not text:
        return list(DEFAULT_PROPERTIES)
    names: list[str] = []
    for word in _split(text):
        name = canonical(word)
        if name is None or not request.tenant.has_property(name):
            raise bad_request(
                f"Parsing OData Select and Expand failed: Could not find a property named '{word}' on type "
                "'microsoft.graph.user'.",
                "BadRequest",
            )
        if in_list and name in PROPERTIES and not PROPERTIES[name].in_lists:
            raise GraphError(501, "NotImplemented", "Not Implemented")
        names.append(name)
    return names if "id" in names else ["id", *names]


def _ordered(request: GraphRequest, states: list[State]) -> list[State]:
    text = request.option("$orderby")
    if not text:
        return states
    name, _, direction = text.strip().partition(" ")
    spelled = canonical(name)
    if spelled not in ("displayName", "userPrincipalName", "createdDateTime"):
        raise bad_request("Sorting not supported for current query.", "Request_UnsupportedQuery")
    key = spelled
    return sorted(
        states, key=lambda state: str(value_of(state, key) or "").lower(), reverse=direction.strip() == "desc"
    )


def _split(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
