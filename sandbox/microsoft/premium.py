"""The gate before everything that needs Entra ID P1: the permission first, then the tenant's licence.

The real service refuses now and then although the licence is there; two texts exist for one code. Next: overlay.py.
"""

from __future__ import annotations

from sandbox.microsoft.cloud import Cloud
from sandbox.microsoft.errors import GraphError
from sandbox.microsoft.request import GraphRequest

_NO_PERMISSION = (
    "The principal does not have required Microsoft Graph permission(s): AuditLog.Read.All to call this API. "
    "For more information about Microsoft Graph permissions, please visit the permissions reference."
)
_NO_LICENCE = (
    "Neither tenant is B2C or tenant doesn't have premium license",
    "Tenant is not a B2C tenant and doesn't have premium license(s)",
)


def check_premium(cloud: Cloud, request: GraphRequest) -> None:
    """Raises the vendor's 403 for a missing permission or licence, and the false one where a switch asks for it."""
    if "AuditLog.Read.All" not in request.identity.roles:
        raise GraphError(403, "Authentication_MSGraphPermissionMissing", _NO_PERMISSION)
    if not request.tenant.premium or _is_false_alarm(cloud):
        raise GraphError(403, "Authentication_RequestFromNonPremiumTenantOrB2CTenant", cloud.rng.choice(_NO_LICENCE))


def _is_false_alarm(cloud: Cloud) -> bool:
    if cloud.switches.false_non_premium > 0:
        cloud.switches.false_non_premium -= 1
        return True
    return cloud.rng.random() < cloud.switches.false_non_premium_rate
