"""Graph's limits: resource units of the directory by size of tenant, writes, /subscriptions, and each kind of report.

Counts in fixed windows; a refused call is counted too, as the vendor does. Next: graph.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from sandbox.microsoft.cloud import Cloud
from sandbox.microsoft.errors import GraphError
from sandbox.microsoft.tenant import Tenant

Kind = Literal[
    "read",
    "write",
    "sub-write",
    "sub-reauthorize",
    "sub-get",
    "sub-list",
    "sign-in",
    "registration",
    "usage",
    "score",
    "free",
]


@dataclass(frozen=True, slots=True)
class Cost:
    """Which limit a call draws on, and how many units before the `$select`/`$expand`/`$top` modifiers."""

    kind: Kind = "read"
    units: int = 1


@dataclass(frozen=True, slots=True)
class _Limit:
    scope: str
    amount: int
    seconds: float


_SUBSCRIPTION_LIMITS = {
    "sub-write": (2_000, 500),
    "sub-reauthorize": (4_000, 1_000),
    "sub-get": (2_000, 500),
    "sub-list": (40, 25),
}
_BUSY_REPORTS = (
    "Too Many Requests",
    "This request is throttled. Please try again after the value specified in the Retry-After header. "
    "CorrelationId: 7c1f2a64-6d0e-4b8e-9a57-1f2f6e0f5a10",
)


class Throttle:
    """All counters of one sandbox."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._windows: dict[str, tuple[float, float]] = {}

    def charge(self, cost: Cost, units: int, tenant: Tenant) -> dict[str, str]:
        """Count a call; returns response headers, raises the 429 when a limit is passed."""
        if cost.kind == "free":
            return {}
        if not self._cloud.switches.throttling:
            return {"x-ms-resource-unit": str(units)}
        worst = 0.0
        for limit in self._limits(cost, tenant):
            used, wait = self._count(f"{limit.scope}/{cost.kind}", limit, units)
            if used > limit.amount:
                raise self._refusal(cost, limit, wait, tenant)
            worst = max(worst, used / limit.amount)
        headers = {"x-ms-resource-unit": str(units)} if cost.kind in ("read", "write") else {}
        return headers | ({"x-ms-throttle-limit-percentage": f"{worst:.1f}"} if worst >= 0.8 else {})

    def _limits(self, cost: Cost, tenant: Tenant) -> list[_Limit]:
        both, app = f"Tenant_Application/{tenant.tenant_id}", "Application"
        if cost.kind == "read":
            size = tenant.directory.live_count
            amount = 3_500 if size < 50 else 5_000 if size <= 500 else 8_000
            return [_Limit(both, amount, 10), _Limit(app, 150_000, 20)]
        if cost.kind == "write":
            tenant_wide = _Limit(f"Tenant/{tenant.tenant_id}", 18_000, 300)
            return [_Limit(both, 3_000, 150), tenant_wide, _Limit(app, 35_000, 300)]
        if cost.kind not in _SUBSCRIPTION_LIMITS:
            return _report_limits(cost.kind, both, app, f"Tenant/{tenant.tenant_id}")
        everyone, one = _SUBSCRIPTION_LIMITS[cost.kind]
        return [_Limit(both, one, 20), _Limit(app, everyone, 20)]

    def _count(self, key: str, limit: _Limit, units: int) -> tuple[float, float]:
        """Units used in the running window, this call included, and the seconds until it ends."""
        now = self._cloud.clock.timestamp()
        length = limit.seconds / self._cloud.switches.limit_window_divisor
        start, used = self._windows.get(key, (now, 0.0))
        if now - start >= length:
            start, used = now, 0.0
        self._windows[key] = (start, used + units)
        return used + units, start + length - now

    def _refusal(self, cost: Cost, limit: _Limit, wait: float, tenant: Tenant) -> GraphError:
        headers = self.retry_after(wait)
        if cost.kind in ("read", "write"):
            scope = limit.scope.partition("/")[0]
            kind = "Write" if cost.kind == "write" else "ReadWrite"
            headers["x-ms-throttle-scope"] = f"{scope}/{kind}/{self._cloud.app_id}/{tenant.tenant_id}"
            reason = "WriteLimitExceeded" if cost.kind == "write" else "ResourceUnitLimitExceeded"
            headers["x-ms-throttle-information"] = reason
        if cost.kind in ("registration", "usage"):
            return GraphError(429, "UnknownError", self._cloud.rng.choice(_BUSY_REPORTS), headers=headers)
        return GraphError(429, "TooManyRequests", "Please retry again later.", headers=headers)

    def retry_after(self, wait: float) -> dict[str, str]:
        """The header in the switched style: fractional seconds, whole seconds, or none."""
        style = self._cloud.switches.retry_after
        if style == "none":
            return {}
        return {"Retry-After": f"{wait:.3f}" if style == "fractional" else str(max(1, math.ceil(wait)))}


def _report_limits(kind: str, both: str, app: str, tenant: str) -> list[_Limit]:
    if kind == "sign-in":
        # printed in both columns: the ten a minute hold for one tenant and for all of them together
        return [_Limit(both, 10, 60), _Limit(app, 10, 60)]
    if kind == "registration":
        return [_Limit(both, 5, 10), _Limit(app, 122, 10)]
    if kind == "usage":
        return [_Limit(both, 14, 600), _Limit(tenant, 40, 600)]
    return [_Limit(f"{both}/minute", 150, 60), _Limit(f"{both}/long", 10_000, 600)]


def units_of(cost: Cost, *, select: bool, expand: bool, top: int | None) -> int:
    """Resource units of one call after the modifiers; never less than one."""
    if cost.kind != "read":
        return cost.units
    discount = (3 if cost.units == 5 else 1) if select else 0
    return max(1, cost.units - discount + int(expand) - int(top is not None and top < 20))
