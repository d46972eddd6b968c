"""Every error that the login service answers a token request with, as one of our three families. Pure.

Read from the numeric `error_codes` first, then from the OAuth `error` (sheet 9.1). No text of theirs passes on. Next:
`shared/adapters/graph/auth.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from shared.adapters.lenient import mapping, text
from shared.domain.errors import Scope, StopTheLine, SyncError, Transient

LOGIN = "login"

_TENANT_CODES: Mapping[int, str] = {
    700016: "consent_missing",
    7000229: "consent_missing",
    65001: "consent_missing",
    65004: "consent_declined",
    90002: "tenant_unknown",
    90072: "tenant_unknown",
    53003: "blocked_by_policy",
    50105: "not_assigned",
    7000112: "app_disabled",
}
_ACCOUNT_CODES: Mapping[int, str] = {
    7000215: "secret_wrong",
    7000222: "secret_expired",
    7000214: "certificate_refused",
    700027: "certificate_refused",
    700030: "certificate_refused",
    700024: "assertion_expired",
    50027: "assertion_refused",
    70021: "assertion_refused",
    700023: "assertion_refused",
    700211: "assertion_refused",
    700212: "assertion_refused",
    700213: "assertion_refused",
    7002137: "assertion_refused",
    7002138: "assertion_refused",
}
# Login is throttled, loops or cannot reach its own directory.
_WAIT_CODES = frozenset({50196, 90006, 90033, 90055})
_WAIT_ERRORS = frozenset({"temporarily_unavailable", "server_error", "slow_down"})


def login_family(body: object, tenant: str) -> SyncError:
    """The error behind a refused token request: numeric `error_codes` first, then the OAuth `error`."""
    error = text(mapping(body).get("error")) or ""
    listed = mapping(body).get("error_codes")
    codes = [code for code in listed if isinstance(code, int)] if isinstance(listed, list) else []
    for code in codes:
        if code in _TENANT_CODES:
            return login_stops(_TENANT_CODES[code], tenant, f"AADSTS{code}")
        if code in _ACCOUNT_CODES:
            return _account_stops(_ACCOUNT_CODES[code], f"AADSTS{code}")
    if error in _WAIT_ERRORS or not error or not _WAIT_CODES.isdisjoint(codes):
        return Transient(LOGIN, "login_unavailable", f"tenant {tenant}")
    sign = f"AADSTS{codes[0]}" if codes else "no code"
    if error == "invalid_client":
        return _account_stops("credential_refused", sign)
    return login_stops("login_refused", tenant, sign)


def login_stops(code: str, tenant: str, sign: str) -> StopTheLine:
    return StopTheLine(LOGIN, code, f"{sign}, tenant {tenant}", scope=Scope.TENANT)


def _account_stops(code: str, sign: str) -> StopTheLine:
    return StopTheLine(LOGIN, code, sign, scope=Scope.ACCOUNT)
