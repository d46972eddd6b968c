"""The heartbeat: a GET to an address that raises the alarm when it stays away. Satisfies `shared.ports.Beacon`.

The address is a secret (whoever has it may pretend that all is well), so it is in no log and in no error.
"""

from __future__ import annotations

from shared.adapters.http import HttpClient, Request
from shared.domain.errors import Permanent, Transient

SERVICE = "heartbeat"
TOTAL_SECONDS = 20.0
LARGEST_ANSWER = 64 * 1024  # bytes


class HttpBeacon:
    def __init__(self, http: HttpClient, url: str) -> None:
        self._http = http
        self._url = url

    async def beat(self) -> None:
        request = Request(SERVICE, "GET", self._url, "/heartbeat", total=TOTAL_SECONDS, largest=LARGEST_ANSWER)
        answer = await self._http.send(request)
        if answer.status >= 500 or answer.status in (408, 429):
            raise Transient(SERVICE, "service_fault", f"status {answer.status}")
        if answer.status >= 300:
            raise Permanent(SERVICE, "refused", f"status {answer.status}")
