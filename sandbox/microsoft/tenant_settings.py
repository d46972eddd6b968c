"""Two settings of a tenant that reports depend on: security defaults, and whether usage reports conceal names.

Read only here; the story and the control API set them. Next: usage.py.
"""

from __future__ import annotations

import json

from sandbox.microsoft.cloud import Cloud
from sandbox.microsoft.errors import GraphError
from sandbox.microsoft.request import GraphRequest, GraphResponse, Route
from sandbox.microsoft.tenant import Tenant
from sandbox.microsoft.throttle import Cost

_READ_POLICIES = frozenset({"Policy.Read.All"})
_READ_SETTINGS = frozenset({"ReportSettings.Read.All", "ReportSettings.ReadWrite.All"})
_POLICY = "identitySecurityDefaultsEnforcementPolicy"


class TenantSettings:
    """The policy and the privacy setting of every tenant."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def routes(self) -> list[Route]:
        return [
            Route("GET", f"/policies/{_POLICY}", self._defaults, _READ_POLICIES, Cost("read", 1)),
            Route("GET", "/admin/reportSettings", self._privacy, frozenset(), Cost("free")),
        ]

    async def _defaults(self, request: GraphRequest) -> GraphResponse:
        return GraphResponse(
            200,
            {
                "@odata.context": f"{request.root}/$metadata#policies/{_POLICY}/$entity",
                "id": "00000000-0000-0000-0000-000000000005",
                "displayName": "Security Defaults",
                "description": "Security defaults is a set of basic identity security mechanisms.",
                "isEnabled": request.tenant.security_defaults,
            },
        )

    async def _privacy(self, request: GraphRequest) -> GraphResponse:
        if not request.identity.roles & _READ_SETTINGS:
            raise no_report_permission()
        context = f"{request.root}/$metadata#admin/reportSettings/$entity"
        concealed = conceals(self._cloud, request.tenant)
        return GraphResponse(200, {"@odata.context": context, "displayConcealedNames": concealed})


def conceals(cloud: Cloud, tenant: Tenant) -> bool:
    """Whether usage reports of this tenant carry codes in place of names."""
    how = cloud.switches.concealed_names
    return tenant.names_concealed if how == "by_tenant" else how == "always"


def no_report_permission() -> GraphError:
    """As captured: the message is itself JSON."""
    inner = {"error": {"code": "S2SUnauthorized", "message": "Invalid permission."}}
    return GraphError(403, "UnknownError", json.dumps(inner, separators=(",", ":")))
