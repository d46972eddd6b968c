"""`GET /security/secureScores`: one snapshot a day, newest first, with the two user counts nobody can explain.

Ninety days are kept; a tenant may have none, and a whole service may stall for weeks. Next: tenant_settings.py.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

from sandbox.clock import graph_time
from sandbox.microsoft.cloud import Cloud
from sandbox.microsoft.errors import GraphError, bad_request
from sandbox.microsoft.reported import Score
from sandbox.microsoft.request import GraphRequest, GraphResponse, Route
from sandbox.microsoft.tenant import Tenant
from sandbox.microsoft.throttle import Cost

DAYS = 90
_STALLED_DAYS = 21
_READ = frozenset({"SecurityEvents.Read.All", "SecurityEvents.ReadWrite.All"})
_REFUSAL = (
    "Auth token does not contain valid permissions or user does not have valid roles. For more information, "
    "see the permissions of the Security API."
)
_CONTROLS = ("MFARegistrationV2", "AdminMFAV2", "BlockLegacyAuthentication", "SelfServicePasswordReset", "OneAdmin")


class Scores:
    """Secure Score of every tenant."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def routes(self) -> list[Route]:
        return [Route("GET", "/security/secureScores", self._get, frozenset(), Cost("score"))]

    async def _get(self, request: GraphRequest) -> GraphResponse:
        if not request.identity.roles & _READ:
            # the code that goes with this text is not known: an empty one serves a client that relies on none
            raise GraphError(403, "", _REFUSAL)
        top, skip = _number(request, "$top", DAYS), _number(request, "$skip", 0)
        days = self._days(request.tenant)
        body: dict[str, Any] = {"@odata.context": f"{request.root}/$metadata#security/secureScores"}
        if (request.option("$count") or "").lower() == "true":
            body["@odata.count"] = len(days)
        if skip + top < len(days):
            body["@odata.nextLink"] = f"{request.root}/security/secureScores?$top={top}&$skip={skip + top}"
        chosen = {word.strip() for word in (request.option("$select") or "").split(",") if word.strip()}
        body["value"] = [_kept(day, chosen) for day in days[skip : skip + top]]
        return GraphResponse(200, body)

    def _days(self, tenant: Tenant) -> list[dict[str, Any]]:
        score, how = tenant.score, self._cloud.switches.secure_score
        if score is None or how == "none":
            return []
        age = max(score.age_days, _STALLED_DAYS if how == "stalled" else 0)
        newest = datetime.combine(self._cloud.clock.now().date() - timedelta(days=age), time(), UTC)
        counts = self._counts(tenant, score)
        return [_snapshot(tenant, score, newest - timedelta(days=day), day, counts) for day in range(DAYS - age)]

    def _counts(self, tenant: Tenant, score: Score) -> tuple[int, int]:
        """Licensed and active users; in the field the first are assignments, sometimes plus half a million."""
        licensed, active = score.licensed_users, score.active_users
        if self._cloud.switches.score_counts == "odd":
            assigned = sum(tenant.assigned().values())
            return (licensed if licensed is not None else assigned - 1 + 500_000, active or 0)
        live = tenant.directory.live_count
        return (live if licensed is None else licensed, live if active is None else active)


def _snapshot(tenant: Tenant, score: Score, moment: datetime, day: int, counts: tuple[int, int]) -> dict[str, Any]:
    """A day of the past has a little less."""
    return {
        "id": f"{tenant.tenant_id}_{moment:%Y-%m-%d}",
        "azureTenantId": tenant.tenant_id,
        "activeUserCount": counts[1],
        "createdDateTime": graph_time(moment),
        "currentScore": round(max(0.0, score.current - day * 0.25), 2),
        "enabledServices": ["HasExchange", "HasSharePoint"],
        "licensedUserCount": counts[0],
        "maxScore": score.maximum,
        "vendorInformation": {
            "provider": "SecureScore",
            "providerVersion": None,
            "subProvider": None,
            "vendor": "Microsoft",
        },
        "averageComparativeScores": [
            {"basis": basis, "averageScore": average} for basis, average in score.averages.items()
        ],
        "controlScores": [
            {"controlCategory": "Identity", "controlName": name, "score": 1.0, "description": "<p>...</p>" * 40}
            for name in _CONTROLS
        ],
    }


def _kept(day: dict[str, Any], chosen: set[str]) -> dict[str, Any]:
    return {name: value for name, value in day.items() if name in chosen} if chosen else day


def _number(request: GraphRequest, name: str, default: int) -> int:
    text = request.option(name) if name in request.query else None
    if text is None:
        return default
    if not text.isdecimal():
        raise bad_request(f"Invalid value '{text}' for {name} query option found.", "BadRequest")
    return int(text)
