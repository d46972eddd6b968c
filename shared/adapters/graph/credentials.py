"""The four ways in which a deployment proves that it is the application, in the form in which MSAL takes each.

A secret and a certificate are held; an assertion is fetched at every use, from a file that the platform rewrites or
from a managed identity. Fetching happens in MSAL's threads and may raise our families. No value is ever shown.
Which one a deployment has is a setting. Next: `shared/adapters/graph/auth.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import msal
import requests

from shared.adapters.graph.login_errors import LOGIN
from shared.adapters.graph.login_session import TimedAdapter, login_session
from shared.adapters.lenient import mapping
from shared.domain.errors import Scope, StopTheLine, Transient

LARGEST = 64 * 1024  # bytes; more is no assertion but a mistake
PAUSES = (0.5, 2.0)  # seconds between attempts at a managed identity; short, a caller waits at most 60 s for a token


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
    """Both in PEM; the key without a password, the certificate alone, without its chain."""

    private_key: str = field(repr=False)
    certificate: str = field(repr=False)

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


class ManagedIdentity:
    """The platform's identity vouches for the application: its token for the exchange audience is our assertion.

    A managed identity can hold no permission in a customer's tenant itself, so it must be a federated credential of the
    app registration. `client_id`: of a user-assigned identity, "" for the machine's own. MSAL keeps its token and never
    tries again itself; this does, `pauses` (seconds) apart.
    """

    def __init__(
        self,
        audience: str,
        client_id: str = "",
        *,
        pauses: Sequence[float] = PAUSES,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._audience = audience
        self._identity = (
            msal.UserAssignedManagedIdentity(client_id=client_id) if client_id else msal.SystemAssignedManagedIdentity()
        )
        self._tokens = msal.TokenCache()
        self._pauses = pauses
        self._sleep = sleep

    def for_msal(self) -> Mapping[str, Any]:
        return {"client_assertion": self.read}

    def read(self) -> str:
        """Raises Transient while the platform does not answer, StopTheLine(account) when it has no such identity."""
        for pause in (*self._pauses, None):
            try:
                return self._asked()
            except _NotYetError:
                if pause is not None:
                    self._sleep(pause)
        raise Transient(LOGIN, "managed_identity_unavailable", "the platform's identity service gave no usable answer")

    def _asked(self) -> str:
        """A session for each attempt: the platform is asked about once a day, and nothing is left to close."""
        with _platform_session() as session:
            client = msal.ManagedIdentityClient(self._identity, http_client=session, token_cache=self._tokens)
            try:
                result = client.acquire_token_for_client(resource=self._audience)
            except Exception:
                # MSAL names no exceptions: those of requests, its own, ValueError for an answer that is no JSON.
                raise _NotYetError from None
        token = mapping(result).get("access_token")
        if not isinstance(token, str):
            raise StopTheLine(
                LOGIN, "managed_identity_refused", "the platform gives no token for this identity", scope=Scope.ACCOUNT
            )
        return token


class _NotYetError(Exception):
    """The platform's identity service is busy, restarting, or not there."""


class _PlatformAdapter(TimedAdapter):
    """Turns "come again" into an error; MSAL would read it as the identity's refusal.

    404 and 410 are among them: the service of virtual machines answers so while it is updated
    (learn.microsoft.com, how-to-use-vm-token, "Error handling").
    """

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        answer = super().send(request, *args, **kwargs)
        if answer.status_code in (404, 410, 429) or answer.status_code >= 500:
            raise requests.HTTPError(f"status {answer.status_code}")
        return answer


def _platform_session() -> requests.Session:
    """The service is on this machine or its host, mostly by plain HTTP: no proxy may ever see it."""
    session = login_session()
    session.mount("http://", _PlatformAdapter(max_retries=0))
    session.mount("https://", _PlatformAdapter(max_retries=0))
    return session


def _unreadable(why: str) -> StopTheLine:
    return StopTheLine(LOGIN, "assertion_unreadable", f"the assertion file: {why}", scope=Scope.ACCOUNT)
