"""The four ways in which a deployment proves that it is the application, in the form in which MSAL takes each.

A secret and a certificate are held; a file with one of them is read anew when it changes (`credential_file.py`). An
assertion is fetched at every use, from a file that the platform rewrites or from a managed identity
(`managed_identity.py`). Fetching happens in MSAL's threads and may raise our families. No value is ever shown. Which
one a deployment has is a setting. Next: `shared/adapters/graph/auth.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from shared.adapters.graph.login_errors import LOGIN
from shared.domain.errors import Scope, StopTheLine

LARGEST = 64 * 1024  # bytes; more is no assertion but a mistake


class Credential(Protocol):
    """What proves that we are the application."""

    def for_msal(self) -> str | Mapping[str, Any]:
        """MSAL's `client_credential`: a secret, or a mapping that describes a certificate or an assertion."""


@dataclass(frozen=True, slots=True)
class ClientSecret:
    value: str = field(repr=False)

    def for_msal(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """Both in PEM; the key without a password, the certificate alone, without its chain. `expires_at`: its own end."""

    private_key: str = field(repr=False)
    certificate: str = field(repr=False)
    expires_at: datetime | None = None

    def for_msal(self) -> Mapping[str, Any]:
        """Without a thumbprint MSAL signs with PS256, names the certificate by SHA-256 and sends it along (x5c)."""
        return {"private_key": self.private_key, "public_certificate": self.certificate}


@dataclass(frozen=True, slots=True)
class AssertionFile:
    """Workload identity: the platform writes a fresh assertion into the file about once an hour."""

    file: Path

    def for_msal(self) -> Mapping[str, Any]:
        return {"client_assertion": self.read}

    def read(self) -> str:
        """Raises StopTheLine(account) when there is no assertion: only the platform's owner can put one there."""
        try:
            with self.file.open("rb") as stream:
                text = stream.read(LARGEST + 1).decode("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise _unreadable(type(error).__name__) from None
        if not text or len(text) > LARGEST:
            raise _unreadable("empty or too long")
        return text


def _unreadable(why: str) -> StopTheLine:
    return StopTheLine(LOGIN, "assertion_unreadable", f"the assertion file: {why}", scope=Scope.ACCOUNT)
