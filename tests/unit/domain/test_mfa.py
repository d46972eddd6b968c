"""Every situation that the reports leave us in, one row each: what the contact says, or why it says nothing new."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.mfa import (
    DISABLED,
    ENABLED,
    ENFORCED_FOR_ALL,
    METHODS,
    NEW_METHOD,
    NO_FLAG,
    NO_METHODS,
    NO_PERSON,
    NO_ROW,
    NO_STATE,
    MfaEvidence,
    MfaVerdict,
    Registration,
    is_person,
    methods_text,
    verdict,
)
from shared.domain.nightly import MfaRule

PUSH, PHONE = "microsoftAuthenticatorPush", "mobilePhone"
PUSH_TEXT = "Authenticator (push)"


def row(
    capable: bool | None, registered: bool | None, methods: tuple[str, ...] | None = (PUSH,), preferred: str = ""
) -> Registration:
    return Registration(capable, registered, methods, preferred)


# --- tenants with Entra ID P1: the registration report ---------------------------------------------------------

BY_REPORT: list[tuple[str, dict[str, Any], MfaVerdict]] = [
    ("capable", {"registration": row(True, True)}, MfaVerdict(ENABLED, PUSH_TEXT)),
    (
        "registered, but the tenant's policy does not allow the method (a phone left over after MFA was switched off)",
        {"registration": row(False, True, (PHONE,))},
        MfaVerdict(DISABLED, "Phone (mobile)"),
    ),
    (
        "the same where registered is enough",
        {"registration": row(False, True, (PHONE,)), "rule": MfaRule.REGISTERED},
        MfaVerdict(ENABLED, "Phone (mobile)"),
    ),
    ("nothing registered", {"registration": row(False, False, ())}, MfaVerdict(DISABLED, NO_METHODS)),
    (
        "only methods that reset a password",
        {"registration": row(False, False, ("email", "securityQuestion"))},
        MfaVerdict(DISABLED, NO_METHODS),
    ),
    (
        "a method that nobody knows yet is shown; the report itself says whether it counts",
        {"registration": row(True, True, ("someNewMethod",))},
        MfaVerdict(ENABLED, "Some New Method"),
    ),
    (
        "only a Temporary Access Pass",
        {"registration": row(False, False, ("temporaryAccessPass",))},
        MfaVerdict(DISABLED, "Temporary Access Pass"),
    ),
    (
        "an empty preferred method",
        {"registration": row(True, True, (PHONE, PUSH), "")},
        MfaVerdict(ENABLED, "Authenticator (push), Phone (mobile)"),
    ),
    (
        "the preferred method comes first",
        {"registration": row(True, True, (PUSH, PHONE), "sms")},
        MfaVerdict(ENABLED, "Phone (mobile), Authenticator (push)"),
    ),
    ("no list of methods in the row", {"registration": row(True, True, None)}, MfaVerdict(ENABLED, None)),
    ("no flag in the row", {"registration": row(None, True)}, MfaVerdict(None, PUSH_TEXT, NO_FLAG)),
    (
        "no flag for the other rule",
        {"registration": row(True, None), "rule": MfaRule.REGISTERED},
        MfaVerdict(None, PUSH_TEXT, NO_FLAG),
    ),
    ("no row yet: a new user", {"registration": None}, MfaVerdict(None, None, NO_ROW)),
    (
        "the whole report was refused, falsely or not: the tenant's reason says why",
        {"registration": None, "report_read": False},
        MfaVerdict(None, None),
    ),
    (
        "the per-user state says nothing here: Conditional Access leaves it disabled",
        {"registration": row(True, True), "state": "disabled"},
        MfaVerdict(ENABLED, PUSH_TEXT),
    ),
    (
        "a guest or service account, whatever its row says",
        {"registration": row(False, False, ()), "is_person": False},
        MfaVerdict(None, None, NO_PERSON),
    ),
]


@pytest.mark.parametrize(("given", "expected"), [row[1:] for row in BY_REPORT], ids=[row[0] for row in BY_REPORT])
def test_with_entra_id_p1(given: dict[str, Any], expected: MfaVerdict) -> None:
    assert verdict(MfaEvidence(premium=True, **given)) == expected


# --- tenants without: per-user state, security defaults, methods ------------------------------------------------

OFF, ON = False, True
BY_STATE: list[tuple[str, dict[str, Any], MfaVerdict]] = [
    ("enabled", {"state": "enabled"}, MfaVerdict(ENABLED, None)),
    ("enforced: the user has registered", {"state": "enforced"}, MfaVerdict(ENABLED, None)),
    ("in other letters", {"state": "Enforced"}, MfaVerdict(ENABLED, None)),
    (
        "enforced, whatever security defaults are",
        {"state": "enforced", "security_defaults": None},
        MfaVerdict(ENABLED, None),
    ),
    ("disabled and nothing else demands it", {"state": "disabled"}, MfaVerdict(DISABLED, None)),
    (
        "disabled under security defaults: enforced by the tenant, registration unknown",
        {"state": "disabled", "security_defaults": ON},
        MfaVerdict(None, None, ENFORCED_FOR_ALL),
    ),
    (
        "disabled, security defaults could not be read",
        {"state": "disabled", "security_defaults": None},
        MfaVerdict(None, None),
    ),
    ("an empty state", {"state": ""}, MfaVerdict(None, None, NO_STATE)),
    ("no state for this user", {"state": None}, MfaVerdict(None, None, NO_STATE)),
    ("a state of tomorrow", {"state": "unknownFutureValue"}, MfaVerdict(None, None, NO_STATE)),
    ("states were refused", {"state": None, "state_read": False}, MfaVerdict(None, None)),
    (
        "states were refused, even where security defaults are off",
        {"state": None, "state_read": False, "security_defaults": OFF},
        MfaVerdict(None, None),
    ),
    ("a strong method", {"state": "disabled", "methods": ("password", PUSH)}, MfaVerdict(ENABLED, PUSH_TEXT)),
    (
        "a strong method under security defaults",
        {"state": "disabled", "security_defaults": ON, "methods": (PHONE,)},
        MfaVerdict(ENABLED, "Phone (mobile)"),
    ),
    (
        "a strong method, states refused",
        {"state_read": False, "methods": ("fido2SecurityKey",)},
        MfaVerdict(ENABLED, "FIDO2 security key"),
    ),
    (
        "only a password, an e-mail address and a pass",
        {"state": "disabled", "methods": ("password", "email", "temporaryAccessPass")},
        MfaVerdict(DISABLED, "Temporary Access Pass"),
    ),
    (
        "nothing registered under security defaults: that is known now",
        {"state": "disabled", "security_defaults": ON, "methods": ("password",)},
        MfaVerdict(DISABLED, NO_METHODS),
    ),
    (
        "enabled, not registered yet",
        {"state": "enabled", "methods": ("password",)},
        MfaVerdict(ENABLED, NO_METHODS),
    ),
    (
        "only a method of tomorrow",
        {"state": "disabled", "methods": ("password", "brainWave")},
        MfaVerdict(None, "Brain Wave", NEW_METHOD),
    ),
    (
        "a QR code with PIN is one factor",
        {"state": "disabled", "methods": ("qrCodePin",)},
        MfaVerdict(DISABLED, "QR code with PIN"),
    ),
    ("a guest", {"state": "enforced", "is_person": False}, MfaVerdict(None, None, NO_PERSON)),
]


@pytest.mark.parametrize(("given", "expected"), [row[1:] for row in BY_STATE], ids=[row[0] for row in BY_STATE])
def test_without_entra_id_p1(given: dict[str, Any], expected: MfaVerdict) -> None:
    assert verdict(MfaEvidence(premium=False, **{"security_defaults": OFF, **given})) == expected


def test_nothing_is_said_where_nobody_knows_which_kind_of_tenant_it_is() -> None:
    everything = MfaEvidence(
        premium=None, registration=row(True, True), state="enforced", methods=(PUSH,), security_defaults=OFF
    )
    assert verdict(everything) == MfaVerdict(None, None)


evidences = st.builds(
    MfaEvidence,
    premium=st.sampled_from([True, False, None]),
    rule=st.sampled_from(MfaRule),
    registration=st.none(),
    report_read=st.booleans(),
    state=st.sampled_from([None, "", "unknownFutureValue"]),
    state_read=st.booleans(),
    methods=st.none(),
    security_defaults=st.sampled_from([True, False, None]),
    is_person=st.booleans(),
)


@given(evidences)
def test_silence_is_never_disabled(evidence: MfaEvidence) -> None:
    assert verdict(evidence).status is None


# --- who is a person ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "upn", "kind", "expected"),
    [
        ("Kim", "kim@contoso.example", "Member", True),
        ("Kim", "kim@contoso.example", None, True),
        ("Kim", "kim_fabrikam.example#EXT#@contoso.example", "Guest", False),
        ("Kim", "kim@contoso.example", "guest", False),
        ("On-Premises Directory Synchronization Service Account", "Sync_DC1_ab@contoso.example", "Member", False),
        (None, "package_11111111-1111-4111-8111-111111111111@contoso.example", "Member", False),
        ("Package", "package_room@contoso.example", "Member", True),
        (None, None, None, True),
    ],
)
def test_who_is_a_person(name: str | None, upn: str | None, kind: str | None, expected: bool) -> None:
    assert is_person(name, upn, kind) is expected


# --- the text of the methods ----------------------------------------------------------------------------------

LABELS = [
    ("passKeyDeviceBoundAuthenticator", "Passkey (Microsoft Authenticator)"),
    ("passKeyDeviceBound", "Passkey / security key"),
    ("passKeyDeviceBoundWindowsHello", "Passkey (Windows Hello)"),
    ("passKeySynced", "Passkey (synced)"),
    ("fido2SecurityKey", "FIDO2 security key"),
    ("fido2", "FIDO2 security key"),
    ("windowsHelloForBusiness", "Windows Hello for Business"),
    ("macOsSecureEnclaveKey", "Platform credential (macOS)"),
    ("microsoftAuthenticatorPasswordless", "Authenticator (passwordless)"),
    ("microsoftAuthenticatorPush", "Authenticator (push)"),
    ("softwareOneTimePasscode", "Authenticator app code (TOTP)"),
    ("hardwareOneTimePasscode", "Hardware OATH token"),
    ("externalAuthMethod", "External method"),
    ("mobilePhone", "Phone (mobile)"),
    ("alternateMobilePhone", "Phone (alternate)"),
    ("officePhone", "Phone (office)"),
    ("certificate", "Certificate"),
    ("x509CertificateMultiFactor", "Certificate"),
    ("temporaryAccessPass", "Temporary Access Pass"),
    ("qrCodePin", "QR code with PIN"),
    ("email", NO_METHODS),
    ("securityQuestion", NO_METHODS),
    ("password", NO_METHODS),
    ("passwordlessFuture2Method", "Passwordless Future2 Method"),
    ("MOBILEPHONE", "Phone (mobile)"),
]


@pytest.mark.parametrize(("value", "label"), LABELS)
def test_each_method_has_a_readable_name(value: str, label: str) -> None:
    assert methods_text([value]) == label


def test_every_method_of_the_table_is_a_row_above() -> None:
    assert set(METHODS) <= {value for value, _ in LABELS}


NOT_MFA = {"temporaryAccessPass", "qrCodePin", "email", "securityQuestion", "password"}


@pytest.mark.parametrize("value", METHODS)
def test_which_methods_count(value: str) -> None:
    said = verdict(MfaEvidence(premium=False, state="disabled", methods=(value,)))
    assert said.status == (DISABLED if value in NOT_MFA else ENABLED)


def test_strongest_first_each_once_and_no_password_reset() -> None:
    given = ["email", "officePhone", "fido2", PUSH, "fido2SecurityKey", "temporaryAccessPass", "zNew", "passKeySynced"]
    assert methods_text(given) == (
        "Passkey (synced), FIDO2 security key, Authenticator (push), Phone (office), Temporary Access Pass, Z New"
    )


@pytest.mark.parametrize(
    ("preferred", "first"),
    [
        ("push", "Authenticator (push)"),
        ("oath", "Authenticator app code (TOTP)"),
        ("sms", "Phone (mobile)"),
        ("voiceMobile", "Phone (mobile)"),
        ("voiceAlternateMobile", "Phone (alternate)"),
        ("voiceOffice", "Phone (office)"),
        ("none", "FIDO2 security key"),
        ("", "FIDO2 security key"),
        ("unknownFutureValue", "FIDO2 security key"),
    ],
)
def test_the_default_method_comes_first(preferred: str, first: str) -> None:
    everything = (
        "fido2SecurityKey",
        PUSH,
        "softwareOneTimePasscode",
        PHONE,
        "alternateMobilePhone",
        "officePhone",
    )
    assert methods_text(everything, preferred).split(", ")[0] == first


def test_a_default_that_is_not_registered_moves_nothing() -> None:
    assert methods_text((PHONE, PUSH), "oath") == "Authenticator (push), Phone (mobile)"


@given(st.permutations(sorted(METHODS)), st.sampled_from(["", "push", "sms"]))
def test_the_order_of_the_report_does_not_matter(methods: list[str], preferred: str) -> None:
    assert methods_text(methods, preferred) == methods_text(sorted(METHODS), preferred)
