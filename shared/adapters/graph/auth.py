"""Access tokens of the customer tenants, by MSAL in threads: its network calls never touch the event loop.

One MSAL application per tenant (the authority is fixed in it), at most one acquisition per tenant at a time whatever
the number of callers, a bounded number of threads, one `requests.Session` of our own. Nothing is written to disk and
no token is ever shown. Next: `shared/adapters/graph/caller.py`.

MSAL replays a 400 from memory for 60 s and a 429 or 5xx for its Retry-After. That is wanted between retries (it
spares the login service) but would make a consent that was just given look missing for a minute. So its memory is
kept per tenant (its addresses carry the tenant, nothing could be shared), and `renew`, which `Directory.prove`
calls after a consent, drops it with the tokens. On any other path a cured consent is noticed at most 60 s late.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from shared.adapters.graph.credentials import Credential
from shared.adapters.graph.late_session import LateSession
from shared.adapters.graph.login_errors import LOGIN, login_family, login_stops
from shared.adapters.lenient import document, mapping, texts
from shared.domain.clouds import LOGIN_HOSTS
from shared.domain.errors import SyncError, Transient

THREADS = 8  # at most; as many connections are kept (`login_session.py`)
ACQUIRE_SECONDS = 60.0  # a caller's longest wait: discovery, token and a queue for a thread
HELD_SECONDS = 300.0  # how long a token is handed out without asking MSAL, which may renew it early
MARGIN_SECONDS = 300.0  # a token this near its end is not handed out any more


class Tokens(Protocol):
    """What the Graph adapters need from a token source."""

    async def token(self, tenant_id: str) -> str:
        """A bearer token. Raises StopTheLine(tenant) without consent, StopTheLine(account) for our own credential."""

    async def renew(self, tenant_id: str, stale: str | None = None) -> str:
        """A fresh token; with `stale`, any token but that one will do."""


@dataclass(frozen=True, slots=True)
class _Held:
    token: str = field(repr=False)
    until: float


class TokenSource:
    """`Tokens` by MSAL. `login_base_url` has no path; `scope_host` is the address whose `/.default` is asked for."""

    def __init__(
        self,
        app_id: str,
        credential: Credential,
        login_base_url: str = "https://login.microsoftonline.com",
        scope_host: str = "https://graph.microsoft.com",
        ca_file: Path | str | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app_id = app_id
        self._credential = credential
        self._login = login_base_url.rstrip("/")
        self._scopes = [f"{scope_host.removesuffix('/.default').rstrip('/')}/.default"]
        self._session = LateSession(ca_file)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="msal")
        self._apps: dict[str, tuple[Any, object]] = {}  # MSAL's application, and the credential that it was made with
        self._held: dict[str, _Held] = {}
        self._running: dict[str, asyncio.Task[str]] = {}
        self._monotonic = monotonic

    async def token(self, tenant_id: str) -> str:
        """Raises Transient, StopTheLine(tenant) or StopTheLine(account)."""
        held = self._held.get(tenant_id)
        if held is not None and held.until > self._monotonic():
            return held.token
        return await self._shared(tenant_id)

    async def renew(self, tenant_id: str, stale: str | None = None) -> str:
        """Forget every token and every remembered refusal of this tenant, then acquire anew.

        With `stale`, the token that was just refused, nothing is thrown away if another caller has replaced it already.
        """
        running = self._running.get(tenant_id)
        if running is not None:  # it may have begun before whatever made the caller ask (a consent, a refusal)
            await asyncio.wait({running}, timeout=ACQUIRE_SECONDS)
        held = self._held.get(tenant_id)
        if stale is not None and held is not None and held.token != stale:
            return held.token
        self._held.pop(tenant_id, None)
        self._apps.pop(tenant_id, None)  # its token cache and its replay memory go with it
        return await self._shared(tenant_id)

    async def aclose(self) -> None:
        """Start no further acquisition; those under way end by their own timeouts."""
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._session.close()

    async def _shared(self, tenant_id: str) -> str:
        """Join the acquisition under way, or begin it. A caller that is cancelled leaves it running for the others."""
        task = self._running.get(tenant_id)
        if task is None:
            task = asyncio.create_task(self._acquire(tenant_id), name=f"token:{tenant_id}")
            self._running[tenant_id] = task
            task.add_done_callback(lambda done: self._finished(tenant_id, done))
        try:
            async with asyncio.timeout(ACQUIRE_SECONDS):
                return await asyncio.shield(task)
        except TimeoutError:
            raise Transient(LOGIN, "login_timed_out", f"tenant {tenant_id}") from None

    def _finished(self, tenant_id: str, task: asyncio.Task[str]) -> None:
        self._running.pop(tenant_id, None)
        if not task.cancelled():
            task.exception()  # marks it as seen: all callers may have gone

    async def _acquire(self, tenant_id: str) -> str:
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(self._threads, self._ask, tenant_id)
        if isinstance(answer, SyncError):
            raise answer
        token, seconds = answer
        usable = min(HELD_SECONDS, seconds - MARGIN_SECONDS)
        self._held[tenant_id] = _Held(token, self._monotonic() + max(0.0, usable))
        return token

    # --- in a thread ---------------------------------------------------------------------------------------------

    def _ask(self, tenant_id: str) -> tuple[str, float] | SyncError:
        """Errors come back as values: a traceback out of here would hold MSAL's frames, and with them the secret."""
        try:
            result = self._app(tenant_id).acquire_token_for_client(scopes=self._scopes)
        except SyncError as error:  # the assertion could not be had
            return error.with_traceback(None)
        except ValueError as error:  # MSAL's for an unknown tenant and for an answer that is no JSON
            return _discovery_family(error, tenant_id)
        except Exception:
            # MSAL names no exceptions: those of requests, its own, and KeyError or AttributeError on odd answers.
            return Transient(LOGIN, "login_unavailable", f"tenant {tenant_id}")
        token = mapping(result).get("access_token")
        if not isinstance(token, str):
            return login_family(result, tenant_id)
        expires_in = mapping(result).get("expires_in")
        return token, float(expires_in) if isinstance(expires_in, int | float) else 0.0

    def _app(self, tenant_id: str) -> Any:
        """The constructor does network I/O (OIDC discovery), so it belongs into the thread as well."""
        material = self._credential.for_msal()
        app, made_of = self._apps.get(tenant_id, (None, None))
        if app is None or made_of != material:  # a replaced credential: what MSAL remembers is of the old one
            import msal  # here, in a thread: it and what it needs take a tenth of a second

            app = msal.ConfidentialClientApplication(
                self._app_id,
                client_credential=material,
                authority=f"{self._login}/{tenant_id}",
                http_client=self._session.get(),
                http_cache={},
                # Any other host (a sovereign preview, the sandbox) is trusted as the setting names it: discovery would
                # ask login.microsoftonline.com about it.
                instance_discovery=urlsplit(self._login).hostname in LOGIN_HOSTS,
            )
            self._apps[tenant_id] = app, material
        return app


def roles(token: str) -> frozenset[str]:
    """The application roles in a token. Not verified: it is our own token, read only to explain what is missing."""
    parts = token.split(".")
    if len(parts) != 3:
        return frozenset()
    try:
        payload = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
    except (binascii.Error, ValueError):
        return frozenset()
    return frozenset(texts(mapping(document(payload)).get("roles")))


def _discovery_family(error: ValueError, tenant_id: str) -> SyncError:
    """MSAL tells an unknown tenant by the text of the error it met while it built the application."""
    cause = error.__context__
    found = re.search(r"HTTP status: (\d+)", str(cause or ""))
    if isinstance(error, json.JSONDecodeError) or found is None:
        return Transient(LOGIN, "unreadable_answer", f"tenant {tenant_id}")
    if found.group(1) in ("400", "404"):
        return login_stops("tenant_unknown", tenant_id, "no such authority")
    return Transient(LOGIN, "login_unavailable", f"status {found.group(1)}, tenant {tenant_id}")
