"""Pages of users: `$top`, `$select`, `$filter`, `$search`, `$orderby`, `$count`, and next links that go stale.

The result is fixed when the first page is read; a next link carries an opaque page token that expires. Next: users.py.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.microsoft.cloud import Cloud
from sandbox.microsoft.errors import GraphError, bad_request, denied
from sandbox.microsoft.odata import check_allowed, parse_filter
from sandbox.microsoft.request import GraphRequest, GraphResponse
from sandbox.microsoft.schema import DEFAULT_PROPERTIES, PROPERTIES, State, canonical, render, value_of
from sandbox.microsoft.search import parse_search

MAX_PAGE = 999
DEFAULT_PAGE = 100
MAX_PAGE_WITH_SIGN_IN = 500


@dataclass(frozen=True, slots=True)
class _Page:
    tenant_id: str
    rows: Sequence[dict[str, Any]]
    offset: int
    size: int
    context: str
    path: str
    expires_at: float


class Listings:
    """The open page tokens of the sandbox."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._pages: dict[str, _Page] = {}

    def first_page(self, request: GraphRequest, states: Iterable[State], kind: str = "users") -> GraphResponse:
        """Filter, order and render everything, then answer the first page."""
        names = selected(request, in_list=True)
        size = page_size(request, names)
        wanted = self._wanted(request)
        rows = _ordered(request, [state for state in states if wanted(state)])
        count = len(rows) if (request.option("$count") or "").lower() == "true" and request.eventual else None
        page = _Page(
            tenant_id=request.tenant.tenant_id,
            rows=[render(state, names) for state in rows],
            offset=0,
            size=size,
            context=self.context(request, kind, single=False),
            path=f"{request.root}{request.path}",
            expires_at=self._expiry(),
        )
        return self._answer(page, count)

    def next_page(self, request: GraphRequest, token: str) -> GraphResponse:
        """The page a `$skiptoken` names; 400 once the token has expired."""
        page = self._pages.get(token)
        if (
            page is None
            or page.tenant_id != request.tenant.tenant_id
            or page.expires_at < self._cloud.clock.timestamp()
        ):
            raise bad_request(
                "The specified page token value has expired and cannot be included in your request.",
                "Directory_ExpiredPageToken",
            )
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
        end = page.offset + page.size
        body: dict[str, Any] = {"@odata.context": page.context}
        if count is not None:
            body["@odata.count"] = count
        if end < len(page.rows):
            token = secrets.token_urlsafe(24)
            self._pages[token] = _Page(
                page.tenant_id, page.rows, end, page.size, page.context, page.path, self._expiry()
            )
            body["@odata.nextLink"] = f"{page.path}?$skiptoken={token}"
        body["value"] = list(page.rows[page.offset : end])
        return GraphResponse(200, body)

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
        if name is None:
            raise bad_request(
                f"Parsing OData Select and Expand failed: Could not find a property named '{word}' on type "
                "'microsoft.graph.user'.",
                "BadRequest",
            )
        if in_list and name in PROPERTIES and not PROPERTIES[name].in_lists:
            raise GraphError(501, "NotImplemented", "Not Implemented")
        names.append(name)
    if "signInActivity" in names:
        _check_sign_in(request)
    return names if "id" in names else ["id", *names]


def _check_sign_in(request: GraphRequest) -> None:
    if "AuditLog.Read.All" not in request.identity.roles:
        raise denied()
    if not request.tenant.premium:
        raise GraphError(
            403,
            "Authentication_RequestFromNonPremiumTenantOrB2CTenant",
            "Neither tenant is B2C or tenant doesn't have premium license",
        )


def page_size(request: GraphRequest, names: Sequence[str]) -> int:
    if request.option("$skip") is not None and "$skip" in request.query:
        raise bad_request("'$skip' is not supported by the service.", "Request_BadRequest")
    text = request.option("$top")
    if text is None:
        return DEFAULT_PAGE
    limit = MAX_PAGE_WITH_SIGN_IN if "signInActivity" in names else MAX_PAGE
    if not text.isdecimal() or not 1 <= int(text) <= limit:
        raise bad_request(
            f"Invalid page size specified: '{text}'. Must be between 1 and {limit} inclusive.",
            "Request_UnsupportedQuery",
        )
    return int(text)


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
