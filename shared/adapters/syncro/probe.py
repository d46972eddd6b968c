"""Bare writes to one contact, by which the doctor learns what an account does. Satisfies `shared.ports.ContactProbe`.

Unlike `shared/adapters/syncro/contacts.py` it sends custom fields exactly as given and not the rest with them: whether
Syncro keeps what was not sent is the question. Next: `console/operations/check/probe.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from shared.adapters.http import HttpClient
from shared.adapters.syncro.caller import SyncroCaller
from shared.adapters.syncro.errors import Effect, unreadable
from shared.adapters.syncro.wire import contact
from shared.domain.contact import Contact
from shared.ports import Allowance, Pace


class SyncroContactProbe:
    def __init__(self, http: HttpClient, base_url: str, token: str, pace: Pace) -> None:
        self._caller = SyncroCaller(http, base_url, token, pace)

    async def get(self, allowance: Allowance, contact_id: int) -> Contact | None:
        """One contact, None for Syncro's own 404."""
        body = await self._caller.find(allowance, f"/contacts/{contact_id}", "/contacts/{id}")
        if body is None:
            return None
        found = contact(body)
        if found is None:
            raise unreadable(Effect.READ, "an answer holds no contact")
        return found

    async def put(
        self, allowance: Allowance, contact_id: int, plain: Mapping[str, str], properties: Mapping[str, str]
    ) -> None:
        """Raises Ambiguous when the answer is lost; what became of the values is read afterwards."""
        body = {**plain, "properties": dict(properties)}
        await self._caller.write(allowance, "PUT", f"/contacts/{contact_id}", "/contacts/{id}", body)
