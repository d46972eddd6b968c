"""Errors of the reporting service: a refusal for one property never stops the line by mistake."""

from __future__ import annotations

import pytest

from shared.adapters.graph.errors import NOT_PREMIUM, PAGE_EXPIRED, PERMISSION_MISSING, family
from shared.domain.errors import StopTheLine, SyncError, Transient

TEXTS = (
    "Neither tenant is B2C or tenant doesn't have premium license",
    "Tenant is not a B2C tenant and doesn't have premium license(s)",
)
NESTED = '{"error":{"code":"S2SUnauthorized","message":"Invalid permission."}}'


def of(status: int, code: str, message: str) -> SyncError:
    return family(status, {}, {"error": {"code": code, "message": message}}, "t")


@pytest.mark.parametrize("message", TEXTS)
def test_the_false_refusal_passes(message: str) -> None:
    error = of(403, "Authentication_RequestFromNonPremiumTenantOrB2CTenant", message)
    assert isinstance(error, Transient)
    assert error.code == NOT_PREMIUM


def test_the_text_alone_decides_nothing() -> None:
    assert of(403, "UnknownError", TEXTS[0]).code == "forbidden"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "Authentication_MSGraphPermissionMissing",
            "The principal does not have required Microsoft Graph permission(s)",
        ),
        ("Authorization_RequestDenied", "Insufficient privileges to complete the operation."),
        ("UnknownError", NESTED),
    ],
)
def test_missing_permissions(code: str, message: str) -> None:
    error = of(403, code, message)
    assert isinstance(error, StopTheLine)
    assert error.code == PERMISSION_MISSING


@pytest.mark.parametrize(
    ("status", "code", "message", "expected"),
    [
        (400, "Directory_ExpiredPageToken", "The specified page token value has expired", PAGE_EXPIRED),
        (400, "", "Token not found: token is either invalid or expired", PAGE_EXPIRED),
        (404, "", "Token not found: token is either invalid or expired", PAGE_EXPIRED),
        (400, "BadRequest", "Token not found: token is either invalid or expired", "bad_request"),
        (429, "UnknownError", "This request is throttled. Please try again after the value", "throttled"),
    ],
)
def test_lost_pages_and_limits(status: int, code: str, message: str, expected: str) -> None:
    assert of(status, code, message).code == expected
