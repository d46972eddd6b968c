"""Rows of reports: complete ones, and those that leave things out."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import pytest

from shared.adapters.graph.reports.wire import activity_date, registration, secure_score, security_defaults
from shared.domain.mfa import Registration
from shared.domain.tenant import SecureScore


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (
            {"isMfaCapable": True, "isMfaRegistered": False, "methodsRegistered": ["a", None]},
            Registration(True, False, ("a",)),
        ),
        ({"methodsRegistered": []}, Registration(None, None, ())),
        ({"methodsRegistered": None}, Registration(None, None, None)),
        ({"isMfaCapable": "yes"}, Registration(None, None, None)),
        ({"userPreferredMethodForSecondaryAuthentication": "sms"}, Registration(None, None, None, "sms")),
        ({"userPreferredMethodForSecondaryAuthentication": None}, Registration(None, None, None, "")),
        (
            {
                "userPreferredMethodForSecondaryAuthentication": "sms",
                "isSystemPreferredAuthenticationMethodEnabled": True,
                "systemPreferredAuthenticationMethods": ["push"],
            },
            Registration(None, None, None, "push"),
        ),
        (
            {
                "userPreferredMethodForSecondaryAuthentication": "sms",
                "isSystemPreferredAuthenticationMethodEnabled": True,
                "systemPreferredAuthenticationMethods": [],
            },
            Registration(None, None, None, "sms"),
        ),
        (
            {
                "userPreferredMethodForSecondaryAuthentication": "sms",
                "isSystemPreferredAuthenticationMethodEnabled": False,
                "systemPreferredAuthenticationMethods": ["push"],
            },
            Registration(None, None, None, "sms"),
        ),
    ],
)
def test_registration(row: dict[str, Any], expected: Registration) -> None:
    assert registration(row) == expected


@pytest.mark.parametrize(
    ("activity", "expected"),
    [
        (None, None),
        ({}, None),
        ({"lastSignInDateTime": "0001-01-01T00:00:00Z"}, None),
        ({"lastNonInteractiveSignInDateTime": "2026-11-20T01:02:03Z"}, "2026-11-20"),
        (
            {
                "lastSignInDateTime": "2026-11-22T01:02:03.1234567Z",
                "lastSuccessfulSignInDateTime": "2026-10-01T23:59:59Z",
            },
            "2026-10-01",
        ),
        ({"lastSignInDateTime": "yesterday"}, None),
        ("yesterday", None),
    ],
)
def test_the_date_of_the_last_sign_in(activity: object, expected: str | None) -> None:
    assert activity_date({"id": "a", "signInActivity": activity}) == expected


FULL = {
    "createdDateTime": "2026-11-23T00:00:00Z",
    "currentScore": 120,
    "maxScore": 240.5,
    "licensedUserCount": 12,
    "activeUserCount": 0,
}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([FULL], SecureScore(120.0, 240.5, date(2026, 11, 23), 12, 0)),
        (
            [FULL | {"licensedUserCount": None, "activeUserCount": "many"}],
            SecureScore(120.0, 240.5, date(2026, 11, 23)),
        ),
        (
            [FULL | {"createdDateTime": "2026-11-01T00:00:00Z"}, FULL],
            SecureScore(120.0, 240.5, date(2026, 11, 23), 12, 0),
        ),
        ([FULL | {"currentScore": math.nan}], None),
        ([FULL | {"maxScore": None}], None),
        ([FULL | {"createdDateTime": None}], None),
        ([], None),
        (None, None),
    ],
)
def test_secure_score(rows: object, expected: SecureScore | None) -> None:
    assert secure_score({"value": rows}) == expected


@pytest.mark.parametrize(("value", "expected"), [(True, True), (False, False), (None, None), ("true", None)])
def test_security_defaults(value: object, expected: bool | None) -> None:
    assert security_defaults({"isEnabled": value}) is expected
