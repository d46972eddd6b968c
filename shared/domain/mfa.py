"""What can be said about one user's MFA, and how its methods read. Three answers: enabled, disabled, unknown.

Every situation that Microsoft leaves us in is one branch here, and unknown wins wherever a report is missing, refused
or silent: "disabled" is said only when something says so. With Entra ID P1 the registration report decides, without
it the per-user ("legacy") state and, where a deployment reads them, the registered methods. Conditional Access is
never evaluated: exclusions, roles and report-only policies make any cheap answer wrong. Who gathers the evidence is
`shared/adapters/graph/reports/`. Next: `shared/domain/facts.py`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import assert_never

from shared.domain.guid import GUID
from shared.domain.nightly import MfaRule

ENABLED = "enabled"
DISABLED = "disabled"
NO_METHODS = "None"  # the text of somebody who is known to have registered nothing


@dataclass(frozen=True, slots=True)
class Method:
    """`label`: as a contact shows it, "" is never shown. `is_mfa`: a second factor, None when nobody could say."""

    label: str
    is_mfa: bool | None = True


# By the registration report's own values, strongest first; the order of the text on the contact.
METHODS: dict[str, Method] = {
    "passKeyDeviceBoundAuthenticator": Method("Passkey (Microsoft Authenticator)"),
    "passKeyDeviceBound": Method("Passkey / security key"),
    "passKeyDeviceBoundWindowsHello": Method("Passkey (Windows Hello)"),
    "passKeySynced": Method("Passkey (synced)"),
    "fido2SecurityKey": Method("FIDO2 security key"),
    "fido2": Method("FIDO2 security key"),  # the report's older word
    "windowsHelloForBusiness": Method("Windows Hello for Business"),
    "macOsSecureEnclaveKey": Method("Platform credential (macOS)"),
    "microsoftAuthenticatorPasswordless": Method("Authenticator (passwordless)"),
    "microsoftAuthenticatorPush": Method("Authenticator (push)"),
    "softwareOneTimePasscode": Method("Authenticator app code (TOTP)"),
    "hardwareOneTimePasscode": Method("Hardware OATH token"),
    "externalAuthMethod": Method("External method"),
    "mobilePhone": Method("Phone (mobile)"),
    "alternateMobilePhone": Method("Phone (alternate)"),
    "officePhone": Method("Phone (office)"),
    "certificate": Method("Certificate"),
    "temporaryAccessPass": Method("Temporary Access Pass", is_mfa=False),  # ends by itself within days
    "qrCodePin": Method("QR code with PIN", is_mfa=False),  # one factor, for shared devices
    "email": Method("", is_mfa=False),  # these three only reset or are the password
    "securityQuestion": Method("", is_mfa=False),
    "password": Method("", is_mfa=False),
}
_BY_LOWER = {value.lower(): (place, method) for place, (value, method) in enumerate(METHODS.items())}
_CERTIFICATE = _BY_LOWER["certificate"]

# What Microsoft asks for by default -> the methods that it may mean.
_DEFAULTS: dict[str, tuple[str, ...]] = {
    "push": ("microsoftAuthenticatorPush", "microsoftAuthenticatorPasswordless"),
    "oath": ("softwareOneTimePasscode", "hardwareOneTimePasscode"),
    "sms": ("mobilePhone",),
    "voicemobile": ("mobilePhone",),
    "voicealternatemobile": ("alternateMobilePhone",),
    "voiceoffice": ("officePhone",),
}

NO_PERSON = "This account is no person who signs in here with MFA of this tenant (a guest or a service account)."
NO_ROW = "The registration report has no row for this user yet; new users appear within a day."
NO_FLAG = "The registration report does not say whether this user can use MFA."
NO_STATE = "Microsoft gave no per-user MFA state for this user."
ENFORCED_FOR_ALL = (
    "Security defaults demand MFA of everybody in this tenant; who has registered cannot be read without Entra ID P1."
)
NEW_METHOD = "The user has only methods that this version does not know, so nobody can say whether they are MFA."

_SYNC_ACCOUNT = "on-premises directory synchronization service account"
_PACKAGE = re.compile(rf"package_{GUID}@", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Registration:
    """One row of the registration report. Flags and `methods` are None where the row leaves them out.

    `preferred` is Microsoft's word for the default method ("push", "sms", ...), "" without one.
    """

    is_capable: bool | None
    is_registered: bool | None
    methods: tuple[str, ...] | None = None
    preferred: str = ""


@dataclass(frozen=True, slots=True)
class MfaEvidence:
    """All that was read about one user. `premium`: the tenant's Entra ID P1, None when nobody could say.

    With P1: `registration`, None without a row; `report_read` is False when the whole report is missing.
    Without: `state` is the per-user MFA state (None or "" when it did not come), `state_read` is False when none was
    asked for or all were refused, `methods` are the user's methods in the report's words, None when not read.
    `security_defaults`: switched on for the tenant, None when nobody could say.
    """

    premium: bool | None
    rule: MfaRule = MfaRule.CAPABLE
    registration: Registration | None = None
    report_read: bool = True
    state: str | None = None
    state_read: bool = True
    methods: tuple[str, ...] | None = None
    security_defaults: bool | None = None
    is_person: bool = True


@dataclass(frozen=True, slots=True)
class MfaVerdict:
    """`status`: enabled, disabled or None (unknown). `methods`: the text for the contact, None when unknown.

    `why_unknown`: why the status is None; "" when it is known or when the tenant's own reasons say it already.
    """

    status: str | None
    methods: str | None
    why_unknown: str = ""


def verdict(evidence: MfaEvidence) -> MfaVerdict:
    """The one answer for one user."""
    if not evidence.is_person:
        return MfaVerdict(None, None, NO_PERSON)
    if evidence.premium is None:
        return MfaVerdict(None, None)
    return _by_report(evidence) if evidence.premium else _by_state(evidence)


def is_person(display_name: str | None, user_principal_name: str | None, user_type: str | None) -> bool:
    """Guests bring the MFA of their own organisation; the two service accounts are Microsoft's."""
    if (user_type or "").lower() == "guest":
        return False
    if (display_name or "").strip().lower() == _SYNC_ACCOUNT:
        return False
    return _PACKAGE.match(user_principal_name or "") is None


def methods_text(methods: Collection[str], preferred: str = "") -> str:
    """What the contact shows: the default method first, the others strongest first, every label once."""
    default = _default_of(methods, preferred)
    ordered = sorted(methods, key=lambda value: (value != default, _place(value), value.lower()))
    labels = dict.fromkeys(label for label in map(_label, ordered) if label)
    return ", ".join(labels) or NO_METHODS


# --- with Entra ID P1 -----------------------------------------------------------------------------------------


def _by_report(evidence: MfaEvidence) -> MfaVerdict:
    row = evidence.registration
    if row is None:
        return MfaVerdict(None, None, NO_ROW if evidence.report_read else "")
    text = None if row.methods is None else methods_text(row.methods, row.preferred)
    says_yes = _flag(row, evidence.rule)
    if says_yes is None:
        return MfaVerdict(None, text, NO_FLAG)
    return MfaVerdict(ENABLED if says_yes else DISABLED, text)


def _flag(row: Registration, rule: MfaRule) -> bool | None:
    match rule:
        case MfaRule.CAPABLE:
            return row.is_capable
        case MfaRule.REGISTERED:
            return row.is_registered
        case _:
            assert_never(rule)


# --- without --------------------------------------------------------------------------------------------------


def _by_state(evidence: MfaEvidence) -> MfaVerdict:
    """Enabled if the state or a method says so. Methods are what the report with P1 counts too, so they decide."""
    text = None if evidence.methods is None else methods_text(evidence.methods)
    if (evidence.state or "").lower() in ("enabled", "enforced"):
        return MfaVerdict(ENABLED, text)
    if evidence.methods is None:
        return _by_state_alone(evidence)
    has_factor = _has_second_factor(evidence.methods)
    if has_factor is None:
        return MfaVerdict(None, text, NEW_METHOD)
    return MfaVerdict(ENABLED if has_factor else DISABLED, text)


def _by_state_alone(evidence: MfaEvidence) -> MfaVerdict:
    """ "disabled" is also the state of everybody whom security defaults make register, so it says little by itself."""
    if not evidence.state_read:
        return MfaVerdict(None, None)
    if (evidence.state or "").lower() != "disabled":
        return MfaVerdict(None, None, NO_STATE)
    if evidence.security_defaults is None:
        return MfaVerdict(None, None)
    return MfaVerdict(None, None, ENFORCED_FOR_ALL) if evidence.security_defaults else MfaVerdict(DISABLED, None)


def _has_second_factor(methods: Sequence[str]) -> bool | None:
    found = {_known(value)[1].is_mfa for value in methods}
    return True if True in found else None if None in found else False


# --- the methods ----------------------------------------------------------------------------------------------


def _known(value: str) -> tuple[int, Method]:
    """Place and meaning of a method; a new one goes behind all others, as readable as its name is."""
    lower = value.lower()
    if lower.startswith("x509"):
        return _CERTIFICATE
    return _BY_LOWER.get(lower) or (len(METHODS), Method(_readable(value), is_mfa=None))


def _place(value: str) -> int:
    return _known(value)[0]


def _label(value: str) -> str:
    return _known(value)[1].label


def _readable(value: str) -> str:
    """ "someNewMethod" -> "Some New Method"."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", value.strip())[:60]
    return words[:1].upper() + words[1:]


def _default_of(methods: Collection[str], preferred: str) -> str | None:
    by_lower = {value.lower(): value for value in methods}
    meant = _DEFAULTS.get(preferred.lower(), ())
    return next((by_lower[value.lower()] for value in meant if value.lower() in by_lower), None)
