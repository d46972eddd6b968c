"""`GET /reports/getOffice365ActiveUserDetail(period='D180')`: a redirect to another host, where the CSV lies.

The link is its own permission and good for minutes; the host refuses a caller who brings a Graph token. Names are
concealed unless the tenant says otherwise, rows know no object id. Next: usage_csv.py.
"""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass

from aiohttp import web

from sandbox.microsoft.calls import Call
from sandbox.microsoft.cloud import Cloud
from sandbox.microsoft.errors import bad_request
from sandbox.microsoft.request import GraphRequest, GraphResponse, Route
from sandbox.microsoft.tenant import Tenant
from sandbox.microsoft.tenant_settings import conceals, no_report_permission
from sandbox.microsoft.throttle import Cost
from sandbox.microsoft.usage_csv import Look, usage_csv

_CALL = re.compile(r"getOffice365ActiveUserDetail\((.*)\)", re.IGNORECASE)
_PERIOD = re.compile(r"period='D(7|30|90|180)'")
_XML = (
    '<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>Server failed to authenticate the '
    "request. Make sure the value of the Authorization header is formed correctly.</Message></Error>"
)


@dataclass(frozen=True, slots=True)
class _Link:
    tenant: Tenant
    period_days: int
    expires_at: float


class Usage:
    """The report of every tenant, and the host that hands it out (`application()`)."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._links: dict[str, _Link] = {}

    def routes(self) -> list[Route]:
        return [Route("GET", "/reports/{call}", self._redirect, frozenset(), Cost("usage"))]

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/data/download/{key}", self._download)
        return app

    async def _redirect(self, request: GraphRequest) -> GraphResponse:
        call = _CALL.fullmatch(request.params["call"])
        if call is None:
            raise bad_request(f"Resource not found for the segment '{request.params['call']}'.", "BadRequest")
        if "Reports.Read.All" not in request.identity.roles:
            raise no_report_permission()
        period = _PERIOD.fullmatch(call[1].strip())
        if period is None:
            raise bad_request(f"Invalid value specified for parameter: {call[1]}", "InvalidArgument")
        key = secrets.token_urlsafe(32)
        expires_at = self._cloud.clock.timestamp() + self._cloud.switches.usage_link_life_s
        self._links[key] = _Link(request.tenant, int(period[1]), expires_at)
        is_tls = request.base == self._cloud.graph_tls_url
        host = self._cloud.reports_tls_url if is_tls else self._cloud.reports_url
        return GraphResponse(302, None, {"Location": f"{host}/data/download/{key}", "Content-Type": "text/plain"})

    async def _download(self, request: web.Request) -> web.Response:
        began = time.monotonic()
        link = self._links.get(request.match_info["key"])
        response = self._answer(request, link)
        tenant_id = link.tenant.tenant_id if link else ""
        # the key opens the report to anybody: it is not kept
        call = Call(
            self._cloud.clock.now(),
            "reports",
            tenant_id,
            "GET",
            "/data/download",
            response.status,
            time.monotonic() - began,
        )
        self._cloud.calls.append(call)
        return response

    def _answer(self, request: web.Request, link: _Link | None) -> web.Response:
        if "Authorization" in request.headers:
            status, code = self._cloud.rng.choice(((403, "AuthenticationFailed"), (400, "InvalidAuthenticationInfo")))
            return web.Response(status=status, text=_XML.format(code=code), content_type="application/xml")
        if link is None or link.expires_at < self._cloud.clock.timestamp():
            return web.Response(status=403, text=_XML.format(code="LinkExpired"), content_type="application/xml")
        return web.Response(
            body=usage_csv(link.tenant, self._cloud.read_horizon(), self._look(link)),
            content_type="application/octet-stream",
            headers={"Content-Disposition": 'attachment; filename="Office365ActiveUserDetail.csv"'},
        )

    def _look(self, link: _Link) -> Look:
        switches = self._cloud.switches
        return Look(
            today=self._cloud.clock.now().date(),
            period_days=link.period_days,
            state=switches.usage_report,
            is_concealed=conceals(self._cloud, link.tenant),
            is_recased=switches.mixed_case_names,
        )
