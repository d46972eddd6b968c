"""A failure in the words of a technician: what it was, and who does what next.

Codes are ours and static; nothing of a vendor's own text is shown. Next: `console/cli/__init__.py`, which prints it.
"""

from __future__ import annotations

from shared.domain.errors import Permanent, Scope, StopTheLine, SyncError, Transient

PLACES = {
    "graph": "Microsoft Graph",
    "login": "Microsoft sign-in",
    "syncro": "Syncro",
    "broker": "The queue",
    "state": "The short-lived state",
    "ledger": "The ledger",
    "worker": "The full sync",
}
CREDENTIALS = {
    "login": "graph.app_id and graph.app_secret",
    "syncro": "syncro.api_token and its permissions",
}

# What our codes mean, where the code alone would say too little.
CAUSES = {
    "login:tenant_unknown": "there is no such tenant",
    "login:consent_missing": "this tenant does not know the app",
    "login:consent_declined": "this tenant declined the app",
    "login:secret_wrong": "the app's secret is wrong, no tenant can be read",
    "login:secret_expired": "the app's secret has expired, no tenant can be read",
    "login:certificate_refused": "the app's certificate was refused, no tenant can be read",
    "login:credential_refused": "the app's credential was refused, no tenant can be read",
    "login:unreadable_answer": "the answer could not be read",
    "login:login_unavailable": "it could not be reached or did not answer as it should",
    "login:login_timed_out": "it did not answer in time",
}


def explain(error: SyncError) -> str:
    """A vendor's or a store's failure for a technician: what it was, and who does what next."""
    where = PLACES.get(error.service, error.service)
    known = CAUSES.get(f"{error.service}:{error.code}")
    detail = error.detail or ("" if known else error.code.replace("_", " "))
    what = f"{known} ({detail})" if known and detail else known or detail
    return f"{where}: {what.rstrip('.')}. {_what_next(error)}"


def _what_next(error: SyncError) -> str:
    match error:
        case StopTheLine(code="tenant_unknown"):
            return "Check the tenant's id: it stands in the Entra admin center under Overview."
        case StopTheLine(code="blocked_by_policy" | "not_assigned" | "app_disabled"):
            return "An administrator of the customer must let the app sign in, then try again."
        case StopTheLine(scope=Scope.TENANT):
            return "An administrator of the customer must grant consent to the app, then try again."
        case StopTheLine(retry_after=float() | int() as seconds):
            return f"Nothing was lost; try again in {max(1, round(seconds))} s."
        case StopTheLine(service=service):
            return f"Check {CREDENTIALS.get(service, 'the credentials')} in the settings, then try again."
        case Transient(retry_after=float() | int() as seconds):
            return f"Nothing was lost; try again in {max(1, round(seconds))} s."
        case Transient():
            return "Nothing was lost; try again in a moment."
        case Permanent(code="unsupported_url" | "ledger_url", service=service):
            return f"Correct {service}.url in the settings (ENTRA_SYNCRO_{service.upper()}__URL)."
        case Permanent(service="ledger" | "state" | "broker" as service):
            return f"Waiting will not help; see that {service}.url in the settings names the right place."
        case _:
            return "Waiting will not help; entra-syncro status shows what is connected, the log has the details."
