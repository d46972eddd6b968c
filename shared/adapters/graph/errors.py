"""Every error that Graph answers with, as one of our three families. Pure; nothing is fetched.

`family` reads status, headers and error body. Codes come first, messages only where Graph gives no other sign. No
message of theirs passes on: it may quote names and addresses. Next: `shared/adapters/graph/caller.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from shared.adapters.graph.wire import SERVICE
from shared.adapters.http import retry_after
from shared.adapters.lenient import mapping, text
from shared.domain.errors import Permanent, Scope, StopTheLine, SyncError, Transient
from shared.domain.guid import GUID
from shared.ports import RESYNC

PAGE_EXPIRED = "page_token_expired"  # a listing's next link is void: begin the listing anew
NOT_FOUND = "not_found"
NOT_PREMIUM = "not_premium"  # asked only where the tenant's products include Entra ID P1, so it passes
PERMISSION_MISSING = "permission_missing"
REFUSED_QUERIES = frozenset({"bad_request", "unsupported_query", "not_supported"})  # what was asked is the fault

# "Operation: Create; Exception: [Status Code: Unauthorized; Reason: ...]": a backend's answer inside Graph's.
_WRAPPER = re.compile(r"Operation: \w+; Exception: \[Status Code: (\w+)")
_GUID = re.compile(rf"\b{GUID}\b")
_STATUS_NAMES = {
    "BadRequest": 400,
    "Unauthorized": 401,
    "Forbidden": 403,
    "NotFound": 404,
    "RequestTimeout": 408,
    "Conflict": 409,
    "Gone": 410,
    "TooManyRequests": 429,
    "InternalServerError": 500,
    "NotImplemented": 501,
    "BadGateway": 502,
    "ServiceUnavailable": 503,
    "GatewayTimeout": 504,
}
_BUSY = frozenset({408, 423, 424, 425, 429})


@dataclass(frozen=True, slots=True)
class _Fault:
    """An error answer, unwrapped. `code` and `message` are lower case, for comparing only."""

    status: int
    headers: Mapping[str, str]
    code: str
    message: str
    tenant: str

    def says(self, *fragments: str) -> bool:
        return any(fragment in self.message for fragment in fragments)

    def transient(self, code: str) -> Transient:
        return Transient(SERVICE, code, self._detail, retry_after=retry_after(self.headers))

    def permanent(self, code: str) -> Permanent:
        return Permanent(SERVICE, code, self._detail)

    def tenant_stops(self, code: str) -> StopTheLine:
        return StopTheLine(SERVICE, code, self._detail, scope=Scope.TENANT, retry_after=retry_after(self.headers))

    @property
    def _detail(self) -> str:
        return f"status {self.status}, tenant {self.tenant}"


def family(status: int, headers: Mapping[str, str], body: object, tenant: str) -> SyncError:
    """The error behind an answer that was no success. `body` is the parsed JSON or None; header names lower case."""
    fault = _Fault(
        status=true_status(status, body),
        headers=headers,
        code=_part(body, "code").lower(),
        message=_part(body, "message").lower(),
        tenant=tenant,
    )
    if _is_resync(fault):
        return fault.transient(RESYNC)
    if fault.code == "directory_expiredpagetoken" or _is_lost_report_page(fault):
        return fault.transient(PAGE_EXPIRED)
    if fault.code == "directory_objectnotfound":  # "Unable to read the company information": a fresh object
        return fault.transient("not_replicated")
    return _by_status(fault)


def true_status(status: int, body: object) -> int:
    """The status inside the wrapper grammar if there is one, unless the outer one already says "come again"."""
    wrapped = _WRAPPER.search(_part(body, "message"))
    if wrapped is None or status in _BUSY or status >= 500:
        return status
    return _STATUS_NAMES.get(wrapped.group(1), status)


def existing_id(body: object) -> str | None:
    """The subscription that a 409 names, None when it names none. The only message that has to be parsed."""
    found = _GUID.search(_part(body, "message"))
    return found.group(0).lower() if found else None


def worst(errors: list[SyncError]) -> SyncError:
    """One error for a whole batch: what stops the line, else what may be waited for (the longest), else the first."""
    stops = [error for error in errors if isinstance(error, StopTheLine)]
    waits = [error for error in errors if isinstance(error, Transient)]
    if stops:
        return stops[0]
    if waits:
        return max(waits, key=lambda error: error.retry_after or 0.0)
    return errors[0]


def _part(body: object, name: str) -> str:
    error = mapping(body).get("error")
    return text(mapping(error).get(name)) or ""


def _is_resync(fault: _Fault) -> bool:
    """Sheet 5.2: one class, whatever the status. Page tokens of a listing expire by a code of their own."""
    if fault.status == 410:
        return True
    expired = "expired" in fault.code and "token" in fault.code and "page" not in fault.code
    return fault.status in (400, 404) and (fault.code in ("syncstatenotfound", "resyncrequired") or expired)


def _is_lost_report_page(fault: _Fault) -> bool:
    """The reporting service has no code for it: "Token not found: token is either invalid or expired"."""
    return 400 <= fault.status < 500 and not fault.code and fault.says("token not found")


def _by_status(fault: _Fault) -> SyncError:  # noqa: C901 - one line a status, a table in the only form mypy can read
    match fault.status:
        case 400:
            return _bad_request(fault)
        case 401:
            return _unauthorized(fault)
        case 403:
            return _forbidden(fault)
        case 404:
            return fault.permanent(NOT_FOUND)
        case 409:
            return fault.permanent("already_exists")
        case 429:
            return fault.transient("throttled")
        case 501:
            return fault.permanent("not_supported")
        case 509:
            return fault.transient("bandwidth_exceeded")
        case status if status in _BUSY:
            return fault.transient("try_again")
        case status if status >= 500:
            return fault.transient("service_fault")
        case status if status >= 400:
            return fault.permanent("refused")
        case _:  # a redirect or a success where none was expected: something stands between us and Graph
            return fault.transient("unexpected_status")


# Fragments of 400 messages about subscriptions (sheet 1.7), first hit wins.
_BAD_REQUESTS: tuple[tuple[str, str], ...] = (
    ("response must exactly match", "handshake_mismatch"),
    ("could not establish trust relationship", "handshake_untrusted"),
    ("connection was closed", "handshake_tls"),
    ("latestsupportedtlsversion", "tls_version_refused"),
    ("invalid 'changetype'", "change_type_refused"),
    ("beyond allowed max", "expiration_too_far"),
    ("expiration can only be", "expiration_too_far"),
    ("must contain either the 'expirationdatetime'", "empty_renewal"),
)


def _bad_request(fault: _Fault) -> SyncError:
    for fragment, code in _BAD_REQUESTS:
        if fault.says(fragment):
            return fault.permanent(code)
    if fault.says("subscription validation request"):
        return _handshake(fault)
    return fault.permanent("unsupported_query" if fault.code == "request_unsupportedquery" else "bad_request")


def _handshake(fault: _Fault) -> SyncError:
    """Our own door did not answer Microsoft as it must: closed by a filter (a person), or not up yet (wait)."""
    if fault.says("timed out"):
        return fault.transient("handshake_timed_out")
    if fault.says("'forbidden'", "'unauthorized'", "'notfound'", "'methodnotallowed'", "'badrequest'"):
        return fault.permanent("handshake_refused")
    return fault.transient("handshake_failed")


def _unauthorized(fault: _Fault) -> SyncError:
    if _claims_wanted(fault):
        return fault.tenant_stops("conditional_access")
    if fault.code == "invalidauthenticationtoken":
        return fault.transient("token_refused")
    # Right after consent the first subscription gets this though the token is right: minutes of retrying cure it. A
    # role that is really missing shows in the token (`Directory.prove`).
    return fault.transient("not_yet_authorized")


# The second is the reports' own; usage reports wrap a third, S2SUnauthorized, as JSON into the message.
_PERMISSION_MISSING = frozenset({"authorization_requestdenied", "authentication_msgraphpermissionmissing"})


def _forbidden(fault: _Fault) -> SyncError:
    if _claims_wanted(fault):
        return fault.tenant_stops("conditional_access")
    if fault.code == "authentication_requestfromnonpremiumtenantorb2ctenant":
        return fault.transient(NOT_PREMIUM)
    if fault.code in _PERMISSION_MISSING or fault.says("s2sunauthorized"):
        return fault.tenant_stops(PERMISSION_MISSING)
    if fault.says("quota", "limit", "exceed"):
        return fault.permanent(_quota(fault.message))
    if fault.code == "extensionerror":  # a backend's own 403 was an intermittent fault of the service
        return fault.transient("forbidden_for_now")
    return fault.tenant_stops("forbidden")


# Sheet 1.8. No public capture has the text ("names the exceeded quota"): first the number, which is unmistakable, then
# the words.
_QUOTAS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\b50[,. ]?000\b"), "quota_app"),
    (re.compile(r"\b1[,. ]?000\b"), "quota_tenant"),
    (re.compile(r"\b100\b(?![,.]\d)"), "quota_app_tenant"),
    (re.compile(r"\bapp(?:lication)?s?\b.*\btenant|\btenant\b.*\bapp(?:lication)?\b"), "quota_app_tenant"),
    (re.compile(r"\btenant|\borganization"), "quota_tenant"),
    (re.compile(r"\bapp(?:lication)?s?\b"), "quota_app"),
)


def _quota(message: str) -> str:
    return next((code for pattern, code in _QUOTAS if pattern.search(message)), "quota")


def _claims_wanted(fault: _Fault) -> bool:
    return "insufficient_claims" in fault.headers.get("www-authenticate", "") or fault.code == "insufficient_claims"
