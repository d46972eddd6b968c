"""Every AADSTS code that means something to us, and what becomes of the others."""

from __future__ import annotations

import pytest

from shared.adapters.graph.login_errors import login_family
from shared.domain.errors import Scope, StopTheLine, Transient

TENANT = "0b0f1f2f-aaaa-4bbb-8ccc-000000000001"
CODES = [
    (700016, Scope.TENANT, "consent_missing"),
    (7000229, Scope.TENANT, "consent_missing"),
    (65001, Scope.TENANT, "consent_missing"),
    (65004, Scope.TENANT, "consent_declined"),
    (90002, Scope.TENANT, "tenant_unknown"),
    (90072, Scope.TENANT, "tenant_unknown"),
    (53003, Scope.TENANT, "blocked_by_policy"),
    (50105, Scope.TENANT, "not_assigned"),
    (7000112, Scope.TENANT, "app_disabled"),
    (7000215, Scope.ACCOUNT, "secret_wrong"),
    (7000222, Scope.ACCOUNT, "secret_expired"),
    (700027, Scope.ACCOUNT, "certificate_refused"),
    (7000214, Scope.ACCOUNT, "certificate_refused"),
    (700030, Scope.ACCOUNT, "certificate_refused"),
    (700024, Scope.ACCOUNT, "assertion_expired"),
    (50027, Scope.ACCOUNT, "assertion_refused"),
    (70021, Scope.ACCOUNT, "assertion_refused"),
    (700023, Scope.ACCOUNT, "assertion_refused"),
    (700211, Scope.ACCOUNT, "assertion_refused"),
    (700212, Scope.ACCOUNT, "assertion_refused"),
    (700213, Scope.ACCOUNT, "assertion_refused"),
    (7002137, Scope.ACCOUNT, "assertion_refused"),
    (7002138, Scope.ACCOUNT, "assertion_refused"),
]


@pytest.mark.parametrize(("number", "scope", "code"), CODES)
@pytest.mark.parametrize("error", ["invalid_request", "invalid_client"])
def test_the_number_tells_whose_matter_it_is(error: str, number: int, scope: Scope, code: str) -> None:
    """Whatever the OAuth error is: the same number came as either."""
    body = {"error": error, "error_codes": [number], "error_description": f"AADSTS{number}: of someone@example.com"}
    failure = login_family(body, TENANT)
    assert isinstance(failure, StopTheLine)
    assert (failure.scope, failure.code) == (scope, code)
    assert f"AADSTS{number}" in failure.detail
    assert "example.com" not in str(failure)


@pytest.mark.parametrize(
    ("error", "scope", "code"),
    [("invalid_client", Scope.ACCOUNT, "credential_refused"), ("invalid_grant", Scope.TENANT, "login_refused")],
)
def test_an_unknown_number_goes_by_the_oauth_error(error: str, scope: Scope, code: str) -> None:
    failure = login_family({"error": error, "error_codes": [123456]}, TENANT)
    assert isinstance(failure, StopTheLine)
    assert (failure.scope, failure.code) == (scope, code)


@pytest.mark.parametrize(
    "body",
    [
        {"error": "temporarily_unavailable"},
        {"error": "invalid_request", "error_codes": [90033]},
        {"error_codes": "none"},
        None,
        [],
    ],
)
def test_what_may_pass_is_waited_for(body: object) -> None:
    failure = login_family(body, TENANT)
    assert isinstance(failure, Transient)
    assert failure.code == "login_unavailable"
