"""Why something stayed unknown, as one sentence for a technician: what, why, and who does what next. Pure.

No text of Microsoft's passes through: it may quote names and addresses. Next: `shared/adapters/graph/reports/frame.py`.
"""

from __future__ import annotations

from shared.adapters.graph.errors import NOT_PREMIUM, PERMISSION_MISSING
from shared.domain.errors import SyncError, Transient

READ_AUDIT_LOG = "AuditLog.Read.All"
READ_LICENCES = "LicenseAssignment.Read.All"
READ_METHODS = "UserAuthenticationMethod.Read.All"
READ_POLICIES = "Policy.Read.All"
READ_REPORTS = "Reports.Read.All"
READ_SECURITY = "SecurityEvents.Read.All"

_NEXT_TIME = "The next full sync asks again."


def unknown(what: str, error: SyncError, permission: str) -> str:
    """`what` with its verb ("Last activity is"); `permission` is the role that the call needs."""
    return f"{what} unknown: {_because(error, permission)}"


def lacking(attribute: str) -> str:
    """An attribute that rules map to a field, in a tenant that has none such."""
    return (
        f"{attribute} is unknown: the tenant has no such attribute, so the field that it is mapped to stays as it is. "
        "Correct the name in custom_mappings, or have the app that owns the attribute consented in this tenant."
    )


def _because(error: SyncError, permission: str) -> str:
    if error.code == NOT_PREMIUM:
        return (
            "Microsoft answered that the tenant has no Entra ID P1 although its products include it, which happens for "
            f"a while. {_NEXT_TIME}"
        )
    if error.code == PERMISSION_MISSING:
        return f"the permission {permission} is missing. An administrator of the tenant has to consent again."
    if error.code == "forbidden":
        return (
            f"Microsoft refuses it. If this stays, the permission {permission} is probably missing and an "
            "administrator of the tenant has to consent again."
        )
    if error.code == "throttled":
        return f"Microsoft limits the requests for longer than a sync can wait. {_NEXT_TIME}"
    if isinstance(error, Transient):
        return f"Microsoft gave no usable answer ({error.code}). {_NEXT_TIME}"
    return f"Microsoft refuses the request ({error.code}). If this stays, please report it."
