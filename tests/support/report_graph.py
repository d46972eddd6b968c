"""A Graph of one tenant without a socket: users, reports and products as JSON, and answers that come before those.

`ReportGraph` is an `HttpClient`. Pages follow `$top`; `before` holds answers by a fragment of the path, given once
each, in order, ahead of the true answer. The usage report lies on another host, which refuses every token.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from shared.adapters.graph.reports import GraphReports
from shared.adapters.http import Answer, Request
from shared.domain.errors import SyncError
from shared.domain.nightly import FactsPolicy
from shared.domain.tenant import TenantReading
from tests.support.vendor_stub import StaticTokens, answer
from tests.support.virtual_time import LoopClock, run_virtual

BASE = "https://graph.example"
REPORTS = "https://reports.example"
TENANT = "11111111-1111-4111-8111-111111111111"
P1_PLAN = "41781fb2-bc02-4b7c-bd55-b576c07bb09d"
PREMIUM_SKU = "cbdc14ab-d96c-4c30-b9f4-6ada7cdc1d46"
BASIC_SKU = "3b555118-da6a-4418-894f-7df1e2096870"

NOT_PREMIUM = "Authentication_RequestFromNonPremiumTenantOrB2CTenant"
NO_PERMISSION = "Authentication_MSGraphPermissionMissing"
HEADS = (
    "Report Refresh Date,User Principal Name,Display Name,Is Deleted,Exchange Last Activity Date,"
    "Teams Last Activity Date,Assigned Products"
)

Row = dict[str, Any]


def refusal(status: int = 403, code: str = "", message: str = "no", **headers: str) -> Answer:
    return answer(status, {"error": {"code": code, "message": message}}, **headers)


def throttled(**headers: str) -> Answer:
    return refusal(429, "TooManyRequests", **headers)


def person(number: int, **more: Any) -> Row:
    address = f"user{number}@contoso.example"
    return {
        "id": f"{number:08x}-0000-4000-8000-000000000000",
        "displayName": f"User {number}",
        "userPrincipalName": address,
        "mail": address,
        "accountEnabled": True,
        "userType": "Member",
        "assignedLicenses": [{"skuId": BASIC_SKU, "disabledPlans": []}],
        "signInActivity": {"lastSuccessfulSignInDateTime": "2026-11-20T10:00:00Z"},
        "perUserMfaState": "disabled",
    } | more


def registered(number: int, **more: Any) -> Row:
    return {
        "id": f"{number:08x}-0000-4000-8000-000000000000",
        "isMfaCapable": True,
        "isMfaRegistered": True,
        "methodsRegistered": ["mobilePhone", "microsoftAuthenticatorPush"],
        "userPreferredMethodForSecondaryAuthentication": "push",
    } | more


def sku(sku_id: str = PREMIUM_SKU, *plans: str, status: str = "Enabled", provisioning: str = "Success") -> Row:
    rows = [{"servicePlanId": plan, "provisioningStatus": provisioning} for plan in plans]
    return {"skuId": sku_id, "skuPartNumber": "SPB", "capabilityStatus": status, "servicePlans": rows}


def usage_line(name: str, exchange: str = "", teams: str = "", deleted: str = "False") -> str:
    return f"2026-11-22,{name},Somebody,{deleted},{exchange},{teams},MICROSOFT 365 BUSINESS BASIC"


def usage_file(*lines: str) -> bytes:
    return "\r\n".join((HEADS, *lines, "")).encode("utf-8-sig")


@dataclass
class ReportGraph:
    """Everything is public for a test to change before it reads. `asked`: the paths of all requests, `$batch` first."""

    users: Sequence[Row] = ()
    skus: Sequence[Row] = (sku(BASIC_SKU),)
    registrations: Sequence[Row] = ()
    score: Sequence[Row] = ({"createdDateTime": "2026-11-23T00:00:00Z", "currentScore": 120.5, "maxScore": 240.0},)
    security_defaults: bool | None = False
    usage: bytes = field(default_factory=lambda: usage_file(usage_line("user1@contoso.example", "2026-11-19")))
    methods: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    before: dict[str, list[Answer | SyncError]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    async def send(self, request: Request) -> Answer:
        self.requests.append(request)
        if request.url.startswith(REPORTS):
            return refusal(401) if "Authorization" in request.headers else answer(200, self.usage)
        return self._one(request.url.removeprefix(f"{BASE}/v1.0"), request.json)

    @property
    def asked(self) -> list[str]:
        return [re.sub(r"\?.*", "", request.url.split("/", 3)[3]) for request in self.requests]

    def _one(self, path: str, body: Any) -> Answer:
        for fragment, answers in self.before.items():
            if fragment in path and answers:
                step = answers.pop(0)
                if isinstance(step, SyncError):
                    raise step
                return step
        return self._batch(body) if path == "/$batch" else self._true(path)

    def _batch(self, body: Any) -> Answer:
        """Items in reverse order, as Graph may give them."""
        items = []
        for item in reversed(body["requests"]):
            inner = self._one(item["url"], None)
            content = json.loads(inner.body) if inner.body else None
            items.append({"id": item["id"], "status": inner.status, "headers": dict(inner.headers), "body": content})
        return answer(200, {"responses": items})

    def _true(self, path: str) -> Answer:
        plain = path.partition("?")[0]
        if found := re.fullmatch(r"/users/([^/]+)/authentication/methods", plain):
            return answer(200, {"value": list(self.methods.get(found.group(1), ()))})
        match plain:
            case "/subscribedSkus":
                return answer(200, {"value": list(self.skus)})
            case "/security/secureScores":
                return answer(200, {"value": list(self.score)})
            case "/policies/identitySecurityDefaultsEnforcementPolicy":
                return answer(200, {"isEnabled": self.security_defaults})
            case "/users":
                return self._page(path, self.users)
            case "/reports/authenticationMethods/userRegistrationDetails":
                return self._page(path, self.registrations)
            case "/reports/getOffice365ActiveUserDetail(period='D180')":
                return answer(302, None, Location=f"{REPORTS}/file?token=secret")
            case _:
                return refusal(404, "Request_ResourceNotFound")

    def _page(self, path: str, rows: Sequence[Row]) -> Answer:
        query = parse_qs(urlsplit(path).query)
        start, top = int(query.get("$skiptoken", ["0"])[0]), int(query["$top"][0])
        selected = query.get("$select", [""])[0].split(",")
        riders = {"signInActivity", "perUserMfaState"} - set(selected)
        body: Row = {"value": [{k: v for k, v in row.items() if k not in riders} for row in rows[start : start + top]]}
        if start + top < len(rows):
            link = re.sub(r"&\$skiptoken=\d+", "", path)
            body["@odata.nextLink"] = f"{BASE}/v1.0{link}&$skiptoken={start + top}"
        return answer(200, body)


def premium_graph(count: int, **more: Any) -> ReportGraph:
    """A tenant with Entra ID P1 and `count` users, all of them registered."""
    return ReportGraph(
        users=[person(number) for number in range(count)],
        skus=[sku(PREMIUM_SKU, P1_PLAN)],
        registrations=[registered(number) for number in range(count)],
        **more,
    )


def plain_graph(count: int, **more: Any) -> ReportGraph:
    """A tenant without Entra ID P1 and `count` users."""
    return ReportGraph(users=[person(number) for number in range(count)], **more)


def reports_on(graph: ReportGraph, clock: LoopClock | None = None, **policy: Any) -> GraphReports:
    return GraphReports(graph, StaticTokens(), BASE, FactsPolicy(**policy), clock or LoopClock())


def read(graph: ReportGraph, **policy: Any) -> TenantReading:
    """One reading in virtual time."""

    async def main() -> TenantReading:
        return await reports_on(graph, **policy).read(TENANT)

    return run_virtual(main())
