"""One call to Syncro: spends from the allowance, goes out once, comes back as JSON or as one of our families.

Nothing is retried. "Too many" is told to the pace at once, so that every process slows down. The token travels in
the header only, never in an address. Next: `shared/adapters/syncro/contacts.py`.
"""

from __future__ import annotations

import structlog

from shared.adapters.http import Answer, HttpClient, Request
from shared.adapters.syncro.errors import SERVICE, Effect, family, is_too_many, too_many, unreadable
from shared.domain.errors import Permanent, SyncError
from shared.ports import Allowance, Pace

_log = structlog.get_logger(__name__)
_LARGEST = 64 * 1024 * 1024  # bytes of an answer: that of a customer holds all its contacts


class SyncroCaller:
    """`base_url` has no path ("https://acme.syncromsp.com"); paths begin behind `/api/v1`."""

    def __init__(self, http: HttpClient, base_url: str, token: str, pace: Pace) -> None:
        self._http = http
        self._root = base_url.rstrip("/") + "/api/v1"
        self._headers = {"Authorization": f"Bearer {token}"}
        self._pace = pace

    async def read(self, allowance: Allowance, path: str, template: str) -> object:
        """The JSON of a GET. Raises Permanent "not_found" for a 404, Transient when the answer is no JSON."""
        return await self._call(allowance, "GET", path, template, None)

    async def find(self, allowance: Allowance, path: str, template: str) -> object | None:
        """As `read`, but None for Syncro's own 404."""
        try:
            return await self.read(allowance, path, template)
        except Permanent as error:
            if error.code != "not_found":
                raise
            return None

    async def write(self, allowance: Allowance, method: str, path: str, template: str, body: object) -> object:
        """The JSON of a POST or PUT. Raises Ambiguous when the request went out and no readable answer came back."""
        return await self._call(allowance, method, path, template, body)

    async def _call(self, allowance: Allowance, method: str, path: str, template: str, body: object | None) -> object:
        effect = Effect.READ if method == "GET" else Effect.WRITE
        request = Request(
            SERVICE,
            method,
            self._root + path,
            template,
            self._headers,
            body,
            repeatable=effect is Effect.READ,
            largest=_LARGEST,
        )
        await allowance.spend()
        answer = await self._http.send(request)
        return await self._judged(answer, effect, template)

    async def _judged(self, answer: Answer, effect: Effect, template: str) -> object:
        body = answer.document
        if is_too_many(answer.status, body):
            await self._slow_down()
            raise too_many(answer.headers)
        if answer.status not in (200, 201):
            # an empty 404 is Syncro's own; a 404 with somebody's page is not
            known = {} if answer.status == 404 and not answer.body.strip() else body
            raise family(answer.status, answer.headers, known, effect)
        if body is None:
            raise unreadable(effect, f"{template} was answered without JSON")
        return body

    async def _slow_down(self) -> None:
        try:
            await self._pace.refused()
        except SyncError as error:  # the line stops anyway; the refusal must not be hidden by a store that is away
            _log.warning("pace_not_told", code=error.code)
