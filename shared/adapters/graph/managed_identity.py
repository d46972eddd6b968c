"""A managed identity as our credential: its token for the exchange audience is the assertion.

Loaded only where a deployment has one. Called in MSAL's threads, may raise our families. Next:
`shared/adapters/graph/credentials.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msal
import requests

from shared.adapters.graph.login_errors import LOGIN
from shared.adapters.graph.login_session import TimedAdapter, login_session
from shared.adapters.lenient import mapping
from shared.domain.errors import Scope, StopTheLine, Transient

PAUSES = (0.5, 2.0)  # seconds between attempts; short, a caller waits at most 60 s for a token


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
