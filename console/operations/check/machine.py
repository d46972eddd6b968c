"""This machine: the credential by which it signs in at Microsoft, its clock, and what an earlier probe left behind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from console.operations.check.patient import AGAIN
from console.operations.check.put_back import unfinished
from console.operations.ports import OperatorPorts
from shared.domain.credential import CredentialInfo, CredentialKind, Urgency, announce
from shared.domain.findings import Finding, Level, Organ

SKEWED, TOO_SKEWED = 30.0, 300.0  # seconds; Microsoft refuses what a clock 5 minutes off has signed

_NAMES = {
    CredentialKind.SECRET: "client secret",
    CredentialKind.CERTIFICATE: "certificate",
    CredentialKind.FEDERATED: "federated assertion",
    CredentialKind.MANAGED_IDENTITY: "managed identity",
}
_LEVELS = {Urgency.NONE: Level.GREEN, Urgency.WARN: Level.YELLOW, Urgency.RED: Level.RED}
_ENDLESS = frozenset({CredentialKind.FEDERATED, CredentialKind.MANAGED_IDENTITY})
_RENEW = {
    CredentialKind.SECRET: (
        "In the Entra admin center of your own tenant: 1. App registrations, the app, Certificates & secrets, New "
        "client secret. 2. Put its value into graph.app_secret and its last day into graph.app_secret_expires. 3. "
        "Restart. 4. Delete the old secret."
    ),
    CredentialKind.CERTIFICATE: (
        "1. Make a new certificate and key. 2. In the Entra admin center of your own tenant: App registrations, the "
        "app, Certificates & secrets, Certificates, Upload. 3. Put the new file where graph.certificate_file points; "
        "it is in use within six minutes. 4. Delete the old certificate there."
    ),
}
_WITHOUT_DATE = (
    "In the Entra admin center of your own tenant, open App registrations, the app, Certificates & secrets, and put "
    "the day that stands under Expires into graph.app_secret_expires: then you are warned in time."
)


async def settings(ports: OperatorPorts) -> Sequence[Finding]:
    return [_credential(ports), *_left_behind(ports)]


async def clocks(ports: OperatorPorts) -> Sequence[Finding]:
    """After the others have called: what their answers told of the time."""
    skews = ports.skews.skews()
    if not skews:
        cure = f"Nobody, once Microsoft Graph or Syncro answers: their answers tell the time. {AGAIN}"
        return [Finding(Level.YELLOW, Organ.CLOCKS, "No service answered with the time.", cure)]
    service, skew = max(skews.items(), key=lambda item: abs(item[1]))
    details = {name: round(seconds, 1) for name, seconds in skews.items()}
    if abs(skew) <= SKEWED:
        what = f"This machine's clock is right ({abs(skew):.0f} s from {service})."
        return [Finding(Level.GREEN, Organ.CLOCKS, what, details=details)]
    way = "ahead of" if skew > 0 else "behind"
    what = f"This machine's clock is {abs(skew):.0f} s {way} the clock of {service}."
    cure = f"The administrator of this machine turns on time synchronization (NTP), e.g. chrony. {AGAIN}"
    if abs(skew) > TOO_SKEWED:
        what = f"{what} Sign-ins fail, and times in the journal are wrong."
        return [Finding(Level.RED, Organ.CLOCKS, what, cure, details=details)]
    return [Finding(Level.YELLOW, Organ.CLOCKS, what, cure, details=details)]


def _credential(ports: OperatorPorts) -> Finding:
    info, now = ports.credential(), ports.clock.now()
    name = _NAMES[info.kind]
    details: dict[str, object] = {"kind": info.kind.value}
    if info.kind in _ENDLESS:
        return Finding(Level.GREEN, Organ.SETTINGS, f"The app signs in by {name}, which does not end.", details=details)
    if info.expires_at is None:
        what = f"The app signs in by {name}; nobody told when it ends."
        return Finding(Level.YELLOW, Organ.SETTINGS, what, _WITHOUT_DATE, details=details)
    told = announce(info, now)
    details["expires_at"] = info.expires_at.isoformat()
    day = f"{info.expires_at:%Y-%m-%d}"
    if info.expires_at <= now:
        what = f"The app's {name} has ended on {day}: no tenant can be read."
    else:
        what = f"The app's {name} is valid until {day} ({told.days} days)."
    level = _LEVELS[told.urgency]
    return Finding(level, Organ.SETTINGS, what, "" if level is Level.GREEN else _renew(info), details=details)


def _renew(info: CredentialInfo) -> str:
    return f"{_RENEW[info.kind]} {AGAIN}"


def _left_behind(ports: OperatorPorts) -> Iterator[Finding]:
    """A probe that was killed: its contact still carries what was tried."""
    for contact_id in unfinished(ports.data_dir):
        cure = f"Put it back: entra-syncro check --probe-contact {contact_id} --yes"
        what = f"A probe of contact {contact_id} was cut off; the contact is not as it was."
        yield Finding(Level.RED, Organ.CONTACT_FIELDS, what, cure)
