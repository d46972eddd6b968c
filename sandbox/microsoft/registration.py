"""`GET /reports/authenticationMethods/userRegistrationDetails`: one row per user, who registered which methods.

Needs AuditLog.Read.All and Entra ID P1. Its page tokens live for minutes and die with an empty error code; a new user
has no row for a while; everything about it is somewhat old. Next: methods.py.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sandbox.clock import graph_time
from sandbox.microsoft.cloud import Cloud
from sandbox.microsoft.errors import GraphError, bad_request
from sandbox.microsoft.overlay import mixed_case
from sandbox.microsoft.premium import check_premium
from sandbox.microsoft.request import GraphRequest, GraphResponse, Route
from sandbox.microsoft.schema import State
from sandbox.microsoft.tenant import Tenant
from sandbox.microsoft.throttle import Cost

PATH = "/reports/authenticationMethods/userRegistrationDetails"
DEFAULT_PAGE = 100
MAX_PAGE = 999
_CONTEXT = "$metadata#reports/authenticationMethods/userRegistrationDetails"
_FLAG = re.compile(r"(is\w+)\s+eq\s+(true|false)", re.IGNORECASE)
_USUAL_AGE, _STALE_AGE = timedelta(hours=3), timedelta(days=2)
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Page:
    """The rest of a report: its states are fixed, rows are made page by page."""

    tenant: Tenant
    states: Sequence[State]
    size: int
    names: tuple[str, ...]
    wanted: tuple[tuple[str, bool], ...]
    expires_at: float
    is_empty: bool = False


class Registration:
    """The registration report of every tenant."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._pages: dict[str, _Page] = {}

    def routes(self) -> list[Route]:
        return [Route("GET", PATH, self._get, frozenset(), Cost("registration"))]

    async def _get(self, request: GraphRequest) -> GraphResponse:
        check_premium(self._cloud, request)
        token = request.option("$skiptoken")
        page = self._first(request) if token is None else self._known(request, token)
        rows = [self._row(page.tenant, state) for state in page.states[: 0 if page.is_empty else page.size]]
        kept = [row for row in rows if all(row.get(name) is value for name, value in page.wanted)]
        body: dict[str, Any] = {"@odata.context": f"{request.root}/{_CONTEXT}"}
        rest = page.states if page.is_empty else page.states[page.size :]
        if rest or page.is_empty:
            body["@odata.nextLink"] = f"{request.root}{PATH}?$skiptoken={self._keep(page, rest)}"
        body["value"] = [{name: row[name] for name in page.names or row if name in row} for row in kept]
        return GraphResponse(200, body)

    def _first(self, request: GraphRequest) -> _Page:
        if request.option("$skip") is not None and "$skip" in request.query:
            raise bad_request("The query specified in the URI is not valid. Query option 'Skip' is not allowed.")
        switches = self._cloud.switches
        horizon = self._cloud.clock.timestamp() - switches.registration_delay_s
        is_empty = switches.registration_report == "empty"
        seen = () if is_empty else request.tenant.directory.all_seen(horizon)
        reports_on = request.tenant.reports_on
        states = [one.state for one in seen if one.live and reports_on(one.state["id"]).has_row]
        chosen = request.option("$select") or ""
        return _Page(
            tenant=request.tenant,
            states=states,
            size=min(_top(request), switches.registration_page_max),
            names=tuple(word.strip() for word in chosen.split(",") if word.strip()),
            wanted=_flags(request.option("$filter")),
            expires_at=self._expiry(),
            is_empty=switches.take_empty_page(),
        )

    def _known(self, request: GraphRequest, token: str) -> _Page:
        page = self._pages.get(token)
        if page is None or page.tenant is not request.tenant or page.expires_at < self._cloud.clock.timestamp():
            # captured: the code is an empty string
            raise GraphError(400, "", "Token not found: token is either invalid or expired")
        return page

    def _keep(self, page: _Page, rest: Sequence[State]) -> str:
        now = self._cloud.clock.timestamp()
        self._pages = {name: one for name, one in self._pages.items() if one.expires_at >= now}
        token = secrets.token_urlsafe(24)
        self._pages[token] = replace(page, states=rest, is_empty=False, expires_at=self._expiry())
        return token

    def _expiry(self) -> float:
        return self._cloud.clock.timestamp() + self._cloud.switches.registration_token_life_s

    def _row(self, tenant: Tenant, state: State) -> Row:
        switches = self._cloud.switches
        told = tenant.reports_on(state["id"])
        age = _STALE_AGE if switches.registration_report == "stale" else _USUAL_AGE
        capable = told.is_registered if told.capable is None else told.capable
        name = state["userPrincipalName"]
        preferred = told.preferred if told.methods else "none"
        return {
            "id": mixed_case(state["id"]) if switches.mixed_case_ids else state["id"],
            "userPrincipalName": recased(name) if switches.mixed_case_names else name,
            "userDisplayName": state.get("displayName"),
            "userType": str(state.get("userType") or "member").lower(),
            "isAdmin": told.is_admin,
            "isSsprRegistered": bool(told.methods),
            "isSsprEnabled": False,
            "isSsprCapable": False,
            "isMfaRegistered": told.is_registered,
            "isMfaCapable": capable,
            "isPasswordlessCapable": told.is_passwordless,
            # when the report was refreshed, not when the user registered
            "lastUpdatedDateTime": graph_time(self._cloud.clock.now() - age),
            "methodsRegistered": list(told.methods),
            "isSystemPreferredAuthenticationMethodEnabled": True,
            "systemPreferredAuthenticationMethods": [preferred] if preferred not in ("", "none") else [],
            "userPreferredMethodForSecondaryAuthentication": preferred,
        }


def recased(name: str) -> str:
    """A principal name as somebody typed it once: reports keep that case, the directory need not."""
    return name.title() if len(name) % 2 else name.upper()


def _top(request: GraphRequest) -> int:
    text = request.option("$top")
    if text is None:
        return DEFAULT_PAGE
    if not text.isdecimal() or not 1 <= int(text) <= MAX_PAGE:
        raise bad_request(f"Invalid page size specified: '{text}'. Must be between 1 and {MAX_PAGE} inclusive.")
    return int(text)


def _flags(text: str | None) -> tuple[tuple[str, bool], ...]:
    """The filter by booleans; the only one simulated."""
    if text is None:
        return ()
    found = [_FLAG.fullmatch(clause.strip()) for clause in re.split(r"\s+and\s+", text, flags=re.IGNORECASE)]
    if not all(found):
        raise bad_request("Invalid filter clause", "BadRequest")
    return tuple((match[1], match[2].lower() == "true") for match in found if match)
