"""Whose Syncro account the token opens. Satisfies `shared.ports.Account`.

The answer of `GET /me` holds `user_token`, a secret: only the subdomain is taken out of it, the rest is dropped here.
Next: `console/operations.py` (check), `worker/consumer.py` (probing while the line stands still).
"""

from __future__ import annotations

from shared.adapters.http import HttpClient
from shared.adapters.lenient import mapping, text
from shared.adapters.syncro.caller import SyncroCaller
from shared.adapters.syncro.errors import Effect, unreadable
from shared.ports import Allowance, Pace


class SyncroAccount:
    def __init__(self, http: HttpClient, base_url: str, token: str, pace: Pace) -> None:
        self._caller = SyncroCaller(http, base_url, token, pace)

    async def whoami(self, allowance: Allowance) -> str:
        """The subdomain. Raises StopTheLine(account) when the token is refused."""
        subdomain = text(mapping(await self._caller.read(allowance, "/me", "/me")).get("subdomain"))
        if not subdomain:
            raise unreadable(Effect.READ, "/me names no subdomain")
        return subdomain
