"""Every error row that is known of Graph and of its login service, one test a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from shared.adapters.graph.errors import existing_id, family, true_status, worst
from shared.adapters.graph.login_errors import login_family
from shared.domain.errors import Ambiguous, Permanent, Scope, StopTheLine, SyncError, Transient

TENANT = "0b0f1f2f-aaaa-bbbb-cccc-000000000001"
GUID = "c0bba80e-57a3-43a7-bac2-e6f525a76e7c"


def body(code: str | None, message: str = "") -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "innerError": {"date": "2026-10-22T02:00:00"}}}


def wrapped(name: str, reason: str = "", operation: str = "Create") -> str:
    return f"Operation: {operation}; Exception: [Status Code: {name}; Reason: {reason}]"


@dataclass(frozen=True)
class Row:
    status: int
    body: object
    family: type[SyncError]
    code: str
    headers: dict[str, str] | None = None

    def __str__(self) -> str:
        return f"{self.status}-{self.code}"


VALIDATION = "Subscription validation request failed."
RULE = "Notification endpoint must respond with 200 OK to validation request."
CLOSED = "The underlying connection was closed:"

ROWS = [
    # 1.7 subscriptions
    Row(400, body("ValidationError", f"{VALIDATION} {RULE}"), Transient, "handshake_failed"),
    Row(400, body("InvalidRequest", f"{VALIDATION} {RULE}"), Transient, "handshake_failed"),
    Row(
        400,
        body("ValidationError", f"{VALIDATION} HTTP status code is 'Forbidden'. {RULE}"),
        Permanent,
        "handshake_refused",
    ),
    Row(400, body("InvalidRequest", "Subscription validation request timed out."), Transient, "handshake_timed_out"),
    Row(
        400,
        body("InvalidRequest", f"{VALIDATION} Response must exactly match validationToken query parameter."),
        Permanent,
        "handshake_mismatch",
    ),
    Row(
        400,
        body("InvalidRequest", f"{CLOSED} Could not establish trust relationship for the SSL/TLS secure channel."),
        Permanent,
        "handshake_untrusted",
    ),
    Row(400, body("InvalidRequest", f"{CLOSED} An unexpected error occurred on a send."), Permanent, "handshake_tls"),
    Row(
        400,
        body("ValidationError", "Invalid property value for LatestSupportedTlsVersion"),
        Permanent,
        "tls_version_refused",
    ),
    Row(400, body("InvalidRequest", "Invalid 'changeType' attribute: 'created'."), Permanent, "change_type_refused"),
    Row(
        400,
        body("ExtensionError", "Subscription expiration can only be 41760 minutes in the future."),
        Permanent,
        "expiration_too_far",
    ),
    Row(
        400,
        body("ExtensionError", wrapped("BadRequest", "Expiration time is beyond allowed max '3.00:00:00'.")),
        Permanent,
        "expiration_too_far",
    ),
    Row(
        400,
        body(
            None,
            "Subscription must contain either the 'expirationDateTime' or 'notificationUrl' property and its value.",
        ),
        Permanent,
        "empty_renewal",
    ),
    Row(401, body("InvalidAuthenticationToken", "Access token is empty."), Transient, "token_refused"),
    Row(401, body("InvalidAuthenticationToken", "Access token has expired"), Transient, "token_refused"),
    Row(
        401,
        body("InvalidAuthenticationToken", "CompactToken parsing failed with error code: 80049217"),
        Transient,
        "token_refused",
    ),
    Row(401, body("ExtensionError", wrapped("Unauthorized")), Transient, "not_yet_authorized"),
    Row(403, body("ExtensionError", wrapped("Forbidden", "Forbidden")), Transient, "forbidden_for_now"),
    Row(
        403,
        body("Authorization_RequestDenied", "Insufficient privileges to complete the operation."),
        StopTheLine,
        "permission_missing",
    ),
    Row(403, body("Forbidden", "The subscription quota of this tenant is exceeded."), Permanent, "quota_tenant"),
    Row(403, body("Forbidden", "The limit of 1,000 subscriptions per tenant was reached."), Permanent, "quota_tenant"),
    Row(403, body("Forbidden", "The limit of 100 subscriptions was exceeded."), Permanent, "quota_app_tenant"),
    Row(403, body("Forbidden", "Quota per app and tenant exceeded."), Permanent, "quota_app_tenant"),
    Row(403, body("Forbidden", "The limit of 50000 subscriptions per app was reached."), Permanent, "quota_app"),
    Row(403, body("Forbidden", "Quota of the application exceeded."), Permanent, "quota_app"),
    Row(403, body("ExtensionError", wrapped("Forbidden", "Quota exceeded")), Permanent, "quota"),
    Row(403, body("AccessDenied"), StopTheLine, "forbidden"),
    Row(404, body("ExtensionError", wrapped("NotFound", "gone", "Delete")), Permanent, "not_found"),
    Row(400, body("ExtensionError", wrapped("NotFound", "gone", "Update")), Permanent, "not_found"),
    Row(404, body("ResourceNotFound", "The object was not found."), Permanent, "not_found"),
    Row(
        409,
        body("ObjectIdentifierInUse", f"Subscription Id {GUID} already exists for the requested combination"),
        Permanent,
        "already_exists",
    ),
    Row(
        500,
        body(
            "ExtensionError",
            "Operation: Create; Exception: [There was no raw user ticket in the requestPropertyMappings]",
        ),
        Transient,
        "service_fault",
    ),
    Row(503, body("ExtensionError", wrapped("ServiceUnavailable", "busy")), Transient, "service_fault"),
    Row(400, body("ExtensionError", wrapped("ServiceUnavailable", "busy")), Transient, "service_fault"),
    Row(503, body("ExtensionError", wrapped("BadRequest", "odd")), Transient, "service_fault"),
    # 5.2 delta
    Row(400, body("syncStateNotFound", "The sync state generation is not found."), Transient, "resync_required"),
    Row(404, body("SyncStateNotFound"), Transient, "resync_required"),
    Row(400, body("resyncRequired"), Transient, "resync_required"),
    Row(400, body("Directory_ExpiredDeltaToken"), Transient, "resync_required"),
    Row(410, None, Transient, "resync_required"),
    # 6.2, 6.3 reading users
    Row(400, body("Directory_ExpiredPageToken"), Transient, "page_token_expired"),
    Row(
        400,
        body("Request_UnsupportedQuery", "Too many child clauses specified in search filter expression"),
        Permanent,
        "unsupported_query",
    ),
    Row(404, body("Request_ResourceNotFound", "Resource does not exist"), Permanent, "not_found"),
    Row(
        404,
        body("Directory_ObjectNotFound", "Unable to read the company information from the directory."),
        Transient,
        "not_replicated",
    ),
    Row(501, body("NotImplemented"), Permanent, "not_supported"),
    # 7 batches
    Row(400, body("BadRequest", "Invalid batch payload format."), Permanent, "bad_request"),
    Row(424, body("FailedDependency"), Transient, "try_again"),
    # 8.3 throttling and faults
    Row(429, body("TooManyRequests", "Please retry again later."), Transient, "throttled", {"retry-after": "2.128"}),
    Row(429, body("TooManyRequests", "Please retry again later."), Transient, "throttled"),
    Row(503, None, Transient, "service_fault", {"retry-after": "10"}),
    Row(504, None, Transient, "service_fault"),
    Row(500, None, Transient, "service_fault"),
    Row(502, None, Transient, "service_fault"),
    Row(509, None, Transient, "bandwidth_exceeded"),
    Row(408, None, Transient, "try_again"),
    Row(403, body("Forbidden"), StopTheLine, "conditional_access", {"www-authenticate": 'error="insufficient_claims"'}),
    Row(
        401,
        body("X"),
        StopTheLine,
        "conditional_access",
        {"www-authenticate": 'error="insufficient_claims", claims=""'},
    ),
    # what no sheet knows
    Row(418, None, Permanent, "refused"),
    Row(302, None, Transient, "unexpected_status"),
    Row(400, [], Permanent, "bad_request"),
    Row(403, {"error": "text"}, StopTheLine, "forbidden"),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_every_row_has_its_family(row: Row) -> None:
    error = family(row.status, row.headers or {}, row.body, TENANT)
    assert (type(error), error.code) == (row.family, row.code)
    assert error.service == "graph"
    if isinstance(error, StopTheLine):
        assert error.scope is Scope.TENANT


@pytest.mark.parametrize(("header", "seconds"), [("2.128", 2.128), ("10", 10.0), ("soon", None), (None, None)])
def test_retry_after_is_kept_with_its_fraction_or_left_open(header: str | None, seconds: float | None) -> None:
    error = family(429, {} if header is None else {"retry-after": header}, None, TENANT)
    assert isinstance(error, Transient)
    assert error.retry_after == seconds


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_no_text_of_graph_passes_on(row: Row) -> None:
    marked = row.body
    if isinstance(marked, dict) and isinstance(marked["error"], dict):
        marked = {"error": marked["error"] | {"message": f"{marked['error']['message']} someone@example.com"}}
    assert "someone" not in str(family(row.status, row.headers or {}, marked, TENANT))


def test_the_wrapper_is_unwrapped_unless_the_outer_status_says_come_again() -> None:
    assert true_status(400, body("ExtensionError", wrapped("NotFound"))) == 404
    assert true_status(503, body("ExtensionError", wrapped("NotFound"))) == 503
    assert true_status(400, body("ExtensionError", wrapped("NeverHeardOf"))) == 400
    assert true_status(404, None) == 404


def test_the_guid_of_a_duplicate() -> None:
    assert existing_id(body("X", f"Subscription Id {GUID.upper()} already exists")) == GUID
    assert existing_id(body("X", "already exists")) is None
    assert existing_id(None) is None


def test_a_batch_fails_with_what_matters_most() -> None:
    stop = StopTheLine("graph", "permission_missing", scope=Scope.TENANT)
    short, long = Transient("graph", "throttled", retry_after=1.0), Transient("graph", "throttled", retry_after=7.5)
    unknown, bad = Transient("graph", "service_fault"), Permanent("graph", "bad_request")
    assert worst([bad, short, stop, long]) is stop
    assert worst([bad, short, unknown, long]) is long
    assert worst([bad]) is bad


LOGIN_ROWS = [
    (700016, "unauthorized_client", Scope.TENANT, "consent_missing"),
    (7000229, "unauthorized_client", Scope.TENANT, "consent_missing"),
    (65001, "invalid_grant", Scope.TENANT, "consent_missing"),
    (65004, "access_denied", Scope.TENANT, "consent_declined"),
    (90002, "invalid_request", Scope.TENANT, "tenant_unknown"),
    (90072, "invalid_grant", Scope.TENANT, "tenant_unknown"),
    (53003, "access_denied", Scope.TENANT, "blocked_by_policy"),
    (50105, "invalid_grant", Scope.TENANT, "not_assigned"),
    (7000112, "unauthorized_client", Scope.TENANT, "app_disabled"),
    (7000215, "invalid_client", Scope.ACCOUNT, "secret_wrong"),
    (7000222, "invalid_client", Scope.ACCOUNT, "secret_expired"),
    (700027, "invalid_client", Scope.ACCOUNT, "certificate_refused"),
    (7000218, "invalid_client", Scope.ACCOUNT, "credential_refused"),
    (999999, "unauthorized_client", Scope.TENANT, "login_refused"),
]


@pytest.mark.parametrize(("number", "error", "scope", "code"), LOGIN_ROWS)
def test_every_login_row_has_its_scope(number: int, error: str, scope: Scope, code: str) -> None:
    said = {"error": error, "error_codes": [number], "error_description": f"AADSTS{number}: someone@example.com"}
    failure = login_family(said, TENANT)
    assert isinstance(failure, StopTheLine)
    assert (failure.scope, failure.code) == (scope, code)
    assert f"AADSTS{number}" in failure.detail
    assert "someone" not in str(failure)


@pytest.mark.parametrize(
    "said",
    [
        {"error": "invalid_request", "error_codes": [90055]},
        {"error": "temporarily_unavailable"},
        {"error": "server_error"},
        {},
        None,
        "text",
    ],
)
def test_a_login_that_is_only_away_is_waited_for(said: object) -> None:
    failure = login_family(said, TENANT)
    assert isinstance(failure, Transient)
    assert not isinstance(failure, Ambiguous)
